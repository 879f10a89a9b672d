"""Headline aggregates computed again from printed per-game scores, with the printed numbers in brackets."""

from __future__ import annotations

import pandas as pd

from analysis import caption
from analysis.load import Scores
from analysis.normalise import SCALES, published_aggregate
from analysis.published import UNIT
from analysis.reference import Reference
from analysis.spec import PublishedAggregates, PublishedNumber
from analysis.table import Sheet


def build(spec: PublishedAggregates, scores: Scores, reference: Reference) -> Sheet:
    """UserError for an algorithm, game set or printed number that config/reference lacks."""
    body, data = [], []
    counts: dict[int, dict[str, None]] = {}  # games -> rows over so many
    for row in spec.rows:
        series = reference.per_game(row.scores, row.game_set or spec.game_set)
        line = [row.label]
        for column in spec.columns:
            value, games = published_aggregate(
                series, column.statistic, column.normalisation, reference, row.scores.regime, spec.game_set
            )
            value *= UNIT[spec.unit]
            counts.setdefault(games, {})[row.label] = None
            printed = None
            if column.metric is not None and row.printed_paper is not None:
                number = reference.number(
                    PublishedNumber(
                        paper=row.printed_paper,
                        algorithm=row.printed_algorithm or row.scores.algorithm,
                        regime=row.scores.regime,
                        metric=column.metric,
                    )
                )
                printed = float(number["value"]) * UNIT[spec.unit] / UNIT[str(number["unit"])]
            text = f"{value:.{spec.decimals}f}"
            line.append(text if printed is None else f"{text} ({printed:g})")
            data.append((row.label, column.label, value, printed, games))
        body.append(line)
    frame = pd.DataFrame(data, columns=["row", "column", "recomputed", "printed", "games"])
    notes = [
        f"Recomputed from printed per-game scores over {_over(counts)}; printed values in brackets.",
        *(f"{c.label}: {c.statistic} over games of the {SCALES[c.normalisation].text}." for c in spec.columns),
        "No run of ours is shown.",
    ]
    return Sheet(["Algorithm", *(c.label for c in spec.columns)], body, frame, caption.base(spec, notes))


def _over(counts: dict[int, dict[str, None]]) -> str:
    """How many games, and of which rows where they differ: "49 games (DQN) and 57 games (Dueling; Double DQN)"."""
    if len(counts) == 1:
        return f"{min(counts)} games"
    parts = [f"{games} games ({'; '.join(counts[games])})" for games in sorted(counts)]
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
