"""How many runs stand over each panel, and where axes of frames end."""

import json

import numpy as np
import pytest

from analysis import style
from analysis.clocks import hours, took
from analysis.figure import draw, make_figure
from analysis.figures import common
from analysis.load import read_scores
from analysis.reference import Reference
from analysis.spec.items import figure_adapter, table_adapter
from analysis.table import make_table
from tests.analysis.conftest import REFERENCE


def _spec(**options):
    return figure_adapter.validate_python({"id": "c", "kind": "learning_curves", "title": "C", **options})


def _stamps(spec, house):
    scores = read_scores(house.scores)
    with style.context():
        drawing = draw(spec, scores, Reference(REFERENCE))
    found = [text.get_text() for axes in drawing.figure.axes for text in axes.texts]
    common.plt.close(drawing.figure)
    return found, drawing


def test_every_panel_says_n_and_of_an_unfinished_sweep_what_is_there(house):
    whole, drawing = _stamps(_spec(experiments=["demo.atari"]), house)
    assert whole == ["n = 2"] * 3
    last = drawing.figure.axes[0]
    assert last.get_xlim() == (0, 60_000) and list(last.get_xticks())[-1] == 60_000
    partly, _ = _stamps(_spec(experiments=["demo.grid"], variants=["DQN"]), house)
    assert partly == ["n = 1–2; 7 of 8 runs so far"]


def test_curves_keep_the_hours_that_they_took(house, tmp_path):
    make_figure(_spec(experiments=["demo.breakout"]), house.scores, REFERENCE, tmp_path / "c")
    head, *lines = (tmp_path / "c.csv").read_text().splitlines()
    row = dict(zip(head.split(","), lines[-1].split(","), strict=True))
    assert float(row["frame"]) == 60_000 and float(row["hours"]) == pytest.approx(61 / 3600)
    about = json.loads((tmp_path / "c.json").read_text())
    assert about["axes"] == ["Environment frames", "Evaluation return"] and about["colours"]["DQN"] == "#0173b2"
    known = took(read_scores(house.scores[:1]).rows)
    (first, second) = list(known)[:2]
    assert hours(known, [first, second], np.array([30_000])) == pytest.approx([61 / 7200], rel=0.02)
    assert hours(known, [first, "another"], np.array([1])) is None


def test_labels_of_tables_are_no_other_papers(house, tmp_path):
    spec = {"id": "t", "kind": "milestones", "title": "T", "experiments": ["demo.breakout"], "count": "hours",
            "levels": {"minatar/breakout": 2.0}, "baseline": "DQN"}  # fmt: skip
    make_table(table_adapter.validate_python(spec), house.scores, REFERENCE, tmp_path / "sn" / "t")
    assert r"\label{tab:sn-t}" in (tmp_path / "sn" / "t.tex").read_text()


def test_an_axis_ends_at_the_budget_where_curves_almost_do(house):
    scores, spec = read_scores(house.scores[:1]), _spec(experiments=["demo.breakout"])
    assert [common.budget(spec, scores, last, None) for last in (60_000, 59_000, 20_000)] == [60_000, 60_000, 20_000]
    assert common.budget(spec, scores, 60_000, "hours") is None and common.budget(spec, scores, 0, None) is None
