"""The memory's rows sorted by a recorded value, at several training times.

Schaul et al. 2016, Figures 10 and 11 (arXiv:1511.05952). Training records percentiles; a point is the share of rows
with a larger value against the percentile.
"""

from __future__ import annotations

import numpy as np

from analysis import caption, style
from analysis.curves import Curves, align, scored
from analysis.errors import NoData, unknown
from analysis.figures import common
from analysis.load import Scores, select
from analysis.metrics import PERCENTILES, axis
from analysis.reference import Reference
from analysis.spec.items import Distribution
from analysis.text import frames_text, game_title


def draw(spec: Distribution, scores: Scores, reference: Reference) -> common.Drawing:
    """UserError for unknown names, and for a metric that is not recorded as percentiles."""
    found = percentiles(spec, scores)
    panels: dict[tuple[str, str], dict[float, Curves]] = {}
    for percent, name in found.items():
        rows = select(scores, spec, metric=name)
        for (label, game), group in rows.groupby(["label", "game"]):
            if len(scored(group)):
                panels.setdefault((label, game), {})[percent] = align(group, spec.window)
    if not panels:
        raise NoData(f"{spec.id}: no run has a value of {spec.metric}")
    order = {name: i for i, name in enumerate(spec.variants or [])}
    middle = {key: next(iter(parts.values())) for key, parts in panels.items()}
    keys = sorted(panels, key=lambda key: (order.get(key[0].partition(" (")[0], 0), key))
    times = {key: _times(middle[key].frames, spec.times) for key in keys}
    texts = [f"{frames_text(frame)} frames" for frame in sorted({int(f) for chosen in times.values() for f in chosen})]
    colours = style.plt.get_cmap("viridis")
    sheet = common.Sheet()
    across = spec.panels if spec.column == "double" else 1
    figure, axes = common.grid(spec, len(keys), across, 2.1, texts)
    last = max(int(chosen[-1]) for chosen in times.values())
    for panel, key in zip(axes, keys, strict=True):
        label, game = key
        title = f"{label}, {game_title(game)}"
        for frame in times[key]:
            points = sorted(
                (1 - percent / 100, float(curves.values[:, np.searchsorted(curves.frames, frame)].mean()))
                for percent, curves in panels[key].items()
                if frame in curves.frames
            )
            positive = [(x, y) for x, y in points if y > 0]
            if len(positive) < len(points):
                sheet.note("Values of 0 have no place on a logarithmic axis.")
            text = f"{frames_text(int(frame))} frames"
            if positive:
                # the sequential map runs from dark (early) to light green: its yellow end is hard to see on white
                shade = colours(0.85 * float(frame) / max(last, 1))
                (handle,) = panel.plot(
                    *zip(*positive, strict=True), color=shade, linewidth=1.2, marker=".", markersize=3
                )
                sheet.legend.setdefault(text, handle)
            for x, y in points:
                sheet.rows.append(
                    common.row(title, label, "curve", int(frame), y, n=len(middle[key].runs))
                    | {"game": game, "share": x}
                )
        style.logarithmic(panel.xaxis)
        style.logarithmic(panel.yaxis)
        common.title(panel, min(across, len(keys)), [label, game_title(game)])
    common.name_axes(axes, across, "Share of rows with a larger value", axis(spec.metric, "raw"))
    common.legend_below(figure, dict(sorted(sheet.legend.items(), key=lambda item: texts.index(item[0]))))
    used = {f"{label} on {game}": curves for (label, game), curves in middle.items()}
    notes = ["Lines: percentiles over the memory's rows, mean over seeds; colours: training frames."]
    text = caption.from_runs(spec, scores, used, notes + sheet.notes, interval=False, metrics=found.values())
    return common.Drawing(figure, sheet.table(), text, common.by_game(axes, [game for _, game in keys]))


def percentiles(spec: Distribution, scores: Scores) -> dict[float, str]:
    """Percent -> name of the recorded metric, ascending; UserError for a metric without percentiles."""
    mine = scores.rows[scores.rows.experiment.isin(spec.experiments)]
    names = [str(name) for name in mine.metric.unique()]
    found = {float(n[len(spec.metric) + 2 : -1]): n for n in names if n.startswith(f"{spec.metric}[q")}
    stems = {n.partition("[q")[0] for n in names if "[q" in n} | set(PERCENTILES)
    if spec.metric not in stems:
        raise unknown("metric of percentiles", spec.metric, stems, ", ".join(spec.experiments))
    return dict(sorted(found.items())) or {50.0: f"{spec.metric}[q50]"}


def _times(frames: np.ndarray, wanted: int) -> np.ndarray:
    """`wanted` of the frames, evenly from the first to the last; the last alone for one."""
    if wanted == 1:
        return frames[-1:]
    return frames[np.unique(np.linspace(0, len(frames) - 1, wanted).round().astype(int))]
