"""How soon a variant reaches what a baseline ends with (Schaul et al. 2016, Figure 4, arXiv:1511.05952).

A run's score counts as its best, or its mean, up to each frame; 100 % is the baseline's at its own last frame, in
each game by itself (mean over its seeds); 0 % is the zero of the normalisation (a random policy on Atari).
"""

from __future__ import annotations

import numpy as np

from analysis import caption, style
from analysis.curves import Curves, by_label, some
from analysis.errors import NoData, unknown
from analysis.figures import common
from analysis.intervals import estimate
from analysis.load import Scores, planned_labels, select
from analysis.normalise import CLOCKS
from analysis.reference import Reference
from analysis.spec.items import LearningSpeed
from analysis.text import frames_text

TITLES = {"max": "Best score so far", "mean": "Mean score so far"}


def draw(spec: LearningSpeed, scores: Scores, reference: Reference) -> common.Drawing:
    """UserError for unknown names. A panel is empty where the baseline ends above zero in no game."""
    rows = select(scores, spec)
    lines = some(by_label(rows, spec.variants, spec.window), spec.id)
    names = planned_labels(scores, spec)
    if spec.baseline not in names:
        raise unknown("baseline", spec.baseline, names, spec.id)
    if spec.baseline not in lines:
        raise NoData(f"{spec.id}: the baseline {spec.baseline} has no score")
    lines = {label: curves.scaled(spec.normalisation, reference) for label, curves in lines.items()}
    marks = style.marks(lines)
    sheet = common.Sheet()
    across = 2 if spec.column == "double" else 1
    figure, axes = common.grid(spec, len(spec.so_far), across, 2.3, list(lines))
    last = max(curves.frames[-1] for curves in lines.values())
    for panel, how in zip(axes, spec.so_far, strict=True):
        title = TITLES[how]
        ends = _ends(spec, lines[spec.baseline], how, sheet)
        if not ends:
            common.nothing(panel, f"{spec.baseline} ends at zero or below in every game")
        for label, curves in lines.items() if ends else ():
            kept = [i for i, game in enumerate(curves.games) if game in ends]
            if not kept:
                sheet.note(f"{label} has none of the baseline's games.")
                continue
            games = [curves.games[i] for i in kept]
            values = so_far(curves, how)[kept] / np.array([ends[game] for game in games])[:, None]
            value = estimate(100 * values, games, spec.statistic, spec.interval)
            common.line(panel, sheet, title, label, curves.frames, value, marks[label])
            frame = reaches(curves.frames, value.point, 100.0)
            if label != spec.baseline and frame is not None:
                panel.axvline(frame, color=marks[label].colour, linestyle=style.REFERENCE_DASH, linewidth=1.0)
                sheet.rows.append(common.row(title, label, "equivalence", round(frame), 100.0, n=value.n[1]))
                share = 100 * frame / lines[spec.baseline].frames[-1]
                sheet.note(f"{title}: {label} reaches 100 % at {frames_text(round(frame))} frames ({share:.0f} %).")
        panel.axhline(100, color="#444444", linewidth=0.7)
        panel.set_title(title)
        style.frame_axis(panel, last=common.budget(spec, scores, last, None))
    common.name_axes(axes, across, CLOCKS["frames"], f"{spec.statistic.capitalize()} % of {spec.baseline}'s end")
    common.legend_below(figure, sheet.legend)
    notes = [f"Dotted: where a line reaches what {spec.baseline} ends with, in brackets as a share of its training."]
    if len(set(lines[spec.baseline].games)) > 1:
        notes.append(f"{spec.statistic.capitalize()} over {caption.games_text(lines[spec.baseline].games)}.")
    notes.append("Intervals take the baseline's end as given.")
    return common.Drawing(figure, sheet.table(), caption.from_runs(spec, scores, lines, notes + sheet.notes))


def so_far(curves: Curves, how: str) -> np.ndarray:
    """[R, T]: running maximum, or running mean over frames (trapezoids), of each run."""
    if how == "max":
        return np.maximum.accumulate(curves.values, axis=1)
    steps = np.diff(curves.frames)
    areas = np.cumsum((curves.values[:, 1:] + curves.values[:, :-1]) / 2 * steps, axis=1)
    return np.concatenate([curves.values[:, :1], areas / np.cumsum(steps)], axis=1)


def reaches(frames: np.ndarray, values: np.ndarray, level: float) -> float | None:
    """The first frame at which a line through the points reaches the level; None if it never does."""
    above = np.flatnonzero(values >= level)
    if not len(above):
        return None
    i = above[0]
    if i == 0:
        return float(frames[0])
    share = (level - values[i - 1]) / (values[i] - values[i - 1])
    return float(frames[i - 1] + share * (frames[i] - frames[i - 1]))


def _ends(spec: LearningSpeed, baseline: Curves, how: str, sheet: common.Sheet) -> dict[str, float]:
    """Game -> the baseline's mean over seeds at its last frame; games where that is not above zero are left out."""
    values = so_far(baseline, how)[:, -1]
    names = np.array(baseline.games)
    ends = {game: float(values[names == game].mean()) for game in sorted(set(baseline.games))}
    poor = [game for game, end in ends.items() if end <= 0]
    if poor:
        sheet.note(f"Left out, since {spec.baseline} ends at zero or below: {', '.join(poor)}.")
    return {game: end for game, end in ends.items() if end > 0}
