"""Curves over a run's own updates, episodes and hours, on numbers worked out by hand."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pydantic import ValidationError

from analysis.clocks import readings
from analysis.errors import UserError
from analysis.figure import make_figure
from analysis.load import write_scores
from analysis.spec.items import figure_adapter
from tests.analysis import fake

FRAMES = np.array([100, 200, 300, 400])
SEEDS = {0: ([1.0, 2, 3, 4], 2 * 3600.0), 1: ([10.0, 20, 30, 40], 4 * 3600.0)}  # scores, seconds of the whole run


def test_each_clock_at_every_frame_of_a_run():
    summary = pa.table(
        {
            "metric": ["training_return", "evaluation_return", "training_return", "loss"],
            "frame": [300, 250, 100, 200],
            "count": [3, 1, 2, 1],
        }
    )
    learning = pa.table({"frame": [100, 100, 200], "update": [5, 5, 10]})
    timing = pa.table(
        {"frame": [150, 200, 200], "seconds": [1800.0, 3600.0, 5400.0], "frames_per_second": [40.0, 50.0, 0.0]}
    )  # it stood still at 200
    found = pd.DataFrame(readings(summary, learning, timing, {"frames": 300, "updates": 14, "seconds": 7200.0}))
    by_clock = {name: rows["mean"].tolist() for name, rows in found.groupby("metric")}
    assert found.frame.tolist() == [100, 200, 250, 300] * 3 + [300] and set(found["count"]) == {1}
    assert by_clock["frame_milliseconds"] == pytest.approx([1000 / 45])  # of 40 and 50; it stood still at the last
    assert by_clock["updates"] == [5, 10, 12, 14]
    assert by_clock["hours"] == pytest.approx([1 / 3, 1, 1.5, 2])
    assert by_clock["episodes"] == [2, 2, 2, 5]


def test_a_run_that_neither_learns_nor_ends_an_episode_has_hours_alone():
    summary = pa.table({"metric": ["evaluation_return"], "frame": [10], "count": [1]})
    learning = pa.table({"frame": pa.array([], pa.int64()), "update": pa.array([], pa.int64())})
    timing = pa.table(
        {
            "frame": pa.array([], pa.int64()),
            "seconds": pa.array([], pa.float64()),
            "frames_per_second": pa.array([], pa.float64()),
        }
    )
    rows = list(readings(summary, learning, timing, {"frames": 20, "updates": 0, "seconds": 36.0}))
    assert rows == [{"metric": "hours", "frame": 10, "mean": 0.005, "count": 1}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clocks")
    path = fake.experiment(folder, {"A2C": 1.0}, seeds=2)
    for seed, (values, seconds) in SEEDS.items():
        run = fake.run_name("breakout", 0, "minatar/breakout", seed)
        fake.write_run(folder / "runs", run, FRAMES, np.array(values), metrics=("training_return_100",))
        where = folder / "runs" / run
        facts = json.loads((where / "run.json").read_text())
        (where / "run.json").write_text(json.dumps(facts | {"seconds": seconds}))
        fake.clocks(where, FRAMES, seconds)
        fake.seal(where)
    return path


def draw(experiment, folder, out, reference, kind="learning_curves", **options):
    write_scores(experiment, folder, out / "scores.parquet")
    spec = {"id": "f", "kind": kind, "title": "T", "experiments": ["demo.breakout"], "metric": "training_return_100"}
    make_figure(figure_adapter.validate_python(spec | options), [out / "scores.parquet"], reference, out / "f")
    return pd.read_csv(out / "f.csv"), json.loads((out / "f.json").read_text())


@pytest.mark.parametrize("kind", ["learning_curves", "aggregate_curves"])
def test_hours_are_averaged_on_a_common_grid(kind, folder, reference, tmp_path):
    options = {"statistics": ["mean"]} if kind == "aggregate_curves" else {}
    data, caption = draw(folder, folder.parents[1] / "runs", tmp_path, reference, kind, x="hours", **options)
    # one run has its values at .5, 1, 1.5 and 2 hours, the other at 1, 2, 3 and 4: both are between 1 and 2
    assert data.hours.tolist() == pytest.approx([1, 4 / 3, 5 / 3, 2])
    assert data.value.tolist() == pytest.approx(
        [(2 + 10) / 2, (8 / 3 + 40 / 3) / 2, (10 / 3 + 50 / 3) / 2, (4 + 20) / 2]
    )
    assert "x: hours since the start of the run, evaluations included." in caption["text"]
    assert "averaged at even steps of their own hours" in caption["text"] and "frame" not in data
    assert sorted(caption["last_hours"].values()) == [2, 4] and caption["interpolated"] == 0


def test_updates_are_exact_where_the_runs_agree(folder, reference, tmp_path):
    data, _ = draw(folder, folder.parents[1] / "runs", tmp_path, reference, x="updates", seeds=True)
    assert data[data.role == "curve"].updates.tolist() == [25, 50, 75, 100]
    assert data[data.role == "curve"].value.tolist() == [5.5, 11, 16.5, 22]
    assert data[data.label == "A2C seed 1"].value.tolist() == [10, 20, 30, 40]


def test_a_short_wall_clock_is_in_minutes(folder, reference, tmp_path):
    path = fake.experiment(tmp_path / "short", {"A2C": 1.0}, seeds=1)  # 61 seconds
    data, _ = draw(path, tmp_path / "short/runs", tmp_path, reference, x="hours")
    assert data.minutes.iloc[-1] == pytest.approx(61 / 60)


def test_what_has_no_such_clock_is_refused(folder, reference, tmp_path):
    with pytest.raises(ValidationError, match="published curves are over frames, but x is 'hours'"):
        published = [{"file": "f.csv", "algorithm": "A2C", "source": "S"}]
        draw(folder, folder.parents[1] / "runs", tmp_path, reference, x="hours", published=published)
    counted = folder.with_name("counted.json")
    counted.write_text(json.dumps(json.loads(folder.read_text()) | {"clock": "updates"}))
    with pytest.raises(UserError, match=r"x is 'hours', but the runs of demo.breakout count updates"):
        draw(counted, folder.parents[1] / "runs", tmp_path, reference, x="hours")
    data, caption = draw(folder, folder.parents[1] / "runs", tmp_path, reference, x="episodes")
    assert data.empty and caption["no_data"] == "no run in demo.breakout has its episodes"
