"""What is wrong with the layout of a drawn figure: text beyond its edge, text over text, a legend over the axes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

Shown = list[tuple[str, Bbox]]  # texts, and where they are
SLACK = 1.0  # pixels of 1/100 inch: what a letter's box is larger than the letter


def faults(figure: Figure) -> list[str]:
    """All that is wrong with a figure that was laid out, in words; nothing where all is well."""
    shown = boxes(figure)
    found = [f"{text!r} is cut off" for text in cut_off(figure, shown)]
    found += [f"{one!r} lies on {other!r}" for one, other in overlapping(shown)]
    return found + [f"the legend of {text!r} lies on axes" for text in over_data(figure)]


def cut_off(figure: Figure, shown: Shown) -> list[str]:
    """Texts that reach beyond the edge of the figure."""
    return [text for text, box in shown if not _inside(box, figure.bbox)]


def overlapping(shown: Shown) -> list[tuple[str, str]]:
    """Pairs of texts that lie on each other."""
    low, high = (np.array([getattr(box, end) for _, box in shown]) for end in ("min", "max"))  # [N, 2]
    common = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)  # [N, N, 2]
    pairs = np.argwhere(np.triu((common > SLACK).all(axis=-1), k=1))
    return [(shown[i][0], shown[j][0]) for i, j in pairs]


def over_data(figure: Figure) -> list[str]:
    """First entries of legends that lie on axes, or on their labels."""
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    axes = [each.get_tightbbox(renderer) for each in figure.axes]
    return [
        legend.get_texts()[0].get_text()
        for legend in figure.legends
        if any(box is not None and _meet(legend.get_window_extent(renderer), box) for box in axes)
    ]


def boxes(figure: Figure) -> Shown:
    """All text that is to be seen, with its place in pixels."""
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    shown = (text for text in _texts(figure) if text.get_visible() and text.get_text().strip())
    return [(text.get_text(), text.get_window_extent(renderer)) for text in shown]


def _texts(figure: Figure) -> Iterator[Text]:
    yield from figure.texts
    for legend in figure.legends:
        yield from legend.get_texts()
    for axes in figure.axes:
        yield from _of_axes(axes)


def _of_axes(axes: Axes) -> Iterator[Text]:
    yield from axes.texts
    if not axes.axison:
        return
    yield axes.title
    for axis in (axes.xaxis, axes.yaxis):
        yield axis.label
        yield axis.offsetText
        for tick in axis._update_ticks():  # type: ignore[attr-defined]  # those in sight
            yield from (tick.label1, tick.label2)


def _inside(box: Bbox, outer: Bbox) -> bool:
    return (
        box.x0 >= outer.x0 - SLACK
        and box.y0 >= outer.y0 - SLACK
        and box.x1 <= outer.x1 + SLACK
        and box.y1 <= outer.y1 + SLACK
    )


def _meet(one: Bbox, other: Bbox) -> bool:
    wide = min(one.x1, other.x1) - max(one.x0, other.x0)
    high = min(one.y1, other.y1) - max(one.y0, other.y0)
    return wide > SLACK and high > SLACK
