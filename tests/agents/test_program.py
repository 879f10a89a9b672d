"""`python -m agents`: its outputs, its exit codes, and what it does when things go wrong."""

import contextlib
import json
import os
import subprocess
import time

import numpy as np
import pyarrow.parquet as pq
import pytest

from agents import __main__ as program
from agents.run.checkpoint import Checkpoints
from agents.run.loop import Run
from agents.run.record import SCHEMAS
from tests.agents.specs import spec
from tests.agents.test_resume import finish, start


def run_here(run, results, *options: str) -> int:
    return program.main(["train", "--spec", run.canonical(), "--results", str(results), *options])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    results, run = tmp_path_factory.mktemp("finished"), spec(agent__selector="online")
    assert run_here(run, results) == 0
    return run, results


def test_outputs_have_their_schemas_units_and_provenance(finished):
    run, results = finished
    folder = results / "runs" / run.name()
    names = [*(f"{name}.parquet" for name in SCHEMAS), "run.json", "weights.pt"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    for name, schema in SCHEMAS.items():
        table = pq.read_table(folder / f"{name}.parquet")
        assert table.schema.remove_metadata().equals(schema)
        assert all(field.metadata[b"unit"] for field in table.schema)
        facts = json.loads(table.schema.metadata[b"paper_arcade"])
        assert (facts["run"], facts["digest"], facts["status"]) == (run.name(), run.digest(), "finished")
        assert (facts["table"], facts["schema_version"], facts["frames"]) == (name, 1, 3_000)
        assert facts["spec"] == run.model_dump(mode="json") and facts["versions"]["torch"].startswith("2.")
        assert table.num_rows > 0 or name == "timing"
        if name != "timing":
            assert not {"host", "seconds", "time"} & set(facts)
    facts = json.loads((folder / "run.json").read_text())
    assert facts["status"] == "finished" and facts["resumes"] == 0 and facts["updates"] == 700
    assert not (results / "work" / run.name()).exists()


def test_tables_hold_what_happened(finished):
    run, results = finished
    folder = results / "runs" / run.name()
    episodes, evaluations, learning, summary = (
        pq.read_table(folder / f"{n}.parquet").to_pandas() for n in ("episodes", "evaluations", "learning", "summary")
    )
    assert episodes.frame.is_monotonic_increasing and episodes.frame.max() <= 3_000
    assert episodes.length.sum() <= 3_000 and (episodes["return"] >= 0).all()
    assert evaluations.groupby("frame").size().to_dict() == {0: 5, 1_000: 5, 2_000: 5, 3_000: 5}
    assert set(learning.metric) == {"loss", "grad_norm", "q_mean", "replay_ratio", "rho[-1]", "rho[-2]", "rho[-3]"}
    assert learning[learning.metric == "loss"].frame.tolist() == list(range(300, 3_001, 100))
    assert learning[learning.metric == "loss"]["update"].tolist() == list(range(25, 701, 25))

    binned = summary[summary.metric == "training_return"].set_index("frame")
    assert binned.index.isin(np.arange(150, 3_001, 150)).all() and binned["count"].sum() == len(episodes)
    first = episodes[episodes.frame <= 150]
    assert binned.loc[150, "mean"] == pytest.approx(first["return"].mean())
    last = summary[(summary.metric == "training_return_100") & (summary.frame == 3_000)].iloc[0]
    assert last["mean"] == pytest.approx(episodes["return"].tail(100).mean()) and last["count"] == 100
    means = summary[summary.metric == "evaluation_return"].set_index("frame")["mean"]
    assert means.to_dict() == pytest.approx(evaluations.groupby("frame")["return"].mean().to_dict())


def test_a_diverged_run_is_a_result(tmp_path):
    run = spec(optimizer__lr=1e30, budget=3_000)
    assert run_here(run, tmp_path) == 0
    folder = tmp_path / "runs" / run.name()
    facts = json.loads((folder / "run.json").read_text())
    assert facts["status"] == "diverged" and 200 < facts["frames"] < 1_000
    learning = pq.read_table(folder / "learning.parquet").to_pandas()
    assert not np.isfinite(learning.value).all() and len(pq.read_table(folder / "episodes.parquet")) > 0


def test_a_wrong_spec_is_named(tmp_path, capsys):
    assert program.main(["train", "--spec", '{"version": 1, "sead": 0}', "--results", str(tmp_path)]) == 78
    assert "sead" in capsys.readouterr().err


def test_results_that_cannot_be_written_are_named(tmp_path, capsys):
    (tmp_path / "results").write_text("a file, not a folder")
    assert run_here(spec(), tmp_path / "results") == 73
    assert f"cannot write to {tmp_path}/results" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_ends_the_run_and_loses_nothing(tmp_path, capsys):
    disk, run = tmp_path / "disk", spec(budget=1_000_000)
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)], check=True)
    try:
        done = disk / "runs" / "other" / "run.json"
        done.parent.mkdir(parents=True)
        done.write_text("{}")
        process = start(run, disk, seconds=0.2)
        manifests = disk / "work" / run.name() / "checkpoints"
        while not list(manifests.glob("manifest-*.json")):
            time.sleep(0.02)
        with open(disk / "ballast", "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:  # now the disk fills up
                file.write(b"x" * 4096)
        assert finish(process) == 73
        (disk / "ballast").unlink()
        said = (disk / "log").read_text()
        assert "No space left on device" in said and "What was saved before is whole" in said
        assert done.read_text() == "{}"
        process = start(run, disk, seconds=1e9)
        while "resumed" not in (disk / "log").read_text():
            time.sleep(0.02)
        process.terminate()
        assert finish(process) in (73, 75)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize(
    ("changes", "ratio"),
    [
        ({"learning__clock__every_frames": 4}, 32 / 4),
        ({"algorithm": "a2c_minatar", "learning__target_every_frames": None}, 1),
        (
            {
                "algorithm": "r2d2_minatar",
                "agent__sequence": 4,
                "agent__burn_in": 2,
                "learning__batch": 8,
                "learning__clock__every_frames": 64,
                "learning__target_every_frames": 640,
            },
            8 * 4 / 64,
        ),
        ({"algorithm": "dqn_adam_sn", "game": "pong", "budget": 1_200}, 32 / 4),  # an update every 4 frames, a step
    ],
)
def test_the_replay_ratio_is_steps_learned_for_each_one_made(tmp_path, changes, ratio):
    run = Run(spec(**changes, record__learning_every_frames=80), Checkpoints(tmp_path, {}, print))
    while run.frame < run.spec.budget_frames:
        run.iterate()
    learning = run.recorder.tables()["learning"].to_pandas()
    found = learning[learning.metric == "replay_ratio"].value
    assert len(found) > 5 and found.iloc[3:].mean() == pytest.approx(ratio, rel=0.1)
