"""Which metrics may be recorded: those of config/reference/metrics.csv, which figures and docs read too.

A line's name is a metric's up to its bracket (`rho[-1]`), or, where it ends with _, up to the condition that the agent
is evaluated under once more (`return_flicker_0.5`).
"""

import csv
import functools
from pathlib import Path

FILE = Path(__file__).resolve().parents[2] / "config" / "reference" / "metrics.csv"


@functools.cache
def names() -> frozenset[str]:
    """The first column."""
    with FILE.open(newline="", encoding="utf-8") as file:
        return frozenset(row["metric"] for row in csv.DictReader(file))


@functools.cache
def check(metric: str) -> None:
    """ValueError for a metric that no line describes."""
    conditions = (name for name in names() if name.endswith("_"))
    if metric.partition("[")[0] not in names() and not metric.startswith(tuple(conditions)):
        raise ValueError(f"metric {metric!r} has no line in config/reference/metrics.csv: its unit, axis and meaning")
