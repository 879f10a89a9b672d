"""Sample-efficiency curves: one panel per statistic over games, one line with interval per variant.

A varied key may set panels apart: then each of its values has one panel per statistic.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from analysis import caption, style
from analysis.aggregate import game_means
from analysis.cells import rank
from analysis.clocks import across, hours, took
from analysis.curves import Curves, by_label, some
from analysis.errors import unknown
from analysis.figures import common
from analysis.figures.depth_bars import setting
from analysis.intervals import estimate
from analysis.load import Scores, chosen, select, varied_keys
from analysis.metrics import axis, one_scale
from analysis.normalise import SCALES
from analysis.reference import Reference
from analysis.spec.items import AggregateCurves
from analysis.text import algorithm_name

TITLES = {"mean": "Mean", "median": "Median", "iqm": "IQM", "optimality_gap": "Optimality gap"}


class View(NamedTuple):
    """What one panel per statistic shows, in drawing units: label -> curves, and label -> levels."""

    name: str
    lines: dict[str, Curves]
    levels: dict[str, Curves]


def draw(spec: AggregateCurves, scores: Scores, reference: Reference) -> common.Drawing:
    """UserError for unknown names and keys, and for raw scores of several games."""
    common.check_reference_lines(spec, scores)
    x = across(select(scores, spec), spec, scores.rows, common.clock(spec, scores))[1]
    views = [_view(each, name, scores, reference) for name, each in _parts(spec, scores).items()]
    lines = some({label: curves for view in views for label, curves in view.lines.items()}, spec.id)
    levels = {label: curves for view in views for label, curves in view.levels.items()}
    printed = {p.algorithm: algorithm_name(p.algorithm) for p in spec.published}
    marks = style.marks([*lines, *levels, *printed.values()])
    sheet, known = common.Sheet(), took(scores.rows) if x.unit is None else {}
    overlays = [*map(common.overlay, spec.published)]
    panels = [(view, statistic) for view in views for statistic in spec.statistics]
    per_row = (2 if len(panels) == 4 else 3) if spec.column == "double" else 1
    figure, axes = common.grid(spec, len(panels), per_row, 2.1, [*lines, *levels, *overlays])
    factor = SCALES[spec.normalisation].factor
    last = max(curves.frames[-1] for view in views for curves in view.lines.values())
    for (view, statistic), panel in zip(panels, axes, strict=True):
        words = [view.name] * bool(view.name) + [TITLES[statistic]] * (not view.name or len(spec.statistics) > 1)
        title = ", ".join(words)
        for label, curves in view.lines.items():
            value = estimate(curves.values, curves.games, statistic, spec.interval, gamma=factor)
            clocked = hours(known, curves.runs, curves.frames)
            common.line(panel, sheet, title, label, curves.frames, value, marks[label], clocked)
        for label, curves in view.levels.items():
            value = estimate(curves.numbers, curves.games, statistic, spec.interval, gamma=factor)
            common.reference_line(panel, sheet, title, label, value, marks[label].colour)
        for wanted in spec.published:
            if wanted.statistic in (None, statistic):
                shade = marks[printed[wanted.algorithm]].colour
                common.published_curve(panel, sheet, title, wanted, reference, None, last, shade)
        panel.set_title(title)
        style.frame_axis(panel, x.unit is None, common.budget(spec, scores, last, x.unit))
    common.name_axes(axes, per_row, x.text, axis(spec.metric, spec.normalisation))
    common.legend_below(figure, sheet.legend)
    shown = _named([(view.name, view.lines | view.levels) for view in views])
    notes = [*_games(_named([(view.name, view.lines) for view in views])), *x.notes, *sheet.notes]
    return common.Drawing(figure, sheet.table(x.name), caption.from_runs(spec, scores, shown, notes, unit=x.unit))


def _parts(spec: AggregateCurves, scores: Scores) -> dict[str, AggregateCurves]:
    """name of values of `by` -> what asks for their runs alone; the spec itself without `by`. UserError as there."""
    keys = varied_keys(scores, spec)
    for key in spec.by:
        if key not in keys:
            raise unknown("varied key", key, keys, spec.id)
    rows, missing = chosen(scores, spec)
    settings = [*map(json.loads, rows.vary.unique()), *(entry.get("vary") or {} for entry in missing)]
    found = [{key: vary[key] for key in spec.by} for vary in settings if vary.keys() >= set(spec.by)]
    found.sort(key=lambda vary: rank(list(vary.values())))
    return {setting(spec.by, vary): spec.model_copy(update={"where": spec.where | vary}) for vary in found}


def _view(spec: AggregateCurves, name: str, scores: Scores, reference: Reference) -> View:
    rows, _ = across(select(scores, spec), spec, scores.rows, common.clock(spec, scores))
    one_scale(spec, list(rows.game), spec.statistics)
    fixed = rows.variant.isin(spec.reference_lines)
    lines = by_label(rows[~fixed], spec.variants, spec.window)
    levels = by_label(rows[fixed], spec.reference_lines, 1, "average")
    return View(
        name,
        *(
            {label: curves.scaled(spec.normalisation, reference) for label, curves in each.items()}
            for each in (lines, levels)
        ),
    )


def _named(found: list[tuple[str, dict[str, Curves]]]) -> dict[str, Curves]:
    """All curves by label, with the panel's name where there are several."""
    return {f"{label} ({name})" if name else label: curves for name, each in found for label, curves in each.items()}


def _games(lines: dict[str, Curves]) -> list[str]:
    """How many games are aggregated, and how unevenly."""
    games = {label: len(game_means(curves.values, curves.games)) for label, curves in lines.items()}
    few, many = min(games.values()), max(games.values())
    every = caption.games_text(game for curves in lines.values() for game in curves.games)
    notes = [f"Aggregated over {every if few == many else f'{few} to {many} games'}."]
    notes += caption.uneven_games(games)
    if any(
        curves.games.count(g) != curves.games.count(curves.games[0]) for curves in lines.values() for g in curves.games
    ):
        notes.append("IQM weights games by their number of runs.")
    return notes
