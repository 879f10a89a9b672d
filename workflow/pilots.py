"""`python -m workflow pilots`: allocations of SLURM that each train many runs, where a job for each would cost more.

What the store lacks of a target is cut once, at submission, into slices that share no run, about equally long; each
pilot of one job array trains its slice (workflow/pilot.py). Its folder, <results>/pilots/<name>/, holds the slices, and
its array bears the same name, so that whoever looks needs no other record.

Plain `sbatch`, not submitit (1.5.4 was looked at). That pickles what a job does and unpickles it on the node, where
this project reads nothing but plain text and tensors. Its signal before the time limit goes to all processes of its
step, Snakemake and shells among them, which die of it; here it goes to one, which tells the others what they
understand. It passes over SIGTERM, by which a cancelled pilot saves its trainings. And it requeues three times, whether
or not a job gets on.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import json
import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from agents.run.attempts import saved
from agents.run.files import told, write_atomic
from agents.run.store import Store, problem
from workflow import cost, machine, targets, text
from workflow.context import Context
from workflow.environment import config_words
from workflow.expand import Run
from workflow.finished import digest
from workflow.squeue import LIVING, State, queue
from workflow.strict_yaml import ConfigError
from workflow.training import gpus

WARNING_SECONDS = 120  # before the time limit, in which trainings save themselves
SHORTEST = 3  # minutes of an allocation: SLURM counts in minutes, and two of them are for saving
OLD_SECONDS = 24 * 3600.0
OWN_MB = 1000  # memory of Snakemake and of the warm process, beside the trainings
HEAD = "pilots.json"
UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError)  # no folder of pilots, or a damaged one


class Asked(NamedTuple):
    """What the command line asks for. `time`: of an allocation, as sbatch reads it; None: the partition's default."""

    jobs: int
    cores: int
    gpu_slots: int | None = None
    time: str | None = None


class Item(NamedTuple):
    """A run of a slice: how the store names it, and seconds by the clock that it may take on cores of its own."""

    run: str
    digest: str
    code: str
    seconds: float


def submit(context: Context, names: Sequence[str], asked: Asked) -> str:
    """Submit at most `asked.jobs` pilots; -> what was done, as text. ConfigError before anything is submitted."""
    _check(asked)
    with _alone(Path(context.results)):
        return _submit(context, names, asked)


@contextlib.contextmanager
def _alone(results: Path) -> Iterator[None]:
    """Of two commands at once the second one waits: then it sees in the queue what the first one submitted.

    Raises ConfigError where the results cannot be written.
    """
    try:
        results.mkdir(parents=True, exist_ok=True)
        place = os.open(results, os.O_RDONLY)
        try:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(place, fcntl.LOCK_EX)
            yield
        finally:
            os.close(place)
    except OSError as error:
        raise ConfigError(told(error, results / "pilots")) from None


def _submit(context: Context, names: Sequence[str], asked: Asked) -> str:
    target = " ".join(names) or "all"
    same = shlex.join([*(names or ["all"]), *config_words(context.project.overrides)])
    behind = targets.runs_behind(context, names)
    if not behind:
        raise ConfigError(f"{target} is made of no training runs; python -m workflow run {same} makes it")
    lacking = [run for run in behind.values() if context.finished.problem(run) is not None]
    if not lacking:
        return f"nothing to submit: all {len(behind)} runs of {target} are finished"
    if why := machine.no_slurm():
        raise ConfigError(
            f"pilots are jobs of SLURM, and {why}: call this on a node from which jobs are submitted, or train here "
            f"with `python -m workflow run {same}`"
        )
    busy = under_way(Path(context.results))
    runs = [run for run in lacking if run.name not in busy]
    _check_runs(runs or lacking, asked, target, same)
    if not runs:
        where = ", ".join(sorted({busy[run.name] for run in lacking}))
        return f"nothing to submit: the {len(lacking)} runs that {target} lacks are in the hands of {where}"
    fit = [run for run in runs if run.point.cluster.nodes == 1]
    items = _items(context, fit, asked.cores)
    slices = cut([(items[run.name], run.point.threads) for run in fit], asked.jobs)
    _tidy(Path(context.results))
    folder = _write(context, names, asked, slices, fit)
    try:
        job = _sbatch(context, folder, asked, len(slices))
    except ConfigError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    longest = max(sum(item.seconds for item in part) for part in slices) / asked.cores
    cores = f"{asked.cores} core{'s' if asked.cores > 1 else ''}"
    lines = [
        f"job {job}: {_count(len(slices), 'pilot')} of {cores} for {_count(len(fit), 'run')} of {target}, about "
        f"{text.duration(longest)} of training each",
        f"how far they are: python -m workflow status; their logs: {context.results}/logs/pilots/{job}_*.log",
        f"figures afterwards: python -m workflow run {same}",
    ]
    if len(slices) < asked.jobs:
        lines.insert(1, f"no more pilots than runs: {len(slices)} of {asked.jobs} are submitted")
    if len(runs) < len(lacking):
        lines.insert(1, f"{_count(len(lacking) - len(runs), 'run')} are in the hands of earlier pilots")
    if len(fit) < len(runs):
        others = _count(len(runs) - len(fit), "run")
        lines.insert(1, f"{others} over several nodes are left to snakemake --profile slurm")
    return "\n".join(lines)


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' if n != 1 else ''}"


