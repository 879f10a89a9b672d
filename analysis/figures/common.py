"""What the kinds of figures share: the drawing they return, lines with bands, legends outside the data.

A kind is a module of this package with `draw(spec, scores, reference) -> Drawing`. It raises UserError for a mistake in
the spec, and NoData where no run has anything to show; other errors are faults of ours.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import style
from analysis.curves import Curves
from analysis.errors import UserError
from analysis.intervals import Estimate
from analysis.load import Scores, planned_variants
from analysis.reference import Reference
from analysis.spec.items import PublishedCurve
from analysis.text import algorithm_name

MARKERS = 8  # on a curve, at most about so many
PAGE, LEAST = 8.6, 0.68  # inches: of a page's rows of panels, and of such a row
LETTER = 0.0076  # inches of a letter's width, for each point of its size
TITLE = 0.7  # of a panel's width: how long a title may be, since it stands over the axes, which lie to the right
LONG = 0.8  # of a panel's width or height: what the text beside its axis may be as long as
SMALL = 1.6  # inches of a panel's width below which titles and labels would reach into the next one


@dataclass
class Drawing:
    """A figure, exactly the numbers it shows, and its caption."""

    figure: Figure
    data: pd.DataFrame
    caption: dict[str, Any]
    parts: Mapping[Axes, Mapping[str, str]] = field(
        default_factory=dict
    )  # axes -> columns of the runs there; default: all


@dataclass
class Sheet:
    """Numbers and legend entries gathered while a figure is drawn."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    legend: dict[str, Artist] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def table(self, x: str = "frame") -> pd.DataFrame:
        """The rows as the figure's data file has them; columns without rows too. `x`: what the frames are called."""
        found = pd.DataFrame(self.rows, columns=None if self.rows else list(row("", "", "", None, 0.0)))
        return found.rename(columns={"frame": x})

    def note(self, text: str) -> None:
        """A sentence for the caption, once however often it is said."""
        if text not in self.notes:
            self.notes.append(text)


def budget(spec: Any, scores: Scores, last: float, unit: str | None) -> float | None:
    """Where an axis of frames ends: at the budget of its experiments where the curves do (`last`), else with them.

    None for another clock (`unit`), and where there is no curve.
    """
    if unit is not None or not last:
        return None
    budgets = [scores.experiments[name].get("budget_frames") or 0 for name in spec.experiments]
    return min((each for each in budgets if last <= each <= 1.1 * last), default=float(last))


def by_game(axes: Sequence[Axes], games: Sequence[str]) -> dict[Axes, dict[str, str]]:
    """The runs of each panel where each shows a game."""
    return {panel: {"game": game} for panel, game in zip(axes, games, strict=True)}


def clock(spec: Any, scores: Scores) -> str:
    """What the frames of the experiments count. UserError where they count different things."""
    clocks = {scores.experiments[name].get("clock", "frames") for name in spec.experiments}
    if len(clocks) > 1:
        raise UserError(f"{spec.id}: its experiments count different things: {', '.join(sorted(clocks))}")
    return clocks.pop()


def check_reference_lines(spec: Any, scores: Scores) -> None:
    """UserError for a name that no planned run has."""
    for name in set(spec.reference_lines) - planned_variants(scores, spec):
        raise UserError(f"{spec.id}: reference_lines names {name!r}, which is no variant of its experiments")


def grid(
    spec: Any, panels: int, across: int, height: float, legend: Sequence[str], least: float = LEAST
) -> tuple[Figure, list[Axes]]:
    """A figure of `panels` axes, `across` per row of `height` inches, with room below for a legend of these labels.

    As wide as the spec's venue and column are; unused axes are removed. Rows are lower where a page has no room for all
    of them, but not below `least`; what stands around small panels has small letters.
    """
    across = min(across, panels)
    rows = math.ceil(panels / across)
    wide = style.width(spec.venue, spec.column)
    height = min(height, max(least, PAGE / rows))
    if wide / across < SMALL:
        plt.rcParams.update(style.SMALL)  # of this figure: each has a context of its own
    tall = rows * height + 0.17 * legend_rows(legend, wide) + 0.15
    figure, axes = plt.subplots(rows, across, figsize=(wide, tall), squeeze=False, layout="constrained")
    for extra in axes.flat[panels:]:
        extra.remove()
    if rows == across == 1:
        axes.flat[0].xaxis.label.set_wrap(True)  # rather than cut off at the page's edge
    return figure, list(axes.flat[:panels])


