"""The demo at smoke scale on a real SLURM, through the shipped profile, with jobs taken away while they run.

Oracle: the same runs trained here, uninterrupted. Every Parquet file must have the same bytes.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from agents.spec.run import model_of
from tests.checkouts import lend_compiled
from tests.faults.sweep import log_of, train
from tests.kills import end
from workflow.context import Context

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
SMOKE = ["--config", "scale=smoke"]
# What a run measured; timing.parquet and run.json hold the wall clock, so they differ.
TABLES = ("episodes", "evaluations", "learning", "summary")
# The test's cluster answers at once: only patience differs from the shipped profile.
SNAKEMAKE = [sys.executable, str(Path(__file__).with_name("snakemake_impatient.py"))]
IMPATIENT = ["--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "5"]
MAX_SECONDS = 900  # of each half of the test, should something hang


def checkout(folder: Path) -> Path:
    """A fresh checkout of this repository, with the work tree's present content."""
    made_here = shutil.ignore_patterns(".git", ".venv", ".snakemake", ".*_cache", "__pycache__", "results")
    return lend_compiled(shutil.copytree(ROOT, folder, symlinks=True, ignore=made_here))


def environment() -> dict[str, str]:
    """This environment with the running Python's programs first, and free of SLURM's own settings."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "SBATCH_", "SNAKEMAKE_"))}
    return clean | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def start_slurm(folder: Path, *arguments: str) -> subprocess.Popen:
    """`snakemake --profile slurm …` in `folder`, with its output in folder/snakemake.log."""
    with open(folder / "snakemake.log", "w") as log:
        # What a shell starts in the background ignores SIGINT, and so would all that it starts.
        heeds = ["env", "--default-signal=INT"]
        command = [*heeds, *SNAKEMAKE, "--profile", "slurm", *arguments, *IMPATIENT]
        return subprocess.Popen(command, cwd=folder, env=environment(), stdout=log, stderr=subprocess.STDOUT)


def freeze_running(folder: Path, process: subprocess.Popen, taken: set[str]) -> dict:
    """Stop (SIGSTOP) a training process in the first half of its run, none of `taken`; return its heartbeat.

    Frozen, a run of a few seconds cannot end before SLURM is told to take it away. SLURM wakes what it
    signals.
    """
    while process.poll() is None:
        for path in folder.glob("results/work/*/heartbeat.json"):
            try:
                beat = json.loads(path.read_text())
            except (FileNotFoundError, json.JSONDecodeError):
                continue  # the run ended just now
            early = beat["frame"] < beat["budget_frames"] / 2
            if early and beat["state"] == "running" and beat["run"] not in taken:
                try:
                    os.kill(beat["pid"], signal.SIGSTOP)
                except ProcessLookupError:
                    continue
                return beat
        time.sleep(0.02)
    pytest.fail("no training process was seen in mid-run\n" + (folder / "snakemake.log").read_text())


def jobs_by_run() -> dict[str, list[tuple[str, str]]]:
    """Run -> its (SLURM job id, state) pairs, from the jobs that SLURM remembers."""
    command = ["squeue", "--states=all", "--noheader", "--format=%i|%T|%k"]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    jobs: dict[str, list[tuple[str, str]]] = {}
    for line in listing.splitlines():
        job, state, comment = line.split("|", 2)
        run = re.sub("_[0-9a-f]{16}$", "", comment).removeprefix("rule_train_wildcards_")
        jobs.setdefault(run, []).append((job, state))
    return jobs


def finished_runs(folder: Path) -> dict[str, dict]:
    """Run -> content of its run.json, of a folder of results."""
    return {path.parent.name: json.loads(path.read_text()) for path in folder.glob("runs/*/run.json")}


def test_jobs_taken_away_resume_and_end_with_the_local_runs_bytes(cluster, tmp_path):
    local, remote = tmp_path / "local", checkout(tmp_path / "remote")
    for run in Context.read(remote, {"scale": "smoke"}, main=False).papers.runs("demo.breakout").values():
        spec = model_of(json.loads(run.spec)).model_validate_json(run.spec)
        assert end(train(spec, local, 1e9)) == 0, log_of(local, spec.name()).read_text()

    process = start_slurm(remote, "demo", *SMOKE)
    try:
        cancelled = freeze_running(remote, process, taken=set())
        subprocess.run(["scancel", str(cancelled["slurm_job"])], check=True)
        requeued = freeze_running(remote, process, taken={cancelled["run"]})
        subprocess.run(["scontrol", "requeue", str(requeued["slurm_job"])], check=True)
        process.wait(timeout=MAX_SECONDS)
    finally:
        process.kill()
    assert process.returncode == 0, (remote / "snakemake.log").read_text()

    # Every run ended, once, as it did locally; only the two that were taken away had to resume.
    expected, runs = finished_runs(local), finished_runs(remote / "results")
    assert runs.keys() == expected.keys() and len(runs) > 2
    assert {run["status"] for run in runs.values()} == {"finished"}
    assert {name for name, run in runs.items() if run["resumes"]} == {cancelled["run"], requeued["run"]}
    for name in runs:
        for table in TABLES:
            path = Path("runs") / name / f"{table}.parquet"
            assert (remote / "results" / path).read_bytes() == (local / path).read_bytes(), path

    jobs = jobs_by_run()
    states = {name: Counter(state for _, state in jobs[name]) for name in runs}
    cancelled_jobs = {"CANCELLED": 1, "COMPLETED": 1}
    assert states == {name: cancelled_jobs if name == cancelled["run"] else {"COMPLETED": 1} for name in runs}
    assert jobs[requeued["run"]] == [(str(requeued["slurm_job"]), "COMPLETED")], "a requeued job keeps its id"
    assert sum(map(len, jobs.values())) == len(runs) + 1, "scores, figures and the report are no SLURM jobs"

    # The log of the job that failed is where the profile says, and nothing more is to do.
    (log,) = remote.glob(f"results/logs/slurm/rule_train/{cancelled['run']}_*/{cancelled['slurm_job']}.log")
    assert log.stat().st_size
    again = start_slurm(remote, "demo", *SMOKE)
    assert again.wait(timeout=MAX_SECONDS) == 0
    assert "Nothing to be done" in (remote / "snakemake.log").read_text()


def test_interrupting_snakemake_cancels_its_jobs(cluster, tmp_path):
    shutil.copytree(ROOT / "workflow/profiles/slurm", tmp_path / "slurm")
    rule = 'rule sleep:\n    output: "never"\n    shell: "touch started; sleep 300"\n'
    (tmp_path / "Snakefile").write_text(rule)
    process = start_slurm(tmp_path)
    try:
        deadline = time.monotonic() + MAX_SECONDS
        while not (tmp_path / "started").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=MAX_SECONDS) != 0
    finally:
        process.kill()
    deadline = time.monotonic() + 60  # scancel may end before its job does, which by itself would sleep for 300 s
    while not (states := {state for _, state in jobs_by_run()["rule_sleep"]}) <= {"CANCELLED", "COMPLETING"}:
        assert time.monotonic() < deadline, states
        time.sleep(0.2)
