"""Heat map of two varied keys, one panel per variant: the mean in each cell, with the number of runs printed.

Grey cells have no run; cells with a diverged run are hatched and say how many diverged.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from matplotlib.patches import Rectangle

from analysis import caption, style
from analysis.cells import cells
from analysis.curves import Curves
from analysis.errors import NoData, UserError, unknown
from analysis.figures import common
from analysis.load import Scores, canonical, select, varied_keys
from analysis.normalise import SCALES
from analysis.reference import Reference
from analysis.spec import HeatMap
from analysis.text import number


@dataclass
class Square:
    """Runs of one variant with one pair of values."""

    values: list[float] = field(default_factory=list)
    diverged: int = 0
    missing: int = 0


def draw(spec: HeatMap, scores: Scores, reference: Reference) -> common.Drawing:
    """UserError for unknown names or keys, and for cells that mix settings of a third key."""
    rows = select(scores, spec)
    found = cells(rows, spec, reference)
    keys = varied_keys(scores, spec)
    for key in (spec.x, spec.y):
        if key not in keys:
            raise unknown("varied key", key, keys, spec.id)
    diverged = rows[rows.status == "diverged"].groupby(["variant", "vary"]).run.nunique()
    grids: dict[str, dict[tuple, Square]] = {}
    curves: dict[str, Curves] = {}
    for cell in found:
        pair = (cell.vary.get(spec.x), cell.vary.get(spec.y))
        if None in pair:
            continue
        grid = grids.setdefault(cell.variant, {})
        if pair in grid:
            raise UserError(f"{spec.id}: {cell.variant} has several settings in cell {pair}; choose one with 'where'")
        grid[pair] = Square(diverged=int(diverged.get((cell.variant, canonical(cell.vary)), 0)))
        if cell.curves is not None:
            curves[cell.label] = cell.curves
            grid[pair].values = list(cell.curves.numbers)
    for entry in scores.missing:
        pair = tuple((entry.get("vary") or {}).get(key) for key in (spec.x, spec.y))
        if entry["experiment"] in spec.experiments and entry["variant"] in grids and None not in pair:
            grids[entry["variant"]].setdefault(pair, Square()).missing += 1
    if not curves:
        raise NoData(f"{spec.id}: no run has a score and both keys {spec.x!r} and {spec.y!r}")
    return _plot(spec, scores, grids, curves)


def _plot(
    spec: HeatMap, scores: Scores, grids: dict[str, dict[tuple, Square]], curves: dict[str, Curves]
) -> common.Drawing:
    pairs = {pair for grid in grids.values() for pair in grid}
    xs, ys = sorted({p[0] for p in pairs}), sorted({p[1] for p in pairs})
    middle = np.mean if spec.statistic == "mean" else np.median
    shown = [float(middle(c.values)) for grid in grids.values() for c in grid.values() if c.values]
    low, high = min(shown), max(shown)
    high = high if high > low else low + 1.0
    across = min(len(grids), 3 if spec.column == "double" else 1)
    sheet = common.Sheet()
    height = max(1.5, 0.75 + 0.36 * len(ys))
    figure, axes = common.grid(spec, len(grids), across, height, [])
    colours = style.plt.get_cmap("cividis")
    for i, (panel, (variant, grid)) in enumerate(zip(axes, grids.items(), strict=True)):
        for (x, y), cell in sorted(grid.items()):
            _cell(panel, xs.index(x), ys.index(y), cell, middle, colours, low, high)
            value = float(middle(cell.values)) if cell.values else np.nan
            sheet.rows.append(
                {"panel": variant, spec.x: x, spec.y: y, "value": value, "n": len(cell.values),
                 "diverged": cell.diverged, "missing": cell.missing}
            )  # fmt: skip
        for x in range(len(xs)):
            for y in range(len(ys)):
                if (xs[x], ys[y]) not in grid:
                    panel.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor="#d9d9d9", edgecolor="white"))
        panel.set_xlim(-0.5, len(xs) - 0.5)
        panel.set_ylim(-0.5, len(ys) - 0.5)
        panel.set_xticks(range(len(xs)), [_tick(x) for x in xs])
        panel.set_yticks(range(len(ys)), [_tick(y) for y in ys])
        panel.grid(visible=False)
        panel.tick_params(length=0)
        for side in panel.spines.values():
            side.set_visible(False)
        panel.set_xlabel(spec.x_axis or spec.x)
        if i % across == 0:
            panel.set_ylabel(spec.y_axis or spec.y)
        panel.set_title(variant)
    bar = figure.colorbar(
        style.plt.cm.ScalarMappable(style.plt.Normalize(low, high), colours), ax=axes, shrink=0.9, pad=0.02
    )
    bar.set_label(SCALES[spec.normalisation].axis)
    bar.outline.set_visible(False)
    notes = [f"Cells: {spec.statistic} over runs, number of runs below it; grey: no run; hatched: a run diverged."]
    return common.Drawing(
        figure, pd.DataFrame(sheet.rows), caption.from_runs(spec, scores, curves, notes, interval=False)
    )


def _cell(panel, x: int, y: int, cell: Square, middle, colours, low: float, high: float) -> None:
    value = float(middle(cell.values)) if cell.values else None
    share = 0.0 if value is None else (value - low) / (high - low)
    face = "#d9d9d9" if value is None else colours(share)
    ink = "white" if value is not None and share < 0.5 else "#111111"
    hatch = "xxx" if cell.diverged else None
    panel.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=face, edgecolor="white", hatch=hatch, linewidth=0.8))
    count = f"n={len(cell.values)}"
    if cell.diverged:
        count += f", {cell.diverged} div."
    if cell.missing:
        count += f", {cell.missing} missing"
    inside = count if value is None else f"{number(value)}\n{count}"
    box = {"facecolor": face, "edgecolor": "none", "pad": 0.8} if cell.diverged else None
    panel.text(x, y, inside, ha="center", va="center", fontsize=6, color=ink, linespacing=1.25, bbox=box)


def _tick(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
