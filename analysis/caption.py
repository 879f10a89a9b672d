"""The caption of a figure or table: what its reader has to know, as sentences and as data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from analysis.curves import Curves, scored
from analysis.load import Scores, chosen
from analysis.metrics import SCORES, meaning
from analysis.normalise import SCALES
from analysis.spec.items import Interval
from analysis.text import frames_text, game_title

_SCORE = {
    "final": "its last checkpoint",
    "best": "its best checkpoint (optimistic)",
    "average": "its mean over all frames",
}
NAMED = 3  # runs named in a sentence; the rest are counted
FEW_GAMES = 10  # are named
CUTS = 4  # curves whose cut is told, each by a sentence
_METHOD = {"rliable": "n of n seeds per game", "rescaled": "n - 1 of n seeds per game"}


def interval_text(interval: Interval, n: tuple[int, int]) -> str:
    """One sentence on the interval, with a warning for few seeds. n: smallest and largest number of seeds per game."""
    if n[1] < 2:
        return "One seed per game: no interval."
    text = (
        f"Intervals: {100 * interval.level:g} % percentile bootstrap over seeds with games fixed, "
        f"{interval.resamples} resamples, method '{interval.method}' ({_METHOD[interval.method]})."
    )
    if n[1] <= 3:
        text += f" With {n[1]} seeds such an interval is too narrow; read it as a rough guide."
    return text


def seeds_text(n: tuple[int, int]) -> str:
    """'n = 3 seeds', or from the smallest to the largest number per game."""
    return f"n = {n[0]} seed{'s' if n[0] != 1 else ''}" if n[0] == n[1] else f"n = {n[0]} to {n[1]} seeds"


def scales(scores: Scores, names: Iterable[str]) -> list[dict[str, Any]]:
    """Scale, budget and cuts (frames) of each experiment that is named; KeyError for one without scores."""
    keys = ("scale", "budget_frames", "paper_frames", "clock", "cuts", "reduced")
    return [{"experiment": name} | {key: scores.experiments[name].get(key) for key in keys} for name in names]


def budget_text(scale: Mapping[str, Any]) -> str:
    """'Scale reduced: 60k of 5M frames.'"""
    ours, paper = scale.get("budget_frames"), scale.get("paper_frames")
    if not ours:
        return f"Scale {scale['scale']}."
    of = f" of the paper's {frames_text(paper)}" if paper and paper != ours else ""
    return f"Scale {scale['scale']}: {frames_text(ours)}{of} {scale.get('clock') or 'frames'}."


def games_text(games: Iterable[str]) -> str:
    """'3 games (Breakout, Pong, Qbert)': which ones, where they are few; else how many."""
    titles = sorted({game_title(game) for game in games})
    names = f" ({', '.join(titles)})" if len(titles) <= FEW_GAMES else ""
    return f"{len(titles)} game{'s' if len(titles) != 1 else ''}{names}"


def uneven_games(games: Mapping[str, int]) -> list[str]:
    """A sentence where labels differ in how many games they have (label -> games), nothing where they do not."""
    if len(set(games.values())) < 2:
        return []
    return ["Variants differ in the games they have: " + ", ".join(f"{k} {v}" for k, v in games.items()) + "."]


def from_runs(
    spec: Any,
    scores: Scores,
    curves: Mapping[str, Curves],
    extra: Iterable[str] = (),
    interval: bool = True,
    metrics: Iterable[str] | None = None,
    unit: str | None = None,
) -> dict[str, Any]:
    """Caption of a figure or table made from runs: `curves` are those that entered it, by label.

    `interval` is False where no interval is shown; `metrics` are those drawn, by default the spec's own; `unit` is what
    the curves are over if not what the experiments' frames count.
    """
    per_label = {label: _seeds(curve) for label, curve in curves.items()}
    n = (min(v[0] for v in per_label.values()), max(v[1] for v in per_label.values()))
    about = scales(scores, spec.experiments)
    rows, missing = chosen(scores, spec)
    shown = {run for curve in curves.values() for run in curve.runs}
    with_score = set(scored(rows[rows.metric.isin(metrics or [spec.metric])]).run)
    ends = {run: last for curve in curves.values() for run, (_, last) in curve.spans.items()}
    facts = {
        f"last_{unit or 'frames'}": ends,
        "diverged": sorted({run for curve in curves.values() for run in curve.held}),
        "without_score": sorted(set(rows.run) - shown - with_score),
        "missing": sorted({m["run"] for m in missing}),
        "interpolated": sum(curve.filled for curve in curves.values()),
    }
    sentences = [f"{seeds_text(n)}{'' if n[0] == n[1] else ' per game'}."]
    sentences += _protocol(spec, about, curves, unit)
    if interval:
        sentences.append(interval_text(spec.interval, n))
    sentences += [*extra, *_exceptions(facts, ends, sorted(with_score - shown))]
    return base(spec, sentences) | {
        "experiments": list(spec.experiments),
        "metric": spec.metric,
        "normalisation": spec.normalisation,
        "interval": spec.interval.model_dump() if interval and n[1] > 1 else None,
        "seeds": {label: list(v) for label, v in per_label.items()},
        "scales": about,
        "runs": sorted(shown | set(facts["without_score"])),
        **facts,
    }


def _protocol(spec: Any, about: list[dict[str, Any]], curves: Mapping[str, Curves], over: str | None) -> Iterator[str]:
    """At which scale, what was measured, and how one number or curve was made of a run."""
    for scale in {budget_text(s): s for s in about}.values():
        yield budget_text(scale)
        if scale.get("reduced"):
            yield str(scale["reduced"]).rstrip(".") + "."
    yield f"Metric {spec.metric}: {meaning(spec.metric)}."
    cuts = sorted({cut for scale in about for cut in scale["cuts"] or ()})
    if cuts and spec.metric == "evaluation_return":
        yield f"Its episodes are cut at {' or '.join(f'{cut:,}' for cut in cuts)} frames."
    if spec.metric in SCORES:
        yield f"Scale of scores: {SCALES[spec.normalisation].text}."
    unit = about[0]["clock"] or "frames"
    if getattr(spec, "score", None):
        yield f"Each run counts with {_SCORE[spec.score]}{where_runs_end(list(curves.values()), unit)}."
    yield from _cuts(curves, unit)
    if over:
        yield (
            f"Runs are averaged at even steps of their own {over}, interpolated between their checkpoints, from the "
            "latest first to the earliest last of them."
        )
    elif early := early_ends([curve for curve in curves.values() if not curve.cut]):
        yield f"{early}."
    if spec.window > 1:
        yield f"Each run is smoothed by a trailing mean over {spec.window} checkpoints."


def _exceptions(facts: Mapping[str, Any], last: Mapping[str, float], left_out: Sequence[str]) -> Iterator[str]:
    """The runs that are not what they should be, or not there."""
    if runs := facts["diverged"]:
        yield f"{len(runs)} diverged run(s) keep their last score from there on: {at(runs, last)}."
    if runs := facts["without_score"]:
        yield f"{len(runs)} run(s) left no score and are not drawn: {at(runs)}."
    if left_out:
        yield (
            f"{len(left_out)} run(s) have a score but no place here, without a varied key of the figure or a frame in "
            f"common with the other seeds: {at(left_out)}."
        )
    if facts["missing"]:
        yield f"{len(facts['missing'])} planned run(s) are missing."
    if facts["interpolated"]:
        yield f"{facts['interpolated']} checkpoints between two values of a run are interpolated."


def without_data(spec: Any, scores: Scores, reason: str) -> dict[str, Any]:
    """Caption of a figure or table for which no run has anything: it says why."""
    about = scales(scores, spec.experiments)
    _, missing = chosen(scores, spec)
    sentences = [f"Not drawn: {reason.rstrip('.')}.", *{budget_text(scale): None for scale in about}]
    if missing:
        sentences.append(f"{len(missing)} planned run(s) are missing.")
    return base(spec, sentences) | {
        "experiments": list(spec.experiments),
        "scales": about,
        "missing": sorted(m["run"] for m in missing),
        "no_data": reason,
    }


def base(spec: Any, sentences: Iterable[str]) -> dict[str, Any]:
    """The part every caption has, as JSON takes it; the paper's own sentence comes first."""
    text = " ".join([spec.caption.strip()] * bool(spec.caption.strip()) + list(sentences))
    return {
        "id": spec.id,
        "kind": spec.kind,
        "title": spec.title,
        "source": spec.source,
        "text": text,
        "runs": [],
        "experiments": [],
        "scales": [],
        "missing": [],
        "diverged": [],
    }


