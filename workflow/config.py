"""The one strict loader of config/: every problem of every file, with its line, before anything runs."""

from __future__ import annotations

import csv
import functools
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from agents.spec import VERSION, model_of
from workflow.merging import Alternatives, merge
from workflow.models import AlgorithmFile, Cluster, Config, Experiment, Paper, Scale
from workflow.strict_yaml import ConfigError, Document, Location, Problem, load, right_name
from workflow.typed import complaint, dotted_keys, validate

MINATAR = ("asterix", "breakout", "freeway", "seaquest", "space_invaders")
OTHERS = ("cartpole/v0", "cartpole/v1", "cliffwalk/blind", "digits/imbalanced")
MINIGRID = ("memory_s7", "memory_s9", "memory_s11", "memory_s13")
GIVEN_ELSEWHERE = {
    "version": "the code's",
    "seed": "the experiment's `seeds`",
    "budget_frames": "the experiment's",
    "device": "config.yaml's",
    "threads": "config.yaml's",
    "environment.game": "the experiment's `games`",
}
# Rules and targets of the Snakefile: a paper of that name could not be a target.
RESERVED = ("all", "train", "score", "figure", "table", "claims", "report", "index")


class Algorithm(NamedTuple):
    """An algorithm with what it extends (the name of another) merged in. `keys`: all dotted keys that such a spec may have."""

    name: str
    label: str
    spec: dict[str, Any]
    cluster: Cluster
    keys: frozenset[str]
    extends: str | None
    alternatives: Alternatives


