"""Settings of a sweep as cells: the scores of one variant with one combination of varied keys."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.aggregate import aggregate
from analysis.curves import Curves, one_number, scored
from analysis.errors import UserError, unknown
from analysis.intervals import SEED, Estimate, draw_counts, limits, replicates, runs_per_game
from analysis.metrics import one_scale
from analysis.reference import Reference
from analysis.spec.items import Interval, Reduced
from analysis.text import canonical


@dataclass(frozen=True)
class Cell:
    """`values` [R] in drawing units, one per run, with the game of each; None where no run left a score."""

    variant: str
    label: str
    vary: dict[str, Any]
    values: np.ndarray | None
    games: list[str]
    curves: Curves | None


def cells(rows: pd.DataFrame, spec: Reduced, reference: Reference, pooled: bool = True) -> list[Cell]:
    """One cell per variant and combination of varied keys (rows as `load.select` gives them), with scores as drawn.

    `pooled`: games will be averaged, so raw scores of several games raise UserError. Variants come in the
    order of the spec, else by name.
    """
    if pooled:
        one_scale(spec, list(rows.game))
    found = []
    order = {name: i for i, name in enumerate(spec.variants or sorted(rows.variant.unique()))}
    for (variant, text), group in rows.groupby(["variant", "vary"]):
        label, vary = str(group.label.iloc[0]), json.loads(text)
        if scored(group).empty:
            found.append(Cell(variant, label, vary, None, [], None))
            continue
        curves = one_number(group, spec.score, spec.window).scaled(spec.normalisation, reference)
        found.append(Cell(variant, label, vary, curves.numbers, curves.games, curves))
    return sorted(found, key=lambda cell: (order[cell.variant], canonical(cell.vary)))


def by_value(found: list[Cell], key: str, name: str, keys: set[str]) -> dict[str, list[tuple[Any, Cell]]]:
    """variant -> (value of a varied key, cell), values ascending. `keys` are those that planned runs vary.

    UserError for a key that nothing varies, and where cells with one value differ in another key.
    """
    if key not in keys:
        raise unknown("varied key", key, keys, name)
    lines: dict[str, list[tuple[Any, Cell]]] = {}
    for cell in found:
        if key in cell.vary:
            lines.setdefault(cell.variant, []).append((cell.vary[key], cell))
    for variant, points in lines.items():
        texts = [canonical(value) for value, _ in points]
        for value in (v for (v, _), t in zip(points, texts, strict=True) if texts.count(t) > 1):
            raise UserError(f"{name}: {variant} has several settings with {key} {value}; choose one with 'where'")
        points.sort(key=lambda point: rank(point[0]))
    return lines


def rank(value: Any) -> tuple:
    """Sort key of varied values: numbers by size, short lists before long ones.

    Numbers in lists go by magnitude: layers are counted down from the output, -1 before -2.
    """
    if isinstance(value, list):
        return (1, len(value), tuple(rank(abs(x) if isinstance(x, int | float) else x) for x in value))
    return (0, value, "") if isinstance(value, int | float) else (2, 0, canonical(value))


def share_above(found: list[Cell], threshold: float, interval: Interval) -> Estimate:
    """Percent of cells whose score (mean over seeds, then games) exceeds the threshold.

    Seeds are resampled within each cell and game, cells are fixed. A cell without any score counts as below.
    No interval where no cell has two seeds of a game.
    """
    return _limits(100.0 * np.mean(cell_means(found) > threshold), [found], threshold, interval)


def share_difference(a: list[Cell], b: list[Cell], threshold: float, interval: Interval) -> Estimate:
    """Share of a minus share of b, percentage points; the arms are resampled independently."""
    point = 100.0 * (np.mean(cell_means(a) > threshold) - np.mean(cell_means(b) > threshold))
    return _limits(point, [a, b], threshold, interval)


def _limits(point: float, arms: list[list[Cell]], threshold: float, interval: Interval) -> Estimate:
    """The interval of the first arm's share, less the second's."""
    counts = [runs_per_game(cell.games) for arm in arms for cell in arm if cell.values is not None] or [(0, 0)]
    n = (min(c[0] for c in counts), max(c[1] for c in counts))
    if n[1] < 2:
        return Estimate(np.float64(point), None, None, n)
    total = np.zeros(interval.resamples)
    for arm, (found, sign) in enumerate(zip(arms, (1, -1), strict=False)):
        for i, cell in enumerate(found):
            if cell.values is not None:
                means = _drawn_means(cell, interval, arm, i)
                total += sign * 100.0 * (means > threshold) / len(found)
    return Estimate(np.float64(point), *limits(total, interval.level), n)


def best_difference(arms: list[list[Cell]], interval: Interval) -> Estimate:
    """Best mean of the first arm's cells, less that of the second; less the same of the third and fourth, if given.

    Seeds are resampled within each cell and game, and the best cell is sought anew in each replicate. Of few seeds the
    best mean is too high, in all arms of as many cells alike. No interval where no cell has two seeds of a game.
    """
    signs = (1, -1, -1, 1)[: len(arms)]
    point = np.float64(sum(sign * cell_means(arm).max() for sign, arm in zip(signs, arms, strict=True)))
    counts = [runs_per_game(cell.games) for arm in arms for cell in arm if cell.values is not None] or [(0, 0)]
    n = (min(c[0] for c in counts), max(c[1] for c in counts))
    if n[1] < 2 or not np.isfinite(point):
        return Estimate(point, None, None, n)
    total = np.zeros(interval.resamples)
    for arm, (found, sign) in enumerate(zip(arms, signs, strict=True)):
        best = np.full(interval.resamples, -np.inf)
        for i, cell in enumerate(found):
            if cell.values is not None:
                np.maximum(best, _drawn_means(cell, interval, arm, i), out=best)
        total += sign * best
    return Estimate(point, *limits(total, interval.level), n)


def _drawn_means(cell: Cell, interval: Interval, arm: int, i: int) -> np.ndarray:
    """[B]: mean over seeds, then games, of each replicate of the arm's i-th cell."""
    weights = draw_counts(cell.games, interval.resamples, interval.method, np.random.default_rng([SEED, arm, i]))
    return replicates(cell.values[:, None], cell.games, weights, "mean")[:, 0]


def cell_means(found: list[Cell]) -> np.ndarray:
    """[C]: mean over seeds, then games; -inf for a cell without any score."""
    return np.array([-np.inf if c.values is None else float(aggregate(c.values, c.games, "mean")) for c in found])
