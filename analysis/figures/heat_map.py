"""Heat map of two varied keys, one panel per variant: the mean in each cell, with the number of runs printed.

Further varied keys may have a row of panels for each combination of their values. Grey cells have no run; cells with a
diverged run are hatched and say how many diverged. Cells too narrow for that hold the mean alone; the data have all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.patches import Rectangle

from analysis import caption, style
from analysis.cells import cells, rank
from analysis.curves import Curves
from analysis.errors import NoData, UserError, unknown
from analysis.figures import common
from analysis.figures.depth_bars import setting
from analysis.load import Scores, chosen, select, varied_keys
from analysis.metrics import axis
from analysis.reference import Reference
from analysis.spec.items import HeatMap
from analysis.text import canonical, number


@dataclass
class Square:
    """Runs of one variant with one pair of values."""

    values: list[float] = field(default_factory=list)
    diverged: int = 0
    missing: int = 0


NARROW = 0.3  # inches of a cell in which only a mean of two digits has room
Grid = dict[tuple[Any, Any], Square]  # by the values of x and y
Panel = tuple[str, str]  # a row's name, '' where there is one; a variant


def draw(spec: HeatMap, scores: Scores, reference: Reference) -> common.Drawing:
    """UserError for unknown names or keys, and for cells that mix settings of a key that has no axis and no rows."""
    rows = select(scores, spec)
    found = cells(rows, spec, reference)
    keys = varied_keys(scores, spec)
    for key in (spec.x, spec.y, *spec.by):
        if key not in keys:
            raise unknown("varied key", key, keys, spec.id)
    diverged = rows[rows.status == "diverged"].groupby(["variant", "vary"]).run.nunique()
    order = sorted(found, key=lambda cell: rank([cell.vary.get(key) for key in spec.by]))  # variants as they were
    grids: dict[Panel, Grid] = {}
    curves: dict[str, Curves] = {}
    for cell in order:
        pair, row = _pair(spec, cell.vary), setting(spec.by, cell.vary)
        if None in pair:
            continue
        grid = grids.setdefault((row, cell.variant), {})
        if pair in grid:
            raise UserError(f"{spec.id}: {cell.variant} has several settings in cell {pair}; choose one with 'where'")
        grid[pair] = Square(diverged=int(diverged.get((cell.variant, canonical(cell.vary)), 0)))
        if cell.curves is not None:
            curves[cell.label] = cell.curves
            grid[pair].values = list(cell.curves.numbers)
    for entry in chosen(scores, spec)[1]:
        vary = entry.get("vary") or {}
        panel, pair = (setting(spec.by, vary), entry["variant"]), _pair(spec, vary)
        if panel in grids and None not in pair:
            grids[panel].setdefault(pair, Square()).missing += 1
    if not curves:
        raise NoData(f"{spec.id}: no run has a score and both keys {spec.x!r} and {spec.y!r}")
    return _plot(spec, scores, grids, curves)


def _pair(spec: HeatMap, vary: Mapping[str, Any]) -> tuple[Any, Any]:
    return vary.get(spec.x), vary.get(spec.y)


def _plot(spec: HeatMap, scores: Scores, grids: dict[Panel, Grid], curves: dict[str, Curves]) -> common.Drawing:
    pairs = {pair for grid in grids.values() for pair in grid}
    xs, ys = sorted({p[0] for p in pairs}), sorted({p[1] for p in pairs})
    middle = np.mean if spec.statistic == "mean" else np.median
    shown = [float(middle(c.values)) for grid in grids.values() for c in grid.values() if c.values]
    low, high = min(shown), max(shown)
    high = high if high > low else low + 1.0
    panels = _in_rows(list(grids))
    variants = list(dict.fromkeys(variant for _, variant in panels))
    across = len(variants) if spec.by else min(len(variants), 3 if spec.column == "double" else 1)
    sheet = common.Sheet()
    wide = (0.85 * style.width(spec.venue, spec.column) / across - 0.45) / len(xs)  # of a cell, inches
    tight, longest = wide < NARROW, 0.053 * max(len(_tick(x)) for x in xs)
    upright = tight or longest > 0.9 * wide
    least = 1.5 if len(panels) == across else 1.2  # a single row has the whole length of the bar's label beside it
    height = max(least, (0.6 if spec.by else 0.75) + (0.24 if spec.by else 0.36) * len(ys))
    height += max(0.0, longest - 0.1) if upright else 0.0
    figure, axes = common.grid(spec, len(panels), across, height, [], least=height)
    colours = style.plt.get_cmap("cividis")
    for i, (panel, (row, variant)) in enumerate(zip(axes, panels, strict=True)):
        grid = grids.get((row, variant), {})
        for (x, y), cell in sorted(grid.items()):
            _cell(panel, xs.index(x), ys.index(y), cell, middle, colours, (low, high), tight)
            value = float(middle(cell.values)) if cell.values else np.nan
            sheet.rows.append(
                {"panel": variant, **({"row": row} if spec.by else {}), spec.x: x, spec.y: y, "value": value,
                 "n": len(cell.values), "diverged": cell.diverged, "missing": cell.missing}
            )  # fmt: skip
        for x in range(len(xs)):
            for y in range(len(ys)):
                if (xs[x], ys[y]) not in grid:
                    panel.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor="#d9d9d9", edgecolor="white"))
        panel.set_xlim(-0.5, len(xs) - 0.5)
        panel.set_ylim(-0.5, len(ys) - 0.5)
        under = i >= len(panels) - across or not spec.by  # what stands below the last row says it of all
        panel.set_xticks(range(len(xs)), [_tick(x) for x in xs] if under else [], rotation=90 if upright else 0)
        panel.set_yticks(range(len(ys)), [_tick(y) for y in ys])
        panel.grid(visible=False)
        panel.tick_params(length=0)
        for side in panel.spines.values():
            side.set_visible(False)
        if under:
            panel.set_xlabel(spec.x_axis or spec.x)
        if i % across == 0:
            panel.set_ylabel(spec.y_axis or spec.y)
        panel.set_title("\n".join(filter(None, [variant, row])))
    bar = figure.colorbar(
        style.plt.cm.ScalarMappable(style.plt.Normalize(low, high), colours), ax=axes, shrink=0.9, pad=0.02,
        aspect=20 * len(panels) / across,
    )  # fmt: skip
    bar.set_label(axis(spec.metric, spec.normalisation))
    bar.outline.set_visible(False)
    below = "" if tight else ", number of runs below it"
    notes = [f"Cells: {spec.statistic} over runs{below}; grey: no run; hatched: a run diverged."]
    about = caption.from_runs(spec, scores, curves, notes, interval=False)
    parts = {panel: {"variant": variant} for panel, (_, variant) in zip(axes, panels, strict=True)}
    return common.Drawing(figure, pd.DataFrame(sheet.rows), about, parts)


def _in_rows(found: list[Panel]) -> list[Panel]:
    """Every row with every variant, rows and variants in the order in which they were found."""
    rows, variants = (list(dict.fromkeys(panel[i] for panel in found)) for i in (0, 1))
    return [(row, variant) for row in rows for variant in variants]


def _cell(panel, x: int, y: int, cell: Square, middle, colours, limits: tuple[float, float], tight: bool) -> None:
    value = float(middle(cell.values)) if cell.values else None
    share = 0.0 if value is None else (value - limits[0]) / (limits[1] - limits[0])
    face = "#d9d9d9" if value is None else colours(share)
    ink = "white" if value is not None and share < 0.5 else "#111111"
    hatch = "xxx" if cell.diverged else None
    panel.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=face, edgecolor="white", hatch=hatch, linewidth=0.8))
    count = f"n={len(cell.values)}"
    if cell.diverged:
        count += f", {cell.diverged} div."
    if cell.missing:
        count += f", {cell.missing} missing"
    if tight:
        inside = "" if value is None else f"{value:.2g}" if abs(value) < 100 else f"{value:.0f}"
    else:
        inside = count if value is None else f"{number(value)}\n{count}"
    box = {"facecolor": face, "edgecolor": "none", "pad": 0.8} if cell.diverged else None
    panel.text(x, y, inside, ha="center", va="center", fontsize=6, color=ink, linespacing=1.25, bbox=box)


def _tick(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
