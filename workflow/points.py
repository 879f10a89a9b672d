"""One variant at one point of a sweep: its spec, validated once, with two holes for game and seed."""

from __future__ import annotations

import hashlib
import json
from typing import Any, NamedTuple

from pydantic import ValidationError

from agents.spec import VERSION, Spec, model_of
from agents.spec.base import Identified
from workflow.config import Algorithm, Project
from workflow.doubts import doubts, faults
from workflow.models import Cluster, Config
from workflow.overlay import merge, nested, of_budget, set_by
from workflow.scales import Scaled
from workflow.strict_yaml import Document, Location, Problem
from workflow.typed import complaint

_GAME, _SEED = "@game@", 9_007_199_254_740_881  # stand-ins that no spec contains
CPU_ONLY = ("hogwild",)  # executors whose processes share what no GPU holds


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
    executor: str
    components: tuple[str, ...]
    cluster: Cluster
    template: str

    def spec(self, game: str, seed: int) -> str:
        """Canonical JSON of the run's spec; `game` without its suite."""
        return self.template.replace(f'"{_GAME}"', f'"{game}"').replace(str(_SEED), str(seed))

    def run(self, game: str, seed: int) -> Run:
        name = game.partition("/")[2]
        text = self.spec(name, seed)
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        return Run(f"{self.agent}.{self.suite}-{name}.s{seed}.{digest}", text, game, seed, self)


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
        self.clocks: dict[str, Location] = {}
        self.cuts: set[int] = set()
        self.problems: list[Problem] = []
        self.doubts: dict[Problem, None] = {}
        fallback = project.algorithm(scaled.experiment.algorithm)
        for variant, overlay in scaled.variants(fallback.label).items():
            self._variant(variant, overlay)
        if len(self.clocks) > 1:
            where, words = list(self.clocks.values())[1], " and ".join(self.clocks)
            self.problems.append(document.problem(where, f"variants count {words}: use one clock"))

    def _variant(self, variant: str, overlay: dict[str, Any]) -> None:
        algorithm = self.project.algorithm(str(overlay.get("algorithm", self.scaled.experiment.algorithm)))
        suite = algorithm.spec["environment"]["suite"]
        for i, game in enumerate(self.games):
            if not game.startswith(f"{suite}/"):
                where = (*self.games_at, i) if len(self.named) == len(self.games) else self.games_at
                message = f"{algorithm.name} plays {suite} games, not {game}"
                self.problems.append(self.document.problem(where, message))
        own = {key: value for key, value in overlay.items() if key != "algorithm"}
        for vary in self.scaled.points():
            layers = [*self.scaled.sets(), ((*self.scaled.at, "variants", variant), own)]
            layers += [(where, {key: value}) for key, (where, value) in vary.items()]
            self._point(variant, algorithm, {key: value for key, (_, value) in vary.items()}, layers)

    def _point(
        self, variant: str, algorithm: Algorithm, vary: dict[str, Any], layers: list[tuple[Location, dict[str, Any]]]
    ) -> None:
        places = [("budget_frames", self.budget_at)]  # the uppermost first: what stands there is what counts
        for where, layer in reversed(layers):
            found = (each for key in layer for each in set_by(key, layer[key], (*where, key)))
            places += [(key, at) for key, at, value in found if not isinstance(value, dict) or "kind" in value]
        default = (*self.scaled.at, "variants", variant)
        tree = algorithm.spec
        for _, layer in layers:
            for dotted, value in layer.items():
                tree = merge(tree, nested(dotted, of_budget(value, self.budget)))
        tree = merge(tree, nested("environment.game", "any"))
        config = self.project.config
        cluster = algorithm.cluster.model_copy(update=self.scaled.cluster())
        fixed = {"version": VERSION, "seed": 0, "budget_frames": self.budget, "threads": config.threads}
        fixed["device"] = _device(config, self.scaled.name, tree, cluster)
        try:
            spec = model_of(tree).model_validate(tree | fixed)
        except ValidationError as error:
            for item in error.errors(include_url=False):
                location, message, bad, valid = complaint(item, model_of(tree), tree)
                name = ".".join(map(str, location))
                message = f"{name}: {message}" if name else message
                self.problems.append(self.document.problem(_placed(location, places, default), message, bad, valid))
            return

        def said(key: str, message: str) -> Problem:
            return self.document.problem(_placed(tuple(key.split(".")), places, default), f"{key}: {message}")

        self.problems += [said(*fault) for fault in faults(spec)]
        self.doubts |= dict.fromkeys(said(*doubt) for doubt in doubts(spec))
        self.clocks.setdefault(spec.clock, default)
        if isinstance(spec, Spec):
            self.cuts.add(spec.evaluation.cap_frames)
        self.points.append(_described(spec, variant, vary, algorithm, cluster))


def _device(config: Config, scale: str, tree: dict[str, Any], cluster: Cluster) -> str:
    """Where a run trains. `cluster.gpu` says whether a GPU serves it; `auto` uses one only at the paper's scale."""
    wanted = {"cpu": False, "cuda": True, "auto": scale == "paper"}[config.device]
    return "cuda" if wanted and cluster.gpu and _executor(tree) not in CPU_ONLY else "cpu"


def _executor(tree: dict[str, Any]) -> Any:
    """The kind of executor in a spec's raw data, if it has one."""
    executor = tree.get("executor")
    return executor.get("kind") if isinstance(executor, dict) else None


def _placed(location: Location, places: list[tuple[str, Location]], default: Location) -> Location:
    """Where in the paper's file the value at a location of the spec was set."""
    dotted = ".".join(map(str, location))
    for key, where in places:
        if dotted == key or dotted.startswith(f"{key}.") or key.startswith(f"{dotted}."):
            return where
    return default


def _described(spec: Identified, variant: str, vary: dict[str, Any], algorithm: Algorithm, cluster: Cluster) -> Point:
    data = spec.model_dump(mode="json")
    data["seed"], data["environment"]["game"] = _SEED, _GAME
    template = json.dumps(data, sort_keys=True, separators=(",", ":"))
    suite = spec.environment.suite
    kind = _executor(data) or "inline"  # a study has none
    actors = getattr(getattr(spec, "executor", None), "actors", 0)
    beside = {"processes": spec.threads + actors, "hogwild": actors}  # hogwild: the main process mostly sleeps
    return Point(
        variant,
        vary,
        algorithm.name,
        algorithm.extends,
        spec.agent.kind,
        suite,
        spec.device,
        beside.get(kind, spec.threads),
        spec.driver,
        kind,
        tuple(spec.components()),
        cluster,
        template,
    )
