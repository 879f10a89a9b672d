"""Score against one varied key, e.g. the learning rate: one panel per game, one line per variant."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis import caption, style
from analysis.cells import by_value, cells
from analysis.errors import NoData, UserError, unknown
from analysis.figures import common
from analysis.intervals import estimate
from analysis.load import Scores, select, varied_keys
from analysis.metrics import SCORES, axis
from analysis.normalise import short
from analysis.reference import Reference
from analysis.spec.items import Sensitivity
from analysis.text import algorithm_name, frames_text, game_title


def draw(spec: Sensitivity, scores: Scores, reference: Reference) -> common.Drawing:
    """UserError for unknown names or keys, values that are not numbers, and mixed settings of another key."""
    rows = select(scores, spec)
    games = [game for game in spec.games or sorted(rows.game.unique()) if game in set(rows.game)]
    keys = varied_keys(scores, spec)
    per_game = {g: by_value(cells(rows[rows.game == g], spec, reference), spec.x, spec.id, keys) for g in games}
    for value in {str(v) for lines in per_game.values() for p in lines.values() for v, _ in p if not _number(v)}:
        raise UserError(f"{spec.id}: {spec.x} has the value {value}, which is no number")
    labels = list(dict.fromkeys(variant for lines in per_game.values() for variant in lines))
    marks = style.marks([*labels, *map(algorithm_name, spec.published)])
    overlays = [_overlay_label(name) for name in spec.published]
    sheet = common.Sheet()
    per_row = 3 if spec.column == "double" else 1
    figure, axes = common.grid(spec, len(games), per_row, 1.9, labels + overlays)
    curves = {}
    for game, panel in zip(games, axes, strict=True):
        for variant, points in per_game[game].items():
            shown = [(x, estimate(c.values, c.games, "mean", spec.interval)) for x, c in points if c.values is not None]
            curves |= {f"{game} {cell.label}": cell.curves for _, cell in points if cell.curves is not None}
            _line(spec, panel, sheet, game, variant, shown, marks[variant])
        for name in spec.published:
            _overlay(spec, panel, sheet, game, name, reference, marks[algorithm_name(name)].colour)
        if spec.log:
            style.logarithmic(panel.xaxis)
        _ticks(panel, {x for points in per_game[game].values() for x, _ in points})
        if spec.identity:
            _identity(spec, panel, sheet, game, sorted({float(x) for p in per_game[game].values() for x, _ in p}))
        if spec.y_log:
            style.logarithmic(panel.yaxis)
        elif spec.metric not in SCORES:
            panel.set_ylim(bottom=0)
        panel.set_title(game_title(game))
    common.name_axes(axes, per_row, spec.axis or spec.x, axis(spec.metric, spec.normalisation))
    if not curves:
        raise NoData(f"{spec.id}: no run has a score")
    common.legend_below(figure, sheet.legend)
    notes = ["Points: mean over seeds."]
    if spec.published:
        notes.append("Dashed: Young & Tian 2019, digitised, 30 runs of 5M frames.")
    about = caption.from_runs(spec, scores, curves, notes + sheet.notes)
    return common.Drawing(figure, sheet.table(), about, common.by_game(axes, games))


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _ticks(panel: Axes, values: set[float]) -> None:
    """Whole numbers, such as counts, are named each at its place."""
    if all(value >= 1 and value == int(value) for value in values):
        panel.set_xticks(sorted(values), [frames_text(value) for value in sorted(values)])
        panel.minorticks_off()


def _line(spec, panel, sheet: common.Sheet, game: str, variant: str, shown: list, mark: style.Mark) -> None:
    if not shown:
        sheet.note(f"{variant} left no score on {game}.")
        return
    x = np.array([value for value, _ in shown], dtype=float)
    y = np.array([float(e.point) for _, e in shown])
    look = {"color": mark.colour, "linestyle": mark.dash, "marker": mark.marker or "o"}
    (handle,) = panel.plot(x, y, **look, markersize=3, zorder=3)
    sheet.legend.setdefault(variant, handle)
    sides = [(e.low, e.high) for _, e in shown]
    for at, (low, high) in zip(x, sides, strict=True):
        if low is not None:
            panel.plot([at, at], [low, high], color=mark.colour, linewidth=0.9, zorder=2)
    for at, value, (low, high), (_, e) in zip(x, y, sides, shown, strict=True):
        sheet.rows.append(common.row(game, variant, "point", None, value, low, high, e.n[1]) | {spec.x: at})


def _identity(spec: Sensitivity, panel: Axes, sheet: common.Sheet, game: str, values: list[float]) -> None:
    """The dotted line on which y is x, at the values of x."""
    label = f"equal to the {(spec.axis or spec.x).partition(' (')[0].lower()}"
    (line,) = panel.plot(values, values, color="#444444", linestyle=style.REFERENCE_DASH, linewidth=1.3, zorder=2.5)
    sheet.legend.setdefault(label, line)
    sheet.rows += [common.row(game, label, "identity", None, value) | {spec.x: value} for value in values]


def _overlay_label(name: str) -> str:
    return f"{algorithm_name(name)} (Young & Tian 2019)"


def _overlay(spec, panel, sheet: common.Sheet, game: str, name: str, reference: Reference, shade: str) -> None:
    """The published curve of one algorithm; nothing where the file lacks the game."""
    table = pd.read_csv(reference.folder / "minatar_stepsize_sensitivity_digitised.csv")
    if name not in set(table.algorithm):
        raise unknown("algorithm", name, table.algorithm.unique(), spec.id)
    mine = table[(table.algorithm == name) & (table.game == short(game))].sort_values("log2_alpha")
    if mine.empty:
        return
    x, y = 2.0 ** mine.log2_alpha.to_numpy(float), mine.avg_return_last100_episodes.to_numpy(float)
    (handle,) = panel.plot(x, y, color=shade, linestyle=style.PUBLISHED_DASH, linewidth=1.1, zorder=2.2)
    sheet.legend.setdefault(_overlay_label(name), handle)
    for at, value in zip(x, y, strict=True):
        sheet.rows.append(common.row(game, _overlay_label(name), "published", None, value) | {spec.x: at})
