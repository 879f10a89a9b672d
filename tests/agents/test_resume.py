"""Exact resume: a run killed with SIGKILL again and again ends with the bytes of an undisturbed one."""

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from agents import __main__ as program
from agents.arithmetic import settle
from agents.run import attempts
from agents.run.checkpoint import Checkpoints
from tests.agents.specs import spec, warm

ROOT = Path(__file__).parents[2]
FORK = multiprocessing.get_context("fork")  # real processes to kill, without 3 s of imports for each


def start(run, results: Path, seconds: float = 0.1) -> multiprocessing.Process:
    """A training process for `run`, its messages in results/log."""

    def child() -> None:
        sys.stderr = open(results / "log", "a")
        settle(1)
        arguments = ["train", "--spec", run.canonical(), "--results", str(results), "--keep-work"]
        os._exit(program.main([*arguments, "--checkpoint-seconds", str(seconds)]))

    results.mkdir(exist_ok=True)
    warm()  # what is imported and compiled here is there in each process
    for name in run.components():
        import_module(name.partition(":")[0])
    process = FORK.Process(target=child)
    process.start()
    return process


def finish(process: multiprocessing.Process) -> int:
    process.join(timeout=300)
    assert process.exitcode is not None, "the run hangs"
    return process.exitcode


def leavings(run, results: Path) -> dict:
    """All that a finished run leaves: table bytes, and the state and replay of its last checkpoint."""
    folder = results / "runs" / run.name()
    tables = {p.name: p.read_bytes() for p in folder.glob("*.parquet") if p.stem != "timing"}
    identity = json.loads(next((results / "work" / run.name() / "checkpoints").glob("manifest-*")).read_text())[
        "identity"
    ]
    saved = Checkpoints(results / "work" / run.name() / "checkpoints", identity, print).load()
    state = {k: v for k, v in saved.state.items() if k not in ("seconds", "resumes")}
    rows = {}
    for first, arrays in saved.segments:  # cut differently, but the same rows in the end
        for name, array in arrays.items():
            rows.setdefault(name, []).extend((first + i, row.tobytes()) for i, row in enumerate(array))
    count = state["parts"]["memory"]["store"]["count"]
    oldest = max(0, count - run.memory.capacity_steps // run.environment.streams)
    return {
        "tables": tables,
        "state": state,
        "rows": {k: [r for r in v if r[0] >= oldest] for k, v in rows.items()},
    }


def assert_same(a, b, path: str = "") -> None:
    assert type(a) is type(b), path
    if isinstance(a, dict):
        assert a.keys() == b.keys(), path
        for key in a:
            assert_same(a[key], b[key], f"{path}.{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), path
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{path}[{i}]")
    elif isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype and torch.equal(a, b), path
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype and np.array_equal(a, b), path
    else:
        assert a == b, path


SN = {
    "agent__selector": "online",
    "spectral__kind": "weights",
    "spectral__layers": [-2, -3],
    "spectral__flow": "all",
}
ATARI = {
    "budget": 1_000,
    "learning__clock__start_frames": 160,
    "environment__cap_frames": 200,
    "environment__sticky": 0.25,
    "environment__reseed_every_steps": 40,  # of the 50 that an episode has, so that every end is followed by a new seed
    "evaluation__every_frames": 600,
    "evaluation__episodes": 2,
    "evaluation__cap_frames": 200,
    "network__convolutions": [[8, 8, 4], [16, 4, 2], [16, 3, 1]],
    "network__units": [64],
}
CASES = {
    "dqn": (
        spec(budget=8_000),
        22,
    ),  # more than a fast machine trains between so many kills
    "double-sn-3step-2streams": (
        spec(game="asterix", budget=2_500, environment__streams=2, agent__n_step=3, **SN),
        5,
    ),
    "atari-pong": (spec("dqn_nature", "pong", **ATARI), 3),
    "atari-breakout-2streams": (spec("dqn_nature", "breakout", environment__streams=2, **ATARI), 3),
}


def signs(work: Path, kill: int) -> set:
    """What changes when a process begins to train (odd kills) or commits a checkpoint (even ones)."""
    if kill % 2:
        return {p.stat().st_mtime_ns for p in work.glob("heartbeat.json")}
    return {p.name for p in work.glob("checkpoints/manifest-*.json")}


@pytest.mark.parametrize("case", CASES)
def test_a_killed_run_ends_with_the_bytes_of_an_undisturbed_one(case, tmp_path):
    run, kills = CASES[case]
    assert finish(start(run, tmp_path / "calm", seconds=1e9)) == 0
    moments, work = random.Random(case), tmp_path / "killed" / "work" / run.name()
    for kill in range(kills):
        # Half of the kills come at any time after start-up, half shortly after a checkpoint of this very process.
        before = signs(work, kill)
        process = start(run, tmp_path / "killed")
        while process.is_alive() and signs(work, kill) == before:
            time.sleep(0.005)
        time.sleep(moments.uniform(0.0, 0.15))
        os.kill(process.pid, signal.SIGKILL)
        assert finish(process) == -signal.SIGKILL, f"finished after {kill} kills: it needs a larger budget"
    assert finish(start(run, tmp_path / "killed", seconds=1)) == 0
    resumed = (tmp_path / "killed" / "log").read_text().count("resumed")
    assert resumed >= kills // 2, "too few kills came after a checkpoint"
    assert_same(leavings(run, tmp_path / "calm"), leavings(run, tmp_path / "killed"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
@pytest.mark.parametrize("during", ["training", "evaluation"])
def test_a_signal_saves_and_leaves_within_ten_seconds(number, during, tmp_path):
    long = {"evaluation__episodes": 100_000} if during == "evaluation" else {}
    run = spec(budget=1_000_000, **long)
    process = start(run, tmp_path, seconds=1e9)
    heart = tmp_path / "work" / run.name() / "heartbeat.json"
    while not heart.exists():
        time.sleep(0.01)
    time.sleep(0.2)
    sent = time.monotonic()
    os.kill(process.pid, number)
    os.kill(process.pid, number)  # a second one changes nothing
    assert finish(process) == 75
    assert time.monotonic() - sent < 10
    assert json.loads(heart.read_text())["state"] == "preempted"
    assert list((tmp_path / "work" / run.name() / "checkpoints").glob("manifest-1.json"))


def test_a_hang_up_is_ignored_where_nohup_asked_for_that(tmp_path, monkeypatch):
    run, heart = spec(budget=1_000), tmp_path / "work"
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = start(run, tmp_path, seconds=1e9)
        while not list(heart.glob("*/heartbeat.json")):
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGHUP)
        assert finish(process) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_signal_before_training_leaves_at_once(tmp_path):
    run, compiled = spec(budget=1_000_000), tmp_path / "compiled"
    command = [sys.executable, "-m", "agents", "train", "--spec", run.canonical(), "--results", str(tmp_path)]
    process = subprocess.Popen(
        command,
        env=os.environ | {"NUMBA_CACHE_DIR": str(compiled), "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not compiled.exists():
        time.sleep(0.01)
    time.sleep(1.0)  # from here on it compiles, for many seconds
    sent = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 75 and time.monotonic() - sent < 10
    assert said == f"{run.name()}: left before it began, after signal 15\n"
    assert [path.name for path in (tmp_path / "work" / run.name()).glob("*.json")] == ["attempts.json"]
    assert [start["ended"] for start in attempts.read(tmp_path / "work" / run.name())] == ["left"]


def test_the_same_spec_gives_the_same_bytes_and_another_seed_others(tmp_path):
    runs = {"a": spec(seed=1, budget=1_500), "b": spec(seed=1, budget=1_500), "c": spec(seed=2, budget=1_500)}
    for folder, run in runs.items():
        assert finish(start(run, tmp_path / folder, seconds=1e9)) == 0
    a, b, c = (leavings(run, tmp_path / folder) for folder, run in runs.items())
    assert_same(a, b)
    assert a["tables"]["episodes.parquet"] != c["tables"]["episodes.parquet"]
