"""From papers to runs: games × variants × varied keys × seeds, each with the name that its content gives it.

A spec is validated once per variant and point of the sweep. Its canonical JSON with two holes, for game and
seed, then gives the runs of all games and seeds by text replacement: 5,700 runs take a tenth of a second, and
each text is equal to the canonical JSON of the run's own full Spec (a test holds this).
"""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from workflow import index
from workflow.config import Project
from workflow.models import Experiment
from workflow.points import Built, Point, Run
from workflow.scales import SMALLER, at_scale
from workflow.strict_yaml import ConfigError, Document, Problem, nearest

__all__ = ["SMALLER", "Expansion", "Papers", "Point", "Run", "expand"]

RUN_NAME = re.compile(
    r"^(?P<agent>.+)\.(?P<suite>[a-z0-9]+)-(?P<game>[a-z0-9_]+)\.s(?P<seed>\d+)\.(?P<digest>[0-9a-f]{12})$"
)


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

    def labels(self) -> dict[tuple[str, str], str]:
        """(variant, template) of each point -> the point as figures name it: `DQN (lr 0.001)` where it has several."""
        values: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for point in self.points:
            for key, value in point.vary.items():
                values[point.variant, key].add(json.dumps(value))
        found = {}
        for point in self.points:
            several = [(k, value) for k, value in sorted(point.vary.items()) if len(values[point.variant, k]) > 1]
            said = ", ".join(f"{k.rpartition('.')[2]} {_plain(value)}" for k, value in several)
            found[point.variant, point.template] = f"{point.variant} ({said})" if said else point.variant
        return found

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

    def asking(self) -> dict[str, list[index.Row]]:
        """Paper -> its rows of results/index.csv at the configured scale, of the papers expanded so far."""
        scale = self.project.config.scale
        return {
            paper: [
                index.Row(r.name, paper, key, r.point.variant, r.point.algorithm, r.game, str(r.seed), scale)
                for key, each in experiments.items()
                for r in each.runs()
            ]
            for paper, experiments in self.expanded.items()
        }

    def _find(self, name: str) -> Run:
        """Look a run up, hashing only those that could be it: a job on a node needs just one."""
        first = self.project.config.papers
        if parts := RUN_NAME.match(name):
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


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _expand(project: Project, document: Document, paper: str, key: str, experiment: Experiment) -> Expansion:
    wanted, at = project.config.scale, ("experiments", key)
    scaled = at_scale(experiment, at, wanted)
    built = Built(project, document, scaled)
    if built.problems:
        raise ConfigError(built.problems)
    doubts = list(built.doubts)
    if scaled.name != wanted:
        as_it_runs = "as in the paper" if scaled.name == "paper" else f"at scale {scaled.name!r}"
        doubts.insert(0, document.problem(at, f"has no scale {wanted!r}: it runs {as_it_runs}"))
    return Expansion(
        paper,
        key,
        scaled.name,
        built.budget,
        experiment.budget_frames,
        scaled.reduced(project.games_of),
        next(iter(built.clocks)),
        sorted(built.cuts),
        experiment.metrics,
        built.games,
        scaled.chosen("seeds")[1],
        built.points,
        doubts,
    )
