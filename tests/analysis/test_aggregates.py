"""Tables of aggregates: our own runs, printed per-game scores and printed numbers, on hand-made scores."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from analysis.duels import games_won
from analysis.errors import UserError
from analysis.intervals import drawn_means, of_means
from analysis.load import Scores
from analysis.reference import Reference
from analysis.spec.items import Interval, PublishedScores, table_adapter
from analysis.tables.aggregates import build, regressed
from analysis.text import canonical
from tests.analysis.conftest import REFERENCE

RANDOM = {"pong": -20.7, "breakout": 1.7, "qbert": 163.9}  # atari_reference_scores.csv
HUMAN = {"pong": 14.6, "breakout": 30.5, "qbert": 13455.0}
PERCENT = {
    "A": {"pong": (50, 140), "breakout": (200, 400)},
    "B": {"pong": (90, 90), "breakout": (20, 40), "qbert": (10, 30)},
}
LOST = {"B": (), "A": ("qbert",), "C": ("pong", "breakout", "qbert")}  # variant -> games without a run


def scores() -> Scores:
    """Runs of two seeds with these percents of the human's score; A lacks a game, C has no run."""
    rows, missing = [], []
    for variant, game, seed in itertools.product("ABC", RANDOM, range(2)):
        run = {"run": f"{variant}.{game}.{seed}", "variant": variant, "game": f"atari/{game}", "seed": seed}
        if game in LOST[variant]:
            missing.append(run | {"vary": {}, "experiment": "demo.e"})
            continue
        value = RANDOM[game] + PERCENT[variant][game][seed] / 100 * (HUMAN[game] - RANDOM[game])
        known = {"status": "finished", "vary": "{}", "metric": "evaluation_return", "frame": 100, "count": 1}
        rows.append(run | known | {"mean": value, "experiment": "demo.e"})
    about = {"scale": "reduced", "budget_frames": 100, "paper_frames": 200, "clock": "frames", "cuts": []}
    return Scores(pd.DataFrame(rows), {"demo.e": about}, missing)


COLUMNS = [{"statistic": s} for s in ("median", "mean", "iqm", "optimality_gap", "above_human", "above_baseline")]
SPEC = {
    "id": "t", "kind": "aggregates", "title": "T", "experiments": ["demo.e"], "unit": "percent", "decimals": 1,
    "columns": COLUMNS, "rows": [
        {"label": "A", "variant": "A", "baseline": "B"},
        {"label": "B", "variant": "B", "scores": {"paper": "mnih2015", "algorithm": "DQN"}},
        {"label": "C", "variant": "C", "printed": {"paper": "kapturowski2019_r2d2", "algorithm": "R2D2_feed_forward"}}],
}  # fmt: skip


def sheet(change=None, of=None):
    return build(table_adapter.validate_python(SPEC | (change or {})), of or scores(), Reference(REFERENCE))


@pytest.fixture(scope="module")
def table():
    return sheet()


def test_every_statistic_of_hand_made_scores(table):
    """A: games at 95 and 300; B: 90, 30 and 20. IQM: the middle half of the runs of all games."""
    found = table.data[table.data.role == "ours"].set_index(["row", "column"]).value
    assert found["A"].tolist() == pytest.approx([197.5, 197.5, 170, 100 - (75 + 100) / 2, 1, 2])
    b = found["B"].tolist()
    assert b[:4] == pytest.approx([30, 140 / 3, (20 + 30 + 40 + 90) / 4, 100 - 140 / 3]) and b[4] == 0
    assert math.isnan(b[5]) and found["C"].isna().all()
    sides = table.data[(table.data.row == "A") & (table.data.column == "Games above human")].iloc[0]
    assert (sides.low, sides.high) == (1, 2)  # pong is at 50, 95 or 140
    assert table.head == ["Algorithm", "Median (%)", "Mean (%)", "IQM (%)", "Optimality gap (%)",
        "Games above human", "Games above baseline", "Games"]  # fmt: skip


def test_a_row_says_of_how_many_games_it_is_and_that_it_has_no_data(table):
    body = {line[0]: line[1:] for line in table.body}
    assert list(body) == ["A", "B", "B (published)", "C", "C (published)"]
    assert body["A"][0].startswith("197.5 [125.0, ") and body["A"][-1] == "2 of 3" and body["A"][4] == "1 [1, 2]"
    assert body["B"][-1] == "3" and body["B"][-2] == "–"
    assert body["C"] == ["no data"] * 6 + ["0 of 3"]
    text = table.caption["text"]
    assert "8 planned run(s) are missing" in text and "Baselines: B for A." in text
    assert "Not run at this scale, or without a score: C." in text and set(table.caption["seeds"]) == {"A", "B"}


def test_a_game_set_narrows_ours_and_what_is_printed():
    rows = [SPEC["rows"][1] | {"game_set": "atari5"}]
    (ours, published) = sheet({"rows": rows, "columns": [{"statistic": "mean"}, {"statistic": "atari5"}]}).body
    assert ours[1].startswith("20.0 [10.0, 30.0]") and ours[2:] == ["–", "1 of 5"]  # of five games Qbert alone
    assert published[-1] == "4 of 5" and published[2] == "–"  # DQN's paper has no Phoenix


