"""What the Snakefile begins with: the context of its rules, and a look ahead before the first job."""

from __future__ import annotations

import dataclasses
import gc
import inspect
import os
import sys
from pathlib import Path
from typing import Any

from snakemake.resources import Resource, Resources

from agents.run.files import beside
from workflow import environment, locker, lookahead, machine, targets
from workflow.context import Context
from workflow.invocation import Invocation, invocation
from workflow.strict_yaml import ConfigError
from workflow.training import SLICE

_RESULTS = "PAPER_ARCADE_RESULTS"  # the results folder as the main process found it, for the jobs on other machines


def start(root: str, overrides: dict[str, Any], main: bool, limits: Resources) -> Context:
    """The context of the Snakefile's rules. A mistake in the configuration ends the process with a plain message.

    `limits`: Snakemake's limits on what jobs use together. Where runs train on this machine, its memory and its GPUs
    are put there, unless the command line or the profile has set others.
    """
    if not main and _RESULTS in os.environ:
        overrides = overrides | {"results": os.environ[_RESULTS]}
    if main:
        plan_quickly()
    try:
        asked = invocation() if main else Invocation()
        trains = asked.runs or not main or environment.NO_TRAINING not in os.environ
        context = Context.read(root, overrides, main, lambda: not asked.runs, trains)
        environment.set_for_jobs(context)
        if main:
            os.environ[_RESULTS] = context.results
            if asked.runs:
                check_writable(Path(context.results))
            targets.check(context, asked.targets)
            for warning in lookahead.look(context, asked):
                print(f"note: {warning}", file=sys.stderr)
            if asked.here:
                context = dataclasses.replace(context, limits=_bound(limits))
            if asked.runs and SLICE not in os.environ:  # pilots take no lock
                locker.note()
            # Before Snakemake lists the folders: it would not see what changes in them later.
            context.finished.restore(targets.runs_behind(context, asked.targets).values())
    except ConfigError as error:
        sys.exit(str(error))
    return context


def plan_quickly() -> None:
    """Spare Snakemake what it does over and over while it makes its graph of jobs, which takes it a third of the time.

    The graph only grows, so that no look through it finds garbage: `work_on` has it looked for again. And the signature
    of what evaluates resources, asked for with each resource of each job, is worked out once.
    """
    gc.disable()
    Resource.evaluate.__signature__ = inspect.signature(Resource.evaluate)  # type: ignore[attr-defined]


def work_on() -> None:
    """The graph is made, and stays: jobs begin."""
    gc.freeze()
    gc.enable()


def check_writable(folder: Path) -> None:
    """Make the results folder. Raises ConfigError if nothing can be written in it."""
    probe = beside(folder / "writable")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"the results folder {str(folder)!r} is not writable: {error.strerror}") from None


def _bound(limits: Resources) -> dict[str, int]:
    """Let the runs at work here use together no more than there is; what they may use, by resource."""
    for name, limit in Resources.from_mapping(machine.look().bounds()).items():
        if name not in limits:
            limits[name] = limit
    found = limits.expand_items(constraints={}, evaluate=None, expand_sized=True)
    return {name: value for name, value in found if isinstance(value, int)}
