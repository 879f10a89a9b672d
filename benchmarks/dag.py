"""Seconds that Snakemake takes to plan 57 Atari games × 20 variants × 5 seeds (5,700 training jobs).

`python benchmarks/dag.py` builds a checkout with such a paper in a temporary folder and times `snakemake -n`
with nothing done yet, and with every run finished (their sealed results made up).
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ALGORITHM = """
label: DQN
source: benchmark
extends: dqn_minatar_sn
spec:
  environment:
    {suite: atari, streams: 1, stack: 4, sticky: 0.25, repeat: 4, noop_max: 0, fire_reset: false,
     life_loss: false, clip_reward: true, actions: minimal, screen: 84, flicker: 0.0, hidden: [],
     cap_frames: 108_000, reseed_every_steps: 50_000}
"""
# Stands for python in the rules: makes the outputs that it is told of, empty.
STAND_IN = """#!/bin/sh
while [ $# -gt 0 ]; do case $1 in
  --out) out=$2;; -m) what=$2:$3;; esac; shift; done
case $what in
  *:figure) for suffix in pdf svg png csv json; do : >"$out.$suffix"; done;;
  *) : >"$out";;
esac
"""
PAPER = """
title: Sweep
authors: nobody
year: 2026
venue: benchmark
url: ""
experiments:
  sweep:
    title: sweep
    algorithm: dqn_atari
    games: [atari57]
    seeds: 5
    budget_frames: 200_000_000
    variants:
{variants}
figures:
  - {{id: curves, kind: aggregate_curves, title: Curves, experiments: [sweep.sweep]}}
"""


def make_checkout(folder: Path) -> None:
    """A copy of the code with the sweep as its one paper."""
    for name in ("agents", "analysis", "workflow", "rules", "config", "Snakefile"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    (folder / "config/algorithms/dqn_atari.yaml").write_text(ALGORITHM)
    variants = "\n".join(f"      v{i:02d}: {{ optimizer.lr: {(i + 1) * 1e-5:.6f} }}" for i in range(20))
    (folder / "config/papers/sweep.yaml").write_text(PAPER.format(variants=variants))


def snakemake(folder: Path, *options: str) -> tuple[float, str]:
    """Wall seconds and output of `snakemake sweep` at the scale of the paper."""
    command = [sys.executable, "-m", "snakemake", *options, "--config", "scale=paper", "papers=[sweep]"]
    triggers = ["--rerun-triggers", "mtime", "input", "params", "software-env"]
    environment = os.environ | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "VIRTUAL_ENV": sys.prefix}
    start = time.perf_counter()
    done = subprocess.run(
        [*command, *triggers], cwd=folder, capture_output=True, text=True, env=environment, check=False
    )
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return time.perf_counter() - start, done.stdout + done.stderr


def finish(folder: Path) -> None:
    """Seal a made-up result of every run, and let Snakemake make what remains."""
    sys.path.insert(0, str(folder))
    from agents.run.code import fingerprint
    from agents.run.store import read
    from workflow.context import Context
    from workflow.finished import digest

    context = Context.read(folder, {"scale": "paper", "results": str(folder / "results")}, main=False)
    store = context.finished.store
    for run in context.papers.runs("sweep.sweep").values():
        code = fingerprint(context.finished.code_text(run))
        store.show(read(store.seal(run.name, digest(run), code, lambda part: (part / "run.json").touch())))
    stand_in = folder / "bin" / "python"
    stand_in.parent.mkdir()
    stand_in.write_text(STAND_IN)
    stand_in.chmod(0o755)
    snakemake(folder, "sweep", "--cores", "1")  # what remains: scores, figures, report


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_checkout(folder)
        seconds, text = snakemake(folder, "sweep", "-n", "--quiet", "rules")
        jobs = next((line for line in text.splitlines() if line.startswith("train ")), "no training jobs?")
        print(f"nothing done   {seconds:6.1f} s   {' '.join(jobs.split())}")
        finish(folder)
        seconds, text = snakemake(folder, "sweep", "-n", "--quiet", "rules")
        print(f"all finished   {seconds:6.1f} s   {text.strip().splitlines()[-1]}")
        print(f"peak memory    {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:6.0f} MB")


if __name__ == "__main__":
    main()
