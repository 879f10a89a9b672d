"""From papers to runs: games × variants × varied keys × seeds, each with the name that its content gives it.

A spec is validated once per variant and point of the sweep. Its canonical JSON with two holes, for game and
seed, then gives the runs of all games and seeds by text replacement: 5,700 runs take a tenth of a second, and
each text is equal to the canonical JSON of the run's own full Spec (a test holds this).
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pydantic import ValidationError

from agents.spec import VERSION, Spec, model_of
from agents.spec.base import Identified
from workflow.config import Algorithm, Project
from workflow.doubts import doubts, faults
from workflow.merging import has, put
from workflow.models import Cluster, Config, Experiment, Scale
from workflow.strict_yaml import ConfigError, Document, Location, Problem, nearest
from workflow.typed import complaint

_GAME, _SEED = "@game@", 9_007_199_254_740_881  # stand-ins that no spec contains
_RUN = re.compile(
    r"^(?P<agent>.+)\.(?P<suite>[a-z0-9]+)-(?P<game>[a-z0-9_]+)\.s(?P<seed>\d+)\.(?P<digest>[0-9a-f]{12})$"
)
# Scales that an experiment may have, smallest first. For one that it has not, it runs at the next larger, or as in the
# paper.
SMALLER = ("smoke", "reduced")


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
    launcher: str
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


class Expansion(NamedTuple):
    """An experiment at one scale: `scale` is the one that it has, if not the one that is asked for.

    `doubts`: what it may be good to know before anything runs.
    """

    paper: str
    experiment: str
    scale: str
    budget_frames: int
    paper_frames: int
    reduced: str
    clock: str
    cuts: list[int]  # frames at which evaluation episodes are truncated, of all variants
    metrics: list[str] | None
    games: list[str]
    seeds: list[int]
    points: list[Point]
    doubts: list[Problem]

    @property
    def name(self) -> str:
        return f"{self.paper}.{self.experiment}"

    def runs(self) -> Iterator[Run]:
        """All runs, first seeds first. The same run may come twice, under two variants."""
        for seed, point, game in itertools.product(self.seeds, self.points, self.games):
            yield point.run(game, seed)

    def members(self, sealed: Callable[[Run], str]) -> str:
        """The JSON text that tells the analysis which runs are the experiment's; `sealed`: where in the store."""
        head = {k: getattr(self, k) for k in ("paper", "experiment", "scale", "budget_frames", "paper_frames")}
        head |= {"clock": self.clock, "cuts": self.cuts, "reduced": self.reduced, "metrics": self.metrics}
        rows = [
            {
                "run": run.name,
                "sealed": sealed(run),
                "variant": run.point.variant,
                "game": run.game,
                "seed": run.seed,
                "vary": run.point.vary,
            }
            for run in self.runs()
        ]
        return json.dumps(head | {"runs": rows}, sort_keys=True, separators=(",", ":")) + "\n"


def expand(project: Project, paper: str) -> dict[str, Expansion]:
    """Experiment name -> its expansion at the configured scale. Raises ConfigError with all problems."""
    described, document = project.paper(paper)
    found: dict[str, Expansion] = {}
    problems: list[Problem] = []
    for key, experiment in described.experiments.items():
        try:
            found[key] = _expand(project, document, paper, key, experiment)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return found


