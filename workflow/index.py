"""results/index.csv: which experiments ask for a run."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from workflow.context import Context
from workflow.write import write_if_changed

COLUMNS = ("run", "paper", "experiment", "variant", "algorithm", "game", "seed", "scale")


def write(context: Context) -> None:
    """Bring the index up to date. Rows of other scales and papers stay."""
    path, scale = Path(context.results) / "index.csv", context.config.scale
    rows = {row for row in read(path) if row[1] not in context.papers.expanded or row[7] != scale}
    for paper, experiments in context.papers.expanded.items():
        for key in experiments:
            rows |= {
                (r.name, paper, key, r.point.variant, r.point.algorithm, r.game, str(r.seed), scale)
                for r in experiments[key].runs()
            }
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *sorted(rows)])
    write_if_changed(path, text.getvalue())


def read(path: Path) -> Iterator[tuple[str, ...]]:
    """Rows of results/index.csv (see COLUMNS); none where there is no such file."""
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.reader(file)
            yield from (tuple(row) for row in rows if len(row) == len(COLUMNS) and tuple(row) != COLUMNS)
