"""Bars of the score by a varied key, e.g. the network's layers: groups of values, one bar per variant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from analysis import caption, style
from analysis.cells import by_value, cells, rank
from analysis.errors import NoData
from analysis.figures import common
from analysis.intervals import estimate
from analysis.load import Scores, select, varied_keys
from analysis.metrics import axis
from analysis.reference import Reference
from analysis.spec.items import DepthBars
from analysis.text import canonical


def draw(spec: DepthBars, scores: Scores, reference: Reference) -> common.Drawing:
    """UserError for unknown names or keys, mixed settings of another key, and raw scores of several games."""
    common.check_reference_lines(spec, scores)
    rows = select(scores, spec)
    fixed = rows.variant.isin(spec.reference_lines)
    found = cells(rows[~fixed], spec, reference)
    lines = by_value(found, spec.x, spec.id, varied_keys(scores, spec))
    if not lines:
        raise NoData(f"{spec.id}: no finished run varies {spec.x}")
    values: dict[str, Any] = {}
    for points in lines.values():
        values |= {canonical(value): value for value, _ in points}
    order = sorted(values, key=lambda text: rank(values[text]))
    marks = style.marks([*lines, *spec.reference_lines])
    sheet = common.Sheet()
    curves = {cell.label: cell.curves for cell in found if cell.curves is not None}
    figure, (axes,) = common.grid(spec, 1, 1, 2.3, [*lines, *spec.reference_lines])
    thick = 0.8 / len(lines)
    for k, (variant, points) in enumerate(lines.items()):
        for value, cell in points:
            if cell.values is None:
                sheet.note(f"{cell.label} left no score.")
                continue
            e = estimate(cell.values, cell.games, "mean", spec.interval)
            at = order.index(canonical(value)) + (k - (len(lines) - 1) / 2) * thick
            bar = axes.bar(at, float(e.point), width=thick * 0.92, **style.fill(marks[variant]))
            sheet.legend.setdefault(variant, bar)
            if e.low is not None:
                common.whisker(axes, [at, at], [e.low, e.high])
            sheet.rows.append(
                common.row("", variant, "bar", None, e.point, e.low, e.high, e.n[1]) | {spec.x: tick(value)}
            )
    for cell in cells(rows[fixed], spec.model_copy(update={"variants": spec.reference_lines}), reference):
        if cell.values is not None:
            value = estimate(cell.values, cell.games, "mean", spec.interval)
            common.reference_line(axes, sheet, "", cell.label, value, marks[cell.variant].colour)
            curves[cell.label] = cell.curves
    if not curves:
        raise NoData(f"{spec.id}: no run has a score")
    axes.set_xticks(np.arange(len(order)), [tick(values[text]) for text in order])
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="x", visible=False)
    axes.set_xlabel(spec.axis or spec.x)
    axes.set_ylabel(axis(spec.metric, spec.normalisation))
    common.legend_below(figure, sheet.legend)
    return common.Drawing(figure, sheet.table(), caption.from_runs(spec, scores, curves, sheet.notes))


def tick(value: Any) -> str:
    """[[24, 3, 1], [24, 3, 1]] -> '24-24' (channels of each convolution), [-2, -3] -> '-2, -3', 0.001 -> '0.001'."""
    if isinstance(value, list) and value and isinstance(value[0], list):
        return "-".join(str(layer[0]) for layer in value)
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def setting(keys: list[str], vary: Mapping[str, Any]) -> str:
    """'24-24, centered False': the values of some varied keys, with the key's last word where it is no list."""
    values = ((key.rpartition(".")[2], vary.get(key)) for key in keys)
    return ", ".join(tick(value) if isinstance(value, list) else f"{name} {tick(value)}" for name, value in values)
