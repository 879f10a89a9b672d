"""Statements of a paper as checks on published numbers: what analysis/claims.py says of `recomputed`."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import false_discovery_control, ttest_ind_from_stats

from analysis.claims import judgement
from analysis.duels import outcomes, tally, tally_text
from analysis.errors import unknown
from analysis.load import Scores
from analysis.normalise import normalise
from analysis.published import left_out, recompute, values
from analysis.reference import Reference
from analysis.spec.items import (
    PublishedApart,
    PublishedBelow,
    PublishedGain,
    PublishedOrder,
    PublishedReach,
    PublishedScores,
    PublishedTimes,
    PublishedValue,
    PublishedWins,
    Verdict,
)


def published_value(spec: PublishedValue, scores: Scores, reference: Reference) -> dict[str, Any]:
    """Does the printed number follow from printed per-game scores, within the tolerance?"""
    printed = reference.number(spec.printed)
    value, games = recompute(spec.recomputed, str(printed["unit"]), reference)
    gap = abs(value - float(printed["value"]))
    verdict: Verdict = "recomputed" if gap <= spec.tolerance else "not reproduced"
    why = f"recomputed over {games} games; differs by {gap:.3g}, tolerance {spec.tolerance:g}"
    why += left_out(spec.recomputed, reference)
    if printed["confidence"] != "source":
        why += f"; the printed value is {printed['confidence']}"
    shown = spec.model_copy(update={"published": spec.published or float(printed["value"])})
    unit = str(printed["unit"])
    decimals = len(f"{float(printed['value']):.10f}".rstrip("0").partition(".")[2])  # as many as are printed
    return judgement(shown, verdict, f"{value:.{decimals}f}", why, value=value, unit=unit, n=f"{games} games")


def published_order(spec: PublishedOrder, scores: Scores, reference: Reference) -> dict[str, Any]:
    """Do the numbers fall in the stated order, highest first?"""
    found = [values(bar, "percent", reference) for bar in spec.order]
    numbers = [(v.get("recomputed") or v["published"])[0] for v in found]
    falls = bool(np.all(np.diff(numbers) < 0))
    verdict: Verdict = "recomputed" if falls else "not reproduced"
    ours = (" > " if falls else ", ").join(f"{bar.label} {x:.4g}" for bar, x in zip(spec.order, numbers, strict=True))
    return judgement(spec, verdict, ours, "published numbers only", unit="percent", n="published")


def published_times(spec: PublishedTimes, scores: Scores, reference: Reference) -> dict[str, Any]:
    """Is one number at least so many times another?"""
    found = [values(bar, "percent", reference) for bar in (spec.a, spec.b)]
    a, b = ((v.get("recomputed") or v["published"])[0] for v in found)
    verdict: Verdict = "recomputed" if a >= spec.times * b else "not reproduced"
    why = f"{spec.a.label} {a:.4g} % against {spec.b.label} {b:.4g} %; stated are {spec.times:g} times"
    return judgement(spec, verdict, f"{a / b:.3g} times", why, value=a / b, unit="times", n="published")


def published_gain(spec: PublishedGain, scores: Scores, reference: Reference) -> dict[str, Any]:
    """Is one printed score so many percent above another? UserError for a game that either lacks."""
    a, b = (_printed(spec, each, reference)[0] for each in (spec.scores, spec.over))
    value = 100 * (a / b - 1)
    verdict: Verdict = "recomputed" if abs(value - spec.percent) <= spec.tolerance else "not reproduced"
    why = f"{a:g} against {b:g}; stated are {spec.percent:g} %, tolerance {spec.tolerance:g}"
    return judgement(spec, verdict, f"{value:+.1f} %", why, value=value, unit="percent", n="published")


def _printed(spec: PublishedGain, wanted: PublishedScores, reference: Reference) -> np.ndarray:
    printed = reference.per_game(wanted)
    if spec.game not in printed.index:
        raise unknown("game", spec.game, printed.index, f"claim {spec.id}")
    return printed[[spec.game]].to_numpy()


def published_reach(spec: PublishedReach, scores: Scores, reference: Reference) -> dict[str, Any]:
    """In how many common games do printed scores reach the share of others? UserError for unknown names."""
    a, b = reference.per_game(spec.scores), reference.per_game(spec.over)
    games = [game for game in a.index if game in b.index]
    won = int((a[games] >= b[games] - (1 - spec.share) * b[games].abs()).sum())
    verdict: Verdict = "recomputed" if won >= spec.wins else "not reproduced"
    ours = f"{won} of {len(games)} games"
    why = f"a game counts from {100 * spec.share:g} % of {spec.over.algorithm}'s score on; stated are {spec.wins}"
    return judgement(spec, verdict, ours, why, value=won, unit="games", n="published")


def published_below(spec: PublishedBelow, scores: Scores, reference: Reference) -> dict[str, Any]:
    """Do the printed scores lie below the human's on exactly the games of a set? UserError for unknown names."""
    printed = reference.per_game(spec.scores, spec.game_set)
    ratio = normalise(printed.to_numpy(), list(printed.index), spec.normalisation, reference, spec.scores.regime)
    below = {game for game, value in zip(printed.index, ratio, strict=True) if value < 1}
    wanted = set(reference.per_game(spec.scores, spec.below).index)
    same = below == wanted
    verdict: Verdict = "recomputed" if same else "not reproduced"
    why = f"below: {', '.join(sorted(below)) or 'none'}" + ("" if same else f"; expected {', '.join(sorted(wanted))}")
    ours = f"{len(printed) - len(below)} of {len(printed)} games above"
    return judgement(spec, verdict, ours, why, value=len(printed) - len(below), unit="games", n="published")


