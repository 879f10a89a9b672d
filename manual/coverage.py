"""How often a nominal 95 % interval holds the truth: `python -m manual.coverage` simulates it, into docs/statistics.

Scores of five games, lognormal around each game's mean with a standard deviation of a fifth of it; REPEATS experiments
at each number of seeds. The truth of the mean is known, that of the IQM is its limit over many runs.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from matplotlib import pyplot

from analysis.aggregate import aggregate
from analysis.intervals import estimate
from analysis.spec.items import Interval
from manual.symbols import ROOT

FOLDER = ROOT / "docs/statistics"
MEANS = np.array([0.3, 0.6, 1.0, 1.5, 2.5])  # of the games
SPREAD, SKEW = 0.2, 0.5  # standard deviation over the mean; that of the logarithm before it is scaled
SEEDS, REPEATS, MANY = (2, 3, 5, 10, 20), 1000, 40_000


class Row(NamedTuple):
    """How often intervals of one kind held the truth."""

    statistic: str
    method: str
    seeds: int
    coverage: float  # share of intervals that hold the truth


def scores(seeds: int, rng: np.random.Generator) -> tuple[np.ndarray, list[str]]:
    """Runs [G * seeds] and the game of each: skewed, with the mean and the spread above."""
    raw = np.exp(rng.normal(0.0, SKEW, (len(MEANS), seeds)))
    centre, width = np.exp(SKEW**2 / 2), np.exp(SKEW**2 / 2) * np.sqrt(np.exp(SKEW**2) - 1)
    values = MEANS[:, None] * (1 + SPREAD * (raw - centre) / width)
    return values.ravel(), [str(game) for game in range(len(MEANS)) for _ in range(seeds)]


def simulate(repeats: int = REPEATS) -> Iterator[Row]:
    """A row for each statistic, method and number of seeds."""
    rng = np.random.default_rng(0)
    limit, games = scores(MANY, rng)
    truth = {"mean": float(MEANS.mean()), "iqm": float(aggregate(limit, games, "iqm"))}
    for seeds in SEEDS:
        drawn = [scores(seeds, rng) for _ in range(repeats)]
        for statistic, true in truth.items():
            for method in ("rliable", "rescaled"):
                interval = Interval(method=method, resamples=1000)
                found = (estimate(*each, statistic, interval).ends() for each in drawn)
                yield Row(statistic, method, seeds, float(np.mean([low <= true <= high for low, high in found])))


def write() -> None:
    """The table and its picture."""
    rows = list(simulate())
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / "coverage.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([Row._fields, *rows])
    figure, panels = pyplot.subplots(1, 2, figsize=(7, 2.8), sharey=True, layout="constrained")
    for axes, statistic in zip(panels, ("mean", "iqm"), strict=True):
        for method, marker in (("rliable", "o"), ("rescaled", "s")):
            line = [(row.seeds, 100 * row.coverage) for row in rows if row[:2] == (statistic, method)]
            axes.plot(*zip(*line, strict=True), marker=marker, label=method)
        axes.axhline(95, color="grey", linestyle="--", linewidth=1)
        axes.set(title={"mean": "Mean", "iqm": "IQM"}[statistic], xlabel="seeds per game", xticks=SEEDS)
    panels[0].set(ylabel="intervals that hold the truth (%)", ylim=(50, 100))
    panels[1].legend(title="method", frameon=False)
    figure.savefig(FOLDER / "coverage.png", dpi=150)


if __name__ == "__main__":
    write()
