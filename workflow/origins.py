"""Where each of a run's settings comes from: the file, its line, and what its comment says of the number."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from workflow import catalogue, index, main_config, runs, text
from workflow.config import Project
from workflow.overlay import at_in, of_budget
from workflow.points import Built, Point
from workflow.runs import Record
from workflow.scales import at_scale
from workflow.settings import comment_of
from workflow.strict_yaml import ConfigError, Document, Location, Place

OF_THE_MACHINE = ("device", "threads")  # config/config.yaml says these for all runs


class Origin(NamedTuple):
    """A setting; `line` is 0 and `file` empty where no file says it. `comment`: behind the value, above it, or what
    the algorithm's file says of all its numbers."""

    key: str
    value: Any
    file: str
    line: int
    comment: str


class Explained(NamedTuple):
    """`experiment`: "paper.experiment" whose files were read; None where none asks for the run any more."""

    run: Record
    experiment: str | None
    settings: list[Origin]
    scores: dict[str, float]


class Source(NamedTuple):
    """The files behind a run: its paper's, and its algorithm's with what that one extends."""

    project: Project
    paper: Document
    at: Location  # of the experiment in it
    places: list[tuple[str, Location]]  # key -> where the paper's file sets it, the uppermost first
    algorithms: list[Document]
    seeds: Location
    games: Location


def explain(root: Path, overrides: dict[str, Any], results: Path, piece: str) -> Explained:
    """All that determined a finished run. Raises ConfigError where not exactly one run has this piece in its name."""
    run = runs.find(results, piece)
    scores = catalogue.scores(results / "runs" / run.name)
    for row in _asking(root, overrides, results, run.name):
        try:
            source = _source(Project(root, overrides | {"scale": row.scale}), row, run)
        except ConfigError:
            continue  # the paper is not what it was when it asked for this run
        if source:
            settings = [_origin(source, run.spec, key) for key in run.spec]
            return Explained(run, f"{row.paper}.{row.experiment}", settings, scores)
    return Explained(run, None, [Origin(key, value, "", 0, "") for key, value in run.spec.items()], scores)


def render(found: Explained, width: int | None) -> str:
    """As text: the settings with their origin, then versions, facts and scores."""
    run = found.run
    facts = {k: v for k, v in run.facts.items() if k not in ("spec", "versions", "run")}
    by = f"as {found.experiment} asks for it" if found.experiment else "no experiment asks for it as config/ is now"
    rows = [
        [each.key, runs.cell(each.value), f"{each.file}:{each.line}" if each.line else each.file, each.comment]
        for each in found.settings
    ]
    more = [(f"versions.{key}", value) for key, value in run.versions.items()]
    more += [*sorted(facts.items()), *((f"last {key}", value) for key, value in found.scores.items())]
    settings = text.table(["key", "value", "where", "comment"], rows, width=width)
    return f"{run.name}: {by}\n\n{settings}\n\n" + text.table(["fact", ""], [[k, runs.cell(v)] for k, v in more])


def facts(found: Explained) -> dict[str, Any]:
    """The same for machines."""
    told = {key: value for key, value in found.run.facts.items() if key != "spec"}
    settings = [each._asdict() for each in found.settings]
    return told | {"run": found.run.name, "experiment": found.experiment, "settings": settings, "scores": found.scores}


def _asking(root: Path, overrides: dict[str, Any], results: Path, name: str) -> Iterator[index.Row]:
    """Who asks for a run, by the index; without it, the experiments of the configured papers."""
    known = [row for row in index.read(results / "index.csv") if row.run == name]
    yield from known
    project = Project(root, overrides)
    for paper in [] if known else project.config.papers:
        for key in project.paper(paper)[0].experiments:
            yield index.Row(name, paper, key, "", "", "", "", project.config.scale)


