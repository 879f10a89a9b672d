"""Aggregates over games with their intervals: one panel per statistic, one bar per variant."""

from __future__ import annotations

from analysis import caption, style
from analysis.curves import by_label, some
from analysis.figures import common
from analysis.figures.aggregate_curves import TITLES
from analysis.intervals import estimate
from analysis.load import Scores, select
from analysis.metrics import axis, one_scale
from analysis.normalise import SCALES
from analysis.reference import Reference
from analysis.spec.items import IntervalBars
from analysis.text import number


def draw(spec: IntervalBars, scores: Scores, reference: Reference) -> common.Drawing:
    """UserError for unknown names and for raw scores of several games."""
    rows = select(scores, spec)
    one_scale(spec, list(rows.game), spec.statistics)
    curves = some(by_label(rows, spec.variants, spec.window, spec.score), spec.id)
    scale = SCALES[spec.normalisation]
    sheet = common.Sheet()
    across = min(len(spec.statistics), 4 if spec.column == "double" else 2)
    height = 0.75 + 0.24 * len(curves)
    figure, axes = common.grid(spec, len(spec.statistics), across, height, [], least=height)
    labels = list(curves)
    shades = style.shades(labels)
    for i, (statistic, panel) in enumerate(zip(spec.statistics, axes, strict=True)):
        for y, label in enumerate(labels):
            scaled = curves[label].scaled(spec.normalisation, reference)
            value = estimate(scaled.numbers, scaled.games, statistic, spec.interval, gamma=scale.factor)
            point = float(value.point)
            low, high = value.ends()
            shade = shades[label]
            if low is not None and high is not None:
                panel.barh(y, high - low, left=low, height=0.62, color=shade, alpha=0.4, linewidth=0)
            panel.plot([point, point], [y - 0.31, y + 0.31], color=shade, linewidth=2, solid_capstyle="butt")
            sheet.rows.append(common.row(TITLES[statistic], label, "bar", None, point, low, high, value.n[1]))
        panel.set_title(TITLES[statistic])
        panel.use_sticky_edges = False
        panel.margins(x=0.12)
        panel.set_ylim(len(labels) - 0.4, -0.6)
        panel.set_yticks(range(len(labels)), labels if i % across == 0 else [""] * len(labels))
        panel.tick_params(axis="y", length=0)
        panel.grid(axis="y", visible=False)
        panel.xaxis.set_major_locator(style.MaxNLocator(3))
        panel.xaxis.set_major_formatter(style.FuncFormatter(lambda v, _: number(v)))
    figure.supxlabel(axis(spec.metric, spec.normalisation), fontsize=8)
    notes = ["Stroke: point estimate; band: its interval.", f"Aggregated over {caption.games_text(rows.game)}."]
    return common.Drawing(figure, sheet.table(), caption.from_runs(spec, scores, curves, notes))
