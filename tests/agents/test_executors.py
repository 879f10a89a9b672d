"""Distributed actors: what is sent arrives to the bit; whoever dies, nothing is mixed up and nothing left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from pydantic import ValidationError

from agents.build import build
from agents.executors import nursery, pool
from agents.executors.actors.chunks import Layout, chunk_layout, step_at, write_step
from agents.executors.actors.rollout_worker import RolloutWorker, parameters
from agents.executors.actors.shared_memory import SharedMemory
from agents.run.checkpoint import Checkpoints
from agents.run.heartbeat import Heartbeat
from agents.run.loop import Run, joined, train
from agents.step import SequenceSpec, Step
from tests.agents.specs import ROOT, spec
from tests.agents.test_apex import APEX
from tests.agents.test_on_policy import plan as on_policy
from tests.agents.test_resume import finish, start

PROCESSES = {"kind": "processes", "actors": 2, "slots": 2, "chunk_steps": 10, "pull_every_steps": 10}
DISTRIBUTED = APEX | {"executor": PROCESSES, "learning__clock__every_frames": 16}


def beside(learner: int) -> list[psutil.Process]:
    """The living processes that were started for a process's actors: they and the one whose forks they are."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        if nursery.__name__ in words and f"--parent={learner}" in words and process.info["status"] != "zombie":
            found.append(process)
    return found


def actors_of(learner: int) -> list[psutil.Process]:
    """The living actors of a process, by number."""
    return sorted((p for p in beside(learner) if p.name().startswith("actor ")), key=lambda p: p.name())


def wait_until(condition, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)


def run_in(folder: Path, **changes) -> Run:
    return Run(spec(**DISTRIBUTED | changes), Checkpoints(folder, {}, print))


def test_arrays_of_a_layout_lie_apart_and_are_aligned():
    layout = Layout({"a": ((3,), np.dtype(np.int8)), "b": ((2, 2), np.dtype(np.float64)), "c": ((), np.dtype(bool))})
    buffer = bytearray(layout.size + 64)
    views = layout.views(buffer, 64)
    assert layout.size == 3 * 64 and [v.ctypes.data % 64 for v in views.values()] == [views["a"].ctypes.data % 64] * 3
    for i, view in enumerate(views.values()):
        view[...] = i + 1
    assert [v.ravel().tolist() for v in views.values()] == [[1, 1, 1], [2.0] * 4, [True]]


def test_a_row_goes_into_a_chunk_and_comes_out():
    rng, sequence_spec = np.random.default_rng(0), SequenceSpec(1, (0, 1), extras={"state": ((2, 3), np.float32)})
    obs = rng.random((2, 4, 5, 5)).astype(np.float32)
    layout = chunk_layout(3, 2, obs, sequence_spec)
    chunk = layout.views(bytearray(layout.size))
    row = Step(
        obs,
        np.array([4, 5]),
        np.float32([0.1, -2]),
        np.float32([1, 0]),
        np.array([True, False]),
        np.array([False, True]),
        {"state": rng.random((2, 2, 3)).astype(np.float32)},
    )
    write_step(chunk, 1, row)
    got = step_at(chunk, 1)
    for name in Step._fields[:-1]:
        assert (
            np.array_equal(getattr(got, name), getattr(row, name))
            and getattr(got, name).dtype == getattr(row, name).dtype
        )
    assert np.array_equal(got.extras["state"], row.extras["state"])


def test_parameters_are_read_whole_and_only_when_new():
    run = spec(**DISTRIBUTED)
    parts = build(run)
    learner = parts.executor.shared
    actor = SharedMemory(run, parts.learner.agent, parts.executor.shared.slots[0]["obs"][0], os.dup(learner.descriptor))
    assert actor.newest(0) is None
    values = {name: array + 1 for name, array in parameters(parts.learner.agent).items()}
    learner.publish(7, values)
    version, got = actor.newest(0)
    assert version == 7 and actor.newest(7) is None
    assert all(np.array_equal(got[name], values[name]) and got[name].dtype == values[name].dtype for name in values)


def test_what_arrives_is_what_the_actors_made(tmp_path):
    run = spec(**DISTRIBUTED)
    parts = build(run)
    workers = [RolloutWorker(run, number, 0) for number in range(2)]
    try:
        for _ in range(4):  # more than there are slots
            while (chunk := parts.executor.take(1.0, 0)) is None:
                pass
            for number, worker in enumerate(workers):
                mine = worker.layout.views(bytearray(worker.layout.size))
                worker.rollout(mine, 0, lambda version: None)
                for name in set(mine) - {"seconds"}:
                    assert np.array_equal(chunk[name][:, 2 * number : 2 * number + 2], mine[name]), name
    finally:
        parts.executor.close()
    assert "extra.q_best" in chunk and not actors_of(os.getpid())
    assert not np.array_equal(chunk["obs"][:, :2], chunk["obs"][:, 2:])  # the actors play different games


