"""What the metrics of a run are: config/reference/metrics.csv, which what records them reads too.

A line's name is a metric's up to its bracket (`rho[-1]`), or, where it ends with _, up to the condition that runs are
evaluated under once more (`return_flicker_0.5`).
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from analysis.errors import UserError
from analysis.normalise import SCALES
from analysis.spec.common import SCORES as SCORES

FILE = Path(__file__).resolve().parents[1] / "config" / "reference" / "metrics.csv"
PERCENTILES = ("td_error", "replay_probability")  # recorded as name[q10], name[q50], …


class Metric(NamedTuple):
    """What a recorded number is, as a row of metrics.csv says it."""

    unit: str
    axis: str  # with its unit; of scores that are not raw the normalisation says it
    meaning: str  # a phrase for captions


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


def absence(metric: str) -> str:
    """Why no run has a value of it, as far as the metric alone says."""
    if metric == "evaluation_return":
        return "no evaluation has an episode that ended; is its budget of frames shorter than an episode?"
    if metric in SCORES:
        return "no training episode ended"
    return "none of the runs recorded it"


def meaning(metric: str) -> str:
    """One phrase for captions."""
    found = find(metric)
    return found.meaning if found else "learning metric, mean of each bin"


def axis(metric: str, normalisation: str) -> str:
    """Axis text; only scores have a normalisation, which says it unless it is raw."""
    found = find(metric)
    if metric in SCORES and normalisation != "raw":
        return SCALES[normalisation].axis
    return (found and found.axis) or metric


def one_scale(spec: Any, games: Sequence[str], statistics: Sequence[str] = ()) -> None:
    """UserError for averages of raw scores over different games, and for an optimality gap of raw scores.

    A number without a unit, e.g. the size of a network's noise, has one scale in all games.
    """
    if spec.normalisation != "raw":
        return
    if "optimality_gap" in statistics:
        raise UserError(f"{spec.id}: an optimality gap needs a normalised score; set 'normalisation'")
    found = find(spec.metric)
    if len(set(games)) > 1 and (found is None or found.unit != "1"):
        raise UserError(f"{spec.id}: raw scores of {len(set(games))} games cannot be averaged; set 'normalisation'")
