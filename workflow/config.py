"""The one strict loader of config/: every problem of every file, with its line, before anything runs."""

from __future__ import annotations

import csv
import functools
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from agents.spec.run import VERSION, model_of
from workflow import main_config
from workflow.checks import GIVEN_ELSEWHERE, alternative_problems, paper_problems
from workflow.files import FOLDERS, Files
from workflow.items import complete_items
from workflow.main_config import Config
from workflow.models import AlgorithmFile, Cluster, Paper, Preset
from workflow.overlay import Alternatives, flatten, merge
from workflow.presets import complete_experiments, named_presets
from workflow.strict_yaml import ConfigError, Document, Location, Problem
from workflow.typed import complaints, dotted_keys, mentioned, validate

MINATAR = ("asterix", "breakout", "freeway", "seaquest", "space_invaders")
OTHERS = (
    "cartpole/v0", "cartpole/v1", "cliffwalk/blind", "corridor/dueling", "digits/imbalanced", "random_mdp/garnet"
)  # fmt: skip
MUJOCO = (
    "ant", "half_cheetah", "hopper", "inverted_double_pendulum", "inverted_pendulum", "reacher", "swimmer", "walker2d"
)  # fmt: skip
MINIGRID = ("memory_s7", "memory_s9", "memory_s11", "memory_s13")
# Rules and targets of the Snakefile: a paper of that name could not be a target.
RESERVED = ("all", "train", "score", "figure", "table", "claims", "report", "index")


class Algorithm(NamedTuple):
    """An algorithm with what it extends (the name of another) merged in. `keys`: all that such a spec may have."""

    name: str
    label: str
    spec: dict[str, Any]
    cluster: Cluster
    keys: frozenset[str]
    extends: str | None
    alternatives: Alternatives


