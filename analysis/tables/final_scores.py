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
from analysis.spec import FinalScores
from analysis.table import Sheet
from analysis.text import algorithm_name, game_title, number


def build(spec: FinalScores, scores: Scores, reference: Reference) -> Sheet:
    """UserError for unknown names, and for two columns of one name. A game that a variant lacks gets a dash."""
    rows = select(scores, spec)
    curves = some(by_label(rows, spec.variants, spec.window, spec.score), spec.id)
    games = spec.games or sorted(rows.game.unique())
    cells: dict[tuple[str, str], str] = {}
    data = []
    for label, group in curves.items():
        scaled = group.scaled(spec.normalisation, reference)
        names = np.asarray(scaled.games)
        for game in dict.fromkeys(scaled.games):
            mine = scaled.numbers[names == game]
            value = estimate(mine, [game] * len(mine), "mean", spec.interval)
            shown = number(float(value.point))
            low, high = value.ends()
            if low is not None and high is not None:
                shown += f" [{number(low)}, {number(high)}]"
            cells[game, label] = shown
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
            cells[game, label] = number(value)
            data.append((game, label, "published", value, None, None, None))
    body = [[game_title(game)] + [cells.get((game, label), "–") for label in labels] for game in games]
    frame = pd.DataFrame(data, columns=["game", "label", "role", "value", "low", "high", "n"])
    notes = ["Mean over seeds with its interval in brackets."]
    return Sheet(["Game", *labels], body, frame, caption.from_runs(spec, scores, curves, notes))
