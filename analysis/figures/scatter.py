"""One point per run: the score against a varied number (Mnih et al. 2016, Figure 2, arXiv:1602.01783) or a metric.

Rank correlation is Spearman's over all runs of a panel, whatever their variant.
"""

from __future__ import annotations

import pandas as pd
from scipy.stats import spearmanr

from analysis import caption, metrics, style
from analysis.cells import Cell, cells
from analysis.curves import one_number
from analysis.errors import NoData, UserError, unknown
from analysis.figures import common
from analysis.load import Scores, select, varied_keys
from analysis.reference import Reference
from analysis.spec.items import Scatter
from analysis.text import game_title

Points = dict[str, list[tuple[str, float, float]]]  # variant -> (run, x, score) of each run


def draw(spec: Scatter, scores: Scores, reference: Reference) -> common.Drawing:
    """UserError for unknown names or keys, values that are no numbers, and a log axis with values of 0 or below."""
    rows = select(scores, spec)
    keys = varied_keys(scores, spec)
    if spec.x is not None and spec.x not in keys:
        raise unknown("varied key", spec.x, keys, spec.id)
    other = _by_run(spec, scores)
    games = [game for game in spec.games or sorted(rows.game.unique()) if game in set(rows.game)]
    found = {game: cells(rows[rows.game == game], spec, reference) for game in games}
    per_game = {game: _points(spec, each, other) for game, each in found.items()}
    if not any(points for lines in per_game.values() for points in lines.values()):
        raise NoData(f"{spec.id}: no run has both a score and a value of {spec.x or spec.x_metric}")
    labels = list(dict.fromkeys(variant for lines in per_game.values() for variant in lines))
    marks = style.marks(labels)
    sheet = common.Sheet()
    per_row = spec.panels if spec.column == "double" else 1
    figure, axes = common.grid(spec, len(games), per_row, 2.2 if min(per_row, len(games)) < 3 else 1.9, labels)
    for game, panel in zip(games, axes, strict=True):
        for variant, points in per_game[game].items():
            _, x, y = zip(*points, strict=True) if points else ((), (), ())
            look = {"color": marks[variant].colour, "marker": marks[variant].marker or "o", "alpha": 0.75}
            (handle,) = panel.plot(x, y, **look, linestyle="", markersize=3.5, markeredgewidth=0)
            sheet.legend.setdefault(variant, handle)
            sheet.rows += [common.row(game, variant, "run", None, b) | {"x": a, "run": run} for run, a, b in points]
        if spec.log:
            style.logarithmic(panel.xaxis)
        panel.set_title(game_title(game) + (_correlation(game, per_game[game], sheet) if spec.correlation else ""))
    across = spec.axis or spec.x or metrics.axis(str(spec.x_metric), spec.normalisation)
    common.name_axes(axes, per_row, across, metrics.axis(spec.metric, spec.normalisation))
    common.legend_below(figure, sheet.legend)
    used = {f"{cell.label} on {game}": cell.curves for game in games for cell in found[game] if cell.curves is not None}
    notes = ["Points: single runs.", *_trials(spec, found), *sheet.notes]
    if spec.x_metric:
        notes.append(f"x: {spec.x_metric}, {metrics.meaning(spec.x_metric)}.")
    if spec.correlation:
        notes.append("ρ: Spearman's rank correlation over the runs of a panel.")
    about = caption.from_runs(spec, scores, used, notes, interval=False)
    return common.Drawing(figure, sheet.table(), about, common.by_game(axes, games))


def _by_run(spec: Scatter, scores: Scores) -> dict[str, float]:
    """run -> its number of the metric on the x axis; nothing where a varied key is there."""
    if spec.x_metric is None:
        return {}
    numbers = one_number(select(scores, spec, spec.x_metric), spec.x_score)
    return dict(zip(numbers.runs, numbers.numbers, strict=True))


def _points(spec: Scatter, found: list[Cell], other: dict[str, float]) -> Points:
    """variant -> its runs with score and x, in the order of the cells. UserError for what the axis cannot show."""
    lines: Points = {}
    for cell in found:
        mine = lines.setdefault(cell.variant, [])
        if cell.curves is None:
            continue
        for run, score in zip(cell.curves.runs, cell.curves.numbers, strict=True):
            x = other.get(run) if spec.x is None else cell.vary.get(spec.x)
            if x is None:
                continue
            if not isinstance(x, int | float) or isinstance(x, bool):
                raise UserError(f"{spec.id}: {spec.x} has the value {x}, which is no number")
            if spec.log and x <= 0:
                raise UserError(
                    f"{spec.id}: x is {x:g} in {run}, which a logarithmic axis cannot show; set 'log: false'"
                )
            mine.append((run, float(x), float(score)))
    return lines


def _correlation(game: str, lines: Points, sheet: common.Sheet) -> str:
    """The title's second line, 'ρ = 0.50', and its row of data; nothing of two runs, or where all are alike."""
    points = pd.DataFrame([point for mine in lines.values() for point in mine], columns=["run", "x", "y"])
    if len(points) < 3 or points.x.nunique() < 2 or points.y.nunique() < 2:
        sheet.note(f"{game_title(game)} has too few different values for a rank correlation.")
        return ""
    found = spearmanr(points.x, points.y)
    row = common.row(game, "all runs", "correlation", None, found.statistic, n=len(points))
    sheet.rows.append(row | {"p": float(found.pvalue)})
    return f"\nρ = {found.statistic:.2f}"


def _trials(spec: Scatter, found: dict[str, list[Cell]]) -> list[str]:
    """How many settings each variant was given: a comparison of tuned scores is fair where they are as many."""
    if spec.x is None:
        return []
    tried: dict[str, dict[str, None]] = {}
    for each in found.values():
        for cell in each:
            tried.setdefault(cell.variant, {})[repr(sorted(cell.vary.items()))] = None
    runs = {
        v: sum(0 if c.values is None else len(c.values) for e in found.values() for c in e if c.variant == v)
        for v in tried
    }
    return [f"Trials: {', '.join(f'{v} {len(t)} settings in {runs[v]} runs' for v, t in tried.items())}."]
