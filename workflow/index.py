"""results/index.csv: which experiments ask for a run."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from workflow.write import write_if_changed


class Row(NamedTuple):
    """An experiment at a scale that asks for a run."""

    run: str
    paper: str
    experiment: str
    variant: str
    algorithm: str
    game: str
    seed: str
    scale: str


def write(results: Path, scale: str, asking: Mapping[str, Iterable[Row]]) -> None:
    """Bring the index up to date. `asking`: paper -> all its rows at that scale; those of others stay."""
    path = results / "index.csv"
    rows = {row for row in read(path) if row.paper not in asking or row.scale != scale}.union(*asking.values())
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([Row._fields, *sorted(rows)])
    write_if_changed(path, text.getvalue())


def read(path: Path) -> list[Row]:
    """Rows of results/index.csv; none where there is no such file, or a damaged one: all of it can be written anew."""
    width, head = len(Row._fields), Row._fields[0]
    try:
        with path.open(encoding="utf-8") as file:
            return [Row._make(line) for line in csv.reader(file) if len(line) == width and line[0] != head]
    except (OSError, UnicodeDecodeError, csv.Error):
        return []
