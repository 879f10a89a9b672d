"""Runs that end at different frames: each counts with its own last value, and the caption says where and for which.

demo.uneven holds four seeds of DQN on Breakout: two end at frame 400, one at 200 (its last episode never ends) and one
diverged at 300; its Qbert has a budget of its own. Rainbow's two seeds end at 400.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import style
from analysis.claims import check
from analysis.files import resolve
from analysis.load import read_scores, write_scores
from analysis.reference import Reference
from analysis.spec.items import FIGURES, claims_adapter, figure_adapter, table_adapter
from analysis.table import make_table
from tests.analysis import fake

FRAMES = np.array([100, 200, 300, 400])
# variant -> game -> (scores at FRAMES, as far as they go; status) of each seed
RUNS = {
    "DQN": {
        "atari/breakout": [
            ((100, 200, 300, 2000), "finished"),
            ((100, 200, 400, 1000), "finished"),
            ((100, 840), "finished"),
            ((100, 200, 160), "diverged"),
        ],
        "atari/qbert": [((10, 20), "finished"), ((10, 40), "finished")],
    },
    "Rainbow": {"atari/breakout": [((100, 200, 300, 500), "finished"), ((100, 200, 300, 700), "finished")]},
}
OWN, CUT = (2000 + 1000 + 840 + 160) / 4, (200 + 200 + 840 + 200) / 4  # last values, and those at the shortest's end
EARLY = "a.atari-breakout.s2.000000000002"
LOST = "a.atari-breakout.s3.000000000003"


@pytest.fixture(scope="module")
def scores(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("uneven")
    entries = []
    for variant, games in RUNS.items():
        for game, seeds in games.items():
            for seed, (values, status) in enumerate(seeds):
                run = f"a.{game.replace('/', '-')}.s{seed}.{len(entries):012x}"
                fake.write_run(folder / "runs", run, FRAMES[: len(values)], np.array(values, float), status)
                entries.append(fake.entry(run, variant, game, seed, {"lr": 0.1}))
    about = {"paper": "demo", "experiment": "uneven", "scale": "reduced", "budget_frames": 400, "paper_frames": 400}
    (folder / "uneven.json").write_text(json.dumps(about | {"reduced": "", "metrics": None, "runs": entries}))
    write_scores(folder / "uneven.json", folder / "runs", folder / "uneven.parquet")
    return [folder / "uneven.parquet"]


def draw(scores, reference, kind, **options):
    """Numbers and caption of a figure; nothing is saved."""
    spec = {"id": kind, "kind": kind, "title": kind, "experiments": ["demo.uneven"], "games": ["atari/breakout"]}
    spec = figure_adapter.validate_python(spec | options)
    with style.context():
        drawing = resolve(FIGURES[kind])(spec, read_scores(scores), Reference(reference))
        style.plt.close(drawing.figure)
    return drawing.data, drawing.caption


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("interval_bars", {"statistics": ["mean"]}),
        ("per_game_bars", {}),
        ("depth_bars", {"x": "lr"}),
        ("sensitivity", {"x": "lr"}),
        ("heat_map", {"x": "lr", "y": "lr"}),
        ("profile", {"panels": [{"axis": "Score", "metrics": {"score": "evaluation_return"}}]}),
    ],
)
def test_bars_and_points_count_each_run_with_its_own_last_value(kind, options, scores, reference):
    data, caption = draw(scores, reference, kind, **options)
    rows = data[data["panel" if kind == "heat_map" else "label"] == "DQN"]
    assert rows.value.tolist() == [OWN] and rows.n.tolist() == [4] and OWN != CUT
    assert "Each run counts with its last checkpoint, at 200 to 400 frames." in caption["text"]
    assert f"1 run(s) end before others of their game: {EARLY} at 200." in caption["text"]
    assert f"1 diverged run(s) keep their last score from there on: {LOST} at 300." in caption["text"]
    assert {caption["last_frames"][run] for run in (EARLY, LOST)} == {200, 300}


def test_the_share_of_a_grid_counts_last_values_too(scores, reference):
    data, caption = draw(scores, reference, "grid_share", threshold=950.0)
    assert data[data.role == "share"].set_index("label").value.to_dict() == {"DQN": 100, "Rainbow": 0}
    assert f"{EARLY} at 200" in caption["text"]


def test_best_and_average_take_each_run_over_its_own_frames(scores, reference):
    best, caption = draw(scores, reference, "per_game_bars", score="best")
    assert best.set_index("label").value["DQN"] == (2000 + 1000 + 840 + 200) / 4
    assert "its best checkpoint (optimistic), at 200 to 400 frames" in caption["text"] and EARLY in caption["text"]
    mean, _ = draw(scores, reference, "per_game_bars", score="average")
    each = [(150 + 250 + 1150) / 3, (150 + 300 + 700) / 3, 470, (150 + 180 + 160) / 3]  # the last one held until 400
    assert mean.set_index("label").value["DQN"] == pytest.approx(np.mean(each))


def test_a_curve_ends_with_its_shortest_run_and_says_so(scores, reference):
    data, caption = draw(scores, reference, "learning_curves")
    ends = data[data.role == "curve"].groupby("label").frame.max()
    assert ends.to_dict() == {"DQN": 200, "Rainbow": 400}
    text = f"DQN on atari/breakout ends at 200 frames, with the last value of {EARLY} (others go on, up to 400)."
    assert text in caption["text"] and "Rainbow on" not in caption["text"]


def test_a_curve_that_begins_late_says_so(reference, tmp_path):
    entries = []
    for seed, first in enumerate((0, 2)):
        run = f"a.atari-pong.s{seed}.{seed:012x}"
        fake.write_run(tmp_path / "runs", run, FRAMES[first:], np.arange(4.0)[first:])
        entries.append(fake.entry(run, "DQN", "atari/pong", seed))
    about = {"paper": "demo", "experiment": "uneven", "scale": "paper", "budget_frames": 400, "paper_frames": 400}
    (tmp_path / "e.json").write_text(json.dumps(about | {"reduced": "", "metrics": None, "runs": entries}))
    write_scores(tmp_path / "e.json", tmp_path / "runs", tmp_path / "e.parquet")
    _, caption = draw([tmp_path / "e.parquet"], reference, "learning_curves", games=None)
    assert f"begins at 300 frames, with the first value of {entries[1]['run']}." in caption["text"]
    _, caption = draw([tmp_path / "e.parquet"], reference, "per_game_bars", games=None)
    assert "its last checkpoint, at 400 frames." in caption["text"] and "before others" not in caption["text"]


def test_games_of_different_budgets_cut_no_bar_and_a_curve_over_games_says_which_did(scores, reference):
    options = {"games": None, "variants": ["DQN"], "normalisation": "standard", "statistics": ["mean"]}
    bars, caption = draw(scores, reference, "interval_bars", **options)
    ratios = (OWN - 1.7) / 28.8, (30 - 163.9) / (13455.0 - 163.9)
    assert bars.value.tolist() == pytest.approx([100 * sum(ratios) / 2])
    assert "at 200 to 400 frames." in caption["text"]
    assert f"1 run(s) end before others of their game: {EARLY}" in caption["text"]
    curve, caption = draw(scores, reference, "aggregate_curves", **options)
    assert curve.frame.tolist() == [100, 200]
    assert f"DQN ends at 200 frames, with the last value of {EARLY}, a.atari-qbert" in caption["text"]


def test_tables_and_claims(scores, reference, tmp_path):
    spec = {"id": "t", "kind": "final_scores", "title": "T", "experiments": ["demo.uneven"]}
    make_table(table_adapter.validate_python(spec), scores, reference, tmp_path / "t")
    table = pd.read_csv(tmp_path / "t.csv").set_index(["label", "game"]).value
    assert table.to_dict() == {
        ("DQN", "atari/breakout"): OWN, ("DQN", "atari/qbert"): 30, ("Rainbow", "atari/breakout"): 600,
    }  # fmt: skip
    assert f"{EARLY} at 200" in json.loads((tmp_path / "t.json").read_text())["text"]
    claim = {"id": "c", "kind": "greater", "text": "T", "experiments": ["demo.uneven"], "games": ["atari/breakout"],
             "a": "DQN", "b": "Rainbow"}  # fmt: skip
    share = claim | {"id": "s", "kind": "share_greater", "threshold": 950}
    results = check(claims_adapter.validate_python([claim, share]), scores, reference, tmp_path / "c.json")
    assert results[0]["value"] == OWN - 600 and results[1]["ours"] == "100 % against 0 % of 1 settings"
    assert all(f"1 run(s) end before others of their game: {EARLY} at 200" in each["why"] for each in results)


def test_a_run_without_any_value_of_the_metric_is_counted(reference, tmp_path):
    """Of three seeds one left no evaluation, and one no row at all."""
    entries = []
    for seed, metrics in enumerate((("evaluation_return",), ("training_return",), ())):
        run = f"a.atari-pong.s{seed}.{seed:012x}"
        fake.write_run(tmp_path / "runs", run, FRAMES, np.arange(4.0), metrics=metrics)
        entries.append(fake.entry(run, "DQN", "atari/pong", seed))
    about = {"paper": "demo", "experiment": "uneven", "scale": "paper", "budget_frames": 400, "paper_frames": 400}
    about |= {"reduced": "", "metrics": ["evaluation_return", "training_return"], "runs": entries}
    (tmp_path / "e.json").write_text(json.dumps(about))
    write_scores(tmp_path / "e.json", tmp_path / "runs", tmp_path / "e.parquet")
    data, caption = draw([tmp_path / "e.parquet"], reference, "per_game_bars", games=None)
    assert (data.value.tolist(), data.n.tolist()) == ([3.0], [1])
    assert caption["without_score"] == [entries[1]["run"], entries[2]["run"]] and len(caption["runs"]) == 3
    text = f"2 run(s) left no score and are not drawn: {entries[1]['run']}, {entries[2]['run']}."
    assert text in caption["text"]
