"""Printed headline numbers, and the same numbers computed again from printed per-game scores."""

from __future__ import annotations

from analysis.errors import UserError
from analysis.normalise import published_aggregate, without_reference
from analysis.reference import Reference
from analysis.spec.items import PublishedBar, Recomputation

UNIT = {"percent": 100.0, "ratio": 1.0}


def factor(of: str, unit: str) -> float:
    """What a number of one unit is multiplied by to be of another; UserError for counts, which are of no other."""
    if lost := {of, unit} - set(UNIT):
        raise UserError(f"a number of {lost.pop()} is not in percent, and no ratio")
    return UNIT[unit] / UNIT[of]


def recompute(wanted: Recomputation, unit: str, reference: Reference) -> tuple[float, int]:
    """The number in `unit` (percent or ratio; raw scores as they are) and its count of games; UserError for none."""
    scale = factor("ratio", unit) if wanted.normalisation != "raw" else 1.0
    scores = reference.per_game(wanted.scores, wanted.game_set)
    value, games = published_aggregate(
        scores, wanted.statistic, wanted.normalisation, reference, wanted.scores.regime, wanted.game_set
    )
    return value * scale, games


def left_out(wanted: Recomputation, reference: Reference) -> str:
    """'; left out, without a reference score: a, b', or nothing: the games that a recomputation does without."""
    printed = reference.per_game(wanted.scores, wanted.game_set)
    lost = without_reference(printed.index, wanted.normalisation, reference, wanted.scores.regime)
    return f"; left out, without a reference score: {', '.join(lost)}" if lost else ""


def values(bar: PublishedBar, unit: str, reference: Reference) -> dict[str, tuple[float, str]]:
    """'published' / 'recomputed' -> (value in `unit`, its origin); UserError for what config/reference lacks."""
    found: dict[str, tuple[float, str]] = {}
    if bar.printed is not None:
        printed = reference.number(bar.printed)
        found["published"] = (float(printed["value"]) * factor(str(printed["unit"]), unit), _origin(printed))
    if bar.recomputed is not None:
        value, games = recompute(bar.recomputed, unit, reference)
        rows = bar.recomputed
        text = f"{rows.statistic} over {games} games of {rows.scores.paper}/{rows.scores.algorithm}"
        text += left_out(rows, reference)
        found["recomputed"] = (value, text)
    return found


def _origin(printed: dict[str, object]) -> str:
    source, confidence = str(printed["source"]), str(printed["confidence"])
    return source if confidence in ("source", "digitised") else f"{source} ({confidence})"