class Papers:
    """The papers of a project, each expanded when first asked for."""

    def __init__(self, project: Project):
        self.project = project
        self.expanded: dict[str, dict[str, Expansion]] = {}
        self.known: dict[str, Run] = {}

    def __getitem__(self, paper: str) -> dict[str, Expansion]:
        """Experiment name -> expansion."""
        if paper not in self.expanded:
            self.expanded[paper] = expand(self.project, paper)
        return self.expanded[paper]

    def experiment(self, name: str) -> Expansion:
        """The expansion of "paper.experiment"; raises ConfigError for unknown names."""
        paper, _, key = name.partition(".")
        if key not in self[paper]:
            where = Document(f"config/papers/{paper}.yaml", None)
            raise ConfigError([where.problem(("experiments",), f"no experiment {key!r}", key, self[paper])])
        return self[paper][key]

    @functools.cache  # noqa: B019 - one per process
    def runs(self, name: str) -> dict[str, Run]:
        """Run name -> run of "paper.experiment", each once, first seeds first."""
        found = {run.name: run for run in self.experiment(name).runs()}
        self.known |= found
        return found

    def run(self, name: str) -> Run:
        """The run of that name: among those listed, else in the configured papers, else in all others."""
        if name not in self.known:
            self.known[name] = self._find(name)
        return self.known[name]

    def _find(self, name: str) -> Run:
        """Look a run up, hashing only those that could be it: a job on a node needs just one."""
        first = self.project.config.papers
        if parts := _RUN.match(name):
            game, seed = f"{parts['suite']}/{parts['game']}", int(parts["seed"])
            for paper in (*first, *(p for p in self.project.paper_names if p not in first)):
                try:
                    experiments = self[paper]
                except ConfigError:
                    if paper in first:
                        raise
                    continue
                for each in experiments.values():
                    for point in each.points if game in each.games and seed in each.seeds else []:
                        if (run := point.run(game, seed)).name == name:
                            return run
        guess = nearest(name, [run for paper in first for key in self[paper] for run in self.runs(f"{paper}.{key}")])
        hint = f"; did you mean {guess!r}?" if guess else ""
        raise ConfigError(f"no experiment asks for the run {name!r} at scale {self.project.config.scale!r}{hint}")


def _expand(project: Project, doc: Document, paper: str, key: str, experiment: Experiment) -> Expansion:
    config, at = project.config, ("experiments", key)
    named, scale = _scale(experiment, config.scale)
    doubted: dict[Problem, None] = {}
    if named != config.scale:
        as_it_runs = "as in the paper" if named == "paper" else f"at scale {named!r}"
        doubted[doc.problem(at, f"has no scale {config.scale!r}: it runs {as_it_runs}")] = None

    def chosen(name: str) -> tuple[Location, Any]:
        """A value of the scale if it gives one, else of the experiment, and where it stands."""
        value = getattr(scale, name, None)
        if value is not None:
            return (*at, "scales", named, name), value
        return (*at, name), getattr(experiment, name)

    games_at, names = chosen("games")
    games = project.games_of(names)
    budget_at, budget = chosen("budget_frames")
    seeds = chosen("seeds")[1]
    variants = experiment.variants or {project.algorithm(experiment.algorithm).label: {}}
    if scale is not None and scale.variants is not None:
        variants = {name: variants[name] for name in scale.variants}
    crossed_at, crossed = chosen("vary")
    zipped_at, zipped = chosen("zip")
    sources: list[tuple[Location, dict[str, Any]]] = [((*at, "set"), experiment.set)]
    if scale is not None:
        sources.append(((*at, "scales", named, "set"), scale.set))
    change = experiment.cluster.model_dump(exclude_none=True)
    change |= scale.cluster.model_dump(exclude_none=True) if scale else {}

    points: list[Point] = []
    clocks: dict[str, Location] = {}
    used: set[Location] = set()
    cuts: set[int] = set()
    problems: list[Problem] = []
    for variant, overlay in variants.items():
        algorithm = project.algorithm(str(overlay.get("algorithm", experiment.algorithm)))
        own = {k: v for k, v in overlay.items() if k != "algorithm"}
        cluster = algorithm.cluster.model_copy(update=change)
        suite = algorithm.spec["environment"]["suite"]
        for i, game in enumerate(games):
            if not game.startswith(f"{suite}/"):
                where = (*games_at, i) if len(names) == len(games) else games_at
                problems.append(doc.problem(where, f"{algorithm.name} plays {suite} games, not {game}"))
        for vary in _points(crossed, zipped):
            layers = [*sources, ((*at, "variants", variant), own)]
            layers += [(crossed_at if k in crossed else zipped_at, {k: v}) for k, v in vary.items()]
            placed = {k: (*where, k) for where, layer in layers for k in layer} | {"budget_frames": budget_at}
            tree = algorithm.spec
            for _ in range(2):  # shared numbers go also to parts whose kind is chosen after them
                for number, (where, layer) in enumerate(layers):
                    for dotted, value in sorted(layer.items(), key=lambda item: not item[0].endswith(".kind")):
                        # What all variants share goes to those that have it: a network without noise has no sigma.
                        if number >= len(sources) or has(tree, dotted):
                            tree = put(tree, dotted, value, algorithm.alternatives)
                            used.add((*where, dotted))
            try:
                spec = _spec(tree, budget, config.threads, "cpu")
                if _on_gpu(config, named, spec, cluster):
                    spec = _spec(tree, budget, config.threads, "cuda")
            except ValidationError as error:
                for item in error.errors(include_url=False):
                    location, message, bad, valid = complaint(item, model_of(tree), tree)
                    where = _placed(location, placed, (*at, "variants", variant))
                    name = ".".join(map(str, location))
                    problems.append(doc.problem(where, f"{name}: {message}" if name else message, bad, valid))
                continue

            def placed_problem(key: str, message: str, placed: dict = placed, variant: str = variant) -> Problem:
                where = _placed(tuple(key.split(".")), placed, (*at, "variants", variant))
                return doc.problem(where, f"{key}: {message}")

            problems += [placed_problem(*said) for said in faults(spec)]
            doubted |= dict.fromkeys(placed_problem(*said) for said in doubts(spec))
            clocks.setdefault(spec.clock, (*at, "variants", variant))
            if isinstance(spec, Spec):
                cuts.add(spec.evaluation.cap_frames)
            points.append(_point(spec, variant, vary, algorithm, cluster))
    for where, layer in sources:
        unused = [key for key in layer if (*where, key) not in used]
        problems += [
            doc.problem((*where, key), "no variant has this key, given the kinds of its parts") for key in unused
        ]
    if len(clocks) > 1:
        problems.append(doc.problem(list(clocks.values())[1], f"variants count {' and '.join(clocks)}: use one clock"))
    if problems:
        raise ConfigError(problems)
    reduced = scale.reduced if scale else ""
    return Expansion(
        paper,
        key,
        named,
        budget,
        experiment.budget_frames,
        reduced,
        next(iter(clocks)),
        sorted(cuts),
        experiment.metrics,
        games,
        seeds,
        points,
        list(doubted),
    )


