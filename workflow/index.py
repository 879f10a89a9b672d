"""results/index.csv: which experiments ask for a run."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import NamedTuple

from workflow.context import Context
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


def write(context: Context) -> None:
    """Bring the index up to date. Rows of other scales and papers stay."""
    path, scale = Path(context.results) / "index.csv", context.config.scale
    rows = {row for row in read(path) if row.paper not in context.papers.expanded or row.scale != scale}
    for paper, experiments in context.papers.expanded.items():
        for key in experiments:
            rows |= {
                Row(r.name, paper, key, r.point.variant, r.point.algorithm, r.game, str(r.seed), scale)
                for r in experiments[key].runs()
            }
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([Row._fields, *sorted(rows)])
    write_if_changed(path, text.getvalue())


def read(path: Path) -> list[Row]:
    """Rows of results/index.csv; none where there is no such file, or a damaged one: all of it can be written anew."""
    try:
        rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    except (OSError, UnicodeDecodeError, csv.Error):
        return []
    return [Row._make(row) for row in rows if len(row) == len(Row._fields) and row[0] != Row._fields[0]]
