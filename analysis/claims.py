"""Statements of a paper as checks on data, each with a verdict.

'reproduced': by our runs, the whole interval is beyond the margin; 'recomputed': published numbers give what is
stated, and no run of ours entered; 'not reproduced': the whole interval is on the wrong side, or published numbers
do not give it; 'inconclusive': neither, or no interval (one seed); 'not run at this scale': the runs are missing or
their scale is below the one the statement needs. A verdict that rests on two seeds of some game is marked as weak.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from analysis import caption
from analysis.cells import cells, share_above, share_difference
from analysis.curves import Curves, one_number, scored
from analysis.duels import lead, tally_text
from analysis.errors import NoData, UserError, unknown
from analysis.files import dump_json, resolve, write_text
from analysis.intervals import Estimate, difference, estimate
from analysis.load import Scores, read_scores, select
from analysis.metrics import axis, one_scale
from analysis.passage import levels, passages, ratio
from analysis.reference import Reference
from analysis.spec.items import (
    CLAIMS,
    Claim,
    ClaimSpec,
    Close,
    Greater,
    MoreWins,
    Overtakes,
    ShareGreater,
    Sooner,
    Verdict,
)
from analysis.spec.items import SCALES as RUN_SCALES
from analysis.text import canonical, number

FEW = 3  # seeds of a game below which an interval says little
Judge = Callable[[float, float, float], tuple[Verdict, str]]  # of an interval's low and high, and a margin
MISSING = "the runs are missing"
WEAK = "weak: fewer than three seeds of a game"


def check(specs: Iterable[ClaimSpec], scores: Iterable[Path], reference: Path, out: Path) -> list[dict[str, Any]]:
    """Check every claim and write the list of results as JSON; returns it. UserError for an id used twice."""
    loaded, facts = read_scores(scores), Reference(reference)
    results = [_check(spec, loaded, facts) for spec in specs]
    names = [result["id"] for result in results]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"claims: id used twice: {', '.join(twice)}")
    write_text(out, dump_json(results))
    return results


def _check(spec: ClaimSpec, scores: Scores, reference: Reference) -> dict[str, Any]:
    try:
        return resolve(CLAIMS[spec.kind])(spec, scores, reference)
    except NoData as reason:
        return judgement(spec, "not run at this scale", "–", str(reason), experiments=list(spec.experiments))


def judgement(spec: Claim, verdict: Verdict, ours: str, why: str, **numbers: Any) -> dict[str, Any]:
    """What the claims table holds of a claim; `numbers` in its unit: value, low, high, n, unit, runs, …"""
    base = {"value": None, "low": None, "high": None, "n": None, "seeds": [], "unit": "", "runs": [], "experiments": []}
    # what was looked at: our runs, or published numbers alone
    basis = {"basis": "runs" if spec.experiments else "published", "weak": False}
    return (
        base
        | basis
        | {
            "id": spec.id,
            "kind": spec.kind,
            "text": spec.text,
            "source": spec.source,
            "published": None if spec.published is None else shown(spec.published),
            "verdict": verdict,
            "ours": ours,
            "why": why,
            **numbers,
        }
    )


def shown(value: str | float) -> str:
    """A published value as the table prints it: words as they are, numbers to ten digits."""
    return value if isinstance(value, str) else f"{value:.10g}"


def greater(spec: Greater, scores: Scores, reference: Reference) -> dict[str, Any]:
    """Is variant a above variant b (or a number) by more than the margin? UserError for unknown names."""
    return _compare(spec, scores, reference, above)


def close(spec: Close, scores: Scores, reference: Reference) -> dict[str, Any]:
    """Are variants a and b (or a number) nearer to each other than the margin? UserError for unknown names."""
    return _compare(spec, scores, reference, within)


def overtakes(spec: Overtakes, scores: Scores, reference: Reference) -> dict[str, Any]:
    """Is variant a, after `by_frames`, above what variant b ends with? UserError for unknown names."""
    rows = scores.rows
    mine = (rows.variant == spec.a) & rows.experiment.isin(spec.experiments)
    if mine.any() and not (mine & (rows.frame <= spec.by_frames)).any():
        about = {"experiments": list(spec.experiments), "unit": axis(spec.metric, spec.normalisation)}
        why = f"no value of {spec.a!r} within the first {spec.by_frames:,} frames"
        return judgement(spec, "not run at this scale", "–", why, **about)
    early = replace(scores, rows=rows[(rows.variant != spec.a) | (rows.frame <= spec.by_frames)])
    return _compare(spec, early, reference, above)


def more_wins(spec: MoreWins, scores: Scores, reference: Reference) -> dict[str, Any]:
    """Is variant a better than b (or a number) on more games than it is worse on? UserError for unknown names.

    A game counts by its mean over seeds. What is estimated is games better less games worse.
    """
    sides = _sides(spec)
    about = {"experiments": list(spec.experiments), "unit": "games"}
    arms = _arms(spec, scores, reference, sides, about)
    if isinstance(arms, dict):
        return arms
    a, games = arms[0].numbers, arms[0].games
    b, others = (np.full(len(a), float(spec.b)), games) if len(arms) == 1 else (arms[1].numbers, arms[1].games)
    counts, value = lead(a, games, b, others, spec.tie, spec.interval)
    return judged(spec, value, above, tally_text(counts), arms, _notes(spec, scores, sides, arms), about)


def _compare(spec: Greater | Close | Overtakes, scores: Scores, reference: Reference, judge: Judge) -> dict[str, Any]:
    """The result of judging a less b."""
    sides = _sides(spec)
    about = {"experiments": list(spec.experiments), "unit": axis(spec.metric, spec.normalisation)}
    arms = _arms(spec, scores, reference, sides, about, _of_b(spec))
    if isinstance(arms, dict):
        return arms
    arms[1:] = [arm.times(spec.times) for arm in arms[1:]]
    one_scale(spec, sorted({game for arm in arms for game in arm.games}))
    numbers = [(arm.numbers, arm.games) for arm in arms]
    if len(numbers) == 2:
        value = difference(*numbers[0], *numbers[1], spec.statistic, spec.interval)
    else:
        value = estimate(*numbers[0], spec.statistic, spec.interval).less(float(spec.b))
    ours = f"difference {float(value.point):+.3g}"
    low, high = value.ends()
    if low is not None and high is not None:
        ours += f" [{low:+.3g}, {high:+.3g}]"
    return judged(spec, value, judge, ours, arms, _notes(spec, scores, sides, arms), about)


def _sides(spec: Greater | Close | Overtakes | MoreWins) -> list[str]:
    """Variant a, and b where it is one."""
    return [spec.a] + ([spec.b] if isinstance(spec.b, str) else [])


def _of_b(spec: Any) -> Any:
    """The same claim, of variant b's metric and settings."""
    return spec.model_copy(update={"metric": spec.b_metric or spec.metric, "where": spec.where | spec.b_where})


