"""What the Snakefile begins with: the pipeline, and a look ahead before the first job."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from snakemake.resources import Resources

from workflow import locker, lookahead, machine
from workflow.invocation import Invocation, invocation
from workflow.pipeline import Pipeline, check_writable
from workflow.strict_yaml import ConfigError

_RESULTS = "PAPER_ARCADE_RESULTS"  # the results folder as the main process found it, for the jobs on other machines


def start(root: str, overrides: dict[str, Any], main: bool, limits: Resources) -> Pipeline:
    """The Snakefile's pipeline. A mistake in the configuration ends the process with a plain message.

    `limits`: Snakemake's limits on what jobs use together. Where runs train on this machine, its memory and its GPUs
    are put there, unless the command line or the profile has set others.
    """
    if not main and _RESULTS in os.environ:
        overrides = overrides | {"results": os.environ[_RESULTS]}
    try:
        asked = invocation() if main else Invocation()
        pipeline = Pipeline(root, overrides, main, lambda: not asked.runs)
        pipeline.set_environment()
        if main:
            os.environ[_RESULTS] = pipeline.results
            if asked.runs:
                check_writable(Path(pipeline.results))
            pipeline.check(asked.targets)
            for warning in lookahead.look(pipeline, asked):
                print(f"note: {warning}", file=sys.stderr)
            _bound(pipeline, asked, limits)
            if asked.runs:
                locker.note()
            # Before Snakemake lists the folders: it would not see what changes in them later.
            pipeline.finished.restore(pipeline.asked(asked.targets).values())
    except ConfigError as error:
        sys.exit(str(error))
    return pipeline


def _bound(pipeline: Pipeline, asked: Invocation, limits: Resources) -> None:
    """Let the runs at work here use together no more than there is."""
    if not asked.here:
        return
    for name, limit in Resources.from_mapping(machine.look().bounds()).items():
        if name not in limits:
            limits[name] = limit
    for name, value in limits.expand_items(constraints={}, evaluate=None, expand_sized=True):
        if isinstance(value, int):
            pipeline.limits[name] = value
