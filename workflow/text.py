"""Plain-text tables, and numbers as people read them."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

NARROW = 12  # characters that a column keeps, at least, where a table has to fit


def table(
    head: Sequence[str], rows: Iterable[Sequence[object]], right: Iterable[str] = (), width: int | None = None
) -> str:
    """Aligned columns under a head; the columns named in `right` end flush right. None is shown as –.

    `width`: characters that a line may have. Then dotted heads are shortened, wide cells are cut, never those of the
    first column, and at last columns are left out from the right, which a line below says.
    """
    found = list(zip(head, *rows, strict=True))
    return of_columns(head, [column[1:] for column in found], right, width)


def of_columns(
    head: Sequence[str], columns: Iterable[Iterable[object]], right: Iterable[str] = (), width: int | None = None
) -> str:
    """The same of columns, which are as many as the head has words."""
    pads = [str.rjust if name in set(right) else str.ljust for name in head]
    head = list(head) if width is None else tails(head)
    cells = [["–" if cell is None else str(cell) for cell in column] for column in columns]
    known = [{name, *column} for name, column in zip(head, cells, strict=True)]  # rows are thousands, words few
    widths = [max(map(len, words)) for words in known]
    shown = widths if width is None else fitted(widths, width)
    aligned = []
    for i, w in enumerate(shown):
        padded = {word: pads[i](word if len(word) <= w else word[: w - 1] + "…", w) for word in known[i]}
        aligned.append([padded[head[i]], "-" * w, *[padded[word] for word in cells[i]]])
    lines = ["  ".join(row).rstrip() for row in zip(*aligned, strict=True)]
    if width is not None and (left_out := head[len(shown) :]):
        said = f"{len(left_out)} columns have no room here: {', '.join(left_out)}"
        lines.append(said if len(said) <= width else said[: width - 1] + "…")
    return "\n".join(lines)


def fitted(widths: Sequence[int], most: int) -> list[int]:
    """Widths of as many of the first columns as fit, two characters apart; the widest are narrowed first."""
    for count in range(len(widths), 1, -1):
        found = narrowed(widths[:count], most - 2 * (count - 1))
        if sum(found) + 2 * (count - 1) <= most:
            return found
    return list(widths[:1])


def narrowed(widths: Sequence[int], total: int) -> list[int]:
    """Widths whose sum is at most `total`, if that can be: the widest but for the first give way, down to NARROW."""
    found = list(widths)
    while (over := sum(found) - total) > 0:
        at = max(range(1, len(found)), key=found.__getitem__)
        if found[at] <= NARROW:
            break
        second = max((w for i, w in enumerate(found) if i not in (0, at)), default=0)
        found[at] = max(NARROW, found[at] - over, min(found[at] - 1, second))
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


@functools.cache  # budgets are few, runs thousands
def frames(count: float | None) -> str:
    """980, 43k, 1.2M, 5M."""
    if count is None:
        return "–"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            number = count / size
            return f"{number:.0f}{letter}" if number >= 10 or number == int(number) else f"{number:.1f}{letter}"
    return f"{count:.0f}"


@functools.cache
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


def count(number: int, what: str) -> str:
    """1 run, 20 runs."""
    return f"{number} {what}{'s' * (number != 1)}"


def size(count: float) -> str:
    """Bytes as kB, MB or GB."""
    for limit, unit in ((1e9, "GB"), (1e6, "MB")):
        if count >= limit:
            return f"{count / limit:.1f} {unit}"
    return f"{count / 1e3:.0f} kB"
