"""What can be known before the first job: whether this machine, and this configuration, can do what is asked.

An error is a ConfigError and ends the command. A warning is a line that is said once; the work goes on. What holds for
training here (a GPU, memory, disk) is not looked at where nothing is trained here.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from agents.run.lease import living
from workflow import cost, machine, pilots, text
from workflow.context import Context
from workflow.doubled import doubled
from workflow.expand import Run
from workflow.invocation import Invocation
from workflow.machine import Machine
from workflow.strict_yaml import ConfigError
from workflow.targets import missing
from workflow.training import SLICE, gpus


def look(context: Context, asked: Invocation, found: Callable[[], Machine] = machine.look) -> list[str]:
    """The warnings before the jobs that `asked` stands for. Raises ConfigError with all that stops them."""
    warnings = doubts(context, asked.targets)
    if not asked.runs:
        return warnings
    runs = [] if context.config.partial else missing(context, asked.targets)
    errors = [*_packages(context, runs), *_scheduler(asked)]
    errors += [str(problem) for name in papers(context, asked.targets) for problem in doubled(context.papers, name)]
    warnings += [*_others(context, runs), *_pilots(context, runs)]
    if asked.here and runs:
        here = found()
        errors += _gpus(context, runs, here)
        warnings += _memory(runs, here)
        warnings += _disk(context, runs)
    if errors:
        raise ConfigError("\n".join(errors))
    return warnings


def doubts(context: Context, targets: Iterable[str]) -> list[str]:
    """What the files of the papers asked for say that they may not mean."""
    found = dict.fromkeys(
        str(problem) for name in papers(context, targets) for e in context.papers[name].values() for problem in e.doubts
    )
    return list(found)


def papers(context: Context, targets: Iterable[str]) -> list[str]:
    """The papers that targets are of: by name, or by a path below the results; the configured ones for `all`."""
    known = set(context.project.paper_names)
    found: dict[str, None] = {}
    for target in targets:
        parts = Path(target).parts
        words = [target.removesuffix("_figures"), *(p.split(".")[0] for p in parts[-2:])]
        found |= dict.fromkeys(
            [next((w for w in words if w in known), None)] if set(words) & known else context.config.papers
        )
    return list(found or dict.fromkeys(context.config.papers))


def _packages(context: Context, runs: list[Run]) -> Iterator[str]:
    extras = tuple(sorted({"ray" for run in runs if "ray" in run.point.launcher}))
    extras += tuple(sorted({run.point.suite for run in runs} & {"minigrid", "mujoco"}))
    try:
        lost = machine.missing_packages(context.root, extras)
    except OSError as error:
        yield str(error)
        return
    if lost:
        python = shutil.which("python")
        yield (
            f"{python}, which jobs would use, has no {', '.join(lost)}: activate the environment first "
            "(source .venv/bin/activate), or make it (make venv)"
        )


def _scheduler(asked: Invocation) -> Iterator[str]:
    if asked.executor == "slurm" and (why := machine.no_slurm()):
        yield (
            f"jobs are to go to SLURM, and {why}: call this on a node from which jobs are submitted, or train here "
            "with `python -m workflow run`"
        )


def _others(context: Context, runs: list[Run]) -> Iterator[str]:
    work = Path(context.results) / "work"
    begun = {folder.name for folder in work.glob("*")}
    found = {run.name: owner for run in runs if run.name in begun and (owner := living(work / run.name / "lease.json"))}
    for run, owner in list(found.items())[:1]:
        yield (
            f"others work on {len(found)} of these runs ({owner} on {run}, say): they are not trained twice, jobs wait "
            "for them and keep their results"
        )


def _pilots(context: Context, runs: list[Run]) -> Iterator[str]:
    busy = {} if SLICE in os.environ else pilots.under_way(Path(context.results))  # a pilot itself need not know
    if found := [busy[run.name] for run in runs if run.name in busy]:
        yield (
            f"pilots have {len(found)} of these runs in their slices ({found[0]}, say): whoever comes first trains a "
            "run, and the other waits for it; `python -m workflow status` shows how far they are"
        )


def _gpus(context: Context, runs: list[Run], here: Machine) -> Iterator[str]:
    wanted = [run for run in runs if gpus(run)]
    if not wanted:
        return
    names = ", ".join(sorted({run.point.algorithm for run in wanted}))
    how = (
        f"{len(wanted)} of {len(runs)} runs are to train on a GPU ({names}; device: {context.config.device} and "
        "cluster.gpu in their files)"
    )
    other = "`--config device=cpu` trains them on CPUs, `--profile slurm` where the cluster has GPUs"
    most = max(map(gpus, wanted))
    if not here.gpus:
        yield f"{how}, and this machine has none: {other}"
    elif most > here.gpus:
        yield f"{how}, one of them on {most}, and this machine has {here.gpus}: {other}"
    elif machine.torch_for_cpus():
        yield f"{how}, and the installed torch was built for CPUs only: install one for CUDA, or {other}"


def _memory(runs: list[Run], here: Machine) -> Iterator[str]:
    large = Counter(run.point.algorithm for run in runs if run.point.cluster.mem_mb > here.memory_mb)
    for algorithm, n in sorted(large.items()):
        most = max(run.point.cluster.mem_mb for run in runs if run.point.algorithm == algorithm)
        yield (
            f"{n} runs of {algorithm} ask for {most:,} MB (cluster.mem_mb) of this machine's {here.memory_mb:,}: each "
            "runs alone, and may be ended by the system when the memory is full"
        )


def _disk(context: Context, runs: list[Run]) -> Iterator[str]:
    free, wanted = machine.free_bytes(Path(context.results)), cost.disk(run.spec for run in runs)
    if wanted > free:
        yield (
            f"{text.size(free)} are free where {context.results} is, and about {text.size(wanted)} will be wanted: "
            "runs that cannot save stop with what they had saved"
        )