def name_axes(axes: Sequence[Axes], across: int, x: str, y: str) -> None:
    """Say what the axes of panels that are alike mean, `across` of them in a row.

    x below the lowest panel of each column, in lines as short as a panel; y beside the first of each row, or once for
    all of them where rows are too low for that.
    """
    figure = axes[0].get_figure(root=True)
    assert figure is not None
    across = min(across, len(axes))
    rows, size = math.ceil(len(axes) / across), axes[0].yaxis.label.get_size()
    letter = LETTER * size
    for panel in axes[-across:]:
        panel.set_xlabel(textwrap.fill(x, int(LONG * figure.get_figwidth() / across / letter)) if across > 1 else x)
    if rows > 1 and letter * len(y) > LONG * figure.get_figheight() / rows:
        figure.supylabel(y, fontsize=size)
    else:
        for panel in axes[::across]:
            panel.set_ylabel(y)


def title(panel: Axes, across: int, words: Sequence[str]) -> None:
    """Say what a panel shows, `across` of them in a row: on one line where the words have room on it, else each on its
    own."""
    figure = panel.get_figure(root=True)
    assert figure is not None
    text = ", ".join(words)
    wide = LETTER * panel.title.get_size() * len(text)
    panel.set_title(text if wide < TITLE * figure.get_figwidth() / across else "\n".join(words))


def nothing(axes: Axes, text: str) -> None:
    """What an empty panel says: runs too short to show anything are no mistake of the user's."""
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, wrap=True, color="#444444")


def _columns(labels: Sequence[str], wide: float) -> int:
    """Legend columns that fit in `wide` inches, with rows as even as possible."""
    longest = max((len(label) for label in labels), default=1)
    most = max(1, int(wide / (0.066 * longest + 0.5)))
    return math.ceil(len(labels) / math.ceil(len(labels) / most)) if labels else 1


def legend_rows(labels: Sequence[str], wide: float) -> int:
    """Rows of a legend of these labels below a figure `wide` inches wide."""
    return math.ceil(len(labels) / _columns(labels, wide)) if labels else 0


def legend_below(figure: Figure, entries: Mapping[str, Artist]) -> None:
    """One legend for all panels, under them and outside the data."""
    if entries:
        columns = _columns(list(entries), figure.get_figwidth())
        numbers = [str(i) for i in range(len(entries))]
        legend = figure.legend(list(entries.values()), numbers, loc="outside lower center", ncols=columns)
        for text, label in zip(legend.get_texts(), entries, strict=True):
            text.set_text(label)  # afterwards: a legend leaves out labels that begin with an underscore


