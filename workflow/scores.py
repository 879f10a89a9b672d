"""What rules/scores.smk asks: an experiment's list of runs, and the marks of those that are finished."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from agents.run.files import sha256
from workflow.context import Context
from workflow.expand import Expansion

CODE = ["analysis.load"]


def files(context: Context, experiments: Iterable[str]) -> list[str]:
    """The scores of "paper.experiment" names."""
    return [f"{context.shown}/scores/{name}.parquet" for name in experiments]


def inputs(context: Context, name: str, forced: set[str]) -> dict[str, Any]:
    """Inputs of an experiment's scores. Marks of runs that are not whole in the store join `forced`.

    Snakemake would not train these where the scores made of them are up to date by its own account.
    """
    experiment = context.papers.experiment(name)
    if context.trains:
        runs = context.papers.runs(name).values()
        forced.update(context.finished.mark(run) for run in runs if context.finished.problem(run) is not None)
    return {
        "members": members(context, experiment),
        "marks": marks(context, experiment),
        "code": context.inputs.code("scores", CODE),
    }


def members(context: Context, experiment: Expansion) -> list[str]:
    """The file that lists an experiment's runs."""
    path = Path(f"{context.shown}/experiments/{experiment.name}/runs.json")
    return context.inputs.written(path, lambda: experiment.members(context.finished.place))


def members_digest(context: Context, name: str) -> str:
    """Makes a changed list of runs a changed parameter, whatever happened to the file."""
    text = context.papers.experiment(name).members(context.finished.place)
    return sha256(text.encode())[:12]


def marks(context: Context, experiment: Expansion) -> list[str]:
    """What tells Snakemake that an experiment's runs are finished: of finished ones only, where none are trained.

    None at all where only a plan is made and nothing was ever drawn: all is made then, whatever the marks say, and
    thousands of inputs take Snakemake longer than all else.
    """
    runs, finished = context.papers.runs(experiment.name).values(), context.finished
    if context.config.partial:
        return [finished.mark(run) for run in runs if not finished.problem(run)]
    if not context.trains and not os.path.exists(context.shown):
        return []
    return [mark for mark in map(finished.mark, runs) if context.trains or os.path.exists(mark)]
