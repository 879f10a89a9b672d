"""The curves of a figure for its reader to explore: the numbers of its data file, few and short enough to embed."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.errors import UserError
from analysis.metrics import SCORES
from analysis.normalise import SCALES, bounds, short
from analysis.reference import Reference
from analysis.text import game_title

X = ("frame", "updates", "episodes", "hours", "minutes", "seconds", "level")  # columns that are an x axis
KINDS = ("learning_curves", "aggregate_curves", "games_above", "learning_speed", "performance_profile")
ROLES = ("curve", "seed", "published", "reference")
POINTS = 240  # of a curve: more than a panel has pixels for
LINEAR = ("standard", "vp0", "mnih2015", "saber", "minatar_dqn")  # conventions that a raw score can be had back from


def explorable(about: Mapping[str, Any], table: pd.DataFrame, reference: Reference | None) -> str:
    """A figure's curves as base64 of gzipped JSON, '' where it has none.

    `about`: its caption; `table`: its data file. Each curve has at most POINTS of its points, the first and the last
    among them, with four digits.
    """
    across = clock(about, table)
    if across is None:
        return ""
    table = table[table.role.isin(ROLES)]
    names = list(dict.fromkeys(table.panel))
    scale = _scale(about, names, reference)
    labels: dict[str, int] = {}
    groups = dict(list(table.groupby("panel", sort=False)))
    panels = [
        {"title": _title(name), "series": _series(groups[name], across, labels)} | (scale.get(name) or {})
        for name in names
    ]
    colours = about.get("colours") or {}
    axes = about.get("axes") or ["", ""]
    whole = {
        "x": axes[0], "y": axes[1], "clock": across, "normalised": scale.get("", {}).get("name"),
        "raw": about.get("normalisation") == "raw", "panels": panels,
        "labels": [[label, colours.get(label) or colours.get(_run_of(label)) or ""] for label in labels],
    }  # fmt: skip
    text = json.dumps(whole, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


def clock(about: Mapping[str, Any], table: pd.DataFrame) -> str | None:
    """The column of a figure's data that is the x axis of its curves, None where it has no curve."""
    if about["kind"] not in KINDS or "role" not in table.columns or not (table.role == "curve").any():
        return None
    return next((name for name in X if name in table.columns), None)


def _title(panel: str) -> str:
    return game_title(panel) if "/" in panel else panel


def _run_of(label: str) -> str:
    """'DQN seed 3' -> 'DQN', whose colour it has."""
    return label.rpartition(" seed ")[0]


def _series(rows: pd.DataFrame, across: str, labels: dict[str, int]) -> list[dict[str, Any]]:
    """The curves of one panel; a level has a single value and no x. `labels` gains their names, in their order."""
    found = []
    for (label, role), mine in rows.groupby(["label", "role"], sort=False):
        at = np.unique(np.linspace(0, len(mine) - 1, POINTS).round().astype(int))
        mine = mine.iloc[at]
        one = {"of": labels.setdefault(label, len(labels)), "role": role, "y": _numbers(mine.value)}
        if role != "reference":
            one["x"] = _numbers(mine[across], 7)
        for name in ("low", "high"):
            if name in mine.columns and mine[name].notna().any():
                one[name] = _numbers(mine[name])
        if "hours" in mine.columns and across == "frame" and mine.hours.notna().all():
            one["hours"] = _numbers(mine.hours, 6)
        if "n" in mine.columns and mine.n.notna().any():
            one["n"] = int(mine.n.max())
        found.append(one)
    return found


def _numbers(values: pd.Series, digits: int = 4) -> list[float | int | None]:
    rounded = (float(f"{value:.{digits}g}") for value in values.to_numpy(np.float64, na_value=np.nan))
    return [None if not np.isfinite(v) else int(v) if v == int(v) else v for v in rounded]


def _scale(about: Mapping[str, Any], games: Sequence[str], reference: Reference | None) -> dict[str, dict[str, Any]]:
    """panel -> {low, span} of its game's normalised score, and '' -> the name of that; empty where there is none.

    Normalised = (raw - low) / span, in units of the axis; every panel has to be a game that has it.
    """
    suites = {game.partition("/")[0] for game in games}
    if reference is None or about.get("metric") not in SCORES or len(suites) != 1 or not all("/" in g for g in games):
        return {}
    drawn = about.get("normalisation")
    convention = {"atari": "standard", "minatar": "minatar_dqn"}.get(*suites) if drawn == "raw" else drawn
    if convention not in LINEAR:
        return {}
    try:
        known = bounds(reference, convention, games=games)
    except UserError:  # a reference score that can scale nothing is told of where it is drawn
        return {}
    if not {short(game) for game in games} <= set(known.index):
        return {}
    factor = SCALES[convention].factor
    found: dict[str, dict[str, Any]] = {"": {"name": SCALES[convention].axis}}
    for game in games:
        low, high = (float(known.loc[short(game), side]) for side in ("low", "high"))
        found[game] = {"low": low, "span": (high - low) / factor}
    return found
