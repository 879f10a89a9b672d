"""Tables in Markdown, for pages and results alike."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def table(head: Sequence[object], rows: Iterable[Sequence[object]], right: int = 0) -> str:
    """A table of cells that are Markdown themselves; its last `right` columns are flush right."""
    rule = ["---"] * (len(head) - right) + ["---:"] * right
    cells = ([re.sub(r"(?<!\\)\|", r"\\|", str(cell)) for cell in line] for line in (head, rule, *rows))
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def escape(text: str) -> str:
    """Text that Markdown shows as it is: no emphasis, code, link, HTML, formula or column comes of it."""
    text = re.sub(r"([\\`*_<>|~$&]|^[#+=-])", r"\\\1", one_line(text))
    return re.sub(r"\](?=[(\[:])", r"\\]", text)


def one_line(text: str) -> str:
    """Text with a single space for whatever space is in it."""
    return " ".join(text.split())
