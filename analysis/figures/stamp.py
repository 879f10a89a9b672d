"""What is printed over every panel of a figure of runs: how many, and of an unfinished sweep how many are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.curves import scored
from analysis.figures.common import Drawing
from analysis.load import Scores, chosen
from analysis.spec.items import FromRuns

UNFINISHED = "#a32a00"


def stamp(drawing: Drawing, spec: FromRuns, scores: Scores) -> None:
    """Write it above the right end of each panel: 'n = 3', and '7 of 12 runs so far' where some are missing."""
    rows, missing = chosen(scores, spec)
    mine = rows[rows.metric == spec.metric]
    counted = scored(mine if len(mine) else rows).drop_duplicates(["run", "variant"])
    done = rows.drop_duplicates(["run", "variant"])
    for axes in drawing.figure.axes:
        if axes.get_label() != "<colorbar>":
            part = drawing.parts.get(axes, {})
            so_far = _so_far(_within(done, part).run.nunique(), [m for m in missing if part.items() <= m.items()])
            axes.annotate(
                _n(_within(counted, part)) + so_far, (1, 1), (0, 0.5), xycoords="axes fraction",
                textcoords="offset points", ha="right", va="bottom", fontsize=min(6, axes.title.get_size() - 1),
                color=UNFINISHED if so_far else "#555555", weight="bold" if so_far else "normal",
            )  # fmt: skip


def _within(rows: pd.DataFrame, part: Mapping[str, str]) -> pd.DataFrame:
    for column, value in part.items():
        rows = rows[rows[column] == value]
    return rows


def _n(rows: pd.DataFrame) -> str:
    """'n = 2–3': seeds of a game, from the fewest to the most."""
    seeds = sorted(set(rows.groupby(["variant", "vary", "game"]).size())) or [0]
    return f"n = {seeds[0]}" + (f"–{seeds[-1]}" if seeds[1:] else "")


def _so_far(done: int, missing: Sequence[Mapping[str, Any]]) -> str:
    planned = done + len({entry["run"] for entry in missing})
    return f"; {done} of {planned} runs so far" if missing else ""
