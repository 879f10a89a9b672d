"""Plain-text tables, and numbers as people read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[object]], right: Iterable[str] = ()) -> str:
    """Aligned columns under a head; the columns named in `right` end flush right. None is shown as –."""
    cells = [["–" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(head), *cells]) for i in range(len(head))]
    flush = {i for i, name in enumerate(head) if name in set(right)}

    def line(row: Sequence[str]) -> str:
        return "  ".join(
            c.rjust(w) if i in flush else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()

    return "\n".join([line(head), line(["-" * w for w in widths]), *map(line, cells)])


def frames(count: float | None) -> str:
    """980, 43k, 1.2M, 5M."""
    if count is None:
        return "–"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            number = count / size
            return f"{number:.0f}{letter}" if number >= 10 or number == int(number) else f"{number:.1f}{letter}"
    return f"{count:.0f}"


def duration(seconds: float | None) -> str:
    """45s, 3m20s, 12m, 3h20m, 2d04h."""
    if seconds is None:
        return "–"
    whole = int(seconds)
    if whole < 100:
        return f"{whole}s"
    if whole < 600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 6000:
        return f"{whole // 60}m"
    if whole < 48 * 3600:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"


def size(count: float) -> str:
    """Bytes as kB, MB or GB."""
    for limit, unit in ((1e9, "GB"), (1e6, "MB")):
        if count >= limit:
            return f"{count / limit:.1f} {unit}"
    return f"{count / 1e3:.0f} kB"