def _seeds(curves: Curves) -> tuple[int, int]:
    counts = [curves.games.count(game) for game in set(curves.games)]
    return min(counts), max(counts)


def at(runs: Sequence[str], frames: Mapping[str, float] | None = None) -> str:
    """'a at 40k, b at 50k and 3 more': the first few runs by name, with a frame of each."""
    named = [f"{run} at {frames_text(frames[run])}" if frames else run for run in runs[:NAMED]]
    return ", ".join(named) + (f" and {len(runs) - NAMED} more" if len(runs) > NAMED else "")


def _ends(curves: Iterable[Curves]) -> dict[str, dict[str, float]]:
    """game -> run -> frame of its last value; diverged runs are told of elsewhere."""
    ends: dict[str, dict[str, float]] = {}
    for each in curves:
        for run, game in zip(each.runs, each.games, strict=True):
            if run not in each.held and run in each.spans:
                ends.setdefault(game, {})[run] = each.spans[run][1]
    return ends


def where_runs_end(curves: Sequence[Curves], unit: str = "frames") -> str:
    """', at 60k frames', or between where the last values lie; `unit` names what the frames count."""
    frames = [frame for runs in _ends(curves).values() for frame in runs.values()]
    if not frames:
        return ""
    low, high = frames_text(min(frames)), frames_text(max(frames))
    return f", at {low} {unit}" if low == high else f", at {low} to {high} {unit}"