def test_a_killed_actor_starts_anew_and_its_episode_is_closed(tmp_path):
    run = run_in(tmp_path / "a", memory__capacity_steps=10_000)
    try:
        while run.frame < 400:
            assert run.iterate()
        before = actors_of(os.getpid())
        assert len(before) == 2
        before[0].kill()
        store, executor = run.parts.memory.store, run.parts.executor
        while not store.closed.size:
            assert run.iterate()
        break_row = store.count - 1  # the first row of the new incarnation
        for _ in range(30):
            assert run.iterate()
        assert executor.pool.restarts == [1, 0] and executor.pool.incarnations.tolist() == [1, 0]
        assert store.closed.tolist() == [(break_row - 1) * 4, (break_row - 1) * 4 + 1]
        rows = store.extract(0, store.count)
        assert rows["last"][break_row - 1, :2].all() and (rows["age"][break_row, :2] == 0).all()
        starts = np.vstack((np.ones((1, 4), bool), rows["last"][:-1]))
        assert np.array_equal(rows["age"] == 0, starts)  # no episode begins or goes on where it should not
        dropped = run.frame - int((~rows["last"]).sum())  # what was done at the two rows that became last ones
        assert 0 <= dropped <= 2
        run.save()
    finally:
        run.parts.executor.close()
    again = run_in(tmp_path / "a", memory__capacity_steps=10_000)
    same = again.parts.memory.store.extract(0, store.count)
    assert all(np.array_equal(rows[name], same[name]) for name in rows)
    assert again.parts.executor.pool.incarnations.tolist() == [2, 1] and again.frame == run.frame
    assert again.parts.executor.version == again.parts.learner.updates > 0


def test_all_actors_start_anew_where_the_process_that_they_are_forks_of_is_killed(tmp_path, capfd):
    run = run_in(tmp_path / "a")
    executor = run.parts.executor
    try:
        while run.frame < 100:
            assert run.iterate()
        before = {process.pid for process in beside(os.getpid())}
        pool.Nursery.now.process.kill()
        while executor.pool.restarts != [1, 1]:
            assert run.iterate()
        until = run.frame + 100
        while run.frame < until:
            assert run.iterate()
        after = {process.pid for process in beside(os.getpid())}
        assert len(before) == len(after) == 3 and not before & after
    finally:
        executor.close()
    said = capfd.readouterr().err
    assert all(f"actor {n} ended with -9; started anew" in said for n in (0, 1))


def test_a_killed_learner_leaves_nothing_and_goes_on(tmp_path):
    run, shared = spec(**DISTRIBUTED | {"budget": 20_000}), set(os.listdir("/dev/shm"))
    process = start(run, tmp_path, seconds=0.3)
    manifests = tmp_path / "work" / run.name() / "checkpoints"
    wait_until(lambda: list(manifests.glob("manifest-*.json")) and len(actors_of(process.pid)) == 2, 60)
    ours = (signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGTERM)
    for each in beside(process.pid):  # what clusters and terminals send to all processes is for the learner to obey
        ignored = int(Path(f"/proc/{each.pid}/status").read_text().partition("SigIgn:")[2].split()[0], 16)
        assert all(ignored >> number - 1 & 1 for number in ours)
    os.kill(process.pid, signal.SIGKILL)
    assert finish(process) == -signal.SIGKILL
    wait_until(lambda: not beside(process.pid), 5)
    assert set(os.listdir("/dev/shm")) <= shared
    process = start(run, tmp_path)
    wait_until(lambda: "resumed" in (tmp_path / "log").read_text(), 60)
    os.kill(process.pid, signal.SIGTERM)
    for each in beside(process.pid):  # as SLURM and terminals do, which signal all processes of a job
        each.send_signal(signal.SIGTERM)
        each.send_signal(signal.SIGHUP)
    assert finish(process) == 75
    wait_until(lambda: not beside(process.pid), 5)
    assert set(os.listdir("/dev/shm")) <= shared


