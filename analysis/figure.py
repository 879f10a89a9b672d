"""Draw one figure and save it: PDF, SVG, PNG, CSV of exactly the plotted numbers, JSON caption."""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis import caption, style
from analysis.errors import NoData
from analysis.figures import common
from analysis.figures.stamp import stamp
from analysis.files import csv_text, dump_json, resolve, target, write_atomic, write_text
from analysis.load import Scores, read_scores
from analysis.reference import Reference
from analysis.spec.items import FIGURES, FigureSpec, FromRuns

# no dates: equal content gives equal bytes
_METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "ModDate": None},
    "svg": {"Date": None},
    "png": {},
}


def make_figure(
    spec: FigureSpec, scores: Iterable[Path], reference: Path, out: Path, dreams: Sequence[Path] = ()
) -> list[Path]:
    """Draw `spec` and write out.pdf, .svg, .png, .csv and .json; returns their paths.

    From scores files, and files of what world models imagined. UserError for mistakes of the input; a figure for which
    no run has anything says so in its place.
    """
    with style.context():
        loaded = replace(read_scores(scores), dreams=dreams)
        try:
            drawing = draw(spec, loaded, Reference(reference))
        except NoData as reason:
            plt.close("all")  # a figure may have been begun
            drawing = placeholder(spec, loaded, str(reason))
        try:
            # lay out once: all formats show the same, and the layout is most of the time
            drawing.figure.draw_without_rendering()
            about = drawing.caption | {"axes": axis_texts(drawing.figure), "colours": colours(drawing.figure)}
            drawing.figure.set_layout_engine("none")
            for suffix, metadata in _METADATA.items():
                save = partial(drawing.figure.savefig, format=suffix, metadata=metadata)
                write_atomic(target(out, suffix), save)
        finally:
            plt.close(drawing.figure)
    numbers = csv_text(drawing.data)
    write_text(target(out, "csv"), numbers)
    write_text(target(out, "json"), dump_json(about | {"csv_sha256": hashlib.sha256(numbers.encode()).hexdigest()}))
    return [target(out, suffix) for suffix in (*_METADATA, "csv", "json")]


def draw(spec: FigureSpec, scores: Scores, reference: Reference) -> common.Drawing:
    """A figure as its kind draws it, with the number of runs over its panels. To be called in `style.context`."""
    drawing = resolve(FIGURES[spec.kind])(spec, scores, reference)
    if isinstance(spec, FromRuns) and spec.experiments:
        stamp(drawing, spec, scores)
    return drawing


def axis_texts(figure: Figure) -> list[str]:
    """What the figure says beside its x and y axes, '' where that is nothing."""
    x = [axes.get_xlabel() for axes in figure.axes] + [figure.get_supxlabel()]
    y = [axes.get_ylabel() for axes in figure.axes if axes.get_label() != "<colorbar>"]
    return [" ".join(next(filter(None, texts), "").split()) for texts in (x, [*y, figure.get_supylabel()])]


def colours(figure: Figure) -> dict[str, str]:
    """Label in the legend -> its colour, '#rrggbb'."""
    found = {}
    for legend in figure.legends:
        for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=True):
            shade = handle.get_color() if isinstance(handle, Line2D) else handle.get_facecolor()
            found[text.get_text()] = to_hex(shade)
    return found


def placeholder(spec: FigureSpec, scores: Scores, reason: str) -> common.Drawing:
    """What stands in place of a figure for which no run has anything: the reason, and no numbers."""
    figure, (axes,) = common.grid(spec, 1, 1, 1.4, [])
    axes.set_axis_off()
    wide = int(14 * figure.get_figwidth())  # characters of this size in the width
    common.nothing(axes, "\n".join(textwrap.wrap(f"No data: {reason}", wide)))
    return common.Drawing(figure, common.Sheet().table(), caption.without_data(spec, scores, reason))