def early_ends(curves: Sequence[Curves]) -> str:
    """'2 run(s) end before others of their game: a at 40k, b at 50k'; nothing where all of a game end together."""
    ends = _ends(curves)
    every = {run: frame for runs in ends.values() for run, frame in runs.items()}
    early = [run for runs in ends.values() for run, frame in runs.items() if frame < max(runs.values())]
    early.sort(key=lambda run: (every[run], run))
    return f"{len(early)} run(s) end before others of their game: {at(early, every)}" if early else ""


def _cuts(curves: Mapping[str, Curves], unit: str) -> list[str]:
    """Which curves begin late or end early since a run of theirs does, at which frame, and for which run."""
    sentences = []
    for label, each in curves.items():
        if not each.cut:
            continue
        first, last = each.frames[0], each.frames[-1]
        begins = [run for run in each.cut if each.spans[run][0] < first]
        goes_on = [run for run in each.cut if each.spans[run][1] > last]
        late = [run for run, span in each.spans.items() if span[0] == first]
        early = [run for run, span in each.spans.items() if span[1] == last and run not in each.held]
        parts = []
        if begins:
            parts.append(f"begins at {frames_text(first)} {unit}, with the first value of {at(late)}")
        if goes_on:
            more = max(each.spans[run][1] for run in goes_on)
            parts.append(
                f"ends at {frames_text(last)} {unit}, with the last value of {at(early)} "
                f"(others go on, up to {frames_text(more)})"
            )
        sentences.append(f"{label} {' and '.join(parts)}.")
    hidden = len(sentences) - CUTS
    return sentences[:CUTS] + ([f"{hidden} more curve(s) are cut alike."] if hidden > 0 else [])
