"""The finished runs at a glance: `<results>/catalogue.json`, what tables of thousands of runs are made of.

Reading every run's run.json and summary takes milliseconds a run. The catalogue keeps what tables need of them, each
run with the time of the run.json that it was read from: what is new or changed is read anew, the rest is taken as it
stands. Runs differ in few settings, so that a spec without its game and seed (a template) is kept once for all that
have it. The file is only a memory: without it, or where it cannot be written, all comes out the same, later.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import TypeAdapter

from workflow.overlay import flatten
from workflow.write import write_if_changed

FILE = "catalogue.json"
SCORES = ("evaluation_return", "training_return_100", "training_return")  # the first that a run has is its return


class Entry(NamedTuple):
    """A finished run. `stamp`: when its run.json was written, ns; `template`: place of its settings in the catalogue.

    `score`: the last value of `metric`, one of SCORES, in game score; None where the run has none of them.
    """

    run: str
    stamp: int
    template: int
    game: str | None
    seed: int | None
    status: str | None
    frames: int | None
    seconds: float | None
    frames_per_second: float | None
    metric: str | None
    score: float | None


class Kept(NamedTuple):
    """What the file holds."""

    format: Literal[1]
    templates: list[str]
    runs: list[Entry]


class Catalogue:
    """All finished runs by name, and their settings. `templates`: what they say, by their places."""

    def __init__(self, templates: list[dict[str, Any]], entries: list[Entry]):
        self.templates, self.entries = templates, entries

    @functools.cache  # noqa: B019 - one per process
    def settings(self, template: int) -> dict[str, Any]:
        """Dotted key -> value of a template: all of a run's settings but for its game and seed, which are None."""
        return dict(flatten(self.templates[template]))


def read(results: Path) -> Catalogue:
    """The catalogue of a results folder, brought up to date. Runs without a readable run.json are left out."""
    known, specs = _kept(results / FILE)
    numbers = {text: i for i, text in enumerate(specs)}
    entries, fresh, folder = [], False, str(results / "runs")
    for name in names(results):
        try:
            stamp = os.stat(f"{folder}/{name}/run.json").st_mtime_ns
        except OSError:
            continue
        entry = known.get(name)
        if entry is None or entry.stamp != stamp:
            entry = _read(Path(folder, name), stamp, numbers)
            fresh = True
        if entry is not None:
            entries.append(entry)
    if fresh or len(entries) != len(known):
        kept = Kept(1, list(numbers), entries)._asdict()
        with contextlib.suppress(OSError):  # looking needs no writable results
            write_if_changed(results / FILE, json.dumps(kept, separators=(",", ":")))
    return Catalogue([specs[text] if text in specs else json.loads(text) for text in numbers], entries)


def names(results: Path) -> list[str]:
    """The names of all that stands in results/runs, in order."""
    try:
        return sorted(os.listdir(results / "runs"))
    except OSError:
        return []


def scores(folder: Path) -> dict[str, float]:
    """Name -> last value in a run's summary of those SCORES that it has; nothing where there is no readable summary."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    found = {}
    try:
        data = (folder / "summary.parquet").read_bytes()
        table = pq.ParquetFile(pa.BufferReader(data)).read(["metric", "frame", "mean"], use_threads=False)
        metric = table["metric"].cast("string")
        for name in SCORES:
            rows = table.filter(pc.equal(metric, name))
            if len(rows):
                last = max(range(len(rows)), key=lambda i: (rows["frame"][i].as_py(), i))
                found[name] = float(rows["mean"][last].as_py())
    except (OSError, ValueError, KeyError):
        return {}
    return found


def _kept(path: Path) -> tuple[dict[str, Entry], dict[str, dict[str, Any]]]:
    """Run -> entry, and template -> what it says, in order; nothing where the file is missing, damaged, or of another
    version."""
    try:
        kept = TypeAdapter(Kept).validate_json(path.read_bytes())
        specs = {text: json.loads(text) for text in kept.templates}
    except (OSError, ValueError):
        return {}, {}
    right = all(isinstance(spec, dict) for spec in specs.values()) and len(specs) == len(kept.templates)
    if not right or not {run.template for run in kept.runs} <= set(range(len(specs))):
        return {}, {}
    return {run.run: run for run in kept.runs}, specs


def _read(folder: Path, stamp: int, numbers: dict[str, int]) -> Entry | None:
    """A run as its files tell; a template that is new joins `numbers`."""
    try:
        facts = json.loads((folder / "run.json").read_bytes())
        spec = facts["spec"]
        environment = dict(spec.get("environment", {}))
        seed, game = spec.get("seed"), environment.get("game")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    template = {**spec, **({"seed": None} if "seed" in spec else {})}
    if environment:
        template["environment"] = {**environment, "game": None}
    number = numbers.setdefault(json.dumps(template, separators=(",", ":")), len(numbers))
    found = scores(folder)
    metric = next(iter(found), None)
    told = [facts.get(key) for key in ("status", "frames", "seconds", "frames_per_second")]
    return Entry(folder.name, stamp, number, game, seed, *told, metric, found[metric] if metric else None)


def used(catalogue: Catalogue, entries: list[Entry]) -> Iterator[dict[str, Any]]:
    """The settings behind some entries, each template once, in the order of the entries."""
    yield from map(catalogue.settings, dict.fromkeys(entry.template for entry in entries))
