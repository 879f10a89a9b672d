"""Learning curves: one panel per game, one line with interval per variant."""

from __future__ import annotations

from analysis import caption, style
from analysis.clocks import across, hours, took
from analysis.curves import by_label
from analysis.figures import common
from analysis.intervals import estimate
from analysis.load import Scores, select
from analysis.metrics import axis
from analysis.reference import Reference
from analysis.spec.items import LearningCurves
from analysis.text import algorithm_name, game_title


def draw(spec: LearningCurves, scores: Scores, reference: Reference) -> common.Drawing:
    """UserError for unknown names; a game that lacks a variant simply has no line of it."""
    common.check_reference_lines(spec, scores)
    rows, x = across(select(scores, spec), spec, scores.rows, common.clock(spec, scores))
    present = set(rows.game.unique())
    games = [game for game in spec.games or sorted(present) if game in present]
    fixed = rows.variant.isin(spec.reference_lines)
    per_game = {
        game: {
            "lines": by_label(rows[~fixed & (rows.game == game)], spec.variants, spec.window),
            "references": by_label(rows[fixed & (rows.game == game)], spec.reference_lines, 1, "average"),
        }
        for game in games
    }
    labels = list(dict.fromkeys(label for parts in per_game.values() for label in parts["lines"]))
    references = list(dict.fromkeys(label for parts in per_game.values() for label in parts["references"]))
    overlays = [*map(common.overlay, spec.published)]
    printed = {p.algorithm: algorithm_name(p.algorithm) for p in spec.published}
    marks = style.marks([*labels, *references, *printed.values()])
    sheet, known = common.Sheet(), took(scores.rows) if x.unit is None else {}
    per_row = spec.panels if spec.column == "double" else min(spec.panels, 1)
    height = 2.2 if min(per_row, len(games)) < 3 else 1.75
    figure, axes = common.grid(spec, len(games), per_row, height, labels + references + overlays)
    for game, panel in zip(games, axes, strict=True):
        if not any(per_game[game].values()):
            common.nothing(panel, "No run has a score here")
        last = 0
        for label, curves in per_game[game]["lines"].items():
            curves = curves.scaled(spec.normalisation, reference)
            last = max(last, curves.frames[-1])
            value = estimate(curves.values, curves.games, spec.statistic, spec.interval)
            if spec.seeds and len(curves.runs) > 1:
                common.seed_lines(panel, sheet, game, label, curves, marks[label].colour)
            clocked = hours(known, curves.runs, curves.frames)
            common.line(panel, sheet, game, label, curves.frames, value, marks[label], clocked)
        for label, curves in per_game[game]["references"].items():
            curves = curves.scaled(spec.normalisation, reference)
            value = estimate(curves.numbers, curves.games, "mean", spec.interval)
            common.reference_line(panel, sheet, game, label, value, marks[label].colour)
        for wanted in spec.published if last else ():
            shade = marks[printed[wanted.algorithm]].colour
            common.published_curve(panel, sheet, game, wanted, reference, game, last, shade)
        panel.set_title(game_title(game))
        end = common.budget(spec, scores, last, x.unit)
        style.frame_axis(panel, x.unit is None, end)
    common.name_axes(axes, per_row, x.text, axis(spec.metric, spec.normalisation))
    common.legend_below(figure, sheet.legend)
    used = {
        f"{label} on {game}": curves
        for game, parts in per_game.items()
        for label, curves in (parts["lines"] | parts["references"]).items()
    }
    notes = [*_notes(spec, references), *x.notes, *sheet.notes]
    about = caption.from_runs(spec, scores, used, notes, unit=x.unit)
    return common.Drawing(figure, sheet.table(x.name), about, common.by_game(axes, games))


def _notes(spec: LearningCurves, references: list[str]) -> list[str]:
    """What the looks of the lines mean."""
    notes = [f"Lines: {spec.statistic} over seeds" + ("; thin lines: single seeds." if spec.seeds else ".")]
    notes += [f"Dotted: {', '.join(references)}, mean over all checkpoints."] * bool(references)
    return notes + ["Dashed: published curves, named with their source."] * bool(spec.published)
