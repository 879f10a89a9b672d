"""Scores on common scales: (score - low) / (high - low) per game, with the conventions that papers used.

The conventions differ on Video Pinball alone, whose random policy beats the human under human starts:
`standard` uses the random score as measured, `vp0` takes it as 0 (the papers' printed means), `abs` divides
by |human - random| (Gorila, arXiv:1507.04296; Double DQN, arXiv:1509.06461; prioritised replay, arXiv:1511.05952).
`clipped_record_dreamerv2` (arXiv:2010.02193) also cuts at 1. `saber` has the same records above the random scores of
the other conventions (arXiv:1908.04683).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.errors import UserError
from analysis.reference import ATARI, MINATAR, PUBLISHED, Reference


@dataclass(frozen=True)
class Scale:
    """How a normalisation is named and in which unit it is drawn."""

    axis: str
    factor: float  # 100: drawn in percent
    text: str


_HNS = "human-normalised score, 100 (score - random) / (human - random) percent"
SCALES: dict[str, Scale] = {
    "raw": Scale("Score", 1.0, "raw game score"),
    "standard": Scale("Human-normalised score (%)", 100.0, f"{_HNS}, convention 'standard'"),
    "vp0": Scale("Human-normalised score (%)", 100.0, f"{_HNS}, convention 'vp0' (Video Pinball random = 0)"),
    "abs": Scale("Human-normalised score (%)", 100.0, f"{_HNS}, convention 'abs' (divided by |human - random|)"),
    "mnih2015": Scale("Human-normalised score (%)", 100.0, f"{_HNS}, reference scores of Mnih et al. 2015"),
    "gamer_dreamerv2": Scale("Gamer-normalised score", 1.0, "gamer-normalised score, references of DreamerV2"),
    "record_dreamerv2": Scale("Record-normalised score", 1.0, "score normalised by human world records (DreamerV2)"),
    "clipped_record_dreamerv2": Scale(
        "Clipped record score", 1.0, "score normalised by human world records and clipped at 1 (DreamerV2)"
    ),
    "saber": Scale(
        "Record-normalised score (%)",
        100.0,
        "score normalised by human world records, 100 (score - random) / (record - random) percent (SABER)",
    ),
    "minatar_dqn": Scale(
        "Share of published DQN (%)",
        100.0,
        "percent of the end score of DQN in Young & Tian 2019 (digitised); zero is a score of 0",
    ),
}
CLOCKS: dict[str, str] = {  # what an x axis counts, and an experiment's frames may -> axis text
    "frames": "Environment frames",
    "updates": "Updates",
    "episodes": "Training episodes",
    "transitions": "Transitions in memory",
    "applications": "Applications of the operator",
}
_COLUMNS = {
    "standard": ("random", "human"),
    "vp0": ("random", "human"),
    "abs": ("random", "human"),
    "mnih2015": ("random_mnih2015", "human_mnih2015"),
    "gamer_dreamerv2": ("random_dreamerv2_json", "gamer_dreamerv2"),
    "record_dreamerv2": ("random_dreamerv2_json", "human_record"),
    "clipped_record_dreamerv2": ("random_dreamerv2_json", "human_record"),
    "saber": ("random", "human_record"),
}
_SHARED = ("gamer_dreamerv2", "record_dreamerv2", "clipped_record_dreamerv2")  # conventions with one column of random
_MINATAR_METRIC = "moving_avg100_return_mean_of_4.8M_to_5M"


def short(game: str) -> str:
    """'atari/pong' -> 'pong'."""
    return game.rsplit("/", 1)[-1]


def _limits(reference: Reference, convention: str, regime: str = "noop_starts") -> tuple[pd.DataFrame, str]:
    """low and high score of every game (index = game without suite; NaN where unknown), and where they stand."""
    if convention == "minatar_dqn":
        rows = reference.minatar
        rows = rows[(rows.algorithm == "DQN") & (rows.metric == _MINATAR_METRIC)].set_index("game")
        if rows.index.has_duplicates:
            name = rows.index[rows.index.duplicated()][0]
            raise UserError(f"{reference.folder / MINATAR}: {name} has several rows of DQN's {_MINATAR_METRIC}")
        return pd.DataFrame({"low": 0.0, "high": rows.score}), f"{reference.folder / MINATAR}, score of DQN"
    low, high = _COLUMNS[convention]
    if regime == "human_starts" and convention in ("standard", "vp0", "abs"):
        low, high = "random_human_starts", "human_human_starts"
    for column in (low, high):
        if column not in reference.scores.columns:
            raise UserError(f"{reference.folder / ATARI}: no column {column}, which normalisation {convention!r} needs")
    table = pd.DataFrame({"low": reference.scores[low], "high": reference.scores[high]})
    if convention == "vp0":
        table.loc["video_pinball", "low"] = 0.0
    return table, f"{reference.folder / ATARI}, columns {low} and {high}"


def bounds(
    reference: Reference, convention: str, regime: str = "noop_starts", games: Iterable[str] | None = None
) -> pd.DataFrame:
    """low and high score of every game that has both (index = game without suite), or of `games` alone.

    UserError names a game whose scores cannot scale anything: one of the two is missing, or the high score is not above
    the low one (`abs`: is the same). Where random and human are swapped, a better score would count for less; `abs`
    and `vp0` are the conventions for the one game of which that is true, Video Pinball under human starts.
    """
    table, where = _limits(reference, convention, regime)
    if games is not None:
        table = table[table.index.isin([short(game) for game in games])]
    own = convention not in _SHARED  # low and high are of one source, so a game has both or none
    for game, low, high in table.itertuples():
        if (np.isnan(low) and np.isnan(high)) or (not own and (np.isnan(low) or np.isnan(high))):
            continue
        span = abs(high - low) if convention == "abs" else high - low
        if not span > 0:
            shown = ["missing" if np.isnan(value) else f"{value:g}" for value in (low, high)]
            rule = "different" if convention == "abs" else "above low"
            raise UserError(
                f"normalisation {convention!r} cannot scale {game}: low (random) is {shown[0]} and high (human or "
                f"record) is {shown[1]}, and high has to be {rule} ({where})"
            )
    return table.dropna()


def normalise(
    values: np.ndarray,
    games: Sequence[str],
    convention: str,
    reference: Reference,
    regime: str = "noop_starts",
) -> np.ndarray:
    """Scores [R] or [R, T] of runs on `games` [R] -> the same shape, as ratios (raw: unchanged).

    UserError names the games that have no reference score, or none that can scale, and conventions that fit the suite.
    """
    values = np.asarray(values, dtype=np.float64)
    if convention == "raw":
        return values
    suites = {game.split("/", 1)[0] for game in games if "/" in game}
    wrong = suites - ({"minatar"} if convention == "minatar_dqn" else {"atari"})
    table = bounds(reference, convention, regime, games)
    names = [short(game) for game in games]
    lost = sorted(set(names) - set(table.index))
    if wrong or lost:
        what = ", ".join(
            sorted({g for g, n in zip(games, names, strict=True) if n in lost or g.split("/", 1)[0] in wrong})
        )
        raise UserError(
            f"normalisation {convention!r} has no reference score for {what}; use 'raw'"
            + (" or 'minatar_dqn'" if "minatar" in wrong else "")
            + f" ({_limits(reference, convention, regime)[1]})"
        )
    low = table.low.reindex(names).to_numpy()
    span = table.high.reindex(names).to_numpy() - low
    if convention == "abs":
        span = np.abs(span)
    shape = (-1,) + (1,) * (values.ndim - 1)
    ratio = (values - low.reshape(shape)) / span.reshape(shape)
    return np.minimum(ratio, 1.0) if convention == "clipped_record_dreamerv2" else ratio


def without_reference(
    games: Iterable[str], convention: str, reference: Reference, regime: str = "noop_starts"
) -> list[str]:
    """Those of the games that the convention has no reference scores for; none for raw scores."""
    names = list(games)
    return [] if convention == "raw" else sorted(set(names) - set(bounds(reference, convention, regime, names).index))


def complete(scores: pd.Series, reference: Reference) -> pd.Series:
    """Printed per-game scores, the same; UserError names the games whose score is no finite number."""
    empty = [name for name, score in scores.items() if not np.isfinite(score)]
    if empty:
        raise UserError(f"{reference.folder / PUBLISHED}: no finite score for {', '.join(map(str, empty))}")
    return scores


def published_aggregate(
    scores: pd.Series,
    statistic: str,
    convention: str,
    reference: Reference,
    regime: str = "noop_starts",
    game_set: str | None = None,
) -> tuple[float, int]:
    """Mean or median over games of printed per-game scores, as a ratio, and the number of games.

    Without a `game_set` that says which games belong to it, games without both reference scores (e.g. no human score)
    are left out, as every paper did; a set has to be complete. UserError names a game that makes the number wrong.
    """
    names = list(complete(scores, reference).index)
    if game_set is None:
        scores = scores.drop(without_reference(names, convention, reference, regime))
    if scores.empty:
        raise UserError(f"normalisation {convention!r} has no reference score for any of {', '.join(names)}")
    ratio = normalise(scores.to_numpy(), list(scores.index), convention, reference, regime)
    return float(np.median(ratio) if statistic == "median" else np.mean(ratio)), len(scores)
