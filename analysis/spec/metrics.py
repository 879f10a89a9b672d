"""What the metrics of a run are: config/reference/metrics.csv, which what records them reads too.

A line's name is a metric's up to its bracket (`rho[-1]`), or, where it ends with _, up to the condition that runs are
evaluated under once more (`return_flicker_0.5`).
"""

from __future__ import annotations

import csv
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).resolve().parents[2] / "config" / "reference" / "metrics.csv"
# Statistics that mean something of normalised scores alone, of a single game too -> what is said of raw ones.
LEVELLED = {
    "optimality_gap": "an optimality gap needs",
    "levels": "levels need",
    "above_human": "a number of games above the human needs",
    "atari5": "an estimated median needs",
    "atari3": "an estimated median needs",
}


class Metric(NamedTuple):
    """What a recorded number is, as a row of metrics.csv says it."""

    unit: str
    axis: str  # with its unit; of scores that are not raw the normalisation says it
    meaning: str  # a phrase for captions


class Average(NamedTuple):
    """A statistic over the games of a metric's values, on the scale of a normalisation."""

    metric: str
    normalisation: str
    statistic: str = "mean"


def read(file: Path = FILE) -> dict[str, Metric]:
    """Name -> metric, in the file's order."""
    with file.open(newline="", encoding="utf-8") as opened:
        return {row["metric"]: Metric(row["unit"], row["axis"], row["meaning"]) for row in csv.DictReader(opened)}


METRICS = read()


def find(metric: str) -> Metric | None:
    """The metric of a recorded name, None for one that no run has."""
    conditions = (name for name in METRICS if name.endswith("_") and metric.startswith(name))
    return METRICS.get(metric.partition("[")[0]) or METRICS.get(next(conditions, ""))


def known(metric: str) -> bool:
    """Whether some run may have it, even if none of those at hand does."""
    return find(metric) is not None


def is_score(metric: str) -> bool:
    """Whether it is in game score, which alone can be normalised."""
    return (found := find(metric)) is not None and found.unit == "game score"


def scale_of(metric: str, normalisation: str) -> str:
    """The scale of a metric where scores are normalised: of what is no game score its own."""
    return normalisation if is_score(metric) else "raw"


def apart(average: Average, games: Collection[str]) -> str | None:
    """Why an average over these games would be of numbers on different scales; None where they share one.

    A number without a unit, e.g. the size of a network's noise, has one scale in all games.
    """
    metric, normalisation, statistic = average
    score = is_score(metric)
    if normalisation != "raw":
        return None if score else f"{metric} is no game score, which alone is normalised; leave 'normalisation' out"
    if statistic in LEVELLED:
        return f"{LEVELLED[statistic]} a normalised score; set 'normalisation'"
    count, found = len(set(games)), find(metric)
    if count < 2 or (found is not None and found.unit == "1"):
        return None
    if score:
        return f"raw scores of {count} games cannot be averaged; set 'normalisation'"
    return f"{metric} of {count} games cannot be averaged: its unit is not the same in all; choose one with 'games'"
