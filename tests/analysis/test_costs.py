"""Figures of what it costs to get somewhere, with runs that gave up, on numbers known to the digit."""

import json

import numpy as np
import pandas as pd
import pytest

from analysis.errors import UserError
from analysis.figure import make_figure
from analysis.figures.survival import kaplan_meier
from analysis.load import write_scores
from analysis.metrics import axis
from analysis.spec.items import figure_adapter
from tests.analysis import fake

# variant -> (updates at sizes 6 and 14, gave up there) of each seed
COSTS = {
    "slow": [((10, 100), (0, 0)), ((20, 400), (0, 1)), ((30, 200), (0, 0))],
    "quick": [((5, 8), (0, 0)), ((5, 9), (0, 0)), ((5, 10), (0, 0))],
}


def write(folder, metric, table, frames, clock):
    entries = []
    for variant, seeds in table.items():
        for seed, (costs, gave_up) in enumerate(seeds):
            run = f"a.cliffwalk-blind.s{seed}.{len(entries):012x}"
            where = folder / "runs"
            fake.write_run(where, run, frames, np.array(costs, float), metrics=(metric,))
            first = pd.read_parquet(where / run / "summary.parquet")
            second = first.assign(metric=f"{metric}_censored", mean=np.array(gave_up, float))
            _replace(where / run / "summary.parquet", pd.concat([first.astype({"metric": str}), second]))
            fake.seal(where / run)
            entries.append(fake.entry(run, variant, "cliffwalk/blind", seed))
    about = {"paper": "demo", "experiment": "costs", "scale": "paper", "budget_frames": 14, "paper_frames": 14}
    path = folder / "costs.json"
    path.write_text(json.dumps(about | {"reduced": "", "clock": clock, "metrics": None, "runs": entries}))
    write_scores(path, folder / "runs", folder / "costs.parquet")
    return [folder / "costs.parquet"]


def _replace(path, frame):
    import pyarrow as pa
    import pyarrow.parquet as pq

    about = pq.read_schema(path).metadata[b"paper_arcade"]
    table = pa.table(
        {
            "metric": pa.array(frame["metric"].tolist()).dictionary_encode(),
            "frame": pa.array(frame["frame"].tolist(), pa.int64()),
            "mean": pa.array(frame["mean"].tolist(), pa.float64()),
            "count": pa.array(frame["count"].tolist(), pa.int64()),
        }
    )
    pq.write_table(table.replace_schema_metadata({"paper_arcade": about}), path)


def make(scores, reference, out, kind, metric, **options):
    spec = {"id": kind, "kind": kind, "title": kind, "experiments": ["demo.costs"], "metric": metric} | options
    make_figure(figure_adapter.validate_python(spec), scores, reference, out / kind)
    return pd.read_csv(out / f"{kind}.csv"), json.loads((out / f"{kind}.json").read_text())


def test_scaling_holds_medians_quartiles_and_who_gave_up(reference, tmp_path):
    scores = write(tmp_path, "updates_to_learn", COSTS, np.array([6, 14]), "transitions")
    data, caption = make(scores, reference, tmp_path, "scaling", "updates_to_learn", variants=["slow", "quick"])
    rows = data.set_index(["label", "frame"])
    assert rows.value.to_dict() == {("slow", 6): 20, ("slow", 14): 200, ("quick", 6): 5, ("quick", 14): 9}
    assert rows.loc[("slow", 14), ["low", "high", "censored"]].tolist() == [150, 300, pytest.approx(1 / 3)]
    assert "Open triangles (slow)" in caption["text"] and "quick)" not in caption["text"]
    again = tmp_path / "again"
    make(scores, reference, again, "scaling", "updates_to_learn", variants=["slow", "quick"])
    for suffix in ("pdf", "svg", "png", "csv", "json"):
        assert (again / f"scaling.{suffix}").read_bytes() == (tmp_path / f"scaling.{suffix}").read_bytes()
    assert "14 transitions." in caption["text"] and "Scale of scores" not in caption["text"]


def test_survival_by_hand(reference, tmp_path):
    """slow: 3 runs, solved after 100 and 200 episodes, one gave up after 400."""
    table = {name: [((c[1],), (g[1],)) for c, g in seeds] for name, seeds in COSTS.items()}
    scores = write(tmp_path, "episodes_to_solve", table, np.array([14]), "frames")
    options = {"published": {"slow": 120, "quick": 120}, "source_published": "a blog"}
    data, caption = make(scores, reference, tmp_path, "survival", "episodes_to_solve", **options)
    slow = data[(data.label == "slow") & (data.role == "share")]
    assert slow.episodes_to_solve.tolist() == [0, 100, 200, 400]
    assert slow.value.tolist() == pytest.approx([0, 100 / 3, 200 / 3, 200 / 3])
    assert data[data.role == "gave up"].episodes_to_solve.tolist() == [400]
    assert data[data.role == "published"].label.tolist() == ["quick", "slow"]
    assert "slow: 2 of 3 runs got there, mean of those 150." in caption["text"]
    with pytest.raises(UserError, match="unknown variant 'none'"):
        make(scores, reference, tmp_path, "survival", "episodes_to_solve", published={"none": 1})


def test_who_gave_up_early_counts_for_as_long_as_it_tried():
    """Costs 1, 2+, 3: after 3 the share is 1 - 2/3 * 0 = 1; without the run that gave up at 2 it would be 1 as well,
    but after 1 it is 1/3, not 1/2."""
    times, share = kaplan_meier(np.array([1.0, 2.0, 3.0]), np.array([False, True, False]))
    assert times.tolist() == [1, 3] and share.tolist() == pytest.approx([1 / 3, 1])
    times, share = kaplan_meier(np.array([5.0]), np.array([True]))
    assert len(times) == len(share) == 0


def test_axes_name_what_they_show():
    assert axis("test_error", "raw") == "Test error (%)" and axis("evaluation_return", "raw") == "Evaluation return"
    assert axis("evaluation_return", "standard") == "Human-normalised score (%)"
