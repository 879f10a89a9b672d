"""Scores as a share of a variant's own score elsewhere (Hausknecht & Stone 2015, Figure 5), on hand-made scores."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from analysis import style
from analysis.claims import greater
from analysis.figures.profile import draw
from analysis.intervals import ratio_of_means
from analysis.load import Scores
from analysis.reference import Reference
from analysis.spec.items import Interval, claims_adapter, figure_adapter
from tests.analysis.conftest import REFERENCE

# percent of the human's score: metric -> game -> one for each seed
OWN = {
    "return_flicker_0": {"pong": (100, 80), "qbert": (30, 10)},
    "return_flicker_0.5": {"pong": (50, 40), "qbert": (6, 4)},
}
LIMITS = {"pong": (-20.7, 14.6), "qbert": (163.9, 13455.0)}


def made() -> Scores:
    """Evaluations of DRQN in two games, two seeds each."""
    rows = []
    for metric, game, seed in itertools.product(OWN, LIMITS, range(2)):
        low, high = LIMITS[game]
        value = low + OWN[metric][game][seed] / 100 * (high - low)
        rows.append({"run": f"{game}.{seed}", "variant": "DRQN", "game": f"atari/{game}", "seed": seed, "vary": "{}",
                     "status": "finished", "metric": metric, "frame": 9, "mean": value, "count": 1,
                     "experiment": "demo.e"})  # fmt: skip
    about = {"scale": "reduced", "budget_frames": 9, "paper_frames": 9, "clock": "frames", "cuts": []}
    return Scores(pd.DataFrame(rows), {"demo.e": about}, [])


def test_values_are_percents_of_the_own_score_on_whole_screens():
    spec = {"id": "f", "kind": "profile", "title": "T", "experiments": ["demo.e"], "normalisation": "standard",
            "percent_of": "return_flicker_0",
            "panels": [{"axis": "%", "metrics": {"1": "return_flicker_0", "0.5": "return_flicker_0.5"}}]}  # fmt: skip
    with style.context():
        drawing = draw(figure_adapter.validate_python(spec), made(), Reference(REFERENCE))
    whole, half = drawing.data.to_dict("records")
    assert (whole["value"], whole["low"], whole["high"]) == pytest.approx((100, 100, 100))
    assert half["value"] == pytest.approx(100 * (45 + 5) / (90 + 20)) and half["low"] < half["value"] < half["high"]
    assert "100 %: each variant's own return_flicker_0" in drawing.caption["text"]


def test_a_claim_compares_two_metrics_of_one_variant():
    """Means of 55 % on whole screens and of 25 % on half of them; the runs that are drawn spread by 20 % at most."""
    spec = {"id": "c", "text": "T", "kind": "greater", "experiments": ["demo.e"], "normalisation": "standard",
            "metric": "return_flicker_0", "a": "DRQN", "b": "DRQN", "b_metric": "return_flicker_0.5"}  # fmt: skip
    (found, turned, alike) = (
        greater(claims_adapter.validate_python([spec | change])[0], made(), Reference(REFERENCE))
        for change in ({}, {"metric": spec["b_metric"], "b_metric": spec["metric"]}, {"b_metric": None})
    )
    assert (found["verdict"], found["value"]) == ("reproduced", pytest.approx(30))
    assert (turned["verdict"], turned["value"]) == ("not reproduced", pytest.approx(-30))
    assert (alike["verdict"], alike["value"]) == ("inconclusive", pytest.approx(0))
    with pytest.raises(ValueError, match="b_metric: b is a number"):
        claims_adapter.validate_python([spec | {"b": 1.0}])


def test_a_ratio_is_drawn_with_the_same_runs_above_and_below():
    a, b, games = np.array([1.0, 3.0]), np.array([2.0, 4.0]), ["x", "x"]
    value = ratio_of_means(a, b, games, Interval(level=0.9))
    assert float(value.point) == pytest.approx(4 / 6)
    assert value.ends() == pytest.approx((0.5, 0.75))  # both the first run, or both the second: 1/2, 3/4
    assert ratio_of_means(a[:1], b[:1], ["x"], Interval()).ends() == (None, None)
