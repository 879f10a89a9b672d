"""Figures and claims about sweeps, on constant curves whose scores are known to the digit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from analysis.cells import rank
from analysis.claims import check
from analysis.errors import UserError
from analysis.figure import make_figure
from analysis.figures.depth_bars import setting, tick
from analysis.load import write_scores
from analysis.spec.items import claims_adapter, figure_adapter
from tests.analysis import fake

NETS = ([[8, 3, 1]], [[8, 3, 1], [8, 3, 1]])
# variant -> (lr, net) -> scores of two seeds on breakout; None: diverged before any score
TABLE = {
    "DQN": {(1e-4, 0): (4, 6), (1e-4, 1): (2, 2), (1e-3, 0): (1, 3), (1e-3, 1): (None, None)},
    "SN": {(1e-4, 0): (6, 6), (1e-4, 1): (6, 8), (1e-3, 0): (2, 4), (1e-3, 1): (0, 0)},
}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory) -> list[Path]:
    """Scores of demo.sweep (TABLE) and of demo.base (one variant 'random', 0.5 and 1.5)."""
    folder = tmp_path_factory.mktemp("sweep")
    written = []
    base = {(None, None): (0.5, 1.5)}
    for name, table in (("sweep", TABLE), ("base", {"random": base})):
        entries = []
        for variant, settings in table.items():
            for (lr, net), scores in settings.items():
                vary = {} if lr is None else {"optimizer.lr": lr, "network.convolutions": NETS[net]}
                for seed, score in enumerate(scores):
                    run = f"a.minatar-breakout.s{seed}.{len(entries):012x}"
                    value = np.nan if score is None else float(score)
                    frames = np.array([100, 200])
                    fake.write_run(
                        folder / name, run, frames, np.full(2, value), "diverged" if score is None else "finished"
                    )
                    entries.append(fake.entry(run, variant, "minatar/breakout", seed, vary))
        about = {"paper": "demo", "experiment": name, "scale": "reduced", "budget_frames": 200, "paper_frames": 200}
        path = folder / f"{name}.json"
        path.write_text(json.dumps(about | {"reduced": "", "metrics": None, "runs": entries}))
        written.append(folder / f"{name}.parquet")
        write_scores(path, folder / name, written[-1])
    return written


def make(sweep, reference, out, kind, **options):
    spec = {"id": kind, "kind": kind, "title": kind, "experiments": ["demo.sweep"]} | options
    make_figure(figure_adapter.validate_python(spec), sweep, reference, out / kind)
    return pd.read_csv(out / f"{kind}.csv"), json.loads((out / f"{kind}.json").read_text())


def test_sensitivity_holds_the_means_of_one_net(sweep, reference, tmp_path):
    data, caption = make(
        sweep, reference, tmp_path, "sensitivity", x="optimizer.lr", where={"network.convolutions": NETS[0]}
    )
    points = data.set_index(["label", "optimizer.lr"])
    assert points.value.to_dict() == {("DQN", 1e-4): 5, ("DQN", 1e-3): 2, ("SN", 1e-4): 6, ("SN", 1e-3): 3}
    assert points.loc[("DQN", 1e-4), ["low", "high", "n"]].tolist() == [4, 6, 2]
    assert "n = 2 seeds" in caption["text"] and len(caption["runs"]) == 8


def test_sensitivity_beside_the_line_where_the_score_is_x(sweep, reference, tmp_path):
    options = {"x": "optimizer.lr", "where": {"network.convolutions": NETS[0]}, "axis": "Rate (1)"}
    data, _ = make(sweep, reference, tmp_path, "sensitivity", y_log=True, identity=True, **options)
    same = data[data.role == "identity"]
    assert same.value.tolist() == same["optimizer.lr"].tolist() == [1e-4, 1e-3]
    assert set(same.label) == {"equal to the rate"}


def test_sensitivity_overlays_the_published_step_sizes(sweep, reference, tmp_path):
    data, _ = make(
        sweep, reference, tmp_path, "sensitivity", x="optimizer.lr", published=["DQN"],
        where={"network.convolutions": NETS[0]},
    )  # fmt: skip
    best = data[data.role == "published"].sort_values("value").iloc[-1]
    assert (best["optimizer.lr"], best.value) == (2.0**-9, pytest.approx(10.3, abs=0.05))  # breakout, Young & Tian


def test_grid_share_counts_settings(sweep, reference, tmp_path):
    """DQN's means are 5, 2, 2 and nothing, SN's 6, 7, 3, 0: above 2.5 lie 1 and 3 of 4."""
    data, caption = make(sweep, reference, tmp_path, "grid_share", threshold=2.5)
    shares = data[data.role == "share"].set_index("label")
    assert shares.value.to_dict() == {"DQN": 25, "SN": 75}
    # of SN's cells only (2, 4) can change sides, when both draws are the 2
    assert shares.loc["SN", ["low", "high", "n", "cells"]].tolist() == [50, 75, 2, 4]
    steps = data[(data.role == "step") & (data.label == "SN")]
    assert list(zip(steps.score, steps.value, strict=True)) == [(0, 75), (3, 50), (6, 25), (7, 0)]
    assert data[(data.role == "step") & (data.label == "DQN")].value.tolist() == [50, 25, 0]
    assert "1 setting(s) left no score" in caption["text"]


def test_a_heat_map_has_a_row_of_panels_for_each_net(sweep, reference, tmp_path):
    """TABLE's scores at x = y = the learning rate; SN's best, 7, is at the second net."""
    options = {"x": "optimizer.lr", "y": "optimizer.lr"}
    data, _ = make(sweep, reference, tmp_path, "heat_map", by=["network.convolutions"], **options)
    assert list(dict.fromkeys(zip(data.row.astype(str), data.panel, strict=True))) == [
        ("8", "DQN"), ("8", "SN"), ("8-8", "DQN"), ("8-8", "SN"),
    ]  # fmt: skip
    values = data.astype({"row": str}).set_index(["row", "panel", "optimizer.lr"]).value
    assert values["8"].to_dict() == {("DQN", 1e-4): 5, ("DQN", 1e-3): 2, ("SN", 1e-4): 6, ("SN", 1e-3): 3}
    assert (values["8-8", "SN", 1e-4], values["8-8", "SN", 1e-3]) == (7, 0)
    with pytest.raises(UserError, match="several settings in cell"):
        make(sweep, reference, tmp_path, "heat_map", **options)
    with pytest.raises(UserError, match=r"unknown varied key 'network\.units'"):
        make(sweep, reference, tmp_path, "heat_map", by=["network.units"], **options)


def test_aggregate_curves_have_a_panel_for_each_net(sweep, reference, tmp_path):
    options = {"where": {"optimizer.lr": 1e-4}, "statistics": ["mean"]}
    data, caption = make(sweep, reference, tmp_path, "aggregate_curves", by=["network.convolutions"], **options)
    ends = data[data.frame == 200].astype({"panel": str}).set_index(["panel", "label"]).value
    assert ends.to_dict() == {("8", "DQN"): 5, ("8", "SN"): 6, ("8-8", "DQN"): 2, ("8-8", "SN"): 7}
    assert len(caption["runs"]) == 8
    with pytest.raises(UserError, match=r"unknown varied key 'network\.units'"):
        make(sweep, reference, tmp_path, "aggregate_curves", by=["network.units"], **options)
    with pytest.raises(ValidationError, match="are over frames"):
        make(sweep, reference, tmp_path, "aggregate_curves", by=["network.convolutions"], x="hours", **options)


def test_depth_bars_group_by_net_beside_a_reference(sweep, reference, tmp_path):
    options = {"x": "network.convolutions", "experiments": ["demo.sweep", "demo.base"]}
    with pytest.raises(UserError, match=r"DQN has several settings with network\.convolutions"):
        make(sweep, reference, tmp_path, "depth_bars", **options)
    data, _ = make(sweep[:1], reference, tmp_path, "depth_bars", x="network.convolutions", where={"optimizer.lr": 1e-4})
    bars = data.set_index(["label", "network.convolutions"]).value
    assert bars.to_dict() == {("DQN", "8"): 5, ("DQN", "8-8"): 2, ("SN", "8"): 6, ("SN", "8-8"): 7}


def test_values_are_ordered_and_named():
    assert sorted([[-1, -2], [-2], [-1]], key=rank) == [[-1], [-2], [-1, -2]]
    assert sorted([10.0, 1, 2.5], key=rank) == [1, 2.5, 10.0]
    assert sorted([[100], [0], [10]], key=rank) == [[0], [10], [100]]
    vary = {"network.convolutions": NETS[1], "optimizer.centered": False}
    assert setting([*vary], vary) == "8-8, centered False" and setting([], vary) == ""
    assert [tick(v) for v in (NETS[1], [-2, -3], [], 1e-3, "adam")] == ["8-8", "-2, -3", "none", "0.001", "adam"]


def claim(sweep, reference, out, **options):
    spec = {"id": "c", "kind": "share_greater", "text": "T", "experiments": ["demo.sweep"], "a": "SN", "b": "DQN"}
    (result,) = check(claims_adapter.validate_python([spec | options]), sweep, reference, out)
    return result


def test_share_greater_verdicts(sweep, reference, tmp_path):
    out = tmp_path / "c.json"
    up = claim(sweep, reference, out, threshold=4.5)
    # SN 2 of 4, surely; DQN 1 of 4, or none when both draws are the 4: the difference is 25 or 50 points
    assert (up["verdict"], up["value"], up["low"], up["high"]) == ("reproduced", 25, 25, 50)
    assert up["ours"] == "50 % against 25 % of 4 settings" and up["n"] == "2 seeds" and len(up["runs"]) == 14
    assert claim(sweep, reference, out, threshold=4.5, a="DQN", b="SN")["verdict"] == "not reproduced"
    assert claim(sweep, reference, out, threshold=4.5, margin=30)["verdict"] == "inconclusive"
    assert claim(sweep, reference, out, threshold=4.5, at_least="paper")["verdict"] == "not run at this scale"
    assert claim(sweep, reference, out, threshold=4.5, b="none")["why"] == "the runs are missing"
    with pytest.raises(UserError, match=r"unknown experiment 'demo\.nothing'"):
        claim(sweep, reference, out, threshold=4.5, experiments=["demo.nothing"])
