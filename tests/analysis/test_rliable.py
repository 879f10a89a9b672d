"""Performance profiles and probabilities of improvement, against the formulas of Agarwal et al. 2021."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis import style
from analysis.errors import NoData, UserError
from analysis.figures import improvement_probability, performance_profile
from analysis.load import read_scores
from analysis.reference import Reference
from analysis.spec.items import figure_adapter
from tests.analysis.conftest import REFERENCE
from tests.analysis.test_aggregates import PERCENT, SPEC, scores, sheet

PROFILE = {"id": "f", "kind": "performance_profile", "title": "T", "experiments": ["demo.e"],
           "normalisation": "standard", "highest": 400}  # fmt: skip
BETTER = {"id": "f", "kind": "improvement_probability", "title": "T", "experiments": ["demo.e"], "a": "A",
          "b": ["B", "C"]}  # fmt: skip


def draw(spec, of=None):
    kind = {"performance_profile": performance_profile, "improvement_probability": improvement_probability}
    with style.context():
        drawing = kind[spec["kind"]].draw(figure_adapter.validate_python(spec), of or scores(), Reference(REFERENCE))
        drawing.figure.draw_without_rendering()
        return drawing


def test_a_profile_is_the_mean_over_games_of_the_share_of_runs_above_each_level():
    rainbow = {"paper": "hessel2018_rainbow", "algorithm": "Rainbow", "label": "published"}
    drawing = draw(PROFILE | {"published": [rainbow], "game_set": "sn10_ablation"})
    for variant, games in PERCENT.items():
        mine = drawing.data[drawing.data.label == variant].set_index("level")
        for level in (0.0, 44.0, 100.0, 202.0, 398.0):  # of 201 levels up to 400
            share = np.mean([np.mean(np.array(values) > level) for values in games.values()])
            assert mine.value[level] == pytest.approx(100 * share)
    mine = drawing.data[drawing.data.label == "A"].set_index("level")
    assert (mine.low <= mine.value).all() and (mine.value <= mine.high).all() and (mine.low < mine.high).any()
    printed = drawing.data[drawing.data.label == "published"]
    ratio = sheet({"experiments": [], "game_set": "sn10_ablation", "columns": [{"statistic": "above_human"}],
                   "rows": [{"label": "R", "scores": {k: rainbow[k] for k in ("paper", "algorithm")}}]})  # fmt: skip
    assert printed[printed.level == 100].value.item() == pytest.approx(10 * float(ratio.body[0][1]))
    assert printed.low.isna().all() and "Dashed: published scores" in drawing.caption["text"]
    assert "Over 10 games (" not in drawing.caption["text"] and "Over 1" in drawing.caption["text"]
    assert "Variants differ in the games they have: A 2, B 3, published 10." in drawing.caption["text"]


def test_the_probability_that_a_run_scores_more():
    """Pong: (50, 140) against (90, 90), 2 of 4 pairs; Breakout: all four. Over B, 75 %; nobody has runs of C."""
    drawing = draw(BETTER)
    (row,) = drawing.data.to_dict("records")
    assert (row["label"], row["value"]) == ("B", pytest.approx(75.0)) and row["low"] <= 75 <= row["high"]
    assert (
        "Over 2 games (Breakout, Pong)" in drawing.caption["text"]
        and "Without a score here: C." in drawing.caption["text"]
    )
    (line,) = sheet({"rows": SPEC["rows"][:2], "columns": [{"statistic": "improvement"}]}).body[:1]
    assert line[1].startswith("75.0 [50.0, 100.0]")


def test_nothing_to_draw_and_mistakes_are_told():
    with pytest.raises(NoData, match="no run of C"):
        draw(BETTER | {"a": "C", "b": ["A"]})
    with pytest.raises(UserError, match="levels need a normalised score"):
        draw(PROFILE | {"normalisation": "raw"})
    drqn = {"paper": "hausknecht2015_drqn", "algorithm": "DRQN", "regime": "standard_mdp", "label": "D"}
    with pytest.raises(UserError, match="unknown game set"):
        draw(PROFILE | {"experiments": [], "published": [drqn], "game_set": "atari6"})


def test_runs_on_disk_are_drawn(house):
    of = read_scores(house.scores[1:2])
    drawing = draw(PROFILE | {"experiments": ["demo.atari"], "highest": None}, of)
    assert set(drawing.data.label) == {"DQN", "C51"} and isinstance(drawing.data, pd.DataFrame)
    (row,) = draw(BETTER | {"experiments": ["demo.atari"], "a": "C51", "b": ["DQN"]}, of).data.to_dict("records")
    assert row["value"] == 100.0  # 30 against 20, with little noise