def test_printed_numbers_stand_in_brackets_also_where_no_score_is_printed():
    columns = [{"statistic": "median", "metric": "median_hns"}, {"statistic": "mean", "metric": "mean_capped_hns"}]
    printed = SPEC["rows"][2] | {"variant": None}
    (line,) = sheet({"experiments": [], "rows": [printed], "columns": columns}).body
    assert line == ["C", "(589.2)", "–", "–"]  # that paper prints the other number of another agent
    counted = printed | {"printed": {"paper": "kapturowski2019_r2d2", "algorithm": "R2D2"}}
    with pytest.raises(UserError, match="a number of games is not in percent"):
        sheet({"experiments": [], "rows": [counted], "columns": [{"metric": "games_above_human"}]})
    with pytest.raises(UserError, match=r"unknown metric 'median_hsn'.*median_hns"):
        sheet({"experiments": [], "rows": [printed], "columns": [{"metric": "median_hsn"}]})


def test_no_run_at_all_leaves_the_published_lines():
    of = scores()
    missing = of.missing + [dict(zip(("run", "variant", "game", "experiment"), row, strict=True)) for row in
                            of.rows[["run", "variant", "game", "experiment"]].itertuples(index=False)]  # fmt: skip
    empty = sheet(of=Scores(of.rows[:0], of.experiments, missing))
    assert [line[1] for line in empty.body] == ["no data", "no data", empty.body[2][1], "no data", "–"]
    assert empty.body[2][1] not in ("no data", "–")
    assert len(empty.caption["missing"]) == 18 and "18 planned run(s) are missing." in empty.caption["text"]
    assert json.dumps(empty.caption)


def test_mistakes_are_named():
    for change, message in [
        ({"experiments": []}, "rows of variants need 'experiments': A"),
        ({"rows": [SPEC["rows"][0] | {"baseline": "E"}]}, "A: its baseline 'E' is no row; rows: A"),
        ({"rows": [{"label": "A"}]}, "A: needs 'variant', 'scores' or 'printed'"),
        ({"rows": [SPEC["rows"][1] | {"variant": None}]}, "no row names a 'variant'"),
    ]:
        with pytest.raises(ValidationError, match=message):
            sheet(change)
    of = scores()
    of.rows.loc[of.rows.seed == 1, "vary"] = canonical({"optimizer.lr": 1})
    with pytest.raises(UserError, match="'A' has several settings"):
        sheet(of=of)


def test_counts_and_their_intervals_against_every_draw():
    """Two seeds a game: four draws of each game and arm, all alike likely."""
    a, b, games = np.array([0.0, 4.0, 5.0, 5.0]), np.array([1.0, 1.0, 6.0, 4.0]), ["x", "x", "y", "y"]
    every = Interval(level=0.5, resamples=4000)
    won = games_won(a, games, b, games, every)
    draws = [[np.mean(pair) for pair in itertools.product(side, repeat=2)] for side in (a[:2], b[:2], a[2:], b[2:])]
    totals = [int(p > q) + int(r > s) for p, q, r, s in itertools.product(*draws)]
    assert float(won.point) == 1.0 and won.ends() == tuple(np.quantile(totals, [0.25, 0.75]))
    means = drawn_means(a, games, every)
    assert set(np.unique(means[:, 0])) == {0.0, 2.0, 4.0} and set(np.unique(means[:, 1])) == {5.0}
    assert of_means(a[:1], ["x"], lambda m: (m > 1).sum(-1), every).ends() == (None, None)


def test_medians_estimated_from_five_games_are_those_of_the_regression():
    """10^(sum of w log10(1 + x)) - 1. What it gives lies near the medians themselves."""
    assert regressed(np.array([99.0, 9.0]), [0.5, 1.0]) == pytest.approx(10 ** (0.5 * 2 + 1) - 1)
    assert regressed(np.array([-50.0, 0.0]), [0.4, 0.6]) == 0.0
    agents = [("hessel2018_rainbow", "Rainbow"), ("kapturowski2019_r2d2", "R2D2"), ("horgan2018_apex", "Ape-X_DQN"),
              ("bellemare2017_c51", "C51"), ("wang2016_dueling", "DDQN")]  # fmt: skip
    rows = [{"label": name, "scores": {"paper": paper, "algorithm": name}} for paper, name in agents]
    columns = [{"statistic": "median"}, {"statistic": "atari5"}, {"statistic": "atari3"}]
    data = sheet({"experiments": [], "rows": rows, "columns": columns}).data
    found = data.pivot(index="row", columns="column", values="value")
    assert found.columns.tolist() == ["Median (%)", "Median, Atari-3 estimate (%)", "Median, Atari-5 estimate (%)"]
    scores, known = Reference(REFERENCE).per_game(PublishedScores(**rows[0]["scores"])), Reference(REFERENCE).scores
    weights = {
        "battle_zone": 0.3820,
        "double_dunk": 0.0679,
        "name_this_game": 0.3108,
        "phoenix": 0.1241,
        "qbert": 0.0805,
    }
    percent = {g: 100 * (scores[g] - known.random[g]) / (known.human[g] - known.random[g]) for g in weights}
    by_hand = math.prod((1 + percent[game]) ** weight for game, weight in weights.items()) - 1  # their Appendix E
    assert found["Median, Atari-5 estimate (%)"]["Rainbow"] == pytest.approx(by_hand, rel=1e-3)
    off = np.abs(np.log(found.iloc[:, 1:].div(found["Median (%)"], axis=0))).max()
    assert (off < np.log([1.45, 1.45])).all(), found


def test_records_are_a_scale_of_their_own():
    """SABER: Pong's record is 21, so that the human of 14.6 is at 100 (14.6 + 20.7) / (21 + 20.7)."""
    rows, columns = [SPEC["rows"][1] | {"scores": None}], [{"statistic": "mean", "normalisation": "saber"}]
    of = scores()
    pong = Scores(of.rows[of.rows.game == "atari/pong"], of.experiments, [])
    data = sheet({"rows": rows, "columns": columns}, pong).data
    assert data.value.tolist() == pytest.approx([90 * (14.6 + 20.7) / (21 + 20.7)])