def _check(asked: Asked) -> None:
    """Numbers that no target can make right. Raises ConfigError."""
    least = {"--jobs": asked.jobs, "--cores": asked.cores, "--gpu-slots": asked.gpu_slots}
    for name, value in least.items():
        if value is not None and value < 1:
            raise ConfigError(f"{name} {value}: there is no such number of them; the least is {name} 1")
    if asked.time is not None:
        match = re.fullmatch(r"(?:(\d+)-)?(\d+):([0-5]\d):([0-5]\d)", asked.time)
        if not match:
            raise ConfigError(f"--time {asked.time}: hours, minutes and seconds are wanted, as in --time 04:00:00")
        days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
        if days * 1440 + hours * 60 + minutes + seconds / 60 < SHORTEST:
            raise ConfigError(
                f"--time {asked.time}: the last two minutes are for saving; the least is --time 00:0{SHORTEST}:00"
            )


def _check_runs(runs: Sequence[Run], asked: Asked, target: str, same: str) -> None:
    """What does not go with the runs. Raises ConfigError."""
    if all(run.point.cluster.nodes > 1 for run in runs):
        raise ConfigError(
            f"each run of {target} takes several nodes, which no pilot has: snakemake --profile slurm {same}"
        )
    most = max((run.point.threads, run.point.algorithm) for run in runs if run.point.cluster.nodes == 1)
    if most[0] > asked.cores:
        raise ConfigError(f"--cores {asked.cores}: a run of {most[1]} takes {most[0]}; the least is --cores {most[0]}")
    wanted = max(map(gpus, runs))
    if asked.gpu_slots and not wanted:
        raise ConfigError(
            f"--gpu-slots {asked.gpu_slots}: none of the {len(runs)} runs trains on a GPU; leave it out, or choose "
            "GPUs with --config device=cuda (for algorithms whose files say cluster.gpu: 1)"
        )
    if wanted > 1:
        raise ConfigError(f"a run of {target} takes {wanted} GPUs, a pilot has one: snakemake --profile slurm {same}")


def _items(context: Context, runs: Iterable[Run], cores: int) -> dict[str, Item]:
    here, speeds, work = cost.Here(cores), cost.read_speeds(context.root), Path(context.results) / "work"
    begun = {folder.name for folder in work.glob("*")}
    found = {}
    for run in runs:
        done = saved(work / run.name) or 0 if run.name in begun else 0
        seconds = cost.run_seconds(cost.Planned(run, done), json.loads(run.spec), here, speeds)
        found[run.name] = Item(run.name, digest(run), context.finished.code(run), round(seconds, 1))
    return found


def cut(items: Iterable[tuple[Item, int]], jobs: int) -> list[list[Item]]:
    """At most `jobs` slices, none empty and none with a run of another; longest runs first, each to the slice that has
    the least to do (Graham 1969: never more than a third longer than the best). `items`: a run and its cores.
    """
    order = sorted(items, key=lambda each: (-each[0].seconds, each[0].run))
    slices: list[list[Item]] = [[] for _ in range(min(jobs, len(order)))]
    load = [(0.0, index) for index in range(len(slices))]
    for item, cores in order:
        seconds, index = load[0]
        slices[index].append(item)
        heapq.heapreplace(load, (seconds + item.seconds * cores, index))
    return slices


def memory_mb(runs: Iterable[Run], cores: int, slots: int) -> int:
    """MB that as many runs as `cores` hold, `slots` of them on the GPU, may use together, at the most."""
    total = 0
    for run in sorted(runs, key=lambda run: -run.point.cluster.mem_mb):
        if cores > 0 and gpus(run) <= slots:
            cores, slots, total = cores - run.point.threads, slots - gpus(run), total + run.point.cluster.mem_mb
    return total


def _write(context: Context, names: Sequence[str], asked: Asked, slices: list[list[Item]], runs: Sequence[Run]) -> Path:
    """Make the pilots' folder; it is there whole before they are."""
    first = re.sub(r"[^a-z0-9_]+", "-", Path(names[0]).stem.lower()) if names else "all"
    folder = Path(context.results) / "pilots" / f"{first[:40]}-{secrets.token_hex(3)}"
    # Where each run takes one core, Snakemake has some wait at the warm process for a core that becomes free.
    small = all(run.point.threads == 1 and run.point.device == "cpu" for run in runs)
    slots = (asked.gpu_slots or 1) if any(map(gpus, runs)) else 0
    ahead = 2 + asked.cores // 4 if small else 0
    head = {
        "targets": list(names),
        "overrides": context.project.overrides,
        "root": str(context.root),
        "results": context.results,
        "cores": asked.cores,
        "gpu_slots": slots,
        "ahead": ahead,
        "mem_mb": memory_mb(runs, asked.cores, slots),
        "waiting_mb": memory_mb(runs, asked.cores + ahead, slots),  # by Snakemake's count; those that wait take none
        "submitted": time.time(),
        "slices": len(slices),
    }
    folder.mkdir(parents=True)
    for index, part in enumerate(slices):
        write_atomic(folder / f"{index}.json", json.dumps(part).encode())
    write_atomic(folder / HEAD, json.dumps(head).encode())
    return folder


