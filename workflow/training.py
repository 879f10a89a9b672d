"""What rules/train.smk asks: the resources of a run's job, and what stands before its command."""

from __future__ import annotations

import functools
import inspect
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agents.run.attempts import memory
from workflow.context import Context
from workflow.expand import Run

SLICE = "PAPER_ARCADE_SLICE"  # in a pilot, the file of its slice (workflow/pilot.py)


def priority(run: Run) -> int:
    """Which runs start first: in a pilot those of longest duration, else first seeds of everything."""
    return _order().get(run.name) or max(0, 1000 - run.seed)


@functools.cache
def _order() -> dict[str, int]:
    """Run of this pilot's slice -> a number that is larger for those that start earlier."""
    path = os.environ.get(SLICE)
    rows = json.loads(Path(path).read_bytes()) if path else []
    return {row[0]: len(rows) - place for place, row in enumerate(rows)}


def of(context: Context, value: Callable[[Run], Any]) -> Callable[[Any], Any]:
    """The function of a job's wildcards that gives a value of its run.

    Snakemake asks each function for its signature whenever it calls it, a million times in a plan of a large paper: so
    it is worked out once.
    """

    def asked(wildcards: Any) -> Any:
        return value(context.papers.run(wildcards.run))

    asked.__signature__ = inspect.signature(asked)  # type: ignore[attr-defined]
    return asked


def mem_mb(context: Context, run: Run) -> int:
    """Memory of a run's next start, in MB: more than its algorithm asks for only after it ran out of it.

    At most all that there is: a run that wants more runs alone, and is warned of before.
    """
    wanted = memory(Path(context.results) / "work" / run.name, run.point.cluster.mem_mb)
    return min(wanted, context.limits.get("mem_mb", wanted))


def gpus(run: Run) -> int:
    return run.point.cluster.gpu if run.point.device == "cuda" else 0


def job_logs(context: Context) -> Path:
    """Where the logs of cluster jobs lie: with the results that they belong to."""
    return Path(context.results).absolute() / "logs" / "slurm"
