"""Points of single runs against a varied number or another metric, and their rank correlation."""

import json

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from analysis.errors import UserError
from analysis.figure import make_figure
from analysis.load import write_scores
from analysis.spec.items import figure_adapter
from tests.analysis import fake

RATES = [1e-4, 1e-3, 1e-2]
SCORES = {0: [5.0, 8.0, 3.0], 1: [6.0, 7.0, 2.0]}  # seed -> score at each rate
FRAMES = np.array([100, 200])


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scatter")
    path = fake.experiment(folder, {"A3C": 1.0}, seeds=2, name="rates", vary=tuple({"optimizer.lr": r} for r in RATES))
    for seed, values in SCORES.items():
        for k, value in enumerate(values):
            run = fake.run_name("rates", 0, "minatar/breakout", seed, k)
            fake.write_run(
                folder / "runs", run, FRAMES, np.array([1.0, value]), metrics=("training_return_100", "loss")
            )
    write_scores(path, folder / "runs", folder / "scores.parquet")
    return folder / "scores.parquet"


def draw(scores, reference, out, **options):
    spec = {"id": "f", "kind": "scatter", "title": "T", "experiments": ["demo.rates"], "metric": "training_return_100"}
    make_figure(figure_adapter.validate_python(spec | options), [scores], reference, out / "f")
    return pd.read_csv(out / "f.csv"), json.loads((out / "f.json").read_text())


def test_every_run_is_a_point_at_its_rate(scores, reference, tmp_path):
    data, caption = draw(scores, reference, tmp_path, x="optimizer.lr", axis="Learning rate", correlation=True)
    runs = data[data.role == "run"].sort_values(["x", "value"])
    assert runs.x.tolist() == [1e-4, 1e-4, 1e-3, 1e-3, 1e-2, 1e-2] and runs.value.tolist() == [5, 6, 7, 8, 2, 3]
    (found,) = data[data.role == "correlation"].itertuples()
    # ranks of x 1.5 1.5 3.5 3.5 5.5 5.5, of the scores 3 4 6 5 2 1: covariance -4, variances 16 and 17.5
    ranks = np.array([1.5, 1.5, 3.5, 3.5, 5.5, 5.5]), np.array([3, 4, 6, 5, 2, 1])
    assert found.value == pytest.approx(np.corrcoef(*ranks)[0, 1]) == pytest.approx(-8 / np.sqrt(16 * 17.5))
    assert found.n == 6 and 0.3 < found.p < 0.5
    assert "Trials: A3C 3 settings in 6 runs." in caption["text"] and len(caption["runs"]) == 6


def test_a_metric_may_be_on_the_x_axis(scores, reference, tmp_path):
    data, caption = draw(scores, reference, tmp_path, x_metric="loss", correlation=True, log=False)
    assert data[data.role == "run"].x.tolist() == data[data.role == "run"].value.tolist()  # both follow one curve
    assert data[data.role == "correlation"].value.tolist() == [1]
    assert "x: loss, mean over the updates of the bin." in caption["text"] and "Trials" not in caption["text"]
    best, _ = draw(scores, reference, tmp_path, x_metric="loss", x_score="average", where={"optimizer.lr": 1e-4})
    assert best.x.tolist() == [3.0, 3.5]


def test_what_cannot_be_drawn_is_said(scores, reference, tmp_path):
    with pytest.raises(ValidationError, match="needs either 'x' or 'x_metric'"):
        draw(scores, reference, tmp_path)
    with pytest.raises(UserError, match=r"unknown varied key 'optimizer.rl'.*did you mean 'optimizer.lr'"):
        draw(scores, reference, tmp_path, x="optimizer.rl")
    data, caption = draw(scores, reference, tmp_path, x="optimizer.lr", where={"optimizer.lr": 1e-4}, correlation=True)
    assert len(data) == 2
    assert "Breakout (MinAtar) has too few different values for a rank correlation." in caption["text"]