def _tidy(results: Path) -> None:
    """Remove the slices of pilots of former days that nobody waits for and that lack nothing."""
    store, living = Store(results), {name for (name, _), pilot in queue().items() if pilot.state in LIVING}
    for folder in (results / "pilots").glob("*"):
        with contextlib.suppress(*UNREADABLE):
            head = read(folder)
            items = [item for index in range(head["slices"]) for item in slice_of(folder, index)]
            done = all(problem(store.folder(item.digest, item.code)) is None for item in items)
            if folder.name not in living and done and time.time() - head["submitted"] > OLD_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def read(folder: Path) -> dict[str, Any]:
    """What is said of a folder's pilots. Raises UNREADABLE."""
    return json.loads((folder / HEAD).read_bytes())


def slice_of(folder: Path, index: int) -> list[Item]:
    return [Item(*each) for each in json.loads((folder / f"{index}.json").read_bytes())]


def _sbatch(context: Context, folder: Path, asked: Asked, count: int) -> str:
    """Submit the array; -> its job number. ConfigError with sbatch's words if it refuses."""
    head, logs = read(folder), Path(context.results).absolute() / "logs" / "pilots"
    logs.mkdir(parents=True, exist_ok=True)
    command = ["sbatch", "--parsable", f"--array=0-{count - 1}", f"--job-name=pilots-{folder.name}"]
    command += ["--nodes=1", "--ntasks=1", f"--cpus-per-task={asked.cores}", f"--mem={head['mem_mb'] + OWN_MB}"]
    # To this project's own process alone: Snakemake and shells die of USR1.
    command += ["--requeue", "--open-mode=append", f"--signal=B:USR1@{WARNING_SECONDS}"]
    command += [f"--output={logs}/%A_%a.log", f"--chdir={context.root}"]
    command += [f"--time={asked.time}"] if asked.time else []
    command += ["--gres=gpu:1"] if head["gpu_slots"] else []
    words = [sys.executable, "-m", "workflow.pilot", str(folder.absolute())]
    path = f"export PYTHONPATH={shlex.quote(str(context.root))}"
    script = f'#!/bin/bash\n{path}\nexec {shlex.join(words)} "$SLURM_ARRAY_TASK_ID"\n'
    done = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(
            f"sbatch refuses {_count(count, 'pilot')} of {asked.cores} cores: {done.stderr.strip()}\n"
            "(what a node and a job may have: sinfo -o '%P %c %m %G %l'; pilots at once: scontrol show config | grep "
            "MaxArraySize)"
        )
    return done.stdout.strip().partition(";")[0]


def under_way(results: Path) -> dict[str, str]:
    """Run -> the pilot ("job 12_0") that has it in its slice and waits or runs."""
    found = {}
    if (results / "pilots").exists():
        for (name, index), pilot in queue().items():
            if pilot.state in LIVING:
                try:
                    found |= {item.run: f"job {pilot.job}" for item in slice_of(results / "pilots" / name, index)}
                except UNREADABLE:
                    continue  # pilots of other results
    return found


def overview(results: Path) -> list[dict[str, Any]]:
    """How far each pilot is that waits, runs or has left something undone; `training_left` in seconds."""
    known = queue() if (results / "pilots").exists() else {}
    store, rows = Store(results), []
    for folder in sorted((results / "pilots").glob("*")):
        try:
            head = read(folder)
            parts = [slice_of(folder, index) for index in range(head["slices"])]
        except UNREADABLE:
            continue
        own = []
        for index, part in enumerate(parts):
            left = [item for item in part if problem(store.folder(item.digest, item.code)) is not None]
            pilot = known.get((folder.name, index), State("–", "gone", ""))
            state = pilot.state.lower() if pilot.state in LIVING or not left else f"{pilot.state.lower()}, unfinished"
            own.append((head["submitted"], folder, index, pilot, state, len(part) - len(left), left, head["cores"]))
        if any(row[3].state in LIVING or row[6] for row in own):
            rows += own
    return [
        {
            "pilot": f"{folder.name} {index}",
            "job": pilot.job,
            "state": state,
            "node": pilot.node or None,
            "done": done,
            "left": len(left),
            "training_left": sum(item.seconds for item in left) / cores,
        }
        for _, folder, index, pilot, state, done, left, cores in sorted(rows, key=lambda row: (row[0], row[2]))
    ]


def render(rows: list[dict[str, Any]]) -> str:
    """The overview as a table."""
    head = ["pilots", "job", "state", "node", "done", "left", "training left"]
    body = [[*list(row.values())[:-1], text.duration(row["training_left"])] for row in rows]
    return text.table(head, body, right=("done", "left", "training left"))