def flatten(tree: dict[str, Any], inner: bool = False, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of every leaf, and of the mappings on the way when `inner`."""
    for key, value in tree.items():
        if isinstance(value, dict):
            if inner:
                yield prefix + key, value
            yield from flatten(value, inner, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def folder_name(text: str) -> str:
    """A results folder with ~ and $NAME put in. ValueError where that cannot be, or jobs could not use it."""
    found = os.path.expandvars(os.path.expanduser(text))
    if found.startswith("~"):
        raise ValueError(f"nobody's home is {text.split('/')[0]!r}")
    if unset := re.search(r"\$\{?\w+", found):
        raise ValueError(f"the variable {unset[0].lstrip('${')} is not set here: {text!r}")
    if wrong := re.search(r"[{}$*?\[\]\"'\\\x00-\x1f]", found):
        raise ValueError(f"a results folder cannot have {wrong[0]!r} in its name: {found!r}")
    if text and not found.strip("/. "):
        raise ValueError(f"{text!r} is not a folder for results alone")
    return found


class Project:
    """The configuration under one checkout. Files are read when first asked for, and once.

    Every method raises ConfigError with all that it found wrong.
    """

    def __init__(self, root: Path, overrides: dict[str, Any] | None = None):
        self.root = Path(root)
        self.overrides = dict(overrides or {})

    def _load(self, *parts: str) -> Document:
        return load(self.root.joinpath("config", *parts), "/".join(("config", *parts)))

    def _files(self, folder: str) -> dict[str, str]:
        """File name -> the name that it ought to have, of all that look like YAML in a folder of config/."""
        paths = (self.root / "config" / folder).glob("*")
        found = (p for p in paths if p.suffix.lower() in (".yaml", ".yml") and not p.name.startswith("."))
        return {path.name: f"{right_name(path.stem)}.yaml" for path in sorted(found)}

    def _names(self, folder: str) -> list[str]:
        return [file.removesuffix(".yaml") for file, right in self._files(folder).items() if file == right]

    def misnamed(self, folder: str) -> list[Problem]:
        """Files that would be passed over."""
        wrong = ((file, right) for file, right in self._files(folder).items() if file != right)
        return [Problem(f"config/{folder}/{f}", 0, (), f"not read under this name: call it {r}") for f, r in wrong]

    def _unknown(self, doc: Document, at: Location, what: str, name: object, valid: list[str]) -> Problem:
        """A name that no file has; `what`: paper or algorithm. A file that nearly has it is named."""
        plain = right_name(Path(str(name)).name.removesuffix(".yaml").removesuffix(".yml"))
        for file, right in self._files(f"{what}s").items():
            if file != right and plain == right.removesuffix(".yaml"):
                return doc.problem(at, f"unknown {what} {name!r}: config/{what}s/{file} must be called {right}")
        return doc.problem(at, f"unknown {what} {name!r}", plain if plain in valid else name, valid)

    @functools.cached_property
    def paper_names(self) -> list[str]:
        return self._names("papers")

    @functools.cached_property
    def algorithm_names(self) -> list[str]:
        return self._names("algorithms")

    @functools.cached_property
    def config(self) -> Config:
        document = self._load("config.yaml")
        if self.overrides:
            given = Document("--config", self.overrides)
            unknown = [k for k in self.overrides if k not in Config.model_fields]
            if unknown:
                raise ConfigError([given.problem((k,), "unknown key", k, Config.model_fields) for k in unknown])
            merged = merge(document.data, self.overrides, {})
            lines = {at: n for at, n in document.lines.items() if at and at[0] not in self.overrides}
            document = Document("config/config.yaml", merged, lines)
        config, problems = validate(Config, document)
        asked = config.papers if config else document.data.get("papers")
        for i, paper in enumerate(asked if isinstance(asked, list) else []):
            if paper not in self.paper_names:
                problems.append(self._unknown(document, ("papers", i), "paper", paper, self.paper_names))
        results = config.results if config else ""
        try:
            results = folder_name(results)
        except ValueError as error:
            problems.append(document.problem(("results",), str(error)))
        if problems or config is None:
            raise ConfigError(
                p._replace(file="--config", line=0) if p.location[:1] and p.location[0] in self.overrides else p
                for p in problems
            )
        return config.model_copy(update={"results": results})

    @functools.cached_property
    def game_sets(self) -> dict[str, list[str]]:
        """Name of a set -> games as suite/name."""
        sets: dict[str, list[str]] = {
            "minatar5": [f"minatar/{game}" for game in MINATAR],
            "minigrid_memory": [f"minigrid/{game}" for game in MINIGRID],
            "recall": ["recall/cue"],
        }
        path = self.root / "config" / "reference" / "game_sets.csv"
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    sets.setdefault(row["game_set"], []).append(f"atari/{row['game']}")
        return sets

    @functools.cached_property
    def games(self) -> frozenset[str]:
        """Every game known by name, as suite/name."""
        names = {game for games in self.game_sets.values() for game in games} | set(OTHERS)
        path = self.root / "config" / "reference" / "atari_reference_scores.csv"
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                names |= {f"atari/{row['game']}" for row in csv.DictReader(file)}
        return frozenset(names)

    @functools.cache  # noqa: B019 - one Project lives as long as the process
    def algorithm(self, name: str) -> Algorithm:
        """Read config/algorithms/<name>.yaml and check its spec against agents/spec/."""
        document = self._load("algorithms", f"{name}.yaml")
        file, problems = validate(AlgorithmFile, document)
        if file is None:
            raise ConfigError(problems)
        spec, cluster, alternatives = file.spec, file.cluster, file.alternatives
        given = set(dict(flatten(spec, inner=True)))
        for key in sorted(given & set(GIVEN_ELSEWHERE)):
            where = ("spec", *key.split("."))
            problems.append(document.problem(where, f"must not be given here: it is {GIVEN_ELSEWHERE[key]}"))
        if file.extends is not None:
            if file.extends not in self.algorithm_names or file.extends == name:
                others = [n for n in self.algorithm_names if n != name]
                problems.append(self._unknown(document, ("extends",), "algorithm", file.extends, others))
                raise ConfigError(problems)
            if self._load("algorithms", f"{file.extends}.yaml").data.get("extends"):
                problems.append(document.problem(("extends",), f"{file.extends} extends another: one level is allowed"))
                raise ConfigError(problems)
            parent = self.algorithm(file.extends)
            alternatives = parent.alternatives | alternatives
            spec, cluster = merge(parent.spec, spec, alternatives), cluster or parent.cluster
        if not problems:
            trial = merge(spec, {"environment": {"game": "any"}}, alternatives)
            trial |= {"version": VERSION, "seed": 0, "budget_frames": 1, "device": "cpu", "threads": 1}
            model = model_of(trial)
            try:
                model.model_validate(trial)
            except ValidationError as error:
                for item in error.errors(include_url=False):
                    location, *rest = complaint(item, model, trial)
                    problems.append(document.problem(("spec", *location), *rest))
        if problems:
            raise ConfigError(problems)
        return Algorithm(name, file.label, spec, cluster, dotted_keys(model_of(spec)), file.extends, alternatives)  # type: ignore[arg-type]

    @functools.cache  # noqa: B019
    def _paper(self, name: str) -> tuple[Document, Paper | None, list[Problem]]:
        """A paper's file as far as it can be judged alone."""
        if name not in self.paper_names:
            nowhere = Document("config/papers", None)
            raise ConfigError([self._unknown(nowhere, (), "paper", name, self.paper_names)])
        document = self._load("papers", f"{name}.yaml")
        return document, *validate(Paper, document)

    @functools.cache  # noqa: B019
    def paper(self, name: str) -> tuple[Paper, Document]:
        """Read config/papers/<name>.yaml and check every name and key in it, for all scales."""
        document, paper, found = self._paper(name)
        problems = list(found)
        if name in RESERVED or name.endswith("_figures"):
            problems.append(Problem(document.file, 0, (), f"a paper cannot be called {name!r}: a rule has that name"))
        if paper is not None:
            for key, experiment in paper.experiments.items():
                problems += self._experiment(document, ("experiments", key), experiment)
            problems += self._shown(document, paper)
        if problems or paper is None:
            raise ConfigError(problems)
        return paper, document

    def games_of(self, names: list[str]) -> list[str]:
        """suite/name of games and game sets, in the order given."""
        return [game for name in names for game in self.game_sets.get(name, [name])]

    def _experiment(self, doc: Document, at: Location, experiment: Experiment) -> Iterator[Problem]:
        """Problems of an experiment that need other files to be seen."""
        used = {experiment.algorithm: (*at, "algorithm")}
        for variant, overlay in (experiment.variants or {}).items():
            if "algorithm" in overlay:
                used.setdefault(str(overlay["algorithm"]), (*at, "variants", variant, "algorithm"))
        keys: set[str] = set()
        broken = False
        for name, where in used.items():
            if name not in self.algorithm_names:
                broken = True
                yield self._unknown(doc, where, "algorithm", name, self.algorithm_names)
                continue
            try:
                keys |= self.algorithm(name).keys
            except ConfigError as error:
                broken = True
                yield from error.problems
        yield from self._games(doc, (*at, "games"), experiment.games)
        groups = [
            ((*at, "set"), experiment.set),
            ((*at, "vary"), experiment.vary),
            ((*at, "zip"), experiment.zip),
        ]
        for variant, overlay in (experiment.variants or {}).items():
            groups.append(((*at, "variants", variant), {k: v for k, v in overlay.items() if k != "algorithm"}))
        yield from self._lengths(doc, (*at, "zip"), experiment.zip)
        for scale_name, scale in experiment.scales.items():
            here = (*at, "scales", scale_name)
            yield from self._scale(doc, here, scale, experiment)
            groups += [((*here, part), getattr(scale, part) or {}) for part in ("set", "vary", "zip")]
        parts = [(key, value) for _, overlay in groups for key, value in overlay.items() if isinstance(value, dict)]
        keys |= {f"{key}.{inner}" for key, value in parts for inner in value}  # a part put in whole brings its keys
        for where, overlay in groups if not broken else []:
            for key in overlay:
                if key in GIVEN_ELSEWHERE:
                    yield doc.problem((*where, key), f"must not be given here: it is {GIVEN_ELSEWHERE[key]}")
                elif key not in keys:
                    yield doc.problem((*where, key), "unknown key of the spec", key, keys)

    def _scale(self, doc: Document, at: Location, scale: Scale, experiment: Experiment) -> Iterator[Problem]:
        if scale.games is not None:
            yield from self._games(doc, (*at, "games"), scale.games)
        yield from self._lengths(doc, (*at, "zip"), scale.zip or {})
        for i, variant in enumerate(scale.variants or []):
            if variant not in (experiment.variants or {}):
                valid = list(experiment.variants or {})
                yield doc.problem((*at, "variants", i), f"unknown variant {variant!r}", variant, valid)

    def _games(self, doc: Document, at: Location, names: list[str]) -> Iterator[Problem]:
        for i, name in enumerate(names):
            if name not in self.games and name not in self.game_sets:
                valid = self.games | set(self.game_sets)
                yield doc.problem((*at, i), f"unknown game {name!r}", name, valid)
        games = self.games_of(names)
        for game in sorted({game for game in games if games.count(game) > 1}):
            yield doc.problem(at, f"{game} is given twice")

    @staticmethod
    def _lengths(doc: Document, at: Location, zipped: dict[str, list[Any]]) -> Iterator[Problem]:
        if len({len(values) for values in zipped.values()}) > 1:
            yield doc.problem(at, "lists of different lengths cannot be taken side by side")

    def _shown(self, doc: Document, paper: Paper) -> Iterator[Problem]:
        """Problems of figures, tables and claims: names of experiments, variants and varied keys."""
        seen: dict[str, Location] = {}
        for part in ("figures", "tables", "claims", "absent"):
            for i, item in enumerate(getattr(paper, part)):
                at = (part, i)
                if seen.setdefault(item.id, at) != at:
                    yield doc.problem((*at, "id"), f"{item.id!r} is taken by {'.'.join(map(str, seen[item.id]))}")
                yield from self._uses(doc, at, item)

    def _uses(self, doc: Document, at: Location, item: Any) -> Iterator[Problem]:
        variants: set[str] = set()
        varied: set[str] = set()
        for j, full in enumerate(getattr(item, "experiments", [])):
            other, _, key = full.partition(".")
            where = (*at, "experiments", j)
            if other not in self.paper_names:
                yield self._unknown(doc, where, "paper", other, self.paper_names)
                return
            source = self._paper(other)[1]
            if source is None:  # its own check reports what is wrong with it
                return
            experiments = source.experiments
            if key not in experiments:
                valid = [f"{other}.{k}" for k in experiments]
                yield doc.problem(where, f"unknown experiment {full!r}", full, valid)
                return
            found = experiments[key]
            try:
                variants |= set(found.variants or [self.algorithm(found.algorithm).label])
            except ConfigError:
                return
            varied |= {*found.vary, *found.zip}
        if not variants:
            return
        wanted = [(("variants", i), v) for i, v in enumerate(getattr(item, "variants", None) or [])]
        wanted += [(("reference_lines", i), v) for i, v in enumerate(getattr(item, "reference_lines", []))]
        wanted += [((k,), v) for k in ("a", "b") if isinstance(v := getattr(item, k, None), str)]
        for where, variant in wanted:
            if variant not in variants:
                yield doc.problem((*at, *where), f"unknown variant {variant!r}", variant, variants)
        keys = [((k,), v) for k in ("x", "y") if isinstance(v := getattr(item, k, None), str)]
        for where, key in keys + [(("where", key), key) for key in getattr(item, "where", {})]:
            if key not in varied:
                yield doc.problem((*at, *where), f"{key!r} is not varied", key, varied)

    def unknown_target(self, word: str, known: list[str]) -> str:
        """What is wrong with a target that no paper has."""
        message = self._unknown(Document("", None), (), "paper", word, known).message
        return message.replace("unknown paper", "unknown target", 1)

    def check(self, papers: list[str] | None = None) -> None:
        """Read the config, all algorithms and the given papers (default: all); report all problems at once."""
        problems = [] if papers else [p for folder in ("papers", "algorithms") for p in self.misnamed(folder)]
        tasks: list[Any] = [lambda: self.config]
        tasks += [functools.partial(self.algorithm, name) for name in (self.algorithm_names if papers is None else [])]
        tasks += [functools.partial(self.paper, name) for name in (self.paper_names if papers is None else papers)]
        for task in tasks:
            try:
                task()
            except ConfigError as error:
                if not error.problems:
                    raise
                problems += error.problems
        if problems:
            raise ConfigError(problems)