def test_a_finished_run_says_what_its_actors_did(tmp_path):
    run = spec(**DISTRIBUTED | {"budget": 2_000})
    process = start(run, tmp_path)
    assert finish(process) == 0 and not actors_of(process.pid)
    folder = tmp_path / "runs" / run.name()
    facts = json.loads((folder / "run.json").read_text())
    assert 2_000 <= facts["frames"] < 2_004
    executor = facts["executor"]
    assert executor["actor_restarts"] == [0, 0] and all(speed > 0 for speed in executor["actor_frames_per_second"])
    import pyarrow.parquet as pq

    learning = pq.read_table(folder / "learning.parquet").to_pandas()
    lag = learning[learning.metric == "policy_lag"].value
    ratio = learning[learning.metric == "replay_ratio"]
    made, updates = (np.diff(ratio[of], prepend=0) for of in ("frame", "update"))
    assert ratio.value.tolist() == pytest.approx(run.learning.batch * updates / made)
    # One update in 16 frames: chunks of 10 x 4 rows and the slots hold at most 3 x 2.5 updates, a pull one chunk more.
    assert (lag >= 0).all() and 0 < lag.max() <= 12
    speed = learning[learning.metric == "actor_frames_per_second"].value
    assert len(speed) == len(lag) and (speed > 0).all()
    assert updates[5:].sum() / made[5:].sum() == pytest.approx(1 / 16, rel=0.1)


@pytest.mark.parametrize("kind", ["replay", "on policy"])
def test_policy_lag_is_measured_in_one_place(kind, tmp_path):
    """On-policy by the learner, as of the update; else, where rows are learned from again, as they come in."""
    changes = {"executor": PROCESSES | {"chunk_steps": 6, "pull_every_steps": 3}, "record__learning_every_frames": 9999}
    plan = spec(**DISTRIBUTED | changes) if kind == "replay" else on_policy(**changes)
    run, lags = Run(plan, Checkpoints(tmp_path, {}, print)), []
    learner, learn = run.parts.learner, run.parts.learner.learn

    def watched(batch):
        if kind == "on policy":
            lags.append(learner.updates - batch.extras["version"][:-1].double().mean().item())
        return learn(batch)

    learner.learn = watched
    try:
        while learner.updates < 12:
            run.iterate()
        read, measured = learner.read(), run.parts.executor.readings()
    finally:
        run.parts.executor.close()
    if kind == "on policy":
        assert read["policy_lag"] == pytest.approx(np.mean(lags)) and len(lags) == 12 and "policy_lag" not in measured
    else:
        assert measured["policy_lag"] >= 0 and "policy_lag" not in read


def test_a_name_stands_for_one_quantity():
    assert joined({"a": 1.0}, {"b": 2.0}, {}) == {"a": 1.0, "b": 2.0}
    with pytest.raises(ValueError, match="measured in two places: b"):
        joined({"a": 1.0, "b": 1.0}, {"b": 2.0})


def test_actors_leave_when_learning_fails(tmp_path, monkeypatch):
    run, fine = run_in(tmp_path / "a"), Run.iterate

    def iterate(self) -> bool:
        if self.frame > 100:
            raise OSError("the disk is full")
        return fine(self)

    monkeypatch.setattr(Run, "iterate", iterate)
    heart = Heartbeat(tmp_path / "heart", "run", 1_000, 0)
    with pytest.raises(OSError, match="disk is full"):
        train(run, heart, lambda: False, lambda: None, 1e9)
    assert not actors_of(os.getpid())


def test_an_actor_that_cannot_start_is_given_up(tmp_path, monkeypatch, capfd):
    run = run_in(tmp_path / "a")
    monkeypatch.setattr(pool.Nursery, "now", None)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match=r"actor \d ended 3 times before it did anything, at last with 1"):
        run.iterate()
    run.parts.executor.close()
    assert "started anew" in capfd.readouterr().err


def test_a_fork_that_fails_ends_where_nobody_reads_what_it_says():
    program = (
        "import psutil\n"
        "from agents.executors.pool import Nursery\n"
        "nursery = Nursery()\n"
        "forks = [nursery.fork({'spec': '{}', 'post': [number, 0, 0]}, [0, 0, 0]) for number in range(3)]\n"
        "print([nursery.wait(fork, 60) for fork in forks], len(psutil.Process().children(recursive=True)))\n"
    )
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=full, text=True)
    assert done.stdout == "[1, 1, 1] 1\n"


def test_actors_share_streams_equally():
    with pytest.raises(ValidationError, match=r"3 environment\.streams cannot be shared equally by 2 executor\.actors"):
        spec(**DISTRIBUTED | {"environment__streams": 3})
