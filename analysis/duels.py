"""Two agents game by game: who is better where (Hafner et al. 2021, arXiv:2010.02193, section 3.2).

The paper counts the games on which one agent is better, worse, or within 5 % of the other. It does not say of what:
here of the larger score's size, so that it is the same whoever comes first, on the scale that is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analysis.aggregate import game_means
from analysis.intervals import SEED, Estimate, draw_counts, limits, replicates, runs_per_game
from analysis.spec import Interval


def outcomes(a: np.ndarray, b: np.ndarray, tie: float) -> np.ndarray:
    """1 where a is better, -1 where it is worse, 0 where |a - b| <= tie max(|a|, |b|): any shape, elementwise."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    assert a.shape == b.shape, (a.shape, b.shape)
    near = np.abs(a - b) <= tie * np.maximum(np.abs(a), np.abs(b))
    return np.where(near, 0, np.sign(a - b)).astype(int)


def tally(found: np.ndarray) -> tuple[int, int, int]:
    """Games better, worse and tied, of outcomes [G]: the order of the paper's sentence."""
    return int((found > 0).sum()), int((found < 0).sum()), int((found == 0).sum())


def tally_text(counts: Sequence[int]) -> str:
    """'better on 42, worse on 8, tied on 5'."""
    return "better on {}, worse on {}, tied on {}".format(*counts)


def lead(
    a: np.ndarray, a_games: Sequence[str], b: np.ndarray, b_games: Sequence[str], tie: float, interval: Interval
) -> tuple[tuple[int, int, int], Estimate]:
    """The tally over games, each by its mean over runs, and games better less games worse with its interval.

    Scalars per run [R]; both arms have the same games, and are resampled independently.
    """
    arms = [(np.asarray(a, float), list(a_games)), (np.asarray(b, float), list(b_games))]
    assert set(a_games) == set(b_games), (sorted(set(a_games)), sorted(set(b_games)))
    found = outcomes(game_means(*arms[0]), game_means(*arms[1]), tie)
    sizes = [runs_per_game(games) for _, games in arms]
    n = (min(s[0] for s in sizes), max(s[1] for s in sizes))
    if min(s[1] for s in sizes) < 2:
        return tally(found), Estimate(np.asarray(found.sum(), float), None, None, n)
    means = []
    for arm, (values, games) in enumerate(arms):
        counts = draw_counts(games, interval.resamples, interval.method, np.random.default_rng([SEED, arm]))
        names = np.asarray(games)
        each = [(names == game) for game in np.unique(names)]
        one = [replicates(values[mine, None], names[mine], counts[:, mine], "mean")[:, 0] for mine in each]
        means.append(np.stack(one, axis=1))
    low, high = limits(outcomes(means[0], means[1], tie).sum(1), interval.level)
    return tally(found), Estimate(np.asarray(found.sum(), float), low, high, n)
