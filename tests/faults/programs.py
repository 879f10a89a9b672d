"""The real programs killed: the driver, its keeper, Snakemake and its trainings, here or on SLURM.

A checkout of its own; the same command again after each kill, at once, until the sweep is finished.
"""

import contextlib
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from agents.spec.run import model_of
from tests.agents.specs import ROOT
from tests.checkouts import lend_compiled
from tests.faults.sweep import Watch, folder_of, log_of, outputs, train
from tests.kills import end
from tests.workflow.house import copy_checkout
from workflow.context import Context

PAPER = """\
title: Sweep
authors: Nobody
year: 2026
venue: tests
url: ""
experiments:
  sweep:
    title: Sweep
    algorithm: dqn_minatar_sn
    games: [minatar/breakout]
    seeds: 2
    budget_frames: 3_000
    set:
      record.norms: none
      exploration.warmup_frames: 200
      exploration.end_frames: 600
      learning.clock.start_frames: 200
      learning.target_every_frames: 200
      memory.capacity_steps: 1_000
      evaluation.every_frames: 1_000
      evaluation.frames: null
      evaluation.episodes: 2
      evaluation.cap_frames: 200
      record.learning_every_frames: 100
    variants:
      DQN: {}
      random policy: { learning.clock.start_frames: 1_000_000_000, exploration.start: 1.0, exploration.end: 1.0 }
    cluster: { runtime_minutes: 10, mem_mb: 1000 }
    scales:
      smoke: { reduced: nothing but seeds, seeds: 1 }
"""
TARGET = "results/paper/scores/faults.sweep.parquet"
VICTIMS = ("driver", "keeper", "snakemake", "training", "training")
PROFILE = ("--profile", "workflow/profiles/slurm")
SLURM = (*PROFILE, "--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "5")
LONGEST = 240  # seconds of one start without a kill


def build(folder: Path) -> Path:
    copy_checkout(ROOT, folder)
    for path in (folder / "config" / "papers").glob("*.yaml"):
        path.unlink()
    (folder / "config/papers/faults.yaml").write_text(PAPER)
    config = folder / "config/config.yaml"
    text = config.read_text().replace("papers: [demo]", "papers: [faults]").replace("scale: reduced", "scale: paper")
    config.write_text(text)
    return lend_compiled(folder)


def campaign(folder: Path, kills: int, rng: random.Random, counts: Counter, slurm: bool = False) -> list[str]:
    """Kill programs until `kills` were, each sweep to its end; -> the rules that were broken."""
    checkout = build(folder / "checkout")
    specs = [run.spec for run in Context.read(checkout, main=False).papers.runs("faults.sweep").values()]
    runs = [model_of(json.loads(spec)).model_validate_json(spec) for spec in specs]
    expected = {}
    for run in runs:
        assert end(train(run, folder / "still", 1e9)) == 0, log_of(folder / "still", run.name()).read_text()
        expected[run.name()] = outputs(folder_of(folder / "still", run))
    with cluster() if slurm else contextlib.nullcontext():
        done = 0
        while done < kills:
            watch = Watch(checkout / "results", runs, expected, counts)
            done += _sweep(checkout, watch, kills - done, rng, counts, slurm)
            watch.close()
            if watch.broken:
                return [*watch.broken, (checkout / "said").read_text(errors="replace")[-3000:]]
            shutil.rmtree(checkout / "results")
            shutil.rmtree(checkout / ".snakemake", ignore_errors=True)
    return []


def _sweep(checkout: Path, watch: Watch, kills: int, rng: random.Random, counts: Counter, slurm: bool) -> int:
    """One sweep, killed at most `kills` times; -> how often."""
    done, failed = 0, 0
    while True:
        driver = _start(checkout, slurm)
        try:
            while done < kills and driver.poll() is None:
                victim = rng.choice(VICTIMS)
                if _kill(driver, checkout, victim, rng):
                    done += 1
                    counts[f"kills of the {victim}"] += 1
                    if victim == "driver":
                        break
            code = driver.wait(timeout=LONGEST)
        finally:
            driver.kill()
            driver.wait()
        watch.look()
        if watch.broken or (code == 0 and len(watch.sealed) == len(watch.runs)):
            return done
        failed += code > 0
        if code > 0:  # who starts it again at once is refused while the rest of a killed one saves itself
            time.sleep(0.5)
        if failed > 60 + 3 * kills:
            watch.broken.append("it never ends")
            return done


def _start(checkout: Path, slurm: bool) -> subprocess.Popen:
    fixed = {"PAPER_ARCADE_CHECKPOINT_SECONDS": "0.2", "VIRTUAL_ENV": os.environ.get("VIRTUAL_ENV", sys.prefix)}
    fixed["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "SBATCH_", "SNAKEMAKE_"))}
    command = [sys.executable, "-m", "workflow", "run", TARGET, "--", *(SLURM if slurm else ("--cores", "2"))]
    with open(checkout / "said", "a") as said:
        return subprocess.Popen(
            command,
            cwd=checkout,
            env=environment | fixed,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _kill(driver: subprocess.Popen, checkout: Path, victim: str, rng: random.Random) -> bool:
    """Kill one process of this kind at a random moment of this start; False if the driver ended before."""
    until = time.monotonic() + rng.uniform(0.0, 8.0)
    while driver.poll() is None:
        if victim == "driver":
            if time.monotonic() >= until:
                driver.kill()
                return True
        else:
            found = [pid for pid, words in _processes(checkout) if _kind(words) == victim]
            if found and (victim == "training" or time.monotonic() >= until):
                if victim == "training":
                    time.sleep(rng.uniform(0.0, 6.0))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(rng.choice(found), signal.SIGKILL)
                    return True
        time.sleep(0.02)
    return False


def _processes(checkout: Path) -> Iterator[tuple[int, list[str]]]:
    """The processes that work in the checkout, which nobody else uses, with their command lines."""
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.readlink(place / "cwd") == str(checkout):
                yield int(place.name), (place / "cmdline").read_bytes().decode(errors="replace").split("\0")


def _kind(words: list[str]) -> str | None:
    modules = [after for before, after in itertools.pairwise(words) if before == "-m"]
    kinds = {"workflow.keeper": "keeper", "snakemake": "snakemake", "agents": "training"}
    return kinds.get(modules[0]) if modules and "python" in words[0] else None


@contextlib.contextmanager
def cluster() -> Iterator[None]:
    """A SLURM on this machine (root, and what tests/setup.sh installs)."""
    script = str(ROOT / "tests/cluster/cluster.sh")
    subprocess.run([script, "down"], check=True)
    subprocess.run([script, "up"], check=True)
    try:
        yield
    finally:
        subprocess.run([script, "down"], check=True)
