"""Final scores: one row per game, one column per variant, mean over seeds with its interval."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis import caption
from analysis.curves import by_label, some
from analysis.errors import UserError
from analysis.intervals import estimate
from analysis.load import Scores, select
from analysis.normalise import SCALES, normalise, short
from analysis.reference import Reference
from analysis.spec.items import FinalScores
from analysis.table import Sheet
from analysis.text import algorithm_name, game_title, numbers


def build(spec: FinalScores, scores: Scores, reference: Reference) -> Sheet:
    """UserError for unknown names, and for two columns of one name. A game that a variant lacks gets a dash."""
    rows = select(scores, spec)
    curves = some(by_label(rows, spec.variants, spec.window, spec.score), spec.id)
    games = spec.games or sorted(rows.game.unique())
    data = []
    for label, group in curves.items():
        scaled = group.scaled(spec.normalisation, reference)
        names = np.asarray(scaled.games)
        for game in dict.fromkeys(scaled.games):
            mine = scaled.numbers[names == game]
            value = estimate(mine, [game] * len(mine), "mean", spec.interval)
            low, high = value.ends()
            data.append((game, label, "ours", float(value.point), low, high, len(mine)))
    labels = list(curves)
    for wanted in spec.published:
        label = f"{wanted.label or algorithm_name(wanted.algorithm)} (published)"
        if label in labels:
            raise UserError(f"{spec.id}: two columns are named {label!r}; give one a 'label'")
        labels.append(label)
        printed = reference.per_game(wanted)
        for game in (g for g in games if not g.startswith("minatar/") and short(g) in printed.index):
            raw = normalise(printed[[short(game)]].to_numpy(), [game], spec.normalisation, reference, wanted.regime)
            value = float(raw[0]) * SCALES[spec.normalisation].factor
            data.append((game, label, "published", value, None, None, None))
    body = [[game_title(game), *_cells([row for row in data if row[0] == game], labels)] for game in games]
    frame = pd.DataFrame(data, columns=["game", "label", "role", "value", "low", "high", "n"])
    notes = ["Mean over seeds with its interval in brackets."]
    return Sheet(["Game", *labels], body, frame, caption.from_runs(spec, scores, curves, notes))


def _cells(row: list[tuple], labels: list[str]) -> list[str]:
    """The cells of one game, with as many decimals in each; `row`: of the table's data."""
    text = numbers(number for _, _, _, *three, _ in row for number in three)
    found = {label: (value, low, high) for _, label, _, value, low, high, _ in row}
    cells = []
    for label in labels:
        value, low, high = found.get(label, (None, None, None))
        band = f" [{text(low)}, {text(high)}]" if low is not None and high is not None else ""
        cells.append(text(value) + band)
    return cells
