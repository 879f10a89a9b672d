"""Point estimates over games and runs, from labelled runs: values [R] or [R, T] with the game of each run [R].

mean, median: over games, of each game's mean over its runs. iqm: mean of the middle half of all runs (scipy's
trim_mean with 0.25), so a game with more runs weighs more. optimality_gap: how far scores fall short of
`gamma`, per game, then averaged. Names and definitions follow Agarwal et al. 2021 (arXiv:2108.13264).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def trim(n: int) -> int:
    """Number of values the interquartile mean drops at each end."""
    return int(0.25 * n)


def game_means(values: np.ndarray, games: Sequence[str]) -> np.ndarray:
    """Mean over the runs of each game: values [R, …], games [R] -> [G, …], games in sorted order."""
    names = np.asarray(games)
    return np.stack([values[names == game].mean(axis=0) for game in np.unique(names)])


def aggregate(values: np.ndarray, games: Sequence[str], statistic: str, gamma: float = 1.0) -> np.ndarray:
    """One statistic of runs [R] or [R, T] -> a number or [T]. No missing values are allowed.

    `gamma`, of the optimality gap alone, is in units of the values. ValueError for an unknown statistic, for no run at
    all, and where there are more or fewer games than runs.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.shape[0] != len(games) or values.shape[0] == 0:
        raise ValueError(f"{values.shape[0]} runs but {len(games)} game labels")
    if statistic == "mean":
        return game_means(values, games).mean(axis=0)
    if statistic == "median":
        return np.median(game_means(values, games), axis=0)
    if statistic == "iqm":
        k = trim(len(values))
        return np.sort(values, axis=0)[k : len(values) - k].mean(axis=0)
    if statistic == "optimality_gap":
        return gamma - game_means(np.minimum(values, gamma), games).mean(axis=0)
    raise ValueError(f"unknown statistic {statistic!r}")
