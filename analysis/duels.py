"""Two agents game by game: who is better where (Hafner et al. 2021, arXiv:2010.02193, section 3.2).

The paper counts the games on which one agent is better, worse, or within 5 % of the other. It does not say of what:
here of the larger score's size, so that it is the same whoever comes first, on the scale that is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from analysis.aggregate import game_means
from analysis.intervals import Estimate, drawn_means, limits, runs_per_game
from analysis.spec.items import Interval


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


def compared(
    a: np.ndarray,
    a_games: Sequence[str],
    b: np.ndarray,
    b_games: Sequence[str],
    of: Callable[[np.ndarray, np.ndarray], np.ndarray],
    interval: Interval,
) -> Estimate:
    """A number made of the games' means of two agents, [..., G] each -> [...]: the games that one wins, say.

    Scalars per run [R]; both arms have the same games, and are resampled independently.
    """
    arms = [(np.asarray(a, float), list(a_games)), (np.asarray(b, float), list(b_games))]
    assert set(a_games) == set(b_games), (sorted(set(a_games)), sorted(set(b_games)))
    point = np.asarray(of(*(game_means(*arm) for arm in arms)), float)
    sizes = [runs_per_game(games) for _, games in arms]
    n = (min(s[0] for s in sizes), max(s[1] for s in sizes))
    if min(s[1] for s in sizes) < 2:
        return Estimate(point, None, None, n)
    drawn = [drawn_means(*arm, interval, i) for i, arm in enumerate(arms)]
    return Estimate(point, *limits(of(*drawn), interval.level), n)


def lead(
    a: np.ndarray, a_games: Sequence[str], b: np.ndarray, b_games: Sequence[str], tie: float, interval: Interval
) -> tuple[tuple[int, int, int], Estimate]:
    """The tally over games, each by its mean over runs, and games better less games worse with its interval."""
    found = outcomes(game_means(np.asarray(a, float), a_games), game_means(np.asarray(b, float), b_games), tie)
    return tally(found), compared(a, a_games, b, b_games, lambda x, y: outcomes(x, y, tie).sum(-1), interval)


def games_won(
    a: np.ndarray, a_games: Sequence[str], b: np.ndarray, b_games: Sequence[str], interval: Interval
) -> Estimate:
    """How many games a has a higher mean over runs on than b, of those that both have."""
    return compared(a, a_games, b, b_games, lambda x, y: (x > y).sum(-1), interval)
