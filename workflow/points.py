"""One variant at one point of a sweep: its spec, validated once, with two holes for game and seed."""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import ValidationError

from agents.spec.base import Identified
from agents.spec.run import VERSION, Spec, model_of
from workflow.config import Algorithm, Project
from workflow.doubts import doubts
from workflow.main_config import Config
from workflow.models import Cluster
from workflow.overlay import chooses_anew, leaves, merge, nested, of_budget
from workflow.scales import Scaled
from workflow.strict_yaml import Document, Location, Problem
from workflow.typed import complaints, knows, mentioned

_GAME, _SEED = "@game@", 9_007_199_254_740_881  # stand-ins; other numbers may be the same, under other names


class Point(NamedTuple):
    """One variant at one point of the sweep: everything about a run but its game and seed."""

    variant: str
    vary: dict[str, Any]
    algorithm: str
    extends: str | None  # the algorithm that this one changes
    agent: str
    suite: str
    device: str
    threads: int
    driver: str
    launcher: str  # what stands before the run's command in a job
    components: tuple[str, ...]
    cluster: Cluster
    template: str

    def spec(self, game: str, seed: int) -> str:
        """Canonical JSON of the run's spec; `game` without its suite."""
        text = self.template.replace(f'"game":"{_GAME}"', f'"game":"{game}"')
        return text.replace(f'"seed":{_SEED}', f'"seed":{seed}')

    def parsed(self) -> dict[str, Any]:
        """What the spec says, but for game and seed. Read once for all runs of the point: not to be changed."""
        return _parsed(self.template)

    def run(self, game: str, seed: int) -> Run:
        name = game.partition("/")[2]
        text = self.spec(name, seed)
        return Run(f"{self.agent}.{self.suite}-{name}.s{seed}.{digest_of(text)[:12]}", text, game, seed, self)


@functools.cache
def digest_of(spec: str) -> str:
    """The SHA-256 of a canonical spec, hexadecimal."""
    return hashlib.sha256(spec.encode()).hexdigest()


@functools.cache
def _parsed(template: str) -> dict[str, Any]:
    return json.loads(template)


class Run(NamedTuple):
    name: str
    spec: str
    game: str
    seed: int
    point: Point


