"""How many games a variant plays at a level or better (Hessel et al. 2018, Figure 2, arXiv:1710.02298)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analysis import caption, style
from analysis.aggregate import game_means
from analysis.curves import by_label, some
from analysis.figures import common
from analysis.intervals import SEED, Estimate, draw_counts, limits, runs_per_game
from analysis.load import Scores, select
from analysis.metrics import one_scale
from analysis.normalise import CLOCKS
from analysis.reference import Reference
from analysis.spec.items import GamesAbove, Interval


def draw(spec: GamesAbove, scores: Scores, reference: Reference) -> common.Drawing:
    """UserError for unknown names, and for raw scores, which have no level in common."""
    rows = select(scores, spec)
    one_scale(spec, list(rows.game), ["levels"])
    lines = some(by_label(rows, spec.variants, spec.window), spec.id)
    lines = {label: curves.scaled(spec.normalisation, reference) for label, curves in lines.items()}
    marks = style.marks(lines)
    sheet = common.Sheet()
    across = spec.panels if spec.column == "double" else 1
    figure, axes = common.grid(spec, len(spec.levels), across, 1.9, list(lines))
    last = max(curves.frames[-1] for curves in lines.values())
    most = max(len(set(curves.games)) for curves in lines.values())
    for level, panel in zip(spec.levels, axes, strict=True):
        title = f"{level:g} % or more"
        for label, curves in lines.items():
            value = games_above(curves.values, curves.games, level, spec.interval)
            common.line(panel, sheet, title, label, curves.frames, value, marks[label])
        panel.set_title(title)
        panel.set_ylim(-0.04 * most, 1.06 * most)
        panel.yaxis.set_major_locator(style.MaxNLocator(5, integer=True))
        style.frame_axis(panel, last=common.budget(spec, scores, last, None))
    common.name_axes(axes, across, CLOCKS["frames"], "Games")
    common.legend_below(figure, sheet.legend)
    counts = {label: len(set(curves.games)) for label, curves in lines.items()}
    whole = [f"Of {caption.games_text(game for curves in lines.values() for game in curves.games)}."]
    notes = ["A game counts by its mean over seeds.", *(caption.uneven_games(counts) or whole)]
    return common.Drawing(figure, sheet.table(), caption.from_runs(spec, scores, lines, notes + sheet.notes))


def games_above(values: np.ndarray, games: Sequence[str], level: float, interval: Interval) -> Estimate:
    """Number of games whose mean over runs is at the level or above: values [R, T] -> [T], interval over seeds."""
    point, n = (game_means(values, games) >= level).sum(0).astype(np.float64), runs_per_game(games)
    if n[1] < 2:
        return Estimate(point, None, None, n)
    counts = draw_counts(games, interval.resamples, interval.method, np.random.default_rng([SEED, 0]))
    names, total = np.asarray(games), np.zeros((interval.resamples, values.shape[1]))
    for game in np.unique(names):
        mine = names == game
        weights = counts[:, mine] / counts[:, mine].sum(1, keepdims=True)
        total += weights @ values[mine] >= level
    return Estimate(point, *limits(total, interval.level), n)
