"""Statements about whole curves, sweeps and clouds of runs as checks on data: what analysis/claims.py says of verdicts.

Where an extreme is taken (the best of a sweep's settings, the least of a curve's differences) it is taken anew in each
replicate of the bootstrap.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from analysis.cells import Cell, best_difference, cells
from analysis.claims import above, judged, judgement, not_run, within
from analysis.curves import Curves, align, one_number
from analysis.errors import UserError
from analysis.intervals import SEED, Estimate, difference, draw_counts, limits, replicates, runs_per_game
from analysis.load import Scores, select
from analysis.metrics import axis, one_scale
from analysis.reference import Reference
from analysis.spec.items import AboveFrom, BestGreater, Interval, RisesMore, Uncorrelated
from analysis.text import canonical


def best_greater(spec: BestGreater, scores: Scores, reference: Reference) -> dict[str, Any]:
    """Does a's best setting score higher than b's best; of two sweeps, by more in the first? UserError as in select."""
    about = {"experiments": list(spec.experiments), "unit": axis(spec.metric, spec.normalisation)}
    sides, arms = [spec.a, spec.b], []
    for name in spec.experiments:
        sweep = spec.model_copy(update={"experiments": [name], "variants": sides})
        if why := not_run(sweep, scores, sides):
            return judgement(spec, "not run at this scale", "–", why, **about)
        found = cells(select(scores, sweep), spec, reference)
        pair = [[cell for cell in found if cell.variant == name] for name in sides]
        if {canonical(cell.vary) for cell in pair[0]} != {canonical(cell.vary) for cell in pair[1]}:
            why = "the two variants were not run with the same settings"
            return judgement(spec, "inconclusive", "–", why, **about)
        arms += pair
    value = best_difference(arms, spec.interval)
    ours = f"difference {float(value.point):+.3g}, best of {' and '.join(str(len(arm)) for arm in arms[::2])} settings"
    return judged(spec, value, above, ours, _curves(arms), [], about)


def above_from(spec: AboveFrom, scores: Scores, reference: Reference) -> dict[str, Any]:
    """Is a's mean curve above b's at every checkpoint from `from_frames` on? UserError for unknown names."""
    about = {"experiments": list(spec.experiments), "unit": axis(spec.metric, spec.normalisation)}
    if why := not_run(spec, scores, [spec.a, spec.b]):
        return judgement(spec, "not run at this scale", "–", why, **about)
    curves, mine = _aligned(spec, scores, reference)
    late = curves.frames >= spec.from_frames
    if not late.any():
        return judgement(spec, "not run at this scale", "–", f"no run reaches frame {spec.from_frames}", **about)
    value = _least(curves, mine, late, spec.interval)
    ours = f"difference at least {float(value.point):+.3g} at {int(late.sum())} checkpoints"
    return judged(spec, value, above, ours, [curves], [], about)


def rises_more(spec: RisesMore, scores: Scores, reference: Reference) -> dict[str, Any]:
    """Does a rise by more than b after a share of the frames? UserError for unknown names."""
    about = {"experiments": list(spec.experiments), "unit": axis(spec.metric, spec.normalisation)}
    if why := not_run(spec, scores, [spec.a, spec.b]):
        return judgement(spec, "not run at this scale", "–", why, **about)
    curves, mine = _aligned(spec, scores, reference)
    middle = spec.share * curves.frames[-1]
    gain = curves.values[:, -1] - [np.interp(middle, curves.frames, run) for run in curves.values]
    games = np.asarray(curves.games)
    value = difference(gain[mine], list(games[mine]), gain[~mine], list(games[~mine]), "mean", spec.interval)
    ours = f"difference {float(value.point):+.3g}: a rise of {gain[mine].mean():+.3g} against {gain[~mine].mean():+.3g}"
    return judged(spec, value, above, ours, [curves], [], about)


def uncorrelated(spec: Uncorrelated, scores: Scores, reference: Reference) -> dict[str, Any]:
    """Is the rank correlation of score and `x_metric` near 0? UserError for unknown names.

    Runs are resampled within their game, whatever their variant. A game of fewer than three runs, or where all runs are
    alike in one of the two, does not count.
    """
    about = {"experiments": list(spec.experiments), "unit": "Spearman's rho"}
    if why := not_run(spec, scores, spec.variants or []):
        return judgement(spec, "not run at this scale", "–", why, **about)
    score = one_number(select(scores, spec), spec.score, spec.window).scaled(spec.normalisation, reference)
    other = one_number(select(scores, spec, spec.x_metric), "final", spec.window)
    x = dict(zip(other.runs, other.numbers, strict=True))
    table = pd.DataFrame({"run": score.runs, "game": score.games, "y": score.numbers})
    table = table[table.run.isin(x.keys())].assign(x=lambda rows: rows.run.map(x))
    games = [g for _, g in table.groupby("game") if len(g) > 2 and g.x.nunique() > 1 and g.y.nunique() > 1]
    if not games:
        return judgement(spec, "not run at this scale", "–", "no game has three runs that differ", **about)
    value = _mean_correlation(games, spec.interval)
    ours = f"{float(value.point):+.2f} over {sum(map(len, games))} runs of {len(games)} game(s)"
    return judged(spec, value, within, ours, [score], [], about)


def _aligned(spec: AboveFrom | RisesMore, scores: Scores, reference: Reference) -> tuple[Curves, np.ndarray]:
    """The curves of both variants on common frames, in drawing units; and which are a's, bool [R]. UserError for
    several settings of one."""
    rows = select(scores, spec.model_copy(update={"variants": [spec.a, spec.b]}))
    one_scale(spec, list(rows.game))
    for name in (spec.a, spec.b):
        if rows[rows.variant == name].label.nunique() > 1:
            raise UserError(f"claim {spec.id}: {name!r} has several settings; choose one with 'where'")
    curves = align(rows, spec.window).scaled(spec.normalisation, reference)
    ours = set(rows.run[rows.variant == spec.a])
    return curves, np.array([run in ours for run in curves.runs])


def _least(curves: Curves, mine: np.ndarray, late: np.ndarray, interval: Interval) -> Estimate:
    """The least of the differences between two mean curves, over the frames `late` [T]; `mine` [R]: of the first."""
    games, values = np.asarray(curves.games), curves.values[:, late]
    points, samples, sizes = [], [], []
    for arm, chosen in enumerate((mine, ~mine)):
        names = list(games[chosen])
        counts = draw_counts(names, interval.resamples, interval.method, np.random.default_rng([SEED, arm]))
        samples.append(replicates(values[chosen], names, counts, "mean"))
        points.append(replicates(values[chosen], names, np.ones((1, len(names)), np.int16), "mean")[0])
        sizes.append(runs_per_game(names))
    point = np.asarray((points[0] - points[1]).min())
    n = (min(s[0] for s in sizes), max(s[1] for s in sizes))
    if min(s[1] for s in sizes) < 2:
        return Estimate(point, None, None, n)
    return Estimate(point, *limits((samples[0] - samples[1]).min(1), interval.level), n)


def _mean_correlation(games: list[pd.DataFrame], interval: Interval) -> Estimate:
    """Spearman's rho of columns x and y in each game, mean over games; a replicate that is all alike counts as 0."""
    rng = np.random.default_rng([SEED, 0])
    point, samples = 0.0, np.zeros(interval.resamples)
    for rows in games:
        x, y = rows.x.to_numpy(float), rows.y.to_numpy(float)
        drawn = rng.integers(len(rows), size=(interval.resamples, len(rows)))
        point += float(_spearman(x[None], y[None])[0]) / len(games)
        samples += _spearman(x[drawn], y[drawn]) / len(games)
    sizes = [len(rows) for rows in games]
    return Estimate(np.asarray(point), *limits(samples, interval.level), (min(sizes), max(sizes)))


def _spearman(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Rank correlation of each row: x, y [B, R] -> [B]."""
    a, b = (rankdata(each, axis=1) for each in (x, y))
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    size = np.sqrt((a * a).sum(1) * (b * b).sum(1))
    return np.divide((a * b).sum(1), size, out=np.zeros(len(x)), where=size > 0)


def _curves(arms: list[list[Cell]]) -> list[Curves]:
    return [cell.curves for arm in arms for cell in arm if cell.curves is not None]
