"""From rows to arrays: the curves of several runs on one x axis, frames as a rule, and one number per run."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.errors import NoData
from analysis.normalise import SCALES, normalise
from analysis.reference import Reference
from analysis.text import natural


@dataclass(frozen=True)
class Curves:
    """Runs of one label on common frames; rows are labelled by run, game and seed, never by position."""

    frames: np.ndarray  # [T]: int64, or float64 where they are of another clock
    values: np.ndarray  # float64 [R, T], no missing value
    runs: list[str]
    games: list[str]
    seeds: list[int]
    held: list[str]  # diverged runs, counted with their last score after the end
    filled: int  # checkpoints between two values of a run that were interpolated
    empty: list[str]  # runs without a single score
    spans: dict[str, tuple[float, float]] = field(default_factory=dict)  # run -> frames of its own first and last value
    cut: list[str] = field(default_factory=list)  # runs with values before or after the common frames

    def scaled(self, normalisation: str, reference: Reference) -> Curves:
        """The same curves in drawing units of a normalisation (percent where that is customary); UserError as there."""
        factor = SCALES[normalisation].factor
        return replace(self, values=factor * normalise(self.values, self.games, normalisation, reference))

    def times(self, factor: float) -> Curves:
        """The same curves, of so many times the values."""
        return replace(self, values=factor * self.values)

    @property
    def numbers(self) -> np.ndarray:
        """[R], the only column; ValueError where there are more."""
        (column,) = self.values.T
        return column


def scored(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of a scores table that have a score: a number, and a finite one."""
    return rows[np.isfinite(rows["mean"].to_numpy(dtype=np.float64, na_value=np.nan))]


@dataclass(frozen=True)
class _Series:
    """The values of one run at its own frames."""

    run: str
    game: str
    seed: int
    frames: np.ndarray  # [T], ascending
    means: np.ndarray  # float64 [T]
    diverged: bool

    def held_until(self, frame: float) -> _Series:
        """The same with its last value once more at `frame`, if it ends before."""
        if self.frames[-1] >= frame:
            return self
        return replace(self, frames=np.r_[self.frames, frame], means=np.r_[self.means, self.means[-1]])


def _series(rows: pd.DataFrame, window: int) -> tuple[list[_Series], list[str]]:
    """The runs by game and seed, each smoothed by a trailing mean over its own checkpoints; and those without a score.

    NoData where none has one.
    """
    series, empty = [], []
    for run, group in rows.sort_values(["game", "seed", "frame"], kind="stable").groupby("run", sort=False):
        group = scored(group)
        if group.empty:
            empty.append(str(run))
            continue
        frames, means = group.frame.to_numpy(), group["mean"].to_numpy(np.float64)
        if window > 1:
            means = pd.Series(means).rolling(window, min_periods=1).mean().to_numpy()
        first = group.iloc[0]
        series.append(_Series(str(run), str(first.game), int(first.seed), frames, means, first.status == "diverged"))
    if not series:
        raise NoData(f"none of the runs has a score: {', '.join(empty[:3]) or 'no rows'}")
    return series, empty


def _facts(series: list[_Series]) -> dict[str, Any]:
    """What `Curves` says of each run."""
    return {
        "runs": [s.run for s in series],
        "games": [s.game for s in series],
        "seeds": [s.seed for s in series],
        "held": [s.run for s in series if s.diverged],
        "spans": {s.run: (s.frames[0].item(), s.frames[-1].item()) for s in series},
    }


def align(rows: pd.DataFrame, window: int = 1) -> Curves:
    """Put the runs of one label and metric on the frames where all of them have a value.

    A gap between two values of a run is interpolated and counted; nothing is made up before a run's first
    value or after its last one, except that a diverged run keeps its last score (it is a result, not a gap). Runs
    that go on beyond the common frames, or begin before them, are listed in `cut`. On another clock (floats), where
    each run has values at places of its own, there are as many even steps as the longest run has values; the caption
    says so, and `cut` is empty, since hardly two runs end together.
    `window` is a trailing mean over the run's own checkpoints. NoData where no run has a score, or no frame is common.
    """
    series, empty = _series(rows, window)
    facts = _facts(series)
    # a diverged run ends early but does not shorten the others
    lasts = [s.frames[-1] for s in series if not s.diverged] or [max(s.frames[-1] for s in series)]
    start, stop = max(s.frames[0] for s in series), min(lasts)
    if stop < start:
        raise NoData(f"the runs {series[0].run} … {series[-1].run} have no frames in common")
    if np.issubdtype(series[0].frames.dtype, np.floating):
        grid = np.linspace(start, stop, max(len(s.frames) for s in series) if stop > start else 1)
        values = np.stack([np.interp(grid, s.frames, s.means) for s in series])
        return Curves(grid, values, filled=0, empty=empty, **facts)
    grid = np.unique(np.concatenate([s.frames for s in series]))
    grid = grid[(grid >= start) & (grid <= stop)]
    values = np.stack([np.interp(grid, s.frames, s.means) for s in series])
    inside = [(grid > s.frames[0]) & (grid < s.frames[-1]) & ~np.isin(grid, s.frames) for s in series]
    cut = [run for run, (first, last) in facts["spans"].items() if first < grid[0] or last > grid[-1]]
    return Curves(grid, values, filled=int(np.sum(inside)), empty=empty, cut=cut, **facts)


def one_number(rows: pd.DataFrame, score: str, window: int = 1) -> Curves:
    """One number for each run, from its own checkpoints: curves of a single column, which `numbers` gives.

    The runs may end at different frames (`spans`); none is cut for another's sake. final: a run's own last
    checkpoint; best: its highest; average: its mean over its own frames by trapezoids, where a diverged run keeps its
    last score until the last frame of its game. NoData where no run has a score.
    """
    series, empty = _series(rows, window)
    series.sort(key=lambda s: s.game)
    lasts: dict[str, float] = {}
    for s in series:
        lasts[s.game] = max(lasts.get(s.game, 0), s.frames[-1])
    numbers = [_one_number(s.held_until(lasts[s.game]) if s.diverged else s, score) for s in series]
    frames = np.array([max(lasts.values())])
    return Curves(frames, np.array(numbers)[:, None], filled=0, empty=sorted(empty), **_facts(series))


def _one_number(run: _Series, score: str) -> float:
    if score == "final":
        return float(run.means[-1])
    if score == "best":
        return float(run.means.max())
    span = run.frames[-1] - run.frames[0]
    return float(np.trapezoid(run.means, run.frames) / span) if span else float(run.means[0])


def by_label(rows: pd.DataFrame, order: list[str] | None, window: int, score: str | None = None) -> dict[str, Curves]:
    """label -> its curves; labels in the order of their variants, then by name, with numbers in theirs.

    A label without any score, or whose runs have no frame in common, is left out (the caption counts its runs). With
    `score` the curves have one column, as `one_number` makes them.
    """
    rank = {name: i for i, name in enumerate(order or [])}
    variant = rows.drop_duplicates("label").set_index("label").variant
    labels = sorted(variant.index, key=lambda label: (rank.get(variant[label], 0), natural(label)))
    groups = {label: rows[rows.label == label] for label in labels}
    found: dict[str, Curves] = {}
    for label, group in groups.items():
        with contextlib.suppress(NoData):
            found[label] = one_number(group, score, window) if score else align(group, window)
    return found


def some(curves: dict[str, Curves], name: str) -> dict[str, Curves]:
    """The same; NoData where there is none."""
    if not curves:
        raise NoData(f"{name}: no variant has runs with a score at a frame in common")
    return curves