def published_wins(spec: PublishedWins, scores: Scores, reference: Reference) -> dict[str, Any]:
    """Is a better than b on more games than it is worse on, by printed scores? UserError for unknown names."""
    sides = [reference.per_game(side, spec.game_set) for side in (spec.a, spec.b)]
    games = sorted(set(sides[0].index) & set(sides[1].index))
    a, b = (
        normalise(printed[games].to_numpy(), games, spec.normalisation, reference, side.regime)
        for printed, side in zip(sides, (spec.a, spec.b), strict=True)
    )
    counts = tally(outcomes(a, b, spec.tie))
    verdict: Verdict = "recomputed" if counts[0] > counts[1] else "not reproduced"
    why = f"over {len(games)} games; a tie is a difference of at most {100 * spec.tie:g} %"
    return judgement(spec, verdict, tally_text(counts), why, value=counts[0] - counts[1], unit="games", n="published")


def published_apart(spec: PublishedApart, scores: Scores, reference: Reference) -> dict[str, Any]:
    """Are the games on which two agents differ exactly those that are stated? UserError for unknown names.

    Welch's t-test of each game they share, from printed means and standard deviations over as many episodes of both;
    the p-values of all games by Benjamini and Hochberg (1995): at most `level` of those told apart are expected to be
    alike.
    """
    a, b = (reference.per_game(side) for side in (spec.a, spec.b))
    games = [game for game in a.index if game in b.index]
    spread = [reference.deviations(side)[games] for side in (spec.a, spec.b)]
    found = ttest_ind_from_stats(
        a[games], spread[0], spec.episodes, b[games], spread[1], spec.episodes, equal_var=False
    ).pvalue
    apart = [game for game, p in zip(games, false_discovery_control(found), strict=True) if p <= spec.level]
    sides = [{game for game in apart if a[game] > b[game]}, {game for game in apart if a[game] < b[game]}]
    verdict: Verdict = "recomputed" if sides == [set(spec.better), set(spec.worse)] else "not reproduced"
    texts = [", ".join(sorted(side)) or "none" for side in sides]
    ours = f"better on {texts[0]}; worse on {texts[1]}"
    why = f"{len(apart)} of {len(games)} games at a level of {spec.level:g}, {spec.episodes} episodes of each agent"
    return judgement(spec, verdict, ours, why, value=len(apart), unit="games", n="published")