def _arms(
    spec: Greater | Close | Overtakes | MoreWins,
    scores: Scores,
    reference: Reference,
    sides: list[str],
    about: dict[str, Any],
    of_b: Greater | Close | Overtakes | None = None,
) -> list[Curves] | dict[str, Any]:
    """One number per run of each variant, scaled; or the result that says why they cannot be compared."""
    if why := not_run(spec, scores, sides):
        planned = {*_gone(spec, scores), *scores.rows.variant[scores.rows.experiment.isin(spec.experiments)]}
        for name in sides if why == MISSING else ():
            if name not in planned:
                raise unknown("variant", name, planned, f"claim {spec.id}")
        return judgement(spec, "not run at this scale", "–", why, **about)
    arms = []
    for name, side in zip(sides, (spec, of_b or spec), strict=False):
        rows = select(scores, side.model_copy(update={"variants": spec.variants or list(dict.fromkeys(sides))}))
        mine = rows[rows.variant == name]
        if mine.label.nunique() > 1:
            raise UserError(f"claim {spec.id}: {name!r} has several settings; choose one with 'where'")
        if scored(mine).empty:
            return judgement(spec, "not run at this scale", "–", f"no run of {name!r} has a score", **about)
        arms.append(one_number(mine, spec.score, spec.window).scaled(spec.normalisation, reference))
    if any(set(arm.games) != set(arms[0].games) for arm in arms):
        return judgement(spec, "inconclusive", "–", "the two variants were not run on the same games", **about)
    return arms


def _gone(spec: Claim, scores: Scores) -> list[str]:
    """The variants of the runs that are missing, one for each of them."""
    return [entry["variant"] for entry in scores.missing if entry["experiment"] in spec.experiments]


def _notes(spec: Claim, scores: Scores, sides: list[str], arms: list[Curves]) -> list[str]:
    """What its reader has to know of the runs behind a comparison."""
    lost = sum(variant in sides for variant in _gone(spec, scores))
    diverged = sum(len(arm.held) for arm in arms)
    notes = [f"{lost} planned run(s) missing"] * bool(lost)
    return notes + [f"{diverged} diverged run(s) counted with their last score"] * bool(diverged)


