"""How much of a grid of settings works: the share of cells that score above a level, for every level.

One step line per variant (one minus the empirical distribution over the cells); a vertical line marks the
threshold, and the legend gives each variant's share there.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis import caption, style
from analysis.cells import cell_means, cells, share_above
from analysis.errors import NoData
from analysis.figures import common
from analysis.load import Scores, select
from analysis.metrics import axis
from analysis.reference import Reference
from analysis.spec.items import GridShare
from analysis.text import number


def draw(spec: GridShare, scores: Scores, reference: Reference) -> common.Drawing:
    """UserError for unknown names, and where raw scores of several games would be averaged."""
    found = cells(select(scores, spec), spec, reference)
    curves = {cell.label: cell.curves for cell in found if cell.curves is not None}
    if not curves:
        raise NoData(f"{spec.id}: no run has a score")
    variants = list(dict.fromkeys(cell.variant for cell in found))
    shares = {v: share_above([c for c in found if c.variant == v], spec.threshold, spec.interval) for v in variants}
    names = {v: _legend(v, shares[v]) for v in variants}
    marks = style.marks(variants)
    sheet = common.Sheet()
    figure, (axes,) = common.grid(spec, 1, 1, 2.4, list(names.values()))
    for variant in variants:
        means = cell_means([c for c in found if c.variant == variant])
        levels = np.sort(means[np.isfinite(means)])
        # the share above a level x falls by one cell at each cell's own mean
        steps = 100 * np.arange(len(levels), -1, -1) / len(means)
        start = min(0.0, *levels) if len(levels) else 0.0
        x = np.r_[start, levels, levels[-1:]]
        y = np.r_[steps[0], steps]
        look = {"color": marks[variant].colour, "linestyle": marks[variant].dash, "marker": marks[variant].marker}
        every = max(1, len(x) // common.MARKERS)
        (handle,) = axes.plot(x, y[: len(x)], drawstyle="steps-pre", **look, markersize=3, markevery=every)
        sheet.legend[names[variant]] = handle
        value = shares[variant]
        row = common.row(variant, variant, "share", None, value.point, value.low, value.high, value.n[1])
        sheet.rows.append(row | {"score": spec.threshold, "cells": len(means)})
        for level, share in zip(levels, steps[1:], strict=True):
            sheet.rows.append(common.row(variant, variant, "step", None, share) | {"score": level, "cells": len(means)})
    axes.axvline(spec.threshold, color="#444444", linestyle=style.REFERENCE_DASH, linewidth=1.0)
    axes.set_ylim(0, 102)
    axes.set_xlabel(axis(spec.metric, spec.normalisation))
    axes.set_ylabel("Settings that score more (%)")
    common.legend_below(figure, sheet.legend)
    counts = sorted({sum(c.variant == v for c in found) for v in variants})
    notes = [
        f"Cells: {' or '.join(map(str, counts))} settings per variant, mean over seeds and games; dotted line and "
        f"legend: share above {number(spec.threshold)}, interval over seeds with the settings fixed."
    ]
    lost = sum(c.values is None for c in found)
    if lost:
        notes.append(f"{lost} setting(s) left no score and count as below every level.")
    if any(m["experiment"] in spec.experiments for m in scores.missing):
        notes.append("Settings whose runs are all missing are not counted.")
    return common.Drawing(figure, pd.DataFrame(sheet.rows), caption.from_runs(spec, scores, curves, notes))


def _legend(variant: str, value) -> str:
    text = f"{variant}: {value.point:.0f} %"
    return text if value.low is None else f"{text} [{value.low:.0f}, {value.high:.0f}]"
