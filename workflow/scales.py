"""An experiment at one scale: which of its scales serves the one asked for, its values there, and what was reduced."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from workflow.models import Experiment, Scale
from workflow.strict_yaml import Location

# Scales that an experiment may have, smallest first. For one that it has not, it runs at the next larger, or as in the
# paper.
SMALLER = ("smoke", "reduced")
# What is said under the figures where a scale does not say it.
SENTENCES = {"smoke": "{counts}; checks that everything runs, shows nothing.", "reduced": "{counts}."}


class Scaled(NamedTuple):
    """An experiment at one scale, by its name; `at`: where the experiment stands in its paper's file."""

    at: Location
    name: str
    experiment: Experiment
    scale: Scale | None

    def chosen(self, name: str) -> tuple[Location, Any]:
        """A value of the scale if it gives one, else of the experiment, and where it stands."""
        value = getattr(self.scale, name, None)
        if value is not None:
            return (*self.at, "scales", self.name, name), value
        return (*self.at, name), getattr(self.experiment, name)

    def sets(self) -> list[tuple[Location, dict[str, Any]]]:
        """The overlays for all variants, the upper ones last, and where they stand."""
        found = [((*self.at, "set"), self.experiment.set)]
        if self.scale is not None:
            found.append(((*self.at, "scales", self.name, "set"), self.scale.set))
        return found

    def variants(self, label: str) -> dict[str, dict[str, Any]]:
        """Name -> overlay of those that run; one called `label` where the experiment names none."""
        every = self.experiment.variants or {label: {}}
        return {name: every[name] for name in self.scale.variants} if self.scale and self.scale.variants else every

    def as_published(self) -> Scaled:
        """The experiment as in the paper."""
        return Scaled(self.at, "paper", self.experiment, None)

    def cluster(self) -> dict[str, Any]:
        """What changes of an algorithm's requests."""
        change = self.experiment.cluster.model_dump(exclude_none=True)
        return change | (self.scale.cluster.model_dump(exclude_none=True) if self.scale else {})

    def points(self) -> Iterator[dict[str, tuple[Location, Any]]]:
        """The points of the sweep as {dotted key: (where it is varied, value)}; an empty one where nothing varies."""
        (crossed_at, crossed), (zipped_at, zipped) = self.chosen("vary"), self.chosen("zip")
        rows = zip(*zipped.values(), strict=True) if zipped else [()]
        side = [{key: (zipped_at, value) for key, value in zip(zipped, row, strict=True)} for row in rows]
        for values in itertools.product(*crossed.values()):
            for beside in side:
                yield {key: (crossed_at, value) for key, value in zip(crossed, values, strict=True)} | beside

    def reduced(self, games_of: Callable[[list[str]], list[str]]) -> str:
        """The sentence on what was reduced, with what can be counted filled in; empty at the paper's scale."""
        if self.scale is None:
            return ""
        counts = [
            (len(games_of(each.chosen("games")[1])), len(each.chosen("seeds")[1]), len(each.variants("")),
             sum(1 for _ in each.points()))
            for each in (self, self.as_published())
        ]  # fmt: skip
        words = zip(("games", "seeds", "variants", "settings"), *counts, strict=True)
        said = [f"{few} of {many} {word}" for word, few, many in words if few != many]
        budget, published = self.chosen("budget_frames")[1], self.experiment.budget_frames
        if budget != published:
            said.append(f"{exactly(budget)} of {exactly(published)} frames")
        sentence = self.scale.reduced or SENTENCES[self.name]
        return sentence.replace("{counts}", ", ".join(said) or "all runs of the paper")


def at_scale(experiment: Experiment, at: Location, wanted: str) -> Scaled:
    """An experiment at the scale that it has for the one wanted."""
    for name in SMALLER[SMALLER.index(wanted) :] if wanted in SMALLER else ():
        if name in experiment.scales:
            return Scaled(at, name, experiment, experiment.scales[name])
    return Scaled(at, "paper", experiment, None)


def has(point: dict[str, Any], where: dict[str, Any]) -> bool:
    """Whether a point of a sweep has these values."""
    return all(key in point and point[key][1] == value for key, value in where.items())


def exactly(count: int) -> str:
    """600, 7,024, 2.4k, 5M: short where nothing is lost by it."""
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= size and count * 10 % size == 0:
            return f"{count / size:g}{letter}"
    return f"{count:,}"
