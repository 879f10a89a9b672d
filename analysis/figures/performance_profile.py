"""The share of runs that score above a level, for all levels (Agarwal et al. 2021, arXiv:2108.13264, section 4.2).

A game counts by the share of its runs, whatever their number, so that the area under a line from 0 is the mean over
games of scores that lie between 0 and the last level. Intervals are those of each level by itself.
"""

from __future__ import annotations

import numpy as np

from analysis import caption, style
from analysis.errors import UserError
from analysis.figures import common, per_game
from analysis.intervals import estimate
from analysis.load import Scores
from analysis.metrics import one_scale
from analysis.normalise import SCALES, normalise, short, without_reference
from analysis.reference import Reference
from analysis.spec.items import PerformanceProfile

LEVELS = 201  # along the x axis
MOST = 0.95  # of all scores are below the last level, unless the spec names it


def draw(spec: PerformanceProfile, scores: Scores, reference: Reference) -> common.Drawing:
    """UserError for unknown names, and for raw scores, which have no level in common."""
    found, curves = per_game.series(spec, scores, reference)
    one_scale(spec, [game for each in curves.values() for game in each.games], ["levels"])
    scale = SCALES[spec.normalisation]
    scaled = {label: each.scaled(spec.normalisation, reference) for label, each in curves.items()}
    lines = {label: (each.numbers, each.games) for label, each in scaled.items()}
    lines |= {each.label: _printed(spec, each, reference) for each in found if each.published}
    every = np.concatenate([values for values, _ in lines.values()])
    levels = np.linspace(min(0.0, every.min()), spec.highest or max(np.quantile(every, MOST), 1e-9), LEVELS)
    marks = style.marks([each.name for each in found])
    sheet = common.Sheet()
    figure, (axes,) = common.grid(spec, 1, 1, 2.4, list(lines))
    for each in found:
        values, games = lines[each.label]
        value = estimate(100.0 * (values[:, None] > levels), games, "mean", spec.interval)
        mark = marks[each.name]
        dash = style.PUBLISHED_DASH if each.published else mark.dash
        common.line(axes, sheet, "", each.label, levels, value, mark._replace(dash=dash))
    axes.set_xlim(levels[0], levels[-1])
    axes.set_ylim(-2, 102)
    axes.set_xlabel(scale.axis)
    axes.set_ylabel("Runs that score more (%)")
    common.legend_below(figure, sheet.legend)
    counts = {label: len(set(games)) for label, (_, games) in lines.items()}
    every = caption.games_text(game for _, games in lines.values() for game in map(short, games))
    notes = [f"Over {every}, each by the share of its runs that score more.", *caption.uneven_games(counts)]
    if spec.published:
        notes.append(f"Dashed: published scores, one a game: {per_game.sources(spec, reference)}.")
    if curves:
        return common.Drawing(figure, sheet.table("level"), caption.from_runs(spec, scores, curves, notes))
    text = caption.base(spec, [f"Scale of scores: {scale.text}.", *notes, "No run of ours is shown."])
    return common.Drawing(figure, sheet.table("level"), text)


def _printed(spec: PerformanceProfile, each: per_game.Series, reference: Reference) -> tuple[np.ndarray, list[str]]:
    """Scaled scores and games, without those that have no reference scores; UserError where none has."""
    lost = without_reference(each.scores, spec.normalisation, reference, each.regime)
    games = [game for game in each.scores if game not in lost]
    if not games:
        raise UserError(f"{spec.id}: no game of {each.label} has reference scores for {spec.normalisation!r}")
    raw = np.concatenate([each.scores[game] for game in games])
    return SCALES[spec.normalisation].factor * normalise(raw, games, spec.normalisation, reference, each.regime), games