class Built:
    """The points of one experiment at one scale, and what was found on the way."""

    def __init__(self, project: Project, document: Document, scaled: Scaled):
        self.project, self.document, self.scaled = project, document, scaled
        self.games_at, self.named = scaled.chosen("games")
        self.games = project.games_of(self.named)
        self.budget_at, self.budget = scaled.chosen("budget_frames")
        self.points: list[Point] = []
        self.places: list[list[tuple[str, Location]]] = []  # key -> where it is set, uppermost first
        self.clocks: dict[str, Location] = {}
        self.cuts: set[int] = set()
        self.used: set[Location] = set()  # places of shared keys that some variant has
        self.problems: list[Problem] = []
        self.doubts: dict[Problem, None] = {}
        fallback = project.algorithm(scaled.experiment.algorithm)
        for variant, overlay in scaled.variants(fallback.label).items():
            self._variant(variant, overlay)
        self.problems += self._unused()
        if len(self.clocks) > 1:
            where, words = list(self.clocks.values())[1], " and ".join(self.clocks)
            self.problems.append(document.problem(where, f"variants count {words}: use one clock"))

    def _variant(self, variant: str, overlay: dict[str, Any]) -> None:
        algorithm = self.project.algorithm(str(overlay.get("algorithm", self.scaled.experiment.algorithm)))
        own = {key: value for key, value in overlay.items() if key != "algorithm"}
        for vary in self.scaled.points():
            layers = [*self.scaled.sets(), ((*self.scaled.at, "variants", variant), own)]
            layers += [(where, {key: value}) for key, (where, value) in vary.items()]
            self._point(variant, algorithm, {key: value for key, (_, value) in vary.items()}, layers)

    def _point(
        self, variant: str, algorithm: Algorithm, vary: dict[str, Any], layers: list[tuple[Location, dict[str, Any]]]
    ) -> None:
        found = [leaves(layer, where) for where, layer in layers]
        places = [("budget_frames", self.budget_at)]  # the uppermost first: what stands there is what counts
        places += [place for layer in reversed(found) for leaf in layer for place in _within(*leaf)]
        default = (*self.scaled.at, "variants", variant)
        tree = self._laid(algorithm, found)
        self._games(algorithm, tree)
        config = self.project.config
        cluster = algorithm.cluster.model_copy(update=self.scaled.cluster())
        fixed = {"version": VERSION, "seed": 0, "budget_frames": self.budget, "threads": config.threads}
        try:
            spec = model_of(tree).model_validate(tree | fixed | {"device": "cpu"})
            if _on_gpu(config, self.scaled.name, spec, cluster):
                spec = model_of(tree).model_validate(tree | fixed | {"device": "cuda"})
        except ValidationError as error:
            for location, message, *words in complaints(error, model_of(tree), tree):
                name = ".".join(map(str, location))
                part = location[:-1] if message == "is missing" else location  # what asks for the number
                chosen = (*part, "suite" if part == ("environment",) else "kind") if part != location else location
                at = mentioned(message, location, places) or _placed(chosen, places, default)
                self.problems.append(self.document.problem(at, _of(name, at, message), *words))
            return

        def said(key: str, message: str) -> Problem:
            at = _placed(tuple(key.split(".")), places, default)
            return self.document.problem(at, _of(key, at, message))

        if isinstance(spec, Spec) and spec.environment.hidden:  # which of them there are is up to the game
            for game in self.games:
                environment = spec.environment.model_copy(update={"game": game.partition("/")[2]})
                for message in environment.misfits(spec):
                    at = mentioned(message, (), places) or default
                    self.problems.append(self.document.problem(at, message))
        self.doubts |= dict.fromkeys(said(*doubt) for doubt in doubts(spec))
        self.clocks.setdefault(spec.clock, default)
        if isinstance(spec, Spec):
            self.cuts.add(spec.evaluation.cap_frames)
        self.points.append(_described(spec, variant, vary, algorithm, cluster))
        self.places.append(places)

    def _games(self, algorithm: Algorithm, tree: dict[str, Any]) -> None:
        """Problems of games that are not of the suite that the environment is of."""
        suite = tree["environment"].get("suite") if isinstance(tree.get("environment"), dict) else None
        if not any(game.startswith(f"{suite}/") for game in self.project.games):
            return  # no suite at all, as its model says
        for i, game in enumerate(self.games):
            if not game.startswith(f"{suite}/"):
                where = (*self.games_at, i) if len(self.named) == len(self.games) else self.games_at
                message = f"{algorithm.name} plays {suite} games, not {game}"
                self.problems.append(self.document.problem(where, message))

    def _laid(self, algorithm: Algorithm, layers: list[list[tuple[str, Location, Any]]]) -> dict[str, Any]:
        """The algorithm's spec with the layers on it.

        What all variants share goes to those that have it: a network without noise has no sigma. A number may belong to
        a part whose kind an upper layer chooses, so that all is laid once more when every kind is known.
        """
        tree, shared = algorithm.spec, len(self.scaled.sets())

        def laid(key: str, value: Any) -> dict[str, Any]:
            return merge(tree, nested(key, of_budget(value, self.budget, key)), algorithm.alternatives)

        for number, layer in enumerate(layers):
            for key, _, value in layer:
                if number >= shared or knows(model_of(tree), tree, key):
                    tree = laid(key, value)
        for key, at, value in itertools.chain(*layers):
            if knows(model_of(tree), tree, key):
                self.used.add(at)
                if not chooses_anew(tree, key, value):
                    tree = laid(key, value)
        return merge(tree, nested("environment.game", "any"))

    def _unused(self) -> Iterator[Problem]:
        """What all variants share and none has. A scale may leave out those that have it, or choose other kinds."""
        shared = [at for where, layer in self.scaled.sets() for _, at, _ in leaves(layer, where)]
        unused = [at for at in shared if at not in self.used]
        if unused and self.scaled.scale is not None:
            self.used |= Built(self.project, self.document, self.scaled.as_published()).used
        for at in unused:
            if at not in self.used:
                yield self.document.problem(at, "no variant has this key, given the kinds of its parts")


def _on_gpu(config: Config, scale: str, spec: Identified, cluster: Cluster) -> bool:
    """Whether a run trains on a GPU. `cluster.gpu` says whether one serves it; `auto`: only at the paper's scale."""
    wanted = {"cpu": False, "cuda": True, "auto": scale == "paper"}[config.device]
    return wanted and cluster.gpu > 0 and spec.gpu


def _within(key: str, at: Location, value: Any) -> Iterator[tuple[str, Location]]:
    """Dotted keys and their places: of what lies in a leaf, and of the leaf."""
    for name, inner in value.items() if isinstance(value, dict) else ():
        yield from _within(f"{key}.{name}", (*at, name), inner)
    yield key, at


def _placed(location: Location, places: list[tuple[str, Location]], default: Location) -> Location:
    """Where in the paper's file the value at a location of the spec was set."""
    dotted = ".".join(map(str, location))
    for key, where in places if location else ():
        if dotted == key or dotted.startswith(f"{key}.") or key.startswith(f"{dotted}."):
            return where
    return default


def _described(spec: Identified, variant: str, vary: dict[str, Any], algorithm: Algorithm, cluster: Cluster) -> Point:
    data = spec.model_dump(mode="json")
    data["seed"], data["environment"]["game"] = _SEED, _GAME
    template = json.dumps(data, sort_keys=True, separators=(",", ":"))
    suite = spec.environment.suite
    return Point(
        variant,
        vary,
        algorithm.name,
        algorithm.extends,
        spec.agent.kind,
        suite,
        spec.device,
        spec.cores,
        spec.driver,
        spec.launcher,
        tuple(spec.components()),
        cluster,
        template,
    )


def _of(key: str, at: Location, message: str) -> str:
    """A message about a key, which is named where the place that is told does not end with it."""
    return message if f".{'.'.join(map(str, at))}".endswith(f".{key}") or not key else f"{key}: {message}"
