"""A run of Ray actors as one SLURM job over two nodes, one of which is lost in mid-run."""

import json
import subprocess
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.cluster.test_slurm import MAX_SECONDS, checkout, finished_runs, jobs_by_run, start_slurm

pytest.importorskip("ray", reason="Ray is not installed: pip install '.[ray]'")
pytestmark = [pytest.mark.cluster, pytest.mark.ray]

FRAMES = 6_000
PAPER = f"""
title: Two nodes
authors: nobody
year: 2026
venue: none
url: https://example.org
experiments:
  base:
    title: Two nodes
    algorithm: apex_minatar
    games: [minatar/breakout]
    seeds: 1
    budget_frames: {FRAMES}
    set:
      executor: {{ kind: ray, actors: 2, slots: 2, chunk_steps: 10, pull_every_steps: 10 }}
      environment.streams: 4
      learning.clock.start_frames: 400
      learning.clock.every_frames: 16
      memory.capacity_steps: 8_000
      record.learning_every_frames: 400
      evaluation.every_frames: {FRAMES}
      evaluation.frames: null
      evaluation.episodes: 4
      evaluation.cap_frames: 60
    cluster: {{ runtime_minutes: 10, mem_mb: 1500, cpus: 2, nodes: 2 }}
"""


def steps(job: int) -> list[str]:
    """The SLURM steps of a job that hold Ray on its other nodes."""
    command = ["squeue", "--steps", f"--jobs={job}", "--noheader", "--format=%i|%j"]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [line.split("|")[0] for line in listing.splitlines() if line.split("|")[1] == "ray"]


def read(path: Path) -> dict:
    """A heartbeat, or nothing while it is being replaced."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


def test_a_lost_node_costs_no_frame(cluster, tmp_path):
    folder = checkout(tmp_path / "remote")
    (folder / "config/papers/nodes.yaml").write_text(PAPER)
    scores = "results/paper/scores/nodes.base.parquet"
    process = start_slurm(folder, scores, "--config", "papers=[nodes]", "scale=paper")
    job, frames = None, 0
    try:
        deadline = time.monotonic() + MAX_SECONDS
        while frames < FRAMES / 6 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
            for path in folder.glob("results/work/*/heartbeat.json"):
                beat = read(path)
                job, frames = beat.get("slurm_job"), beat.get("frame", 0)
        assert job is not None, (folder / "snakemake.log").read_text()
        (other,) = steps(job)
        subprocess.run(["scancel", other], check=True)
        process.wait(timeout=MAX_SECONDS)
    finally:
        process.kill()
    assert process.returncode == 0, (folder / "snakemake.log").read_text()
    ((name, run),) = finished_runs(folder / "results").items()
    assert run["status"] == "finished" and run["frames"] >= FRAMES and run["resumes"] == 0
    spared, lost = sorted(run["executor"]["actor_restarts"])
    assert spared == 0 and lost >= 1  # more than once if Ray tries the lost node again before it knows
    episodes = pq.read_table(folder / "results/runs" / name / "episodes.parquet").to_pandas()
    assert 0 < episodes.length.sum() <= run["frames"] and episodes.frame.is_monotonic_increasing
    assert jobs_by_run()[name] == [(str(job), "COMPLETED")], "one job held both nodes, and it did not fail"
