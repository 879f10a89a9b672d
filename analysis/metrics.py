"""What is said of the metrics of a run, and whether averages of them mean anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analysis.errors import UserError
from analysis.normalise import SCALES
from analysis.spec.common import SCORES as SCORES
from analysis.spec.metrics import FILE as FILE
from analysis.spec.metrics import METRICS as METRICS
from analysis.spec.metrics import Average, apart, find, is_score
from analysis.spec.metrics import Metric as Metric
from analysis.spec.metrics import known as known

PERCENTILES = ("td_error", "replay_probability")  # recorded as name[q10], name[q50], …


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
    if is_score(metric) and normalisation != "raw":
        return SCALES[normalisation].axis
    return (found and found.axis) or metric


def one_scale(spec: Any, games: Sequence[str], statistics: Sequence[str] = ("mean",)) -> None:
    """UserError for averages of raw scores over different games, and for an optimality gap of raw scores."""
    for statistic in statistics:
        if why := apart(Average(spec.metric, spec.normalisation, statistic), games):
            raise UserError(f"{spec.id}: {why}")
