"""Tables of what the repository holds: columns of Parquet files, metrics, algorithms, commands."""

from __future__ import annotations

import argparse
import csv
import functools
from typing import Any

import pyarrow as pa

from agents.run.metrics import FILE as METRICS
from agents.run.record import SCHEMAS
from analysis.load import SCORES
from analysis.markdown import table
from manual.symbols import ROOT
from workflow.parser import parser
from workflow.strict_yaml import load

# The scores files' columns, which say nothing of themselves; what is not here is refused.
OF_SCORES = {
    "run": "name of the run",
    "variant": "its name in figures",
    "game": "`suite/name`",
    "seed": "of the run",
    "status": "`finished` or `diverged`",
    "vary": "the varied keys with their values, JSON",
    "metric": "name of the quantity; empty in the one row of a run that left none",
    "frame": "right edge of the bin, or frame of the evaluation",
    "mean": "mean within the bin",
    "count": "values in the mean",
}


def columns() -> str:
    """A section for each table of a run."""
    blocks = []
    for name, schema in SCHEMAS.items():
        rows = [
            [f"`{field.name}`", _type(field.type), *(field.metadata[key].decode() for key in (b"unit", b"meaning"))]
            for field in schema
        ]
        blocks.append(f"### {name}.parquet\n\n{table(['column', 'type', 'unit', 'meaning'], rows)}")
    return "\n\n".join(blocks)


def scores() -> str:
    """The columns of an experiment's scores file."""
    rows = [
        [f"`{field.name}`", _type(field.type), (field.metadata or {}).get(b"unit", b"").decode(), OF_SCORES[field.name]]
        for field in SCORES
    ]
    return table(["column", "type", "unit", "meaning"], rows)


def _type(kind: pa.DataType) -> str:
    return "text" if pa.types.is_dictionary(kind) else str(kind)


def metrics() -> str:
    """All metrics, with what stands on the axes of their figures."""
    with METRICS.open(newline="", encoding="utf-8") as file:
        lines = [list(row.values()) for row in csv.DictReader(file)]
    rows = [[f"[{name}](of_metrics/{name}.md)", *rest] for name, *rest in lines]
    return table(["metric", "unit", "axis", "meaning"], rows)


def algorithms(asked: str) -> str:
    """The files of config/algorithms with agents of these kinds, or of these names, and their sources."""
    rows = []
    for path in sorted((ROOT / "config/algorithms").glob("*.yaml")):
        if {path.stem, agent(path.stem)} & set(asked.split()):
            data = _read(path.stem)
            name, extends = f"[{path.stem}](files/{path.stem}.md)", data.get("extends")
            rows.append([name, data["label"], f"`{extends}`" if extends else "", data["source"]])
    return table(["file", "label", "extends", "source"], rows)


def agent(algorithm: str) -> str:
    """The kind of agent that an algorithm's file, or the one that it extends, has."""
    data = _read(algorithm)
    kind = data["spec"].get("agent", {}).get("kind")
    return kind or agent(data["extends"])


@functools.cache
def _read(algorithm: str) -> dict[str, Any]:
    return load(ROOT / f"config/algorithms/{algorithm}.yaml").data


def commands() -> str:
    """All commands of `arcade`, each with its words and an example."""
    top = next(each for each in parser()._actions if isinstance(each, argparse._SubParsersAction))
    return "\n\n".join(_command(name, one) for name, one in top.choices.items())


def _command(name: str, one: argparse.ArgumentParser) -> str:
    rows = [[_words(each), each.help] for each in one._actions if each.help and each.dest != "help"]
    example = (one.epilog or "").removeprefix("example: ")
    told = "" if not rows else table(["word", "meaning"], rows)
    return f"## {name}\n\n{one.description}\n\n```sh\n./{example}\n```\n\n{told}"


def _words(action: argparse.Action) -> str:
    value = action.metavar or "|".join(action.choices or ()) or ("" if action.nargs == 0 else action.dest.upper())
    return f"`{' '.join(filter(None, [', '.join(action.option_strings), value]))}`"
