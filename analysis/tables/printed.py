"""A table as a paper prints it, of facts that nothing here can measure or recompute; no run is needed."""

from __future__ import annotations

import pandas as pd

from analysis import caption
from analysis.load import Scores
from analysis.reference import Reference
from analysis.spec.items import Printed
from analysis.table import Sheet
from analysis.text import number


def build(spec: Printed, scores: Scores, reference: Reference) -> Sheet:
    """Rows and columns in the order of the spec."""
    body = [[row.label, *map(_text, row.values)] for row in spec.lines]
    data = [
        (row.label, column, value) for row in spec.lines for column, value in zip(spec.columns, row.values, strict=True)
    ]
    notes = ["As published; no run of ours is shown."]
    frame = pd.DataFrame(data, columns=["row", "column", "printed"])
    return Sheet([spec.head, *spec.columns], body, frame, caption.base(spec, notes))


def _text(value: float | str | None) -> str:
    """Numbers with all their digits, as printed: 62.0 is not 62. Of 200e6 alone the shortest text."""
    if isinstance(value, str) or value is None:
        return value or "–"
    if isinstance(value, int):
        return f"{value:,}"
    if abs(value) >= 1e6:
        return number(value)
    return f"{value:,.1f}" if value.is_integer() else f"{value:,.10g}"
