"""Printed headline numbers, and the same numbers computed again from printed per-game scores."""

from __future__ import annotations

from analysis.normalise import published_aggregate
from analysis.reference import Reference
from analysis.spec import PublishedBar, Recomputation

UNIT = {"percent": 100.0, "ratio": 1.0}


def recompute(wanted: Recomputation, unit: str, reference: Reference) -> tuple[float, int]:
    """The number and its count of games, in `unit`."""
    scores = reference.per_game(wanted.scores, wanted.game_set)
    value, games = published_aggregate(scores, wanted.statistic, wanted.normalisation, reference, wanted.scores.regime)
    return value * (UNIT[unit] if wanted.normalisation != "raw" else 1.0), games


def values(bar: PublishedBar, unit: str, reference: Reference) -> dict[str, tuple[float, str]]:
    """'published' / 'recomputed' -> (value, where it comes from)."""
    found: dict[str, tuple[float, str]] = {}
    if bar.printed is not None:
        printed = reference.number(bar.printed)
        factor = UNIT[unit] / UNIT[str(printed["unit"])]
        found["published"] = (float(printed["value"]) * factor, _origin(printed))
    if bar.recomputed is not None:
        value, games = recompute(bar.recomputed, unit, reference)
        rows = bar.recomputed
        text = f"{rows.statistic} over {games} games of {rows.scores.paper}/{rows.scores.algorithm}"
        found["recomputed"] = (value, text)
    return found


def _origin(printed: dict[str, object]) -> str:
    source, confidence = str(printed["source"]), str(printed["confidence"])
    return source if confidence in ("source", "digitised") else f"{source} ({confidence})"
