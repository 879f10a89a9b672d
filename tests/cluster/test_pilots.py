"""Pilots on a real SLURM: one is killed, one comes to its time limit; every run is trained once, to the same bytes."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agents.spec.run import model_of
from tests.cluster.test_slurm import environment
from tests.faults.programs import PAPER, build
from tests.faults.sweep import Watch, folder_of, outputs, train
from tests.kills import end
from workflow.context import Context

pytestmark = pytest.mark.cluster

TARGET = "results/paper/scores/faults.sweep.parquet"
PATIENCE = 240  # seconds for each thing that is waited for


def workflow(folder: Path, *words: str) -> str:
    """What a command of the workflow says."""
    fast = environment() | {"PAPER_ARCADE_CHECKPOINT_SECONDS": "0.2", "VIRTUAL_ENV": sys.prefix}
    command = [sys.executable, "-m", "workflow", *words]
    done = subprocess.run(command, cwd=folder, env=fast, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def states() -> dict[str, str]:
    """Pilot ("1_0") -> SLURM's word for how it is."""
    command = ["squeue", "--states=all", "--noheader", "--array", "--format=%i|%T"]
    listing = subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE).stdout
    return dict(line.split("|") for line in listing.splitlines())


def until(what: str, true: Callable[[], Any], folder: Path) -> Any:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := true():
            return found
        time.sleep(0.02)
    pytest.fail(f"{what}: did not happen in {PATIENCE} s; {states()}\n" + said(folder))


def said(folder: Path) -> str:
    return "\n".join(path.read_text() for path in sorted(folder.glob("results/logs/pilots/*.log")))


def pilot(folder: Path, index: int) -> int:
    """The process of the pilot that has this slice."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if "workflow.pilot" in words and words[-2] == str(index) and str(folder) in words[-3]:
            return int(place.name)
    raise AssertionError(f"no pilot {index}: {states()}")


@pytest.fixture
def freeze() -> Iterator[Callable[[Path, set[str]], dict | None]]:
    """What stops (SIGSTOP) a training of some runs past its first checkpoint; -> its sign of life, if there is one.

    All go on at the end, whatever happened.
    """
    stopped: list[int] = []

    def stop(folder: Path, runs: set[str]) -> dict | None:
        for path in folder.glob("results/work/*/heartbeat.json"):
            with contextlib.suppress(OSError, json.JSONDecodeError):
                beat = json.loads(path.read_text())
                saved = any(path.parent.glob("checkpoints/manifest-*.json"))
                if saved and path.parent.name in runs and beat["state"] == "running":
                    os.kill(beat["pid"], signal.SIGSTOP)
                    stopped.append(beat["pid"])
                    return beat
        return None

    yield stop
    for number in stopped:
        go_on(number)


def go_on(number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(number, signal.SIGCONT)


def test_pilots_that_are_killed_or_cut_off_lose_nothing(cluster, freeze, tmp_path: Path):
    folder = build(tmp_path / "checkout")
    (folder / "config/papers/faults.yaml").write_text(PAPER.replace("seeds: 2", "seeds: 3"))
    found = Context.read(folder, main=False).papers.runs("faults.sweep").values()
    runs = [model_of(json.loads(run.spec)).model_validate_json(run.spec) for run in found]
    expected = {}
    for run in runs:
        assert end(train(run, tmp_path / "still", 1e9)) == 0
        expected[run.name()] = outputs(folder_of(tmp_path / "still", run))

    told = workflow(folder, "pilots", "faults", "--jobs", "2", "--cores", "1", "--time", "00:30:00")
    assert told.startswith("job 1: 2 pilots of 1 core for 6 runs of faults"), told
    (place,) = (folder / "results/pilots").iterdir()
    slices = [{row[0] for row in json.loads((place / f"{i}.json").read_text())} for i in (0, 1)]
    assert len(slices[0] | slices[1]) == 6 and len(slices[0]) == len(slices[1]) == 3
    beats: dict[int, dict] = {}

    def stopped() -> bool:
        beats.update({i: beat for i in {0, 1} - beats.keys() if (beat := freeze(folder, slices[i]))})
        return len(beats) == 2

    until("a training of each pilot", stopped, folder)
    killed, cut = beats[0], beats[1]
    told = workflow(folder, "pilots", "faults", "--jobs", "2", "--cores", "1")
    assert re.fullmatch(r"nothing to submit: the \d runs .* are in the hands of job 1_0, job 1_1\n", told), told
    # SIGKILL of one: the other does not notice. SLURM ends its trainings with it, or, where it does not find them, they
    # have been told to save and leave.
    os.kill(pilot(folder, 0), signal.SIGKILL)
    until("pilot 0 ends", lambda: states()["1_0"] == "FAILED", folder)
    go_on(killed["pid"])
    # The time limit of the other: it saves, and is queued again by itself.
    subprocess.run(["scancel", "--batch", "--signal=USR1", "1_1"], check=True, timeout=PATIENCE)
    go_on(cut["pid"])
    until("pilot 1 saves", lambda: "queued again" in said(folder), folder)
    shown = workflow(folder, "status", "faults")
    assert re.search(rf"{place.name} 0 +1_0 +failed, unfinished .* \d +[123] ", shown), shown
    until("pilot 1 ends", lambda: states()["1_1"] == "COMPLETED", folder)
    log = (folder / "results/logs/train" / f"{cut['run']}.log").read_text()
    assert "saved at frame" in log and "resumed at frame" in log

    workflow(folder, "pilots", "faults", "--jobs", "1", "--cores", "1")
    until("all pilots end", lambda: set(states().values()) <= {"COMPLETED", "FAILED"}, folder)
    assert set(states().values()) == {"COMPLETED", "FAILED"} and states()["1_0"] == "FAILED", said(folder)
    log = (folder / "results/logs/train" / f"{killed['run']}.log").read_text()
    assert "resumed at frame" in log

    workflow(folder, "run", TARGET, "--", "--cores", "1")
    watch = Watch(folder / "results", runs, expected, Counter())
    watch.close()
    assert watch.broken == []
    for run in runs:  # trained once: from the beginning one time only, and sealed one time
        log = (folder / "results/logs/train" / f"{run.name()}.log").read_text()
        assert log.count("started at frame 0 of 3,000") == log.count("finished at ") == 1, log
    told = workflow(folder, "pilots", "faults", "--jobs", "2", "--cores", "1")
    assert told == "nothing to submit: all 6 runs of faults are finished\n"
    assert "pilots" not in workflow(folder, "status", "faults")
