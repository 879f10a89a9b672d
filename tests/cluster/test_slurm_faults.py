"""A real SLURM on which things go wrong: one training each, nothing finished or logged is lost, and it ends.

Training processes are frozen (SIGSTOP) while the next thing is arranged, so that nothing here is a race.
"""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.test_slurm import MAX_SECONDS, checkout, environment, jobs_by_run, start_slurm
from workflow.context import Context

pytestmark = pytest.mark.cluster

PAPER = """
title: Faults
authors: nobody
year: 2026
venue: none
url: https://example.org
experiments:
  base:
    title: Faults
    algorithm: dqn_minatar_sn
    games: [minatar/breakout]
    seeds: 2
    budget_frames: FRAMES
    set:
      exploration.warmup_frames: 200
      exploration.end_frames: 600
      learning.clock.start_frames: 200
      learning.target_every_frames: 200
      memory.capacity_steps: 2_000
      evaluation.every_frames: FRAMES
      evaluation.frames: null
      evaluation.episodes: 1
      evaluation.cap_frames: 60
      record.learning_every_frames: 500
    cluster: { runtime_minutes: 10, mem_mb: MEMORY }
"""


class Faults:
    """A checkout with a paper of two runs, its results elsewhere, and a Snakemake that makes their scores on SLURM."""

    def __init__(self, folder: Path, frames: int, memory_mb: int):
        self.folder, self.results = checkout(folder / "checkout"), folder / "elsewhere"
        (self.folder / "config/papers/faults.yaml").write_text(
            PAPER.replace("MEMORY", str(memory_mb)).replace("FRAMES", str(frames))
        )
        self.settings = [f"results={self.results}", "scale=paper", "papers=[faults]"]
        overrides = {"results": str(self.results), "scale": "paper", "papers": ["faults"]}
        self.runs = sorted(Context.read(self.folder, overrides, main=False).papers.runs("faults.base"))
        self.started: list[subprocess.Popen] = []

    def start(self) -> subprocess.Popen:
        target = f"{self.results}/paper/scores/faults.base.parquet"
        self.started.append(start_slurm(self.folder, target, "--config", *self.settings))
        return self.started[-1]

    def said(self) -> str:
        """What the newest Snakemake said."""
        return (self.folder / "snakemake.log").read_text()

    def until(self, what: str, true: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + MAX_SECONDS
        while time.monotonic() < deadline and self.started[-1].poll() is None:
            if found := true():
                return found
            time.sleep(0.05)
        pytest.fail(f"{what}: did not happen\n{self.said()}")

    def work(self, run: str, name: str) -> dict:
        try:
            return json.loads((self.results / "work" / run / name).read_text())
        except (OSError, json.JSONDecodeError):
            return {}

    def frozen(self, run: str, above: int = -1) -> dict:
        """The sign of life of a run's training process, which is stopped in mid-run past a frame."""

        def freeze() -> dict | None:
            beat = self.work(run, "heartbeat.json")
            if beat.get("state") == "running" and above < beat["frame"] < beat["budget_frames"]:
                os.kill(beat["pid"], signal.SIGSTOP)
                return beat
            return None

        return self.until(f"{run} trains past frame {above}", freeze)

    def log(self, run: str) -> str:
        path = self.results / "logs/train" / f"{run}.log"
        return path.read_text() if path.exists() else ""

    def facts(self, run: str) -> dict:
        return json.loads((self.results / "runs" / run / "run.json").read_text())


@pytest.fixture
def faults(cluster, tmp_path: Path) -> Iterator[Callable[[int, int], Faults]]:
    made: list[Faults] = []

    def make(frames: int, memory_mb: int) -> Faults:
        made.append(Faults(tmp_path, frames, memory_mb))
        return made[-1]

    yield make
    for process in (process for one in made for process in one.started):
        process.kill()
        process.wait()


def test_a_head_that_is_killed_costs_no_training(faults):
    """Its jobs train on. Of the next one's, one finds its run at work, one is queued until its run is finished."""
    here = faults(3_000, 1000)
    at_work, finished = here.runs
    here.start()
    beats = {run: here.frozen(run) for run in here.runs}
    here.started[0].kill()
    here.started[0].wait()
    subprocess.run(
        ["snakemake", "--unlock", "--config", *here.settings],
        cwd=here.folder,
        env=environment(),
        check=True,
        capture_output=True,
    )
    subprocess.run(["scontrol", "update", "partition=main", "state=down"], check=True)  # what runs there runs on
    head = here.start()
    here.until("both are submitted again", lambda: {len(jobs) for jobs in jobs_by_run().values()} == {2})
    os.kill(beats[finished]["pid"], signal.SIGCONT)
    done = (str(beats[finished]["slurm_job"]), "COMPLETED")
    here.until("its first job ends", lambda: done in jobs_by_run()[finished])
    sealed = (here.results / "runs" / finished / "run.json").stat()
    subprocess.run(["scontrol", "update", "partition=main", "state=up"], check=True)
    here.until("its second job waits", lambda: "waiting for it" in here.log(at_work))
    os.kill(beats[at_work]["pid"], signal.SIGCONT)
    assert head.wait(timeout=MAX_SECONDS) == 0, here.said()
    assert re.search(r"note: others work on [12] of these runs \(process ", here.said())  # one may have ended by then

    for run in here.runs:
        assert [state for _, state in jobs_by_run()[run]] == ["COMPLETED", "COMPLETED"]
        log, facts = here.log(run), here.facts(run)
        assert log.count("started at frame 0 of 3,000") == log.count("finished at ") == 1, log
        assert log.count("was finished before") == 1 and "resumed" not in log
        assert facts["slurm_job"] == beats[run]["slurm_job"] and facts["resumes"] == 0
    shown = (here.results / "runs" / finished / "run.json").stat()
    assert (shown.st_ino, shown.st_mtime_ns) == (sealed.st_ino, sealed.st_mtime_ns)


def test_what_is_submitted_again_and_with_how_much_memory(faults):
    """One run is taken away while it gets on, and killed as if for its memory; the other cannot begin."""
    here = faults(12_000, 300)  # less than it uses, which nobody enforces here: its memory is full whenever it ends
    healthy, broken = here.runs
    (here.results / "work").mkdir(parents=True)
    (here.results / "work" / broken).write_text("no folder")
    head = here.start()
    frame, job = -1, None
    for _ in range(2):
        beat = here.frozen(healthy, frame)
        assert beat["peak_mb"] > 0.8 * 300 and beat["slurm_job"] != job
        frame, job = beat["frame"], beat["slurm_job"]
        subprocess.run(["scancel", job], check=True)  # SLURM wakes what it signals
    beat = here.frozen(healthy, frame)
    os.kill(beat["pid"], signal.SIGKILL)
    assert head.wait(timeout=MAX_SECONDS) == 1, here.said()

    command = ["squeue", "--states=all", "--noheader", "--format=%i|%m|%k", "--sort=i"]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    memory = [line.split("|")[1] for line in listing if healthy in line]
    assert memory == ["300M"] * 3 + ["600M"]
    assert here.facts(healthy)["resumes"] == 2  # a start that vanished left no count
    assert here.log(healthy).count("resumed at frame") == 3 and here.log(healthy).count("saved at frame") == 2

    # Three failures are the end of the other. What it said stands on the screen, in its log and in those of its jobs;
    # all lies with the results.
    jobs = jobs_by_run()[broken]
    assert [state for _, state in jobs] == ["FAILED"] * 3
    assert here.log(broken).count("File exists") == 3
    assert f"the end of {here.results}/logs/train/{broken}.log" in here.said()
    logs = here.results.glob(f"logs/slurm/rule_train/{broken}_*/*.log")
    assert {path.stem for path in logs} == {job for job, _ in jobs}
    assert not (here.folder / "results").exists() and not (here.folder / ".snakemake/slurm_logs").exists()
