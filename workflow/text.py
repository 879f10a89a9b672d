"""Plain-text tables, and numbers as people read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

NARROW = 8  # characters that a column keeps, at least, where a table has to fit


def table(
    head: Sequence[str], rows: Iterable[Sequence[object]], right: Iterable[str] = (), width: int | None = None
) -> str:
    """Aligned columns under a head; the columns named in `right` end flush right. None is shown as –.

    `width`: characters that a line may have. Then dotted heads are shortened, wide cells are cut, never those of the
    first column, and at last columns are left out from the right, which a line below says.
    """
    cells = [["–" if cell is None else str(cell) for cell in row] for row in rows]
    flush = {i for i, name in enumerate(head) if name in set(right)}
    head = list(head) if width is None else tails(head)
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    shown = widths if width is None else fitted(widths, width)

    def line(row: Sequence[str]) -> str:
        return "  ".join(
            (c if len(c) <= w else c[: w - 1] + "…").rjust(w) if i in flush else
            (c if len(c) <= w else c[: w - 1] + "…").ljust(w)
            for i, (c, w) in enumerate(zip(row, shown, strict=False))
        ).rstrip()  # fmt: skip

    lines = [line(head), line(["-" * w for w in shown]), *map(line, cells)]
    if left_out := head[len(shown) :]:
        lines.append(f"not shown for want of width: {', '.join(left_out)}")
    return "\n".join(lines)


def fitted(widths: Sequence[int], most: int) -> list[int]:
    """Widths of as many of the first columns as fit, two characters apart; the widest are narrowed first."""
    found = list(widths)

    def over() -> int:
        return sum(found) + 2 * (len(found) - 1) - most

    while over() > 0:
        at = max(range(1, len(found)), key=found.__getitem__, default=0)
        if at and found[at] > NARROW:
            second = max((w for i, w in enumerate(found) if i not in (0, at)), default=0)
            found[at] = max(NARROW, min(found[at] - 1, max(second, found[at] - over())))
        elif len(found) > 1:
            found.pop()
        else:
            break
    return found


def tails(names: Sequence[str]) -> list[str]:
    """Dotted names by their last words, as many as tell them from each other."""

    def tail(name: str, count: int) -> str:
        return ".".join(name.split(".")[-count:])

    found = []
    for name in names:
        others = [other for other in names if other != name]
        counts = range(1, name.count(".") + 2)
        found.append(next((t for n in counts if (t := tail(name, n)) not in {tail(o, n) for o in others}), name))
    return found


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
