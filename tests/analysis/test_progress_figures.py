"""Learning speed, games above a level, drops of ablations and distributions, on curves whose numbers are known."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from analysis.curves import Curves
from analysis.errors import UserError
from analysis.figure import make_figure
from analysis.figures.games_above import games_above
from analysis.figures.learning_speed import reaches, so_far
from analysis.load import write_scores
from analysis.spec.items import Interval, figure_adapter
from tests.analysis import fake

FRAMES = np.array([100, 200, 300, 400])
# pong: random -20.7, human 14.6; breakout: 1.7 and 30.5; qbert: 163.9 and 13455.0
LOW = {"pong": -20.7, "breakout": 1.7, "qbert": 163.9}
SPAN = {"pong": 35.3, "breakout": 28.8, "qbert": 13291.1}
# variant -> game -> human-normalised scores of each seed at FRAMES
TABLE = {
    "DQN": {
        "pong": [(0.0, 0.2, 0.4, 0.3)],
        "breakout": [(0.0, 0.1, 0.2, 0.2)],
        "qbert": [(-0.1, -0.2, -0.2, -0.1)],
    },
    "Rainbow": {
        "pong": [(0.2, 0.4, 0.8, 0.8)],
        "breakout": [(0.1, 0.2, 0.2, 0.4)],
        "qbert": [(-0.3, -0.3, -0.3, -0.3)],
    },
    "no double": {
        "pong": [(0.1, 0.3, 0.6, 0.6)],
        "breakout": [(0.1, 0.2, 0.2, 0.4)],
        "qbert": [(0.0, 0.0, 0.0, 0.0)],
    },
}


def write(folder: Path, name: str, table, metrics=None) -> Path:
    """Scores of demo.<name>: table variant -> game -> list of curves (normalised scores), or metric -> curves."""
    entries = []
    for variant, games in table.items():
        for game, seeds in games.items():
            for seed, values in enumerate(seeds):
                run = f"a.atari-{game}.s{seed}.{len(entries):012x}"
                raw = LOW[game] + SPAN[game] * np.array(values)
                fake.write_run(folder / name, run, FRAMES, raw)
                entries.append(fake.entry(run, variant, f"atari/{game}", seed))
    return scores_of(folder, name, entries)


def scores_of(folder: Path, name: str, entries: list[dict]) -> Path:
    about = {"paper": "demo", "experiment": name, "scale": "reduced", "budget_frames": 400, "paper_frames": 400}
    path = folder / f"{name}.json"
    path.write_text(json.dumps(about | {"reduced": "", "metrics": None, "runs": entries}))
    write_scores(path, folder / name, folder / f"{name}.parquet")
    return folder / f"{name}.parquet"


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> list[Path]:
    return [write(tmp_path_factory.mktemp("table"), "table", TABLE)]


def make(scores, reference, out, kind, **options):
    spec = {"id": kind, "kind": kind, "title": kind, "experiments": ["demo.table"]} | options
    if kind != "distribution":
        spec = {"normalisation": "standard"} | spec
    make_figure(figure_adapter.validate_python(spec), scores, reference, out / kind)
    return pd.read_csv(out / f"{kind}.csv"), json.loads((out / f"{kind}.json").read_text())


def lines(data, panel, label) -> list[float]:
    mine = data[(data.panel == panel) & (data.label == label) & (data.role == "curve")]
    assert mine.frame.tolist() == FRAMES.tolist()
    return mine.value.tolist()


def test_learning_speed_is_relative_to_the_baselines_end(table, reference, tmp_path):
    data, caption = make(table, reference, tmp_path, "learning_speed", baseline="DQN", statistic="mean")
    # best so far: DQN ends at 0.4 in pong and 0.2 in breakout; qbert ends below random and is left out
    best = "Best score so far"
    assert lines(data, best, "DQN") == pytest.approx([0, 50, 100, 100])
    assert lines(data, best, "Rainbow") == pytest.approx([(50 + 50) / 2, 100, (200 + 100) / 2, (200 + 200) / 2])
    marks = data[data.role == "equivalence"].set_index(["panel", "label"])
    assert marks.loc[(best, "Rainbow"), "frame"] == 200 and (best, "DQN") not in marks.index
    # mean so far, by trapezoids: DQN's pong is 0, .1, .2, .75/3 = .25; Rainbow's .2, .3, .45, 1.7/3
    mean = "Mean score so far"
    pong = np.array([0.2, 0.3, 0.45, 1.7 / 3]) / 0.25
    breakout = np.array([0.1, 0.15, 0.35 / 2, 0.65 / 3]) / (0.4 / 3)  # DQN: 0, .05, .1, (.05 + .15 + .2) / 3
    assert lines(data, mean, "Rainbow") == pytest.approx(100 * (pong + breakout) / 2)
    first, second = 100 * (pong + breakout)[:2] / 2
    reached = 100 + 100 * (100 - first) / (second - first)
    assert marks.loc[(mean, "Rainbow"), "frame"] == round(reached)
    assert "Left out, since DQN ends at zero or below: atari/qbert." in caption["text"]
    assert "Rainbow reaches 100 % at 200 frames (50 %)" in caption["text"]


def test_learning_speed_takes_the_median_over_games(table, reference, tmp_path):
    data, _ = make(table, reference, tmp_path, "learning_speed", baseline="no double", so_far=["max"],
                   games=["atari/pong", "atari/breakout"])  # fmt: skip
    assert lines(data, "Best score so far", "Rainbow") == pytest.approx(
        [
            100 * (0.2 / 0.6 + 0.1 / 0.4) / 2,
            100 * (0.4 / 0.6 + 0.5) / 2,
            100 * (0.8 / 0.6 + 0.5) / 2,
            100 * (0.8 / 0.6 + 1) / 2,
        ]
    )
    with pytest.raises(UserError, match=r"unknown baseline 'DQM'.*did you mean 'DQN'"):
        make(table, reference, tmp_path, "learning_speed", baseline="DQM")
    none, caption = make(table, reference, tmp_path, "learning_speed", baseline="DQN", games=["atari/qbert"])
    assert none.empty and "Left out, since DQN ends at zero or below: atari/qbert." in caption["text"]


def test_running_values_and_crossings():
    values = np.array([[1.0, 3.0, 2.0, 4.0]])
    curves = Curves(np.array([0, 10, 20, 40]), values, ["r"], ["g"], [0], [], 0, [])
    assert so_far(curves, "max").tolist() == [[1, 3, 3, 4]]
    assert so_far(curves, "mean")[0] == pytest.approx([1, 2, (20 + 25) / 20, (20 + 25 + 60) / 40])
    frames = np.array([10, 20, 40])
    assert reaches(frames, np.array([0.0, 50.0, 150.0]), 100) == 30
    assert reaches(frames, np.array([120.0, 50.0, 90.0]), 100) == 10
    assert reaches(frames, np.array([0.0, 50.0, 99.0]), 100) is None


def test_games_above_counts_games(table, reference, tmp_path):
    data, caption = make(table, reference, tmp_path, "games_above", levels=[-15, 20, 75])
    assert lines(data, "20 % or more", "DQN") == [0, 1, 2, 2]
    assert lines(data, "20 % or more", "Rainbow") == [1, 2, 2, 2]
    assert lines(data, "75 % or more", "Rainbow") == [0, 0, 1, 1]
    assert lines(data, "-15 % or more", "DQN") == [3, 2, 2, 3]
    assert "Of 3 games (" in caption["text"] and "One seed per game: no interval." in caption["text"]
    with pytest.raises(UserError, match="levels need a normalised score"):
        make(table, reference, tmp_path, "games_above", levels=[20], normalisation="raw")


def test_the_interval_of_a_count_resamples_seeds():
    """Two seeds 0 and 100: half of the draws give 50, a quarter each of the ends. The other game never reaches 50."""
    values, games = np.array([[0.0], [100.0], [10.0], [10.0]]), ["a", "a", "b", "b"]
    half = games_above(values, games, 50.0, Interval(level=0.9))
    assert (half.point.item(), half.low.item(), half.high.item(), half.n) == (1, 0, 1, (2, 2))
    sure = games_above(values, games, 5.0, Interval(level=0.4))  # above 5: b always, a in three of four draws
    assert (sure.point.item(), sure.low.item(), sure.high.item()) == (2, 2, 2)


def test_ablation_drops_lie_between_the_base_and_the_full_agent(table, reference, tmp_path):
    data, caption = make(table, reference, tmp_path, "ablation_drops", full="Rainbow", base="DQN")
    drops = data.set_index(["panel", "label"]).value
    # pong, trapezoids over 3 intervals: Rainbow 1.7, DQN .75, no double 1.25; breakout: the ablation loses nothing
    assert drops["atari/pong", "no double"] == pytest.approx(100 * (1.7 - 1.25) / (1.7 - 0.75))
    assert drops["atari/breakout", "no double"] == pytest.approx(0, abs=1e-9)
    assert len(drops) == 2 and "Left out, since DQN is not below Rainbow: Q*bert." in caption["text"]
    with pytest.raises(UserError, match="unknown variant 'Rainbo'"):
        make(table, reference, tmp_path, "ablation_drops", full="Rainbo", base="DQN")
    none, caption = make(
        table, reference, tmp_path, "ablation_drops", full="Rainbow", base="DQN", games=["atari/qbert"]
    )
    assert none.empty and "Left out" in caption["text"]
    with pytest.raises(UserError, match="no variant beside"):
        make(table, reference, tmp_path, "ablation_drops", full="Rainbow", base="DQN", variants=["Rainbow", "DQN"])


def test_distributions_are_sorted_percentiles_at_several_times(reference, tmp_path):
    """td_error[qP] of seed s at frame f is P * f / 100 + s: the figure holds means over two seeds."""
    entries = []
    for seed in range(2):
        run = f"a.atari-pong.s{seed}.{seed:012x}"
        for percent in (10, 50, 99.9):
            fake.write_run(
                tmp_path / f"q{percent}",
                run,
                FRAMES,
                percent * FRAMES / 100 + seed,
                metrics=(f"td_error[q{percent:g}]",),
            )
        merge(tmp_path, run)
        entries.append(fake.entry(run, "rank-based", "atari/pong", seed))
    scores = [scores_of(tmp_path, "table", entries)]
    data, caption = make(scores, reference, tmp_path, "distribution", times=2)
    assert data.frame.unique().tolist() == [100, 400] and set(data.panel) == {"rank-based, Pong"}
    late = data[data.frame == 400].round({"share": 6}).set_index("share")
    assert late.value.to_dict() == pytest.approx({0.001: 400.1, 0.5: 200.5, 0.9: 40.5})
    assert late.n.tolist() == [2, 2, 2] and "percentiles over the memory" in caption["text"]
    assert "Scale of scores" not in caption["text"] and caption["interval"] is None
    one, _ = make(scores, reference, tmp_path, "distribution", times=1)
    assert one.frame.unique().tolist() == [400]
    with pytest.raises(UserError, match=r"unknown metric of percentiles 'td_errors'.*did you mean 'td_error'"):
        make(scores, reference, tmp_path, "distribution", metric="td_errors")


def test_distributions_of_returns_are_of_the_first_seed(reference, tmp_path):
    """Of action a at step 5 the return z has the probability (a + z + 2 s) / 10 with seed s, by hand."""
    entries = []
    for seed in range(2):
        run = f"a.atari-pong.s{seed}.{seed:012x}"
        for i, (action, z) in enumerate(((0, -1), (0, 0.5), (1, -1), (1, 0.5))):
            name, chance = f"return_probability[5,{action},{z:g}]", (action + z + 2 * seed) / 10
            fake.write_run(tmp_path / f"q{10 + i}", run, FRAMES[-1:], np.array([chance]), metrics=(name,))
        merge(tmp_path, run)
        entries.append(fake.entry(run, "C51", "atari/pong", seed))
    scores = [scores_of(tmp_path, "table", entries)]
    data, caption = make(scores, reference, tmp_path, "return_distribution", normalisation="raw")
    assert set(data.panel) == {"Pong, step 5"} and "Of the first seed." in caption["text"]
    found = {(row.label, row["return"]): row.value for _, row in data.iterrows()}
    assert found == pytest.approx(
        {("action 0", -1): -0.1, ("action 0", 0.5): 0.05, ("action 1", -1): 0.0, ("action 1", 0.5): 0.15}
    )
    with pytest.raises(ValidationError):
        make(scores, reference, tmp_path, "return_distribution", metric="td_error")


def merge(folder: Path, run: str) -> None:
    """One summary with all percentiles."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    parts = [pq.read_table(p / run / "summary.parquet") for p in sorted(folder.glob("q*"))]
    target = folder / "table" / run
    shutil.copytree(folder / "q10" / run, target)
    whole = pa.concat_tables([t.set_column(0, "metric", t["metric"].cast(pa.string())) for t in parts])
    pq.write_table(whole.replace_schema_metadata(parts[0].schema.metadata), target / "summary.parquet")
    fake.seal(target)


def test_axes_and_captions_name_the_metric(reference, tmp_path):
    from analysis.metrics import axis, meaning

    assert (
        axis("rho[-2]", "raw") == "Largest singular value" and axis("evaluation_return", "raw") == "Evaluation return"
    )
    assert axis("evaluation_return", "standard") == "Human-normalised score (%)" and axis("unheard", "raw") == "unheard"
    assert meaning("unheard") == "learning metric, mean of each bin" and "output layer" in meaning("sigma[-1]")