def line(
    axes: Axes,
    sheet: Sheet,
    panel: str,
    label: str,
    frames: np.ndarray,
    value: Estimate,
    mark: style.Mark,
    hours: np.ndarray | None = None,
) -> None:
    """A curve with its interval band, a dot where it has a single point: frames, value [T]. Numbers go to the sheet,
    with the hours [T] that it took to these frames."""
    marker = mark.marker or ("o" if len(frames) == 1 else "")
    every = max(1, len(frames) // MARKERS)
    look = {"color": mark.colour, "linestyle": mark.dash, "marker": marker, "markersize": 3, "markevery": every}
    look["clip_on"] = len(frames) > 1  # a single point may lie on the edge
    (handle,) = axes.plot(frames, value.point, **look, zorder=3)
    if value.low is not None and value.high is not None:
        axes.fill_between(frames, value.low, value.high, color=mark.colour, alpha=0.2, linewidth=0, zorder=2)
    sheet.legend.setdefault(label, handle)
    nothing = [None] * len(frames)
    low, high = (nothing if side is None else side for side in (value.low, value.high))
    for x, y, bottom, top in zip(frames, value.point, low, high, strict=True):
        sheet.rows.append(row(panel, label, "curve", x.item(), y, bottom, top, value.n[1]))
    if hours is not None:
        for entry, hour in zip(sheet.rows[-len(frames) :], hours, strict=True):
            entry["hours"] = float(hour)


def whisker(axes: Axes, x: Sequence[float], y: Sequence[float]) -> None:
    """The interval of a bar, from one end to the other: dark on white, so that it is seen on bars of any colour."""
    for shade, wide in (("white", 2.2), ("#222222", 0.8)):
        axes.plot(x, y, color=shade, linewidth=wide, solid_capstyle="butt")


def seed_lines(axes: Axes, sheet: Sheet, panel: str, label: str, curves: Curves, shade: str) -> None:
    """Each run of a label as a thin line behind its mean; the numbers go to the sheet."""
    for seed, values in zip(curves.seeds, curves.values, strict=True):
        axes.plot(curves.frames, values, color=shade, linewidth=0.5, alpha=0.45, zorder=1.5)
        for x, y in zip(curves.frames, values, strict=True):
            sheet.rows.append(row(panel, f"{label} seed {seed}", "seed", x.item(), y, n=1))


def reference_line(axes: Axes, sheet: Sheet, panel: str, label: str, value: Estimate, shade: str) -> None:
    """A dotted horizontal line, e.g. a random policy."""
    y = float(value.point)
    handle = axes.axhline(y, color=shade, linestyle=style.REFERENCE_DASH, linewidth=1.3, zorder=2.5)
    low, high = (None if side is None else float(side) for side in (value.low, value.high))
    sheet.legend.setdefault(label, handle)
    sheet.rows.append(row(panel, label, "reference", None, y, low, high, value.n[1]))


def overlay(wanted: PublishedCurve) -> str:
    """What the legend calls a published curve."""
    return f"{wanted.label or algorithm_name(wanted.algorithm)} ({wanted.source})"


def published_curve(
    axes: Axes,
    sheet: Sheet,
    panel: str,
    wanted: PublishedCurve,
    reference: Reference,
    game: str | None,
    last: int,
    shade: str,
) -> None:
    """A dashed published curve up to frame `last` (our own budget); nothing where the file lacks the game.

    UserError for an unknown file or algorithm, and for several curves of one algorithm without a game to tell them.
    """
    table = reference.curve(wanted.file, wanted.algorithm, game)
    if table.empty:
        sheet.note(f"{wanted.file} has no curve for {panel}.")
        return
    if game is None and table.frames.duplicated().any():
        raise UserError(f"{wanted.file} has several curves of {wanted.algorithm!r}; name one game set per file")
    inside = table[table.frames <= last]
    if len(inside) < len(table):
        sheet.note("Published curves are cut at our last frame.")
        if table.frames.iloc[0] < last:  # the value at the cut itself, between two published points
            end = float(np.interp(last, table.frames, table["mean"]))
            inside = pd.concat([inside[inside.frames < last], pd.DataFrame({"frames": [last], "mean": [end]})])
    if inside.empty:
        sheet.note(f"The published curve of {algorithm_name(wanted.algorithm)} begins after our last frame.")
        return
    label = overlay(wanted)
    (handle,) = axes.plot(
        inside.frames, inside["mean"], color=shade, linestyle=style.PUBLISHED_DASH, linewidth=1.1, zorder=2.2
    )
    sheet.legend.setdefault(label, handle)
    for x, y in zip(inside.frames, inside["mean"], strict=True):
        sheet.rows.append(row(panel, label, "published", int(x), y))


def row(
    panel: str,
    label: str,
    role: str,
    frame: float | None,
    value: float,
    low: float | None = None,
    high: float | None = None,
    n: int | None = None,
) -> dict[str, Any]:
    """One line of a figure's data file: value, low and high in units of the axis, n runs per game."""
    return {
        "panel": panel,
        "label": label,
        "role": role,
        "frame": frame,
        "value": float(value),
        "low": None if low is None else float(low),
        "high": None if high is None else float(high),
        "n": n,
    }
