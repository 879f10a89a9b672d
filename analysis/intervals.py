"""Stratified bootstrap over seeds: the run is the unit, games are fixed.

A replicate draws runs with replacement inside each game. It is kept as integer counts per run, so that one
counts array serves every checkpoint (a replicate is a set of whole runs) and no statistic needs a sort per
replicate: with the runs of a checkpoint sorted once, the cumulative counts clipped to [k, N - k] are the
weights of the trimmed mean. Method `rliable` draws n of n runs per game; its variance is (n - 1) / n of the
truth, so intervals are narrow with few seeds. Method `rescaled` draws n - 1 of n, which mends that (the n - 1
bootstrap of Rao & Wu 1988). Names are those of the library rliable (Agarwal et al. 2021, arXiv:2108.13264).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.aggregate import aggregate, game_means, trim
from analysis.spec.items import Interval

SEED = 57  # fixed: the same data give the same interval
BLOCK = 250  # replicates handled at once; keeps the work of one checkpoint in cache


@dataclass(frozen=True)
class Estimate:
    """A point estimate [T] or scalar with its interval; low and high are None where there is one run per game."""

    point: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None
    n: tuple[int, int]  # smallest and largest number of runs per game

    def ends(self) -> tuple[float | None, float | None]:
        """low and high of a scalar, as numbers."""
        return (None, None) if self.low is None or self.high is None else (float(self.low), float(self.high))

    def times(self, factor: float) -> Estimate:
        """The estimate of so many times what is estimated; `factor` is above 0."""
        low, high = (None if side is None else factor * side for side in (self.low, self.high))
        return Estimate(factor * self.point, low, high, self.n)

    def less(self, number: float) -> Estimate:
        """The estimate of what is estimated, less a number."""
        low, high = (None if side is None else side - number for side in (self.low, self.high))
        return Estimate(self.point - number, low, high, self.n)


def runs_per_game(games: Sequence[str]) -> tuple[int, int]:
    """Smallest and largest number of runs of a game: games [R]; ValueError where there is none."""
    counts = np.unique(np.asarray(games), return_counts=True)[1]
    return int(counts.min()), int(counts.max())


def draw_counts(games: Sequence[str], resamples: int, method: str, rng: np.random.Generator) -> np.ndarray:
    """How often each run is in each replicate: int16 [resamples, R]. Ragged games are fine.

    A game with one run keeps that run once in every replicate (it adds no spread).
    """
    names = np.asarray(games)
    counts = np.zeros((resamples, len(names)), dtype=np.int16)
    for game in np.unique(names):
        members = np.flatnonzero(names == game)
        n = len(members)
        draws = max(n - 1, 1) if method == "rescaled" else n
        picked = rng.integers(n, size=(resamples, draws)) + n * np.arange(resamples)[:, None]
        counts[:, members] = np.bincount(picked.ravel(), minlength=n * resamples).reshape(resamples, n)
    return counts


def replicates(
    values: np.ndarray, games: Sequence[str], counts: np.ndarray, statistic: str, gamma: float = 1.0
) -> np.ndarray:
    """The statistic of every replicate: values [R, T], counts [B, R] -> float64 [B, T]; ValueError if unknown."""
    if statistic == "iqm":
        return _trimmed(values, counts)
    # sort runs by game, so that a game is a slice
    order = np.argsort(np.asarray(games), kind="stable")
    names, values, counts = np.asarray(games)[order], values[order], counts[:, order]
    starts = np.flatnonzero(np.r_[True, names[1:] != names[:-1]])
    draws = np.add.reduceat(counts[0], starts).astype(np.float64)  # the same in every replicate
    weights = counts / np.repeat(draws, np.diff(np.r_[starts, len(names)]))
    if statistic == "median":
        return _median_of_means(values, weights, starts)
    if statistic == "optimality_gap":
        return gamma - (weights / len(starts)) @ np.minimum(values, gamma)
    if statistic == "mean":
        return (weights / len(starts)) @ values
    raise ValueError(f"unknown statistic {statistic!r}")


def _trimmed(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Interquartile mean of each replicate, by Abel summation over the sorted runs."""
    total = int(counts[0].sum())
    k = trim(total)
    order = np.argsort(values, axis=0, kind="stable")
    ranked = np.take_along_axis(values, order, axis=0)
    steps = np.diff(ranked, axis=0)
    ends = (total - k) * ranked[-1] - k * ranked[0]
    result = np.empty((len(counts), values.shape[1]))
    for first in range(0, len(counts), BLOCK):
        block = np.ascontiguousarray(counts[first : first + BLOCK].T, dtype=np.float64)  # [R, b]
        for t in range(values.shape[1]):
            filled = np.cumsum(block[order[:-1, t]], axis=0)
            np.clip(filled, k, total - k, out=filled)
            result[first : first + BLOCK, t] = ends[t] - steps[:, t] @ filled
    return result / (total - 2 * k)


def _median_of_means(values: np.ndarray, weights: np.ndarray, starts: np.ndarray) -> np.ndarray:
    games = len(starts)
    ends = np.r_[starts[1:], len(values)]
    half = games // 2
    kth = [half] if games % 2 else [half - 1, half]
    result = np.empty((len(weights), values.shape[1]))
    for first in range(0, len(weights), BLOCK):
        block = weights[first : first + BLOCK]
        means = np.stack([block[:, a:b] @ values[a:b] for a, b in zip(starts, ends, strict=True)], axis=2)  # [b, T, G]
        means.partition(kth, axis=2)
        result[first : first + BLOCK] = means[:, :, kth].mean(axis=2)
    return result


