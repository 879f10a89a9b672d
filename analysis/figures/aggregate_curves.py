"""Sample-efficiency curves: one panel per statistic over games, one line with interval per variant."""

from __future__ import annotations

from analysis import caption, style
from analysis.aggregate import game_means
from analysis.clocks import across
from analysis.curves import by_label, some
from analysis.figures import common
from analysis.intervals import estimate
from analysis.load import Scores, select
from analysis.normalise import SCALES, one_scale
from analysis.reference import Reference
from analysis.spec import AggregateCurves

TITLES = {"mean": "Mean", "median": "Median", "iqm": "IQM", "optimality_gap": "Optimality gap"}


def draw(spec: AggregateCurves, scores: Scores, reference: Reference) -> common.Drawing:
    """UserError for unknown names and for raw scores of several games."""
    common.check_reference_lines(spec, scores)
    rows, x = across(select(scores, spec), spec, scores.rows, common.clock(spec, scores))
    one_scale(spec, list(rows.game), spec.statistics)
    fixed = rows.variant.isin(spec.reference_lines)
    lines = some(by_label(rows[~fixed], spec.variants, spec.window), spec.id)
    references = by_label(rows[fixed], spec.reference_lines, 1, "average")
    printed = {p.algorithm: common.algorithm_name(p.algorithm) for p in spec.published}
    marks = style.marks([*lines, *references, *printed.values()])
    sheet = common.Sheet()
    overlays = [f"{p.label or p.algorithm} ({p.source})" for p in spec.published]
    per_row = (2 if len(spec.statistics) == 4 else 3) if spec.column == "double" else 1
    names = list(lines) + list(references) + overlays
    figure, axes = common.grid(spec, len(spec.statistics), per_row, 2.1, names)
    factor = SCALES[spec.normalisation].factor
    scaled = {label: curves.scaled(spec.normalisation, reference) for label, curves in lines.items()}
    level = {label: curves.scaled(spec.normalisation, reference) for label, curves in references.items()}
    last = max((curves.frames[-1] for curves in scaled.values()), default=0)
    for i, (statistic, panel) in enumerate(zip(spec.statistics, axes, strict=True)):
        title = TITLES[statistic]
        for label, curves in scaled.items():
            value = estimate(curves.values, curves.games, statistic, spec.interval, gamma=factor)
            common.line(panel, sheet, title, label, curves.frames, value, marks[label])
        for label, curves in level.items():
            value = estimate(curves.numbers, curves.games, statistic, spec.interval, gamma=factor)
            common.reference_line(panel, sheet, title, label, value, marks[label].colour)
        for wanted in spec.published:
            if wanted.statistic in (None, statistic):
                shade = marks[printed[wanted.algorithm]].colour
                common.published_curve(panel, sheet, title, wanted, reference, None, last, shade)
        panel.set_title(title)
        panel.set_xlim(left=0)
        style.frame_axis(panel, text=x.text, whole=x.unit is None)
        if i % min(per_row, len(spec.statistics)) == 0:
            panel.set_ylabel(SCALES[spec.normalisation].axis)
    common.legend_below(figure, sheet.legend)
    games = {label: len(game_means(curves.values, curves.games)) for label, curves in lines.items()}
    few, many = min(games.values()), max(games.values())
    every = caption.games_text(game for curves in lines.values() for game in curves.games)
    notes = [f"Aggregated over {every if few == many else f'{few} to {many} games'}."]
    notes += caption.uneven_games(games)
    if any(
        curves.games.count(g) != curves.games.count(curves.games[0]) for curves in lines.values() for g in curves.games
    ):
        notes.append("IQM weights games by their number of runs.")
    about = caption.from_runs(spec, scores, lines | references, [*notes, *x.notes, *sheet.notes], unit=x.unit)
    return common.Drawing(figure, sheet.table(x.name), about)
