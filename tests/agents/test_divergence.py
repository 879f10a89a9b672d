"""No score is made of a network that is not finite: its run has diverged and keeps the scores it has."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from agents import __main__ as program
from agents.run.checkpoint import Checkpoints
from agents.run.heartbeat import Heartbeat
from agents.run.loop import Run, train
from tests.agents.specs import spec
from tests.agents.test_hogwild import TWO
from tests.agents.test_on_policy import plan as hogwild_plan
from tests.agents.test_resume_kinds import KINDS, drive

NETWORKS = ["rainbow", "qr-dueling", "batch-norm", "output", "r2d2", "drqn_sequential", "traces", "a2c", "noisy-a3c"]
LATE = {"record__learning_every_frames": 100_000}  # no reading


def begin(folder, kind: str, **changes) -> Run:
    algorithm, settings = KINDS[kind]
    return Run(spec(algorithm, budget=1_500, **settings | changes), Checkpoints(folder, {}, print))


def go_on(run: Run, folder) -> str:
    """How it ends."""
    heartbeat = Heartbeat(folder / "heartbeat.json", "run", run.spec.budget_frames, 0)
    return train(run, heartbeat, lambda: False, lambda: None, 1_000).status


@pytest.mark.parametrize("kind", NETWORKS)
def test_every_number_of_every_network_counts(kind, tmp_path):
    run = begin(tmp_path, kind, **LATE)
    learner, looked = run.parts.learner, 0
    assert run.finite()
    for network in learner.agent.networks.values():
        for tensor in network.state_dict().values():
            if tensor.is_floating_point() and tensor.numel():
                last = tensor.flatten()[-1].clone()
                for bad in (np.nan, np.inf, -np.inf):
                    tensor.view(-1)[-1] = bad
                    assert not run.finite()
                tensor.view(-1)[-1] = last
                looked += 1
    assert run.finite() and looked >= 6
    learner.agent.step.parameters[0].data.view(-1)[0] = np.nan
    assert go_on(run, tmp_path) == "diverged" and run.frame == 0
    assert run.recorder.tables()["evaluations"].num_rows == 0


def test_finite_weights_of_infinite_values_are_no_network(tmp_path):
    run = begin(tmp_path, "a2c")
    for parameter in run.parts.learner.agent.step.parameters:
        parameter.data.fill_(1e30)
    assert not run.finite()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_comes_after_the_last_finite_evaluation_is_no_score(bad, tmp_path):
    """Neither evaluations nor training episodes, however far away the next reading is."""
    run = begin(tmp_path, "r2d2", **LATE)
    drive(run, 1_100)
    tables = run.recorder.tables()
    run.parts.learner.agent.step.parameters[-1].data[-1] = bad
    assert go_on(run, tmp_path) == "diverged" and run.frame < 1_500
    after = run.recorder.tables()
    assert after["evaluations"] == tables["evaluations"] and tables["evaluations"].num_rows == 10
    episodes = after["episodes"]["frame"].to_numpy()
    assert episodes.max() < 1_100 + 3 * 20  # of the two or three iterations before the next update


FAULTS = {
    "readings far apart": (
        "dqn_minatar_sn",
        {"learning__clock__start_frames": 2_100, "record__learning_every_frames": 2_000},
    ),
    "at the end alone": ("dqn_minatar_sn", {"learning__clock__start_frames": 2_990, "evaluation__every_frames": 2_900}),
    "without compiled code": ("rainbow_minatar", {"learning__clock__start_frames": 2_100}),
    "recurrent": ("r2d2_minatar", {"learning__clock__start_frames": 2_100, "environment__streams": 4}),
    "on policy": ("a2c_minatar", {"learning__target_every_frames": None}),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_run_that_diverges_late_says_so(case, tmp_path):
    algorithm, changes = FAULTS[case]
    run = spec(algorithm, optimizer__lr=1e30, **{"record__learning_every_frames": 10_000} | changes)
    assert program.main(["train", "--spec", run.canonical(), "--results", str(tmp_path)]) == 0
    folder = tmp_path / "runs" / run.name()
    assert json.loads((folder / "run.json").read_text())["status"] == "diverged"
    every, start = run.evaluation.every_frames, run.first_update_frame
    evaluated = {frame // every for frame in pq.read_table(folder / "evaluations.parquet")["frame"].to_pylist()}
    assert evaluated == set(range(start // every + 1))
    assert max(pq.read_table(folder / "summary.parquet")["frame"].to_pylist()) <= 3_000


def test_lock_free_workers_that_diverge_are_not_scored(tmp_path):
    run = Run(hogwild_plan(**TWO, optimizer__lr=1e30, **LATE), Checkpoints(tmp_path, {}, print))
    assert go_on(run, tmp_path) == "diverged" and run.parts.learner.updates
    assert set(run.recorder.tables()["evaluations"]["frame"].to_pylist()) == {0}