def _source(project: Project, row: index.Row, run: Record) -> Source | None:
    """The files behind a run that an experiment asks for; None if it does not ask for it."""
    described, document = project.paper(row.paper)
    if row.experiment not in described.experiments:
        return None
    at = ("experiments", row.experiment)
    scaled = at_scale(described.experiments[row.experiment], at, project.config.scale)
    built = Built(project, document, scaled)
    for point, places in zip(built.points, built.places, strict=True):
        if _is(point, run):
            algorithms = [project.algorithm_file(name) for name in (point.algorithm, point.extends) if name]
            return Source(
                project, document, at, places, algorithms, scaled.chosen("seeds")[0], scaled.chosen("games")[0]
            )
    return None


def _is(point: Point, run: Record) -> bool:
    """Whether a run is one of a point's. Asked of its spec: the code may have made another name of it."""
    made = point.spec(run.spec["environment.game"], run.spec["seed"])
    return json.loads(made) == run.facts["spec"]


def _origin(source: Source, spec: dict[str, Any], key: str) -> Origin:
    """Where one setting comes from."""
    value = spec[key]
    given = {"seed": source.seeds, "environment.game": source.games}
    if key in given:
        return _told(source.project.root, key, value, _placed(source.paper, given[key]), "")
    for name, at in source.places:
        if name in _spellings(key) and _says(at_in(source.paper.data, at), value, spec, key):
            return _told(source.project.root, key, value, _placed(source.paper, at), "")
    for document in source.algorithms:
        for at in _locations(document, spec, key):
            if at in document.places and _says(at_in(document.data, at), value, spec, key):
                said = f"source: {document.data['source']}"
                return _told(source.project.root, key, value, document.places[at], said)
    if key in OF_THE_MACHINE:
        written = main_config.document(source.project.files, source.project.overrides)
        return _told(source.project.root, key, value, _placed(written, (key,)), "")
    return Origin(key, value, "", 0, "")


def _spellings(key: str) -> tuple[str, ...]:
    """A part may be written as its kind alone."""
    return (key, key.removesuffix(".kind")) if key.endswith(".kind") else (key,)


def _locations(document: Document, spec: dict[str, Any], key: str) -> Iterator[Location]:
    """Where an algorithm's file may set a key: under `spec`, and under `alternatives` of the kind that a part has."""
    for spelt in _spellings(key):
        yield ("spec", *spelt.split("."))
    steps = key.split(".")
    for n in range(1, len(steps)):
        part = ".".join(steps[:n])
        if kind := spec.get(f"{part}.kind"):
            yield ("alternatives", part, kind, *steps[n:])


def _says(written: Any, value: Any, spec: dict[str, Any], key: str) -> bool:
    """Whether what a file says is what the run has; of a varied key the file has a list of them."""
    budget = spec.get("budget_frames", 0)
    options = [written, *(written if isinstance(written, list) else [])]
    return any(of_budget(each, budget, key) == value for each in options) and (written is not None or value is None)


def _placed(document: Document, at: Location) -> Place:
    """The place of a location, or of what it lies in."""
    return next(place for n in range(len(at), -1, -1) if (place := document.places.get(at[:n])))


def _told(root: Path, key: str, value: Any, place: Place, otherwise: str) -> Origin:
    """An origin, with the comment on its line or right above it; `otherwise` where there is none."""
    lines = _lines_of(root / place.file)
    comment = ""
    if 0 < place.line <= len(lines):
        comment = comment_of(f" {lines[place.line - 1]}") or _above(lines, place.line - 1)
    return Origin(key, value, place.file, place.line, comment or otherwise)


def _above(lines: list[str], at: int) -> str:
    """The lines of comment right above a line, as deep as it, as one text."""
    depth, found = len(lines[at]) - len(lines[at].lstrip()), []
    while at > 0 and lines[at - 1].startswith(" " * depth + "# "):
        at -= 1
        found.insert(0, lines[at].strip(" #"))
    return " ".join(found)


@functools.cache
def _lines_of(path: Path) -> list[str]:
    """Lines of a file; none of what is no file (the command line)."""
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
