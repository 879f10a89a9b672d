"""The caption of a figure or table: what its reader has to know, as sentences and as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from analysis.curves import Curves
from analysis.load import Scores
from analysis.metrics import SCORES, meaning
from analysis.normalise import SCALES
from analysis.spec import Interval
from analysis.text import frames_text

_SCORE = {
    "final": "its last checkpoint",
    "best": "its best checkpoint (optimistic)",
    "average": "its mean over all frames",
}
_METHOD = {"rliable": "n of n seeds per game", "rescaled": "n - 1 of n seeds per game"}


def interval_text(interval: Interval, n: tuple[int, int]) -> str:
    """One sentence on the interval, with a warning for few seeds."""
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
    return f"n = {n[0]} seed{'s' if n[0] != 1 else ''}" if n[0] == n[1] else f"n = {n[0]} to {n[1]} seeds"


def scales(scores: Scores, names: Iterable[str]) -> list[dict[str, Any]]:
    """Scale and budget of each experiment."""
    keys = ("scale", "budget_frames", "paper_frames", "clock", "cuts", "reduced")
    return [{"experiment": name} | {key: scores.experiments[name].get(key) for key in keys} for name in names]


def budget_text(scale: Mapping[str, Any]) -> str:
    """'Scale reduced: 60k of 5M frames.'"""
    ours, paper = scale.get("budget_frames"), scale.get("paper_frames")
    if not ours:
        return f"Scale {scale['scale']}."
    of = f" of the paper's {frames_text(paper)}" if paper and paper != ours else ""
    return f"Scale {scale['scale']}: {frames_text(ours)}{of} {scale.get('clock') or 'frames'}."


def from_runs(
    spec: Any,
    scores: Scores,
    curves: Mapping[str, Curves],
    extra: Iterable[str] = (),
    interval: bool = True,
) -> dict[str, Any]:
    """Caption of a figure or table made from runs: `curves` are those that entered it, by label.

    `interval` is False where no interval is shown.
    """
    per_label = {label: _seeds(curve) for label, curve in curves.items()}
    n = (min(v[0] for v in per_label.values()), max(v[1] for v in per_label.values()))
    runs = sorted({run for curve in curves.values() for run in curve.runs + curve.empty})
    diverged = sorted({run for curve in curves.values() for run in curve.held})
    empty = sorted({run for curve in curves.values() for run in curve.empty})
    missing = [m for m in scores.missing if m["experiment"] in spec.experiments and _wanted(spec, m)]
    about = scales(scores, spec.experiments)
    filled = sum(curve.filled for curve in curves.values())
    sentences = [f"{seeds_text(n)}{'' if n[0] == n[1] else ' per game'}."]
    for scale in {budget_text(s): s for s in about}.values():
        sentences.append(budget_text(scale))
        if scale.get("reduced"):
            sentences.append(str(scale["reduced"]).rstrip(".") + ".")
    sentences.append(f"Metric {spec.metric}: {meaning(spec.metric)}.")
    cuts = sorted({cut for scale in about for cut in scale["cuts"] or ()})
    if cuts and spec.metric == "evaluation_return":
        sentences.append(f"Its episodes are cut at {' or '.join(f'{cut:,}' for cut in cuts)} frames.")
    if spec.metric in SCORES:
        sentences.append(f"Scale of scores: {SCALES[spec.normalisation].text}.")
    if getattr(spec, "score", None):
        sentences.append(f"Each run counts with {_SCORE[spec.score]}.")
    if spec.window > 1:
        sentences.append(f"Each run is smoothed by a trailing mean over {spec.window} checkpoints.")
    if interval:
        sentences.append(interval_text(spec.interval, n))
    sentences += list(extra)
    if diverged:
        sentences.append(f"{len(diverged)} diverged run(s) keep their last score from there on.")
    if empty:
        sentences.append(f"{len(empty)} run(s) left no score and are not drawn.")
    if missing:
        sentences.append(f"{len(missing)} planned run(s) are missing.")
    if filled:
        sentences.append(f"{filled} checkpoints between two values of a run are interpolated.")
    return base(spec, sentences) | {
        "experiments": list(spec.experiments),
        "metric": spec.metric,
        "normalisation": spec.normalisation,
        "interval": spec.interval.model_dump() if interval and n[1] > 1 else None,
        "seeds": {label: list(v) for label, v in per_label.items()},
        "scales": about,
        "runs": runs,
        "diverged": diverged,
        "without_score": empty,
        "missing": sorted(m["run"] for m in missing),
        "interpolated": filled,
    }


def base(spec: Any, sentences: Iterable[str]) -> dict[str, Any]:
    """The part every caption has; the paper's own sentence comes first."""
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


def _wanted(spec: Any, entry: Mapping[str, Any]) -> bool:
    vary = entry.get("vary") or {}
    return (
        (spec.variants is None or entry["variant"] in spec.variants)
        and (spec.games is None or entry["game"] in spec.games)
        and all(key in vary and vary[key] == value for key, value in spec.where.items())
    )
