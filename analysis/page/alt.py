"""What a picture shows, in words, for those who do not see it: the numbers at its ends, not its caption once more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.page.curves import clock
from analysis.text import frames_text, game_title, number

PANELS, LABELS = 6, 6  # that are told; the others are counted
SHAPES = {
    "learning_curves": "Learning curves", "aggregate_curves": "Learning curves", "games_above": "Curves",
    "learning_speed": "Curves", "performance_profile": "Falling curves", "grid_share": "Falling steps",
    "interval_bars": "Points with intervals", "per_game_bars": "Horizontal bars", "published_bars": "Horizontal bars",
    "depth_bars": "Bars", "profile": "Bars or lines", "heat_map": "Heat map", "ablation_drops": "Heat map",
    "sensitivity": "Curves", "scatter": "Points, one a run", "scaling": "Curves on logarithmic axes",
    "survival": "Falling steps", "distribution": "Falling curves on logarithmic axes", "win_tie_loss": "Bars by game",
    "return_distribution": "Probabilities of returns", "improvement_probability": "Points with intervals",
    "dreams": "Rows of game screens: as played, decoded, and imagined",
}  # fmt: skip


def seen(about: Mapping[str, Any], table: pd.DataFrame) -> str:
    """Sentences on a figure. `about`: its caption; `table`: its data file, in any kind's columns."""
    if about.get("no_data"):
        return "An empty frame: nothing was drawn."
    shape = SHAPES.get(about["kind"], about["kind"].replace("_", " "))
    if "value" not in table.columns or table.empty:
        return f"{shape}."
    table = table[table.value.notna()]
    panels = dict(list(table.groupby("panel", sort=False))) if "panel" in table.columns else {"": table}
    parts = [f"{shape}{f' in {len(panels)} panels' * (len(panels) > 1)}{_axes(about, table)}."]
    for name, rows in list(panels.items())[:PANELS]:
        title = game_title(name) if "/" in name else name
        said = _panel(rows, clock(about, table))
        parts.append(f"{title}: {said}." if title else f"{said}.")
    if len(panels) > PANELS:
        parts.append(f"{len(panels) - PANELS} more panels are alike.")
    return " ".join(parts)


def _axes(about: Mapping[str, Any], table: pd.DataFrame) -> str:
    """', Score over Environment frames up to 60k': what the axes are."""
    x, y = about.get("axes") or ("", "")
    across = clock(about, table)
    last = f" up to {frames_text(table[across].max())}" if across and x else ""
    return f", {y} over {x}{last}" if x and y else f", {x or y}" if x or y else ""


def _panel(rows: pd.DataFrame, across: str | None) -> str:
    """Where each label ends, the highest first; or the highest and lowest place of a map."""
    if "label" not in rows.columns:
        return _map(rows)
    if "role" in rows.columns:
        rows = rows[rows.role != "seed"]
    last = (rows.sort_values(across, kind="stable") if across else rows).groupby("label", sort=False).tail(1)
    if len(rows) > len(last) and across is None:
        return _spread(rows)
    last = last.sort_values("value", ascending=False, kind="stable")
    told = [_ending(row, across is not None) for row in last.head(LABELS).itertuples()]
    more = len(last) - LABELS
    return ", ".join(told) + (f" and {more} more below" if more > 0 else "")


def _ending(row: Any, curve: bool) -> str:
    low, high = (getattr(row, side, float("nan")) for side in ("low", "high"))
    band = f" ({number(low)} to {number(high)})" if pd.notna(low) and pd.notna(high) else ""
    return f"{row.label} {'ends at ' * (curve and getattr(row, 'role', '') == 'curve')}{number(row.value)}{band}"


def _spread(rows: pd.DataFrame) -> str:
    """From where to where the values of each label go."""
    found = rows.groupby("label", sort=False).value.agg(["min", "max"])
    told = [
        f"{label} {number(low)}" if low == high else f"{label} from {number(low)} to {number(high)}"
        for label, low, high in found.head(LABELS).itertuples()
    ]
    return ", ".join(told) + (f" and {len(found) - LABELS} more" if len(found) > LABELS else "")


def _map(rows: pd.DataFrame) -> str:
    keys = [name for name in rows.columns if name not in ("panel", "value", "n", "diverged", "missing", "role", "unit")]

    def place(row: pd.Series) -> str:
        return f"{number(row.value)} at " + ", ".join(f"{key.rpartition('.')[2]} {row[key]}" for key in keys)

    return f"highest {place(rows.loc[rows.value.idxmax()])}; lowest {place(rows.loc[rows.value.idxmin()])}"