def drawn_means(values: np.ndarray, games: Sequence[str], interval: Interval, arm: int = 0) -> np.ndarray:
    """Each game's mean in each replicate: values [R], games [R] -> [B, G], games in sorted order.

    `arm`: arms that are compared are resampled independently.
    """
    counts = draw_counts(games, interval.resamples, interval.method, np.random.default_rng([SEED, arm]))
    names, values = np.asarray(games), np.asarray(values, dtype=np.float64)
    each = [names == game for game in np.unique(names)]
    return np.stack([counts[:, mine] @ values[mine] / counts[:, mine].sum(1) for mine in each], axis=1)


def of_means(
    values: np.ndarray, games: Sequence[str], of: Callable[[np.ndarray], np.ndarray], interval: Interval
) -> Estimate:
    """A number made of the games' means, [..., G] -> [...], such as a count: values [R], games [R], sorted games."""
    point, n = np.asarray(of(game_means(np.asarray(values, dtype=np.float64), games)), float), runs_per_game(games)
    if n[1] < 2:
        return Estimate(point, None, None, n)
    return Estimate(point, *limits(of(drawn_means(values, games, interval)), interval.level), n)


def ratio_of_means(a: np.ndarray, b: np.ndarray, games: Sequence[str], interval: Interval) -> Estimate:
    """The mean over games of a over that of b, two numbers of the same runs: [R] each; a run is drawn with both."""
    of = [game_means(np.asarray(values, dtype=np.float64), games).mean() for values in (a, b)]
    point, n = np.asarray(of[0] / of[1]), runs_per_game(games)
    if n[1] < 2:
        return Estimate(point, None, None, n)
    drawn = [drawn_means(values, games, interval).mean(1) for values in (a, b)]  # of the same draws
    return Estimate(point, *limits(drawn[0] / drawn[1], interval.level), n)


def limits(samples: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the percentile interval of coverage `level`: replicates [B, …] -> low […], high […]."""
    low, high = np.quantile(samples, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def estimate(
    values: np.ndarray, games: Sequence[str], statistic: str, interval: Interval, gamma: float = 1.0
) -> Estimate:
    """Statistic and percentile interval of runs [R] or [R, T], games [R]; ValueError as in `aggregate`."""
    values = np.asarray(values, dtype=np.float64)
    point, n = aggregate(values, games, statistic, gamma), runs_per_game(games)
    if n[1] < 2:
        return Estimate(point, None, None, n)
    counts = draw_counts(games, interval.resamples, interval.method, np.random.default_rng([SEED, 0]))
    table = values.reshape(len(values), -1)
    low, high = limits(replicates(table, games, counts, statistic, gamma), interval.level)
    return Estimate(point, low.reshape(point.shape), high.reshape(point.shape), n)


def difference(
    a: np.ndarray,
    a_games: Sequence[str],
    b: np.ndarray,
    b_games: Sequence[str],
    statistic: str,
    interval: Interval,
) -> Estimate:
    """Statistic of a minus statistic of b, scalars per run [R]; the arms are resampled independently.

    Common seeds do not pair two trainings, so nothing is paired. No interval if an arm has one run per game.
    """
    arms = [(np.asarray(a, float), a_games), (np.asarray(b, float), b_games)]
    point = np.asarray(aggregate(*arms[0], statistic) - aggregate(*arms[1], statistic))
    sizes = [runs_per_game(games) for _, games in arms]
    n = (min(s[0] for s in sizes), max(s[1] for s in sizes))
    if min(s[1] for s in sizes) < 2:
        return Estimate(point, None, None, n)
    samples = []
    for arm, (values, games) in enumerate(arms):
        counts = draw_counts(games, interval.resamples, interval.method, np.random.default_rng([SEED, arm]))
        samples.append(replicates(values[:, None], games, counts, statistic)[:, 0])
    low, high = limits(samples[0] - samples[1], interval.level)
    return Estimate(point, low, high, n)


def probability_of_improvement(
    a: np.ndarray, a_games: Sequence[str], b: np.ndarray, b_games: Sequence[str], interval: Interval
) -> Estimate:
    """Mean over common games of P(a run of a beats a run of b), ties half; scalars per run [R].

    Agarwal et al. 2021 (arXiv:2108.13264). ValueError where no game is common.
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    a_names, b_names = np.asarray(a_games), np.asarray(b_games)
    common = np.intersect1d(a_names, b_names)
    if len(common) == 0:
        raise ValueError("the two sets of runs have no game in common")
    counts = [
        draw_counts(names, interval.resamples, interval.method, np.random.default_rng([SEED, arm]))
        for arm, names in enumerate((a_names, b_names))
    ]
    point, samples = 0.0, np.zeros(interval.resamples)
    for game in common:
        x, y = a_names == game, b_names == game
        wins = (a[x][:, None] > b[y]) + 0.5 * (a[x][:, None] == b[y])
        point += wins.mean() / len(common)
        cx, cy = counts[0][:, x].astype(float), counts[1][:, y].astype(float)
        pairs = cx.sum(axis=1) * cy.sum(axis=1)
        samples += np.einsum("bi,ij,bj->b", cx, wins, cy, optimize=True) / pairs / len(common)
    keep_a, keep_b = np.isin(a_names, common), np.isin(b_names, common)
    sizes = [runs_per_game(a_names[keep_a]), runs_per_game(b_names[keep_b])]
    n = (min(s[0] for s in sizes), max(s[1] for s in sizes))
    if min(s[1] for s in sizes) < 2:
        return Estimate(np.asarray(point), None, None, n)
    low, high = limits(samples, interval.level)
    return Estimate(np.asarray(point), low, high, n)
