"""What planning takes: sweeps of 57 Atari games and 20 variants with 1, 5 and 15 seeds (1,140 to 17,100 trainings).

`python -m benchmarks.dag [RUNS …]` builds a checkout with such a paper in a temporary folder, and times
`python -m workflow plan` and `snakemake -n` with nothing done yet, and with every run finished (their sealed results
made up): seconds by the clock, CPU seconds of all processes, and the peak memory of the largest one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from agents.run.code import fingerprint
from agents.run.store import CODE, read
from workflow.context import Context
from workflow.expand import Run
from workflow.finished import digest

GAMES_AND_VARIANTS = 57 * 20
TRIGGERS = ("--rerun-triggers", "mtime", "input", "params", "software-env")
TABLES = ("summary", "episodes", "evaluations", "learning", "timing", "acting")
FILES = (*(f"{table}.parquet" for table in TABLES), "weights.pt")
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
    seeds: {seeds}
    budget_frames: 200_000_000
    variants:
{variants}
figures:
  - {{id: curves, kind: aggregate_curves, title: Curves, experiments: [sweep.sweep]}}
"""


def make_checkout(folder: Path, seeds: int = 5) -> None:
    """A copy of the code with the sweep as its one paper."""
    for name in ("agents", "analysis", "benchmarks", "workflow", "rules", "config", "Snakefile"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    (folder / "config/algorithms/dqn_atari.yaml").write_text(ALGORITHM)
    variants = "\n".join(f"      v{i:02d}: {{ optimizer.lr: {(i + 1) * 1e-5:.6f} }}" for i in range(20))
    (folder / "config/papers/sweep.yaml").write_text(PAPER.format(variants=variants, seeds=seeds))


class Took(NamedTuple):
    """Seconds by the clock, CPU seconds (children too), peak memory of the largest process in MB, what was said."""

    wall: float
    cpu: float
    peak: float
    said: str


def timed(folder: Path, *command: str) -> Took:
    """Run `python -m COMMAND` on the sweep at the scale of the paper."""
    config = ("--config", "scale=paper", "papers=[sweep]")
    environment = os.environ | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "VIRTUAL_ENV": sys.prefix}
    with tempfile.TemporaryFile("w+") as said:
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", *command, *config], cwd=folder, stdout=said, stderr=said, env=environment
        )
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        said.seek(0)
        if status:
            sys.exit(said.read())
        return Took(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, said.read())


def finish(folder: Path) -> None:
    """Seal a made-up result of every run, and let Snakemake make what remains."""
    program = "import os; os.fsync = lambda file: None; from benchmarks.dag import seal; seal()"  # nothing to lose
    subprocess.run([sys.executable, "-c", program], cwd=folder, check=True)
    stand_in = folder / "bin" / "python"
    stand_in.parent.mkdir()
    stand_in.write_text(STAND_IN)
    stand_in.chmod(0o755)
    timed(folder, "snakemake", "sweep", "--cores", "1", *TRIGGERS)  # what remains: scores, figures, report


def seal() -> None:
    """Results of all runs of the sweep in this folder, with the files that runs leave, each of a few bytes."""
    context = Context.read(Path.cwd(), {"scale": "paper", "papers": ["sweep"]}, main=False)
    store = context.finished.store
    for run in context.papers.runs("sweep.sweep").values():
        text = context.finished.code_text(run)

        def write(part: Path, run: Run = run, text: str = text) -> None:
            for name in FILES:
                (part / name).write_text(name)
            (part / "run.json").write_text(json.dumps({"spec": json.loads(run.spec), "status": "finished"}))
            (part / CODE).write_text(text)

        store.show(read(store.seal(run.name, digest(run), fingerprint(text), write)))


def main() -> None:
    asked = [int(word) for word in sys.argv[1:]] or [1_000, 5_700, 17_000]
    print("runs     state         command                   wall s    CPU s     MB")
    for runs in asked:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            make_checkout(folder, seeds := max(1, round(runs / GAMES_AND_VARIANTS)))
            for state in ("nothing done", "all done"):
                if state == "all done":
                    finish(folder)
                for command in (("workflow", "plan", "sweep"), ("snakemake", "sweep", "-n", *TRIGGERS)):
                    took = timed(folder, *command)
                    if (state == "all done") != ("othing to" in took.said):
                        sys.exit(f"{command} with {state}:\n{took.said[-2000:]}")
                    shown = f"{seeds * GAMES_AND_VARIANTS:6,}   {state:12}  {' '.join(command[:3]):24}"
                    print(f"{shown} {took.wall:8.1f} {took.cpu:8.1f} {took.peak:6.0f}", flush=True)


if __name__ == "__main__":
    main()
