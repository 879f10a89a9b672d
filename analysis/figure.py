"""Draw one figure and save it: PDF, SVG, PNG, CSV of exactly the plotted numbers, JSON caption."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from analysis import style
from analysis.files import csv_text, dump_json, resolve, target, write_atomic, write_text
from analysis.load import read_scores
from analysis.reference import Reference
from analysis.spec import FIGURES, FigureSpec

# no dates: equal content gives equal bytes
_METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "ModDate": None},
    "svg": {"Date": None},
    "png": {},
}


def make_figure(spec: FigureSpec, scores: Iterable[Path], reference: Path, out: Path) -> list[Path]:
    """Draw `spec` from scores files and write out.pdf, .svg, .png, .csv and .json; returns their paths."""
    with style.context():
        drawing = resolve(FIGURES[spec.kind])(spec, read_scores(scores), Reference(reference))
        try:
            # lay out once: all formats show the same, and the layout is most of the time
            drawing.figure.draw_without_rendering()
            drawing.figure.set_layout_engine("none")
            for suffix, metadata in _METADATA.items():
                save = partial(drawing.figure.savefig, format=suffix, metadata=metadata)
                write_atomic(target(out, suffix), save)
        finally:
            plt.close(drawing.figure)
    write_text(target(out, "csv"), csv_text(drawing.data))
    write_text(target(out, "json"), dump_json(drawing.caption))
    return [target(out, suffix) for suffix in (*_METADATA, "csv", "json")]