def share_greater(spec: ShareGreater, scores: Scores, reference: Reference) -> dict[str, Any]:
    """Do more settings of variant a score above the threshold than of variant b? UserError for unknown experiments.

    The interval of the difference resamples seeds within each setting; the settings are fixed.
    """
    sides = [spec.a, spec.b]
    about = {"experiments": list(spec.experiments), "unit": "percentage points"}
    if why := not_run(spec, scores, sides):
        return judgement(spec, "not run at this scale", "–", why, **about)
    found = cells(select(scores, spec.model_copy(update={"variants": sides})), spec, reference)
    arms = [[cell for cell in found if cell.variant == name] for name in sides]
    if {canonical(cell.vary) for cell in arms[0]} != {canonical(cell.vary) for cell in arms[1]}:
        return judgement(spec, "inconclusive", "–", "the two variants were not run with the same settings", **about)
    value = share_difference(*arms, spec.threshold, spec.interval)
    shares = [share_above(arm, spec.threshold, spec.interval).point for arm in arms]
    ours = f"{shares[0]:.0f} % against {shares[1]:.0f} % of {len(arms[0])} settings"
    curves = [cell.curves for cell in found if cell.curves is not None]
    return judged(spec, value, above, ours, curves, [], about)


def sooner(spec: Sooner, scores: Scores, reference: Reference) -> dict[str, Any]:
    """Does variant b take more than `margin` times as long as a to the level? UserError for unknown names."""
    about = {"experiments": list(spec.experiments), "unit": f"times as many {spec.count}"}
    if why := not_run(spec, scores, [spec.a, spec.b]):
        return judgement(spec, "not run at this scale", "–", why, **about)
    arms, curves = [], []
    for name, where in ((spec.a, spec.where), (spec.b, spec.where | spec.b_where)):
        wanted = spec.model_copy(update={"variants": list(dict.fromkeys([spec.a, spec.b])), "where": where})
        rows = select(scores, wanted)
        of = levels(spec, sorted(set(rows.game)), spec.levels, spec.human, reference)
        found = passages(wanted, scores, spec.count, of)
        if set(found) != {spec.a, spec.b}:
            raise UserError(f"claim {spec.id}: a variant has several settings, or none; choose one with 'where'")
        arms.append(found[name])
        curves.append(one_number(rows, "final"))
    value = ratio(*arms, spec.interval)
    named = zip((spec.a, spec.b), arms, strict=True)
    never = [f"{int(np.isinf(arm.at).sum())} of {len(arm.at)} run(s) of {name} never reach it" for name, arm in named]
    ours = f"{number(float(value.point))} times"
    return judged(spec, value, above, ours, curves[: 1 + bool(spec.b_where)], never, about)


def not_run(spec: Any, scores: Scores, sides: Iterable[str]) -> str | None:
    """Why these variants cannot be compared: they ran at too small a scale, or not at all."""
    for name in spec.experiments:
        if name not in scores.experiments:
            raise unknown("experiment", name, scores.experiments, f"claim {spec.id}")
    scale = min((scores.experiments[name]["scale"] for name in spec.experiments), key=RUN_SCALES.index)
    if RUN_SCALES.index(scale) < RUN_SCALES.index(spec.at_least):
        return f"needs scale '{spec.at_least}', ran at '{scale}'"
    ran = set(scores.rows.variant[scores.rows.experiment.isin(spec.experiments)])
    return None if set(sides) <= ran else MISSING


def judged(
    spec: Any,
    value: Estimate,
    judge: Judge,
    ours: str,
    curves: list[Curves],
    notes: list[str],
    about: dict[str, Any],
) -> dict[str, Any]:
    """A judgement on the runs of `curves`, and what its reader has to know beside it."""
    low, high = value.ends()
    verdict, why = "inconclusive", "one seed per game gives no interval"
    if low is not None and high is not None:
        verdict, why = judge(low, high, spec.margin)
    # an interval that decides rests on enough seeds of every game, or not
    weak = verdict in ("reproduced", "not reproduced") and value.n[0] < FEW
    why = "; ".join(filter(None, [why, WEAK * weak, caption.early_ends(curves), *notes]))
    n = caption.seeds_text(value.n).removeprefix("n = ")
    runs = sorted({run for each in curves for run in each.runs})
    return judgement(
        spec, verdict, ours, why, value=float(value.point), low=low, high=high, runs=runs, weak=weak, n=n,
        seeds=list(value.n), **about,
    )  # fmt: skip


def above(low: float, high: float, margin: float) -> tuple[Verdict, str]:
    """The verdict on an interval that should lie above a margin, and why."""
    if low > margin:
        return "reproduced", f"the whole interval is above {margin:g}"
    if high < margin:
        return "not reproduced", f"the whole interval is below {margin:g}"
    return "inconclusive", f"the interval contains {margin:g}"


def within(low: float, high: float, margin: float) -> tuple[Verdict, str]:
    """The verdict on an interval that should lie within a margin of 0 on either side, and why."""
    if -margin < low and high < margin:
        return "reproduced", f"the whole interval of the difference is between -{margin:g} and {margin:g}"
    if low > margin or high < -margin:
        return "not reproduced", f"the whole interval of the difference is beyond {margin:g}"
    return "inconclusive", f"the interval of the difference reaches beyond {margin:g}"
