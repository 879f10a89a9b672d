"""Share of runs that got there against how long it took; runs that gave up count for as long as they tried."""

from __future__ import annotations

import numpy as np

from analysis import caption, style
from analysis.curves import by_label, some
from analysis.errors import UserError, unknown
from analysis.figures import common
from analysis.load import Scores, select
from analysis.metrics import axis, one_scale
from analysis.reference import Reference
from analysis.spec.items import Survival


def draw(spec: Survival, scores: Scores, reference: Reference) -> common.Drawing:
    """UserError for unknown names, several games, or runs without `<metric>_censored`."""
    rows = select(scores, spec)
    one_scale(spec, list(rows.game))
    costs = some(by_label(rows, spec.variants, 1, "final"), spec.id)
    gave_up = by_label(select(scores, spec, f"{spec.metric}_censored"), spec.variants, 1, "final")
    marks = style.marks(costs)
    for name in spec.published:
        if name not in marks:
            raise unknown("variant", name, marks, f"{spec.id}: published")
    sheet = common.Sheet()
    published: dict[float, list[str]] = {}  # one line for variants of the same value
    for name in marks:
        if name in spec.published:
            published.setdefault(spec.published[name], []).append(name)
    legend = {value: f"{', '.join(names)} (published)" for value, names in published.items()}
    figure, (panel,) = common.grid(spec, 1, 1, 2.2, [*marks, *legend.values()])
    for label, curves in costs.items():
        if label not in gave_up or curves.runs != gave_up[label].runs:
            raise UserError(f"{spec.id}: {label} does not say of every run whether it gave up")
        cost, censored = curves.numbers, gave_up[label].numbers > 0
        times, share = kaplan_meier(cost, censored)
        end = float(cost.max())
        x, y = np.r_[0.0, times, end], 100 * np.r_[0.0, share, share[-1:] if len(share) else 0.0]
        shade, dash, every = marks[label].colour, marks[label].dash, max(1, len(x) // common.MARKERS)
        look = {"color": shade, "linestyle": dash, "marker": marks[label].marker, "markersize": 3, "markevery": every}
        (handle,) = panel.step(x, y, where="post", **look, zorder=3)
        sheet.legend[label] = handle
        for at, value in zip(x, y, strict=True):
            sheet.rows.append(common.row("", label, "share", None, value, n=len(cost)) | {spec.metric: float(at)})
        for at in np.unique(cost[censored]):
            here = float(y[np.searchsorted(x, at, side="right") - 1])
            panel.plot([at], [here], "|", color=shade, markersize=6, zorder=3)
            sheet.rows.append(common.row("", label, "gave up", None, here, n=len(cost)) | {spec.metric: float(at)})
        solved = f"mean of those {np.mean(cost[~censored]):.4g}" if (~censored).any() else "no mean"
        sheet.note(f"{label}: {int((~censored).sum())} of {len(cost)} runs got there, {solved}.")
    for value, names in published.items():
        shade = marks[names[0]].colour if len(names) == 1 else "#444444"
        line = panel.axvline(value, color=shade, linestyle=style.PUBLISHED_DASH, linewidth=1.1, zorder=2)
        sheet.legend[legend[value]] = line
        sheet.rows += [common.row("", name, "published", None, value) for name in names]
    panel.set_ylim(-3, 103)
    panel.set_xlim(left=0)
    panel.set_xlabel(axis(spec.metric, spec.normalisation))
    panel.set_ylabel("Runs (%)")
    common.legend_below(figure, sheet.legend)
    notes = ["Lines: Kaplan-Meier estimate; ticks: runs that gave up.", *sheet.notes]
    if spec.published:
        notes.append(f"Dashed: published means ({spec.source_published}).")
    return common.Drawing(figure, sheet.table(), caption.from_runs(spec, scores, costs, notes, interval=False))


def kaplan_meier(cost: np.ndarray, censored: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(times at which a run got there, share of runs that had got there by then) from costs [R], censored [R].

    Kaplan & Meier 1958; no times where all runs gave up.
    """
    times = np.unique(cost[~censored])
    still = [np.sum(cost >= t) for t in times]
    ends = [np.sum((cost == t) & ~censored) for t in times]
    return times, 1 - np.cumprod(1 - np.divide(ends, still)) if len(times) else np.empty(0)
