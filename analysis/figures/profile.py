"""Several metrics of the same runs side by side, e.g. the score with 0, 1, 2, … observations remembered."""

from __future__ import annotations

import textwrap

import numpy as np

from analysis import caption, style
from analysis.curves import Curves, by_label, some
from analysis.errors import NoData
from analysis.figures import common
from analysis.intervals import Estimate, estimate, ratio_of_means
from analysis.load import Scores, select
from analysis.metrics import one_scale
from analysis.reference import Reference
from analysis.spec.items import Profile, ProfilePanel
from analysis.spec.metrics import scale_of


def draw(spec: Profile, scores: Scores, reference: Reference) -> common.Drawing:
    """UserError for unknown names and for raw scores of several games."""
    sheet, used = common.Sheet(), {}
    whole = _whole(spec, scores, reference)
    found = [_panel(spec, panel, scores, reference, whole, used, sheet) for panel in spec.panels]
    some(used, spec.id)
    labels = list(dict.fromkeys(label for columns in found for column in columns for label in column))
    marks = style.marks(labels)
    figure, axes = common.grid(spec, len(spec.panels), 3 if spec.column == "double" else 1, 2.0, labels)
    for panel, columns, area in zip(spec.panels, found, axes, strict=True):
        if not any(columns):
            common.nothing(area, "No run has a value here")
            area.set(xlim=(-0.5, len(columns) - 0.5), yticks=[])
        for k, label in enumerate(labels if any(columns) else ()):
            _one(
                spec, panel, columns, area, sheet, label, (k - (len(labels) - 1) / 2) * 0.8 / len(labels), marks[label]
            )
        area.set_xticks(range(len(columns)), list(panel.metrics))
        area.tick_params(axis="x", length=0)
        area.grid(axis="x", visible=False)
        area.set_title(panel.title)
        area.set_xlabel(spec.axis)
        area.set_ylabel(textwrap.fill(panel.axis, 26))
    common.legend_below(figure, sheet.legend)
    if spec.percent_of is not None:
        sheet.note(f"100 %: each variant's own {spec.percent_of}, mean over seeds and games, as the values above are.")
    if len(games := {game for curves in used.values() for game in curves.games}) > 1:
        sheet.note(f"Mean over {caption.games_text(games)}.")
    metrics = {metric for panel in spec.panels for metric in panel.metrics.values()}
    return common.Drawing(figure, sheet.table(), caption.from_runs(spec, scores, used, sheet.notes, metrics=metrics))


def _panel(
    spec: Profile,
    panel: ProfilePanel,
    scores: Scores,
    reference: Reference,
    whole: dict[str, Curves] | None,
    used: dict[str, Curves],
    sheet: common.Sheet,
) -> list[dict[str, Estimate]]:
    """For each metric, from left to right: label -> estimate. `used` gains the curves behind them."""
    columns = []
    for name, metric in panel.metrics.items():
        column: dict[str, Estimate] = {}
        columns.append(column)
        try:
            rows = select(scores, spec, metric)
        except NoData as reason:  # the other metrics are shown
            sheet.note(f"Nothing for {name}: {reason}.")
            continue
        one_scale(_of(spec, metric), list(rows.game))
        for label, curves in by_label(rows, spec.variants, spec.window, spec.score).items():
            curves = curves.scaled(scale_of(metric, spec.normalisation), reference)
            if whole is None:
                column[label] = estimate(curves.numbers, curves.games, "mean", spec.interval)
            elif label in whole:
                column[label] = _share(curves, whole[label], spec)
            used[f"{panel.title} {name} {label}".strip()] = curves
    return columns


def _whole(spec: Profile, scores: Scores, reference: Reference) -> dict[str, Curves] | None:
    """label -> what is 100 % of each of its runs; None where values are shown as they are."""
    if spec.percent_of is None:
        return None
    rows = select(scores, spec, spec.percent_of)
    one_scale(_of(spec, spec.percent_of), list(rows.game))
    found = by_label(rows, spec.variants, spec.window, spec.score)
    scale = scale_of(spec.percent_of, spec.normalisation)
    return {label: curves.scaled(scale, reference) for label, curves in found.items()}


def _of(spec: Profile, metric: str) -> Profile:
    """The same of one of its metrics alone."""
    return spec.model_copy(update={"metric": metric, "normalisation": scale_of(metric, spec.normalisation)})


def _share(curves: Curves, whole: Curves, spec: Profile) -> Estimate:
    """Percent that the mean over games is of another metric's, of the runs that have both; runs are drawn whole."""
    kept = [run for run in curves.runs if run in whole.runs]
    parts, alls = (np.array([dict(zip(c.runs, c.numbers, strict=True))[run] for run in kept]) for c in (curves, whole))
    games = [curves.games[curves.runs.index(run)] for run in kept]
    return ratio_of_means(parts, alls, games, spec.interval).times(100.0)


def _one(spec: Profile, panel: ProfilePanel, columns: list, area, sheet: common.Sheet, label, shift, mark) -> None:
    """The bars or the line of one variant in one panel, with their intervals."""
    bars = spec.shape == "bars"
    places = [i for i, column in enumerate(columns) if label in column]
    values = [columns[i][label] for i in places]
    at = [i + shift * bars for i in places]
    heights = [float(v.point) for v in values]
    if bars:
        width = 0.92 * 0.8 / max(len(column) for column in columns)
        handle = area.bar(at, heights, width=width, **style.fill(mark))
    else:
        look = {"color": mark.colour, "linestyle": mark.dash, "marker": mark.marker or "o"}
        (handle,) = area.plot(at, heights, **look, markersize=3, zorder=3)
    sheet.legend.setdefault(label, handle)
    names = list(panel.metrics)
    for i, x, value in zip(places, at, values, strict=True):
        if value.low is not None:
            if bars:
                common.whisker(area, [x, x], [value.low, value.high])
            else:
                area.plot([x, x], [value.low, value.high], color=mark.colour, linewidth=0.8)
        entry = common.row(panel.title, label, "point", None, value.point, value.low, value.high, value.n[1])
        sheet.rows.append(entry | {"metric": panel.metrics[names[i]], "position": names[i]})
