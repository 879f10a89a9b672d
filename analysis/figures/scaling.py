"""Cost against size on logarithmic axes, e.g. updates until learned against transitions in memory."""

from __future__ import annotations

import numpy as np

from analysis import caption, style
from analysis.curves import by_label, some
from analysis.errors import UserError
from analysis.figures import common
from analysis.load import Scores, select
from analysis.metrics import axis
from analysis.normalise import CLOCKS
from analysis.reference import Reference
from analysis.spec.items import Scaling
from analysis.text import game_title


def draw(spec: Scaling, scores: Scores, reference: Reference) -> common.Drawing:
    """UserError for unknown names, or runs without `<metric>_censored`."""
    rows = select(scores, spec)
    censored = select(scores, spec, f"{spec.metric}_censored")
    games = [game for game in spec.games or sorted(rows.game.unique()) if game in set(rows.game)]
    marks = style.marks(list(some(by_label(rows, spec.variants, 1), spec.id)))
    sheet = common.Sheet()
    used = {}
    across = 2 if spec.column == "double" else 1
    figure, axes = common.grid(spec, len(games), across, 2.6, list(marks))
    for game, panel in zip(games, axes, strict=True):
        gave_up = by_label(censored[censored.game == game], spec.variants, 1)
        for label, curves in by_label(rows[rows.game == game], spec.variants, spec.window).items():
            used[f"{label} on {game}"] = curves
            low, middle, high = np.quantile(curves.values, [0.25, 0.5, 0.75], axis=0)
            if label not in gave_up or not np.array_equal(gave_up[label].frames, curves.frames):
                raise UserError(f"{spec.id}: {label} does not say at every size whether its runs gave up")
            share = gave_up[label].values.mean(axis=0)
            shade, dash = marks[label].colour, marks[label].dash
            (handle,) = panel.plot(curves.frames, middle, color=shade, linestyle=dash, zorder=3)
            if len(curves.runs) > 1:
                panel.fill_between(curves.frames, low, high, color=shade, alpha=0.2, linewidth=0, zorder=2)
            for marker, chosen in (("o", share == 0), ("^", share > 0)):
                panel.plot(
                    curves.frames[chosen], middle[chosen], marker, color=shade, markersize=3, zorder=3,
                    markerfacecolor=shade if marker == "o" else "white",
                )  # fmt: skip
            sheet.legend.setdefault(label, handle)
            for x, y, bottom, top, part in zip(curves.frames, middle, low, high, share, strict=True):
                row = common.row(game, label, "median", int(x), y, bottom, top, len(curves.runs))
                sheet.rows.append(row | {"censored": float(part)})
            if share.any():
                sheet.note(f"Open triangles ({label}): some runs gave up there and count with their cap.")
        style.logarithmic(panel.xaxis)
        style.logarithmic(panel.yaxis)
        if len(games) > 1:
            panel.set_title(game_title(game))
    common.name_axes(axes, across, CLOCKS[common.clock(spec, scores)], axis(spec.metric, spec.normalisation))
    common.legend_below(figure, sheet.legend)
    notes = ["Lines: median over seeds; bands: quartiles.", *sheet.notes]
    about = caption.from_runs(spec, scores, used, notes, interval=False)
    return common.Drawing(figure, sheet.table(), about, common.by_game(axes, games))
