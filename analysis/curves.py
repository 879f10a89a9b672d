"""From rows to arrays: the curves of several runs on one frame axis, and one number per run."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis.errors import UserError
from analysis.normalise import SCALES, normalise
from analysis.reference import Reference
from analysis.text import natural


@dataclass(frozen=True)
class Curves:
    """Runs of one label on common frames; rows are labelled by run, game and seed, never by position."""

    frames: np.ndarray  # int64 [T]
    values: np.ndarray  # float64 [R, T], no missing value
    runs: list[str]
    games: list[str]
    seeds: list[int]
    held: list[str]  # diverged runs, counted with their last score after the end
    filled: int  # checkpoints between two values of a run that were interpolated
    empty: list[str]  # runs without a single score

    def scaled(self, normalisation: str, reference: Reference) -> Curves:
        """The same curves in drawing units of a normalisation (percent where that is customary)."""
        factor = SCALES[normalisation].factor
        return replace(self, values=factor * normalise(self.values, self.games, normalisation, reference))

    @property
    def numbers(self) -> np.ndarray:
        """[R], the only column."""
        (column,) = self.values.T
        return column


def scored(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that have a score: a number, and a finite one."""
    return rows[np.isfinite(rows["mean"].to_numpy(dtype=np.float64, na_value=np.nan))]


def align(rows: pd.DataFrame, window: int = 1) -> Curves:
    """Put the runs of one label and metric on the frames where all of them have a value.

    A gap between two values of a run is interpolated and counted; nothing is made up before a run's first
    value or after its last one, except that a diverged run keeps its last score (it is a result, not a gap).
    `window` is a trailing mean over the run's own checkpoints.
    """
    series, held, empty = [], [], []
    for run, group in rows.sort_values(["game", "seed", "frame"], kind="stable").groupby("run", sort=False):
        group = scored(group)
        if group.empty:
            empty.append(str(run))
            continue
        frames, means = group.frame.to_numpy(np.int64), group["mean"].to_numpy(np.float64)
        if window > 1:
            means = pd.Series(means).rolling(window, min_periods=1).mean().to_numpy()
        first = group.iloc[0]
        if first.status == "diverged":
            held.append(str(run))
        series.append((str(run), str(first.game), int(first.seed), frames, means))
    if not series:
        raise UserError(f"none of the runs has a score: {', '.join(empty[:3]) or 'no rows'}")
    # a diverged run ends early but does not shorten the others
    lasts = [s[3][-1] for s in series if s[0] not in held] or [max(s[3][-1] for s in series)]
    start, stop = max(s[3][0] for s in series), min(lasts)
    grid = np.unique(np.concatenate([s[3] for s in series]))
    grid = grid[(grid >= start) & (grid <= stop)]
    if len(grid) == 0:
        raise UserError(f"the runs {series[0][0]} … {series[-1][0]} have no frames in common")
    values = np.stack([np.interp(grid, s[3], s[4]) for s in series])
    filled = sum(int((~np.isin(grid, s[3]) & (grid < s[3][-1]) & (grid > s[3][0])).sum()) for s in series)
    runs, games, seeds = ([s[i] for s in series] for i in range(3))
    return Curves(grid, values, runs, games, seeds, held, filled, empty)


def one_number(rows: pd.DataFrame, score: str, window: int = 1) -> Curves:
    """`align` and then one number for each run: curves of a single column, which `numbers` gives.

    Games may have budgets of their own, so only the runs of one game are brought to common frames.
    """
    present = rows.game.isin(scored(rows).game)
    if not present.any():
        return align(rows, window)  # says what is missing
    parts = [align(group, window) for _, group in rows[present].groupby("game")]
    return Curves(
        frames=np.array([max(part.frames[-1] for part in parts)]),
        values=np.concatenate([_one_number(part, score) for part in parts])[:, None],
        runs=[run for part in parts for run in part.runs],
        games=[game for part in parts for game in part.games],
        seeds=[seed for part in parts for seed in part.seeds],
        held=[run for part in parts for run in part.held],
        filled=sum(part.filled for part in parts),
        empty=[run for part in parts for run in part.empty] + sorted(rows[~present].run.unique()),
    )


def _one_number(curves: Curves, score: str) -> np.ndarray:
    """[R]: final (last checkpoint), best (highest checkpoint) or average (trapezoid mean over frames)."""
    if score == "final":
        return curves.values[:, -1]
    if score == "best":
        return curves.values.max(axis=1)
    span = curves.frames[-1] - curves.frames[0]
    if span == 0:
        return curves.values[:, 0]
    return np.trapezoid(curves.values, curves.frames, axis=1) / span


def by_label(rows: pd.DataFrame, order: list[str] | None, window: int, score: str | None = None) -> dict[str, Curves]:
    """label -> its curves; labels in the order of their variants, then by name, with numbers in theirs.

    With `score` the curves have one column, as `one_number` makes them.
    """
    rank = {name: i for i, name in enumerate(order or [])}
    variant = rows.drop_duplicates("label").set_index("label").variant
    labels = sorted(variant.index, key=lambda label: (rank.get(variant[label], 0), natural(label)))
    groups = {label: rows[rows.label == label] for label in labels}
    return {name: one_number(each, score, window) if score else align(each, window) for name, each in groups.items()}