class Project:
    """The configuration under one checkout. Files are read when first asked for, and once.

    Every method raises ConfigError with all that it found wrong.
    """

    def __init__(self, root: Path, overrides: dict[str, Any] | None = None):
        self.root = Path(root)
        self.overrides = dict(overrides or {})
        self.files = Files(self.root)

    @functools.cached_property
    def paper_names(self) -> list[str]:
        return self.files.names("papers")

    @functools.cached_property
    def algorithm_names(self) -> list[str]:
        return self.files.names("algorithms")

    @functools.cached_property
    def preset_names(self) -> list[str]:
        return self.files.names("scales")

    @functools.cached_property
    def config(self) -> Config:
        """config/config.yaml with what the command line lays on it."""
        return main_config.read(self.files, self.overrides)

    @functools.cached_property
    def game_sets(self) -> dict[str, list[str]]:
        """Name of a set -> games as suite/name."""
        sets: dict[str, list[str]] = {
            "minatar5": [f"minatar/{game}" for game in MINATAR],
            "minigrid_memory": [f"minigrid/{game}" for game in MINIGRID],
            "recall": ["recall/cue"],
            "mujoco8": [f"mujoco/{game}" for game in MUJOCO],
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
        document = self.algorithm_file(name)
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
                problems.append(self.files.unknown(document, ("extends",), "algorithm", file.extends, others))
                raise ConfigError(problems)
            if self.algorithm_file(file.extends).data.get("extends"):
                problems.append(document.problem(("extends",), f"{file.extends} extends another: one level is allowed"))
                raise ConfigError(problems)
            parent = self.algorithm(file.extends)
            alternatives = merge(parent.alternatives, alternatives)
            spec, cluster = merge(parent.spec, spec, alternatives), cluster or parent.cluster
        if not problems:
            trial = merge(spec, {"environment": {"game": "any"}}, alternatives)
            trial |= {"version": VERSION, "seed": 0, "budget_frames": 1, "device": "cpu", "threads": 1}
            model = model_of(trial)
            try:
                model.model_validate(trial)
            except ValidationError as error:
                places = [(".".join(map(str, at[1:])), at) for at in document.places if at[:1] == ("spec",) and at[1:]]
                for location, message, *words in complaints(error, model, trial):
                    at = mentioned(message, location, places) if not location else None
                    problems.append(document.problem(at or ("spec", *location), message, *words))
            problems += alternative_problems(document, trial, file.alternatives)
        if problems:
            raise ConfigError(problems)
        return Algorithm(name, file.label, spec, cluster, dotted_keys(model_of(spec)), file.extends, alternatives)  # type: ignore[arg-type]

    def algorithm_file(self, name: str) -> Document:
        """config/algorithms/<name>.yaml as it is written."""
        return self.files.load("algorithms", f"{name}.yaml")

    @functools.cache  # noqa: B019
    def preset(self, name: str) -> Document:
        """Read config/scales/<name>.yaml, and check it as far as it can be judged without an experiment."""
        document = self.files.load("scales", f"{name}.yaml")
        if problems := validate(Preset, document)[1]:
            raise ConfigError(problems)
        return document

    @functools.cache  # noqa: B019
    def described(self, name: str) -> tuple[Document, Paper | None, list[Problem]]:
        """A paper's file, what it inherits laid in, as far as it can be judged without other papers and algorithms."""
        if name not in self.paper_names:
            nowhere = Document("config/papers", None)
            raise ConfigError([self.files.unknown(nowhere, (), "paper", name, self.paper_names)])
        written = self.files.load("papers", f"{name}.yaml")

        def preset(at: Location, wanted: str) -> Document:
            if wanted not in self.preset_names:
                raise ConfigError([self.files.unknown(written, at, "preset", wanted, self.preset_names)])
            return self.preset(wanted)

        document, wrong = complete_experiments(written, preset)
        document, lost = complete_items(document, name)
        paper, found = validate(Paper, document)
        every = wrong + lost + [p for p in found if p.location[:2] not in {other.location[:2] for other in lost}]
        # What an experiment lacks cannot be told where it is not known what it extends.
        alone = {problem.location[:-1] for problem in every if problem.location[2:] == ("extends",)}
        return document, paper, [p for p in every if p.message != "is missing" or p.location[:-1] not in alone]

    @functools.cache  # noqa: B019
    def paper(self, name: str) -> tuple[Paper, Document]:
        """Read config/papers/<name>.yaml and check every name and key in it, for all scales."""
        document, paper, found = self.described(name)
        problems = list(found)
        if name in RESERVED or name.endswith("_figures"):
            problems.append(Problem(document.file, 0, (), f"a paper cannot be called {name!r}: a rule has that name"))
        if paper is not None:
            problems += paper_problems(self, document, paper)
        if problems or paper is None:
            raise ConfigError(problems)
        return paper, document

    def games_of(self, names: list[str]) -> list[str]:
        """suite/name of games and game sets, in the order given."""
        return [game for name in names for game in self.game_sets.get(name, [name])]

    def unknown_target(self, word: str, known: list[str]) -> str:
        """What is wrong with a target that no paper has."""
        message = self.files.unknown(Document("", None), (), "paper", word, known).message
        return message.replace("unknown paper", "unknown target", 1)

    def check(self, papers: list[str] | None = None) -> None:
        """Read the config, all algorithms and the given papers (default: all); report all problems at once."""
        problems = [] if papers else [p for folder in FOLDERS.values() for p in self.files.misnamed(folder)]
        tasks: list[Any] = [lambda: self.config]
        tasks += [functools.partial(self.algorithm, name) for name in (self.algorithm_names if papers is None else [])]
        tasks += [functools.partial(self.preset, name) for name in (self.preset_names if papers is None else [])]
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

    def unused_presets(self) -> list[Problem]:
        """Files of config/scales that no experiment names."""
        documents = [self.files.load("papers", f"{name}.yaml") for name in self.paper_names]
        used = {name for document in documents for name in named_presets(document)}
        unused = (name for name in self.preset_names if name not in used)
        return [Problem(f"config/scales/{name}.yaml", 0, (), "no experiment names this preset") for name in unused]
