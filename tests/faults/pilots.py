"""Pilots disturbed on a SLURM of tests/cluster: cancelled, queued again, told of their time limit, killed in parts.

A checkout of its own; pilots are submitted again whenever none is left, until the sweep is finished.
"""

import contextlib
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
from tests.faults.programs import PAPER, TARGET, build, cluster
from tests.faults.sweep import Watch, folder_of, log_of, outputs, train
from tests.kills import end
from workflow.context import Context
from workflow.squeue import LIVING

VICTIMS = ("scancel", "requeue", "time limit", "pilot", "snakemake", "warm process", "training", "training")
SEEDS = 4
LONGEST = 300  # seconds without anything to disturb or to submit


def campaign(folder: Path, kills: int, rng: random.Random, counts: Counter) -> list[str]:
    """Disturb pilots until that was done `kills` times, each sweep to its end; -> the rules that were broken."""
    checkout = build(folder / "pilots")
    (checkout / "config/papers/faults.yaml").write_text(PAPER.replace("seeds: 2", f"seeds: {SEEDS}"))
    specs = [run.spec for run in Context.read(checkout, main=False).papers.runs("faults.sweep").values()]
    runs = [model_of(json.loads(spec)).model_validate_json(spec) for spec in specs]
    expected = {}
    for run in runs:
        assert end(train(run, folder / "alone", 1e9)) == 0, log_of(folder / "alone", run.name()).read_text()
        expected[run.name()] = outputs(folder_of(folder / "alone", run))
    done = 0
    with cluster():
        while done < kills:
            watch = Watch(checkout / "results", runs, expected, counts)
            done += _sweep(checkout, watch, kills - done, rng, counts)
            if not watch.broken:  # as a user does afterwards; it shows what a killed Snakemake took the marks of
                _workflow(checkout, "run", TARGET, "--", "--cores", "1")
                watch.close()
            if watch.broken:
                logs = sorted(checkout.glob("results/logs/pilots/*.log"))
                return [*watch.broken, *(path.read_text(errors="replace")[-1500:] for path in logs[-3:])]
            shutil.rmtree(checkout / "results")
            shutil.rmtree(checkout / ".snakemake", ignore_errors=True)
    return []


def _sweep(checkout: Path, watch: Watch, kills: int, rng: random.Random, counts: Counter) -> int:
    """One sweep, disturbed at most `kills` times; -> how often."""
    done, quiet, before = 0, time.monotonic(), _progress(checkout)
    while len(watch.sealed) < len(watch.runs) or any(_processes(checkout)):
        if not _living() and not any(_processes(checkout)):
            counts["submissions"] += 1
            _workflow(checkout, "pilots", "faults", "--jobs", "2", "--cores", "1")
            quiet = time.monotonic()
        # Mostly once something got on since the last time: on a busy machine the starts alone would be disturbed.
        if done < kills and rng.random() < (0.7 if _progress(checkout) != before else 0.1):
            victim = rng.choice(VICTIMS)
            if _disturb(checkout, victim, rng):
                done, quiet, before = done + 1, time.monotonic(), _progress(checkout)
                counts[f"pilots: {victim}"] += 1
        time.sleep(rng.uniform(0.1, 2.5))
        watch.look()
        if time.monotonic() - quiet > LONGEST:
            watch.broken.append("it never ends")
        if watch.broken:
            break
    for job in _living():
        subprocess.run(["scancel", job], check=False)
    return done


def _progress(checkout: Path) -> set[Path]:
    """What is saved of runs at work, and what is sealed."""
    return {*checkout.glob("results/work/*/checkpoints/manifest-*.json"), *checkout.glob("results/store/*/*")}


def _workflow(checkout: Path, *words: str) -> None:
    fixed = {"PAPER_ARCADE_CHECKPOINT_SECONDS": "0.2", "VIRTUAL_ENV": os.environ.get("VIRTUAL_ENV", sys.prefix)}
    fixed["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "SBATCH_", "SNAKEMAKE_"))}
    command = [sys.executable, "-m", "workflow", *words]
    subprocess.run(command, cwd=checkout, env=clean | fixed, check=True, stdout=subprocess.DEVNULL)


def _living(states: tuple[str, ...] = LIVING) -> list[str]:
    """The pilots ("12_0") in one of these states."""
    command = ["squeue", "--states=all", "--noheader", "--array", "--format=%i|%T"]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [job for job, state in (line.split("|") for line in listing.splitlines()) if state in states]


def _disturb(checkout: Path, victim: str, rng: random.Random) -> bool:
    """Do something to a pilot, or to a part of it; False if there is none."""
    commands = {
        "scancel": ["scancel"],
        "requeue": ["scontrol", "requeue"],
        "time limit": ["scancel", "--batch", "--signal=USR1"],
    }
    if victim in commands:
        jobs = _living(("RUNNING",))
        return bool(jobs) and not subprocess.run([*commands[victim], rng.choice(jobs)], capture_output=True).returncode
    found = [pid for pid, kind in _processes(checkout) if kind == victim]
    with contextlib.suppress(ProcessLookupError, IndexError):
        os.kill(rng.choice(found), signal.SIGKILL)
        return True
    return False


def _processes(checkout: Path) -> Iterator[tuple[int, str]]:
    """The pilots' processes that work in the checkout, and what they are. A fork of the warm process is a training."""
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            if os.readlink(place / "cwd") == str(checkout):
                words = (place / "cmdline").read_bytes().decode(errors="replace").split("\0")
                kind = words[words.index("-m") + 1] if "-m" in words else ""
                parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
                found[int(place.name)] = kind, parent
    names = {"workflow.pilot": "pilot", "snakemake": "snakemake", "agents": "training"}
    for pid, (kind, parent) in found.items():
        if kind == "agents.run.warm":
            forked = found.get(parent, ("", 0))[0] == kind or parent == 1
            yield pid, "training" if forked else "warm process"
        elif kind in names:
            yield pid, names[kind]
