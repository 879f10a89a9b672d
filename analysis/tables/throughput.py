"""Throughput: frames per second of each variant's runs and of their actors, beside a paper's printed speeds."""

from __future__ import annotations

import contextlib

import pandas as pd

from analysis import caption, metrics
from analysis.curves import Curves, by_label, some
from analysis.errors import NoData, unknown
from analysis.intervals import Estimate, estimate
from analysis.load import Scores, planned_labels, select
from analysis.reference import Reference
from analysis.spec.items import Throughput
from analysis.table import Sheet
from analysis.text import number


def build(spec: Throughput, scores: Scores, reference: Reference) -> Sheet:
    """UserError for unknown names. Variants whose actors are not apart have a dash for the actor."""
    rows = select(scores, spec)
    curves = some(by_label(rows, spec.variants, spec.window, "average"), spec.id)
    names = planned_labels(scores, spec)
    if spec.baseline is not None and spec.baseline not in names:
        raise unknown("baseline", spec.baseline, names, spec.id)
    if spec.baseline is not None and spec.baseline not in curves:
        raise NoData(f"{spec.id}: no run of the baseline {spec.baseline} has a speed")
    speeds = {label: _speed(group, spec) for label, group in curves.items()}
    actors = _of(spec, scores, "actor_frames_per_second")  # none where they are not apart from their learner
    times = _of(spec, scores, "frame_milliseconds") if spec.frame_time else {}  # none of a run of seconds
    head, body, data = ["System", "Frames/s", "of one actor"], [], []
    if spec.baseline is not None:
        head.append("speed-up")
    if spec.frame_time:
        head += ["ms per frame"] + ["time ratio"] * (spec.baseline is not None)
    for label, found in speeds.items():
        alone = actors.get(label)
        line = [label, _text(found), "–" if alone is None else _text(alone)]
        data.append((label, "ours", "frames/s", float(found.point), found.low, found.high, found.n[1]))
        if alone is not None:
            data.append((label, "ours", "of one actor", float(alone.point), alone.low, alone.high, alone.n[1]))
        if spec.baseline is not None:
            ratio = float(found.point / speeds[spec.baseline].point)
            line.append(number(ratio))
            data.append((label, "ours", "speed-up", ratio, None, None, found.n[1]))
        if spec.frame_time:
            line += _time(label, times, spec.baseline, data)
        body.append(line + ["–"] * len(spec.printed_columns))
    for row in spec.printed:
        shown = ["–" if value is None else number(value) for value in row.values]
        body.append([f"{row.label} (published)", *["–"] * (len(head) - 1), *shown])
        named = zip(spec.printed_columns, row.values, strict=True)
        data += [(row.label, "published", name, value, None, None, None) for name, value in named if value is not None]
    frame = pd.DataFrame(data, columns=["label", "role", "column", "value", "low", "high", "n"])
    notes = ["Mean over runs with its interval in brackets. Speeds are those of the machine that ran them."]
    if spec.frame_time:
        notes.append(f"ms per frame: {metrics.meaning('frame_milliseconds')}; a dash: the runs were over before two.")
    return Sheet([*head, *spec.printed_columns], body, frame, caption.from_runs(spec, scores, curves, notes))


def _of(spec: Throughput, scores: Scores, metric: str) -> dict[str, Estimate]:
    """label -> the metric, of those that have it."""
    with contextlib.suppress(NoData):
        each = by_label(select(scores, spec, metric), spec.variants, spec.window, "average")
        return {label: _speed(group, spec) for label, group in each.items()}
    return {}


def _time(label: str, times: dict[str, Estimate], baseline: str | None, data: list[tuple]) -> list[str]:
    """The cells of the time per frame, a dash where the run was too short to have one, and their rows of data."""
    mine, other = times.get(label), times.get(baseline or "")
    cells = ["–" if mine is None else number(float(mine.point))]
    if mine is not None:
        data.append((label, "ours", "ms per frame", float(mine.point), mine.low, mine.high, mine.n[1]))
    if baseline is not None:
        ratio = None if mine is None or other is None else float(mine.point / other.point)
        cells.append("–" if ratio is None else number(ratio))
        data += [(label, "ours", "time ratio", ratio, None, None, mine.n[1])] if mine is not None and ratio else []
    return cells


def _speed(group: Curves, spec: Throughput) -> Estimate:
    return estimate(group.numbers, group.games, "mean", spec.interval)


def _text(speed: Estimate) -> str:
    shown = f"{float(speed.point):,.0f}"
    if speed.low is not None and speed.high is not None:
        shown += f" [{float(speed.low):,.0f}, {float(speed.high):,.0f}]"
    return shown
