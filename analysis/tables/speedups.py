"""How much sooner a score is reached with more of something, e.g. threads.

As Table 2 of Mnih et al. 2016 (arXiv:1602.01783). In each game the time to a fixed score with the smallest number is
divided by the time with another; then the mean over games.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis import caption
from analysis.curves import by_label, some
from analysis.errors import UserError, unknown
from analysis.load import Scores, select, varied_keys
from analysis.passage import Passages, levels, passages
from analysis.reference import Reference
from analysis.spec.items import Speedups
from analysis.table import Sheet
from analysis.text import game_title, number, numbers


def build(spec: Speedups, scores: Scores, reference: Reference) -> Sheet:
    """UserError for unknown names, and where runs of one variant and value differ in another key."""
    if spec.x not in (keys := varied_keys(scores, spec)):
        raise unknown("varied key", spec.x, keys, spec.id)
    rows = select(scores, spec)
    curves = some(by_label(rows, spec.variants, 1), spec.id)
    games = spec.games or sorted(rows.game.unique())
    wanted = levels(spec, games, spec.levels, spec.human, reference)
    settings = rows.vary.map(json.loads)
    values = sorted({setting[spec.x] for setting in settings if spec.x in setting})
    variants = spec.variants or sorted(rows.variant.unique())
    data: list[tuple] = []
    for variant in variants:
        mine = settings[rows.variant == variant]
        arms = {
            value: _arm(spec, scores, variant, value, wanted) for value in values if any(mine.map(_at(spec, value)))
        }
        for value in values:
            found = _ratios(arms[values[0]], arms[value], games) if values[0] in arms and value in arms else []
            mean = float(np.mean(found)) if found else float("nan")
            data.append((variant, value, "ours", mean, len(found)))
        for value in values:
            printed = spec.printed.get(variant, {}).get(f"{value:g}")
            data.append((variant, value, "published", printed, None))
    text = numbers(mean for _, _, role, mean, _ in data if role == "ours")
    cells = [
        (text(mean) + f" ({count} of {len(games)})" * bool(count)) if role == "ours" else _printed(mean)
        for _, _, role, mean, count in data
    ]
    body = [[variant, *cells[i * 2 * len(values) :][: 2 * len(values)]] for i, variant in enumerate(variants)]
    heads = [f"{spec.axis}: {value:g}" for value in values]
    frame = pd.DataFrame(data, columns=["variant", spec.x, "role", "value", "games"])
    levels_text = ", ".join(f"{game_title(game)} {number(wanted[game])}" for game in games)
    notes = [
        f"{spec.count.capitalize()} until {spec.metric} is above the game's level with {values[0]:g} {spec.axis}, "
        "divided by those with as many as the column says; medians over seeds, seen at the run's checkpoints; mean "
        "over the games on which both get there, whose number is in brackets.",
        f"Levels: {levels_text}.",
    ]
    head = ["Method", *heads, *(f"{text} (published)" for text in heads)]
    return Sheet(head, body, frame, caption.from_runs(spec, scores, curves, notes, interval=False))


def _printed(value: float | None) -> str:
    return "–" if value is None else number(value)


def _at(spec: Speedups, value: float) -> Callable[[dict[str, Any]], bool]:
    """Whether a setting has that value of the key."""
    return lambda setting: setting.get(spec.x) == value


def _arm(spec: Speedups, scores: Scores, variant: str, value: float, wanted: Mapping[str, float]) -> Passages:
    """When the runs of one variant with that value were above the level of their game."""
    where = {"variants": [variant], "where": {**spec.where, spec.x: value}}
    found = list(passages(spec.model_copy(update=where), scores, spec.count, wanted).values())
    if len(found) > 1:
        raise UserError(f"{spec.id}: {variant} has several settings with {spec.x} {value}; choose one with 'where'")
    return found[0]


def _ratios(base: Passages, other: Passages, games: list[str]) -> list[float]:
    """One ratio per game on which the median run of both is above the level."""
    found = []
    for game in games:
        times = [each.on(game) for each in (base, other)]
        if all(len(mine) and np.isfinite(np.median(mine)) for mine in times):
            found.append(float(np.median(times[0]) / np.median(times[1])))
    return found
