"""How long a run took to get somewhere: the first checkpoint at which it is above a level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.errors import NoData, UserError
from analysis.intervals import SEED, Estimate, limits
from analysis.load import Scores, select
from analysis.normalise import bounds, short
from analysis.reference import Reference
from analysis.spec.items import FromRuns, Interval
from analysis.text import natural

MOST = 1000.0  # a ratio beyond it counts as this: that of a run that passed to one that never did
WHOLE = 100  # episodes of training_return_100, below which its mean is of fewer and says nothing


@dataclass(frozen=True)
class Passages:
    """Runs of one label: when each was first above the level of its game, inf for one that never was."""

    runs: list[str]
    games: list[str]
    at: np.ndarray  # float64 [R]

    def on(self, game: str) -> np.ndarray:
        """Those of one game."""
        return self.at[np.asarray(self.games) == game]


def levels(
    spec: FromRuns, games: list[str], given: Mapping[str, float], human: str, reference: Reference
) -> dict[str, float]:
    """game -> level: as given, else the human's score of that normalisation. UserError for a game without either."""
    known = bounds(reference, human, games=[game for game in games if game.startswith("atari/")]).high
    lost = [game for game in games if game not in given and (not game.startswith("atari/") or short(game) not in known)]
    if lost:
        raise UserError(f"{spec.id}: no human score for {', '.join(lost)}; give it a level in 'levels'")
    return {game: given[game] if game in given else float(known[short(game)]) for game in games}


def passages(
    spec: FromRuns,
    scores: Scores,
    count: Literal["frames", "updates", "episodes", "hours"],
    wanted: Mapping[str, float],
) -> dict[str, Passages]:
    """label -> when its runs passed; checkpoints are the only places where that can be seen.

    A mean of the last 100 episodes counts once there are 100. NoData where no run has the clock `count`.
    """
    rows = select(scores, spec)
    if count == "frames":
        rows = rows.assign(at=rows.frame)
    else:
        times = scores.rows[scores.rows.metric == count].drop_duplicates(["run", "frame"])[["run", "frame", "mean"]]
        if not times.run.isin(rows.run).any():
            raise NoData(f"no run in {', '.join(spec.experiments)} has its {count}")
        rows = rows.merge(times.rename(columns={"mean": "at"}), on=["run", "frame"], how="left")
    above = rows["mean"] > rows.game.map(wanted)
    if spec.metric == "training_return_100":
        above &= rows["count"] >= WHOLE
    first = rows[above].groupby("run")["at"].min()
    rank = {name: i for i, name in enumerate(spec.variants or [])}
    groups = sorted(
        rows.groupby(["variant", "label"]), key=lambda group: (rank.get(group[0][0], 0), natural(group[0][1]))
    )
    found = {}
    for (_, label), mine in groups:
        runs = mine.drop_duplicates("run").sort_values(["game", "seed"])
        at = runs.run.map(first).fillna(np.inf).to_numpy(np.float64)
        found[label] = Passages(runs.run.tolist(), runs.game.tolist(), at)
    return found


def ratio(a: Passages, b: Passages, interval: Interval) -> Estimate:
    """How many times as long b takes as a: the median over common games of the ratio of medians over seeds.

    A run that never passed counts as later than all; where neither passes, the ratio is 1, and it is MOST at most.
    Seeds are resampled in each arm and game. No interval if an arm has one run of every game. NoData where no game is
    common.
    """
    games = [game for game in dict.fromkeys(a.games) if game in set(b.games)]
    if not games:
        raise NoData("the two variants have no game in common")
    sizes = [len(arm.on(game)) for arm in (a, b) for game in games]
    medians = [[np.array([np.median(arm.on(game))]) for game in games] for arm in (a, b)]
    point = _ratio(*medians)[0]
    if max(sizes) < 2:
        return Estimate(np.float64(point), None, None, (min(sizes), max(sizes)))
    drawn = []
    for i, arm in enumerate((a, b)):
        rng = np.random.default_rng([SEED, i])
        picks = [rng.choice(arm.on(game), (interval.resamples, len(arm.on(game)))) for game in games]
        drawn.append([np.median(picked, axis=1) for picked in picks])
    low, high = limits(_ratio(*drawn), interval.level)
    return Estimate(np.float64(point), low, high, (min(sizes), max(sizes)))


def _ratio(a: list[np.ndarray], b: list[np.ndarray]) -> np.ndarray:
    """Median over games of b / a: lists of [B] per game -> [B]."""
    with np.errstate(invalid="ignore"):
        each = np.stack([y / x for x, y in zip(a, b, strict=True)])
    return np.median(np.minimum(np.where(np.isnan(each), 1.0, each), MOST), axis=0)