def _scale(experiment: Experiment, wanted: str) -> tuple[str, Scale | None]:
    """The name of the scale that an experiment has for the one wanted, and how it shrinks there."""
    for name in SMALLER[SMALLER.index(wanted) :] if wanted in SMALLER else ():
        if name in experiment.scales:
            return name, experiment.scales[name]
    return "paper", None


def _points(crossed: dict[str, list[Any]], zipped: dict[str, list[Any]]) -> Iterator[dict[str, Any]]:
    """The points of a sweep as {dotted key: value}; one empty point where nothing varies."""
    side = [dict(zip(zipped, values, strict=True)) for values in zip(*zipped.values(), strict=True)] if zipped else [{}]
    for values in itertools.product(*crossed.values()):
        for beside in side:
            yield dict(zip(crossed, values, strict=True)) | beside


def _spec(tree: dict[str, Any], budget: int, threads: int, device: str) -> Identified:
    tree = put(tree, "environment.game", "any", {})
    fixed = {"version": VERSION, "seed": 0, "budget_frames": budget}
    return model_of(tree).model_validate(tree | fixed | {"device": device, "threads": threads})


def _on_gpu(config: Config, scale: str, spec: Identified, cluster: Cluster) -> bool:
    """Whether a run trains on a GPU. `cluster.gpu` says whether one serves it; `auto`: only at the paper's scale."""
    wanted = {"cpu": False, "cuda": True, "auto": scale == "paper"}[config.device]
    return wanted and cluster.gpu > 0 and spec.gpu


def _placed(location: Location, placed: dict[str, Location], default: Location) -> Location:
    """Where in the paper's file the value at a location of the spec was set."""
    dotted = ".".join(map(str, location))
    for key, where in placed.items():
        if dotted == key or dotted.startswith(f"{key}.") or key.startswith(f"{dotted}."):
            return where
    return default


def _point(spec: Identified, variant: str, vary: dict[str, Any], algorithm: Algorithm, cluster: Cluster) -> Point:
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
