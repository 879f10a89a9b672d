"""Aggregates over games: of our own runs with intervals, of printed per-game scores, and as the papers print them.

The estimates atari5 and atari3 are the median over 57 games that a regression on few of them gives, in log10(1 + x)
of the human-normalised percentages x, cut at 0 (Aitchison et al. 2023, arXiv:2210.02019).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis import caption
from analysis.curves import Curves, one_number, scored
from analysis.duels import games_won
from analysis.errors import NoData, UserError, unknown
from analysis.intervals import Estimate, estimate, of_means, probability_of_improvement
from analysis.load import Scores, chosen, planned_variants, select
from analysis.metrics import one_scale
from analysis.normalise import SCALES, complete, normalise, short, without_reference
from analysis.published import UNIT, factor
from analysis.reference import Reference
from analysis.spec.items import AGAINST, AggregateColumn, AggregateRow, Aggregates, PublishedNumber, PublishedNumbers
from analysis.table import Sheet

HEADS = {
    "median": "Median", "mean": "Mean", "iqm": "IQM", "optimality_gap": "Optimality gap",
    "above_human": "Games above human", "above_baseline": "Games above baseline",
    "improvement": "Probability of improvement",
    "atari5": "Median, Atari-5 estimate", "atari3": "Median, Atari-3 estimate",
}  # fmt: skip
COUNTS = ("above_human", "above_baseline")
ESTIMATES = ("atari5", "atari3")


@dataclass(frozen=True)
class Runs:
    """Raw scores of one line: values [R] of runs on games [R] without their suite; a printed score is one run."""

    values: np.ndarray
    games: list[str]
    regime: str

    def on(self, games: set[str]) -> Runs:
        """Those on some games alone."""
        kept = [i for i, game in enumerate(self.games) if game in games]
        return Runs(self.values[kept], [self.games[i] for i in kept], self.regime)


def build(spec: Aggregates, scores: Scores, reference: Reference) -> Sheet:
    """UserError for an algorithm, game set or metric that is unknown, and for games without reference scores.

    A row whose runs are not there, or not planned at this scale, says so.
    """
    spec = _of_variants(spec, scores)
    curves = _curves(spec, scores) if spec.variants else {}
    heads = [_head(spec, column) for column in spec.columns]
    lines = [line for row in spec.rows for line in _lines(spec, row, curves, scores, reference)]
    body, data = [], []
    for line in lines:
        base = _baseline(line, lines)
        cells = [_cell(spec, column, line, base, reference) for column in spec.columns]
        body.append([line.label, *(cell.text for cell in cells), line.counted])
        data += [
            (line.label, head, line.role, *cell.numbers, line.games) for head, cell in zip(heads, cells, strict=True)
        ]
    columns = ["row", "column", "role", "value", "low", "high", "n", "printed", "games"]
    table = pd.DataFrame(data, columns=columns)
    return Sheet(
        ["Algorithm", *heads, "Games"], body, table, _caption(spec, scores, lines, curves, table.low.notna().any())
    )


@dataclass(frozen=True)
class Line:
    """A row of the table: of our runs or of what is published. `runs` is None where there are none."""

    row: AggregateRow
    label: str
    ours: bool
    runs: Runs | None
    of: int  # games that there should be

    @property
    def role(self) -> str:
        return "ours" if self.ours else "published"

    @property
    def games(self) -> int:
        return 0 if self.runs is None else len(set(self.runs.games))

    @property
    def counted(self) -> str:
        if not self.ours and self.runs is None:
            return "–"
        return str(self.games) if self.games == self.of else f"{self.games} of {self.of}"


def _of_variants(spec: Aggregates, scores: Scores) -> Aggregates:
    """The same, of the runs of those variants alone that a row names and this scale plans."""
    if not spec.experiments:
        return spec
    wanted = {row.variant for row in spec.rows if row.variant is not None}
    return spec.model_copy(update={"variants": sorted(wanted & planned_variants(scores, spec))})


def _curves(spec: Aggregates, scores: Scores) -> dict[str, Curves]:
    """Variant -> one number of each of its runs, of those that have any."""
    try:
        rows = select(scores, spec)
    except NoData:
        return {}
    found = {}
    for name in spec.variants or []:
        mine = rows[rows.variant == name]
        if (labels := list(mine.label.unique()))[1:]:
            raise UserError(f"{spec.id}: {name!r} has several settings ({labels[0]}, …): choose one with 'where'")
        if not scored(mine).empty:
            found[name] = one_number(mine, spec.score, spec.window)
    return found


def _lines(
    spec: Aggregates, row: AggregateRow, curves: dict[str, Curves], scores: Scores, reference: Reference
) -> list[Line]:
    wanted = reference.game_set(name) if (name := row.game_set or spec.game_set) else None
    lines = []
    if row.variant is not None:
        rows, missing = chosen(scores, spec)
        planned = set(rows.game[rows.variant == row.variant])
        planned |= {entry["game"] for entry in missing if entry["variant"] == row.variant}
        mine = curves.get(row.variant)
        runs = None if mine is None else Runs(mine.numbers, list(mine.games), "noop_starts")
        if runs is not None and wanted is not None:
            runs = runs.on({game for game in runs.games if short(game) in wanted})
        runs = runs if runs is not None and runs.games else None
        lines.append(Line(row, row.label, True, runs, len(wanted or planned)))
    if row.scores is not None or row.printed is not None:
        runs = None
        if row.scores is not None:
            series = complete(reference.per_game(row.scores, row.game_set or spec.game_set), reference)
            if wanted is None:  # a set says which games belong to it; else those that every column can scale do
                scales = {column.normalisation or spec.normalisation for column in spec.columns}
                lost = [without_reference(series.index, scale, reference, row.scores.regime) for scale in scales]
                series = series.drop(set().union(*lost))
            runs = Runs(series.to_numpy(float), list(series.index), row.scores.regime)
        label = f"{row.label} (published)" if any(each.variant for each in spec.rows) else row.label
        lines.append(Line(row, label, False, runs, len(wanted or (runs.games if runs else []))))
    return lines


def _baseline(line: Line, lines: Sequence[Line]) -> Runs | None:
    """The runs of the row above whose scores a line's games are counted, ours for ours."""
    found = [each.runs for each in lines if (each.row.label, each.ours) == (line.row.baseline, line.ours)]
    return found[0] if found else None


def _value(
    spec: Aggregates, column: AggregateColumn, runs: Runs, base: Runs | None, reference: Reference
) -> Estimate | None:
    """The number of a cell; None where its baseline, or a game of an estimate, is not there."""
    unit, scale = UNIT[spec.unit], column.normalisation or spec.normalisation
    if column.statistic in AGAINST:
        common = set(runs.games) & set(base.games if base else [])
        if base is None or not common:
            return None
        a, b = runs.on(common), base.on(common)
        arms = a.values, a.games, b.values, b.games
        if column.statistic == "above_baseline":
            return games_won(*arms, spec.interval)
        return probability_of_improvement(*arms, spec.interval).times(unit)
    one_scale(spec.model_copy(update={"normalisation": scale}), runs.games, [column.statistic])
    if column.statistic in ESTIMATES:
        weights = reference.weights(column.statistic)
        runs = runs.on({game for game in runs.games if short(game) in weights.index})
        if len(set(runs.games)) < len(weights):
            return None
        percent = 100.0 * normalise(runs.values, runs.games, scale, reference, runs.regime)
        factors = weights[[short(game) for game in np.unique(runs.games)]].to_numpy()
        return of_means(percent, runs.games, lambda means: unit / 100.0 * regressed(means, factors), spec.interval)
    ratio = unit * normalise(runs.values, runs.games, scale, reference, runs.regime)
    if column.statistic == "above_human":
        return of_means(ratio, runs.games, lambda means: (means > unit).sum(-1), spec.interval)
    return estimate(ratio, runs.games, column.statistic, spec.interval, gamma=unit)


def regressed(percent: np.ndarray, weights: Sequence[float] | np.ndarray) -> np.ndarray:
    """The median over 57 games, percent, from normalised scores [..., G] in percent of the G games of a subset."""
    return 10.0 ** (np.log10(1.0 + np.maximum(percent, 0.0)) @ np.asarray(weights)) - 1.0


def _printed(
    spec: Aggregates, column: AggregateColumn, of: PublishedNumbers | None, reference: Reference
) -> float | None:
    """The printed number in the table's unit, None where the paper has none; UserError for names that none has."""
    if column.metric is None or of is None:
        return None
    if column.metric not in reference.metrics(of):
        known = reference.aggregates.metric.unique()
        if column.metric not in known:
            raise unknown("metric", column.metric, known, spec.id)
        return None
    number = reference.number(PublishedNumber(**of.model_dump(), metric=column.metric))
    value = float(str(number["value"]))
    return value if column.statistic in COUNTS else value * factor(str(number["unit"]), spec.unit)


class Cell(NamedTuple):
    """What a reader sees, and value, low, high, number of seeds and printed number, None where there is none."""

    text: str
    numbers: tuple[float | None, float | None, float | None, int | None, float | None]


def _cell(spec: Aggregates, column: AggregateColumn, line: Line, base: Runs | None, reference: Reference) -> Cell:
    value = None if line.runs is None else _value(spec, column, line.runs, base, reference)
    printed = None if line.ours else _printed(spec, column, line.row.printed, reference)
    digits = 0 if column.statistic in COUNTS else spec.decimals
    point = low = high = None
    parts = []
    if value is not None:
        point, (low, high) = float(value.point), value.ends()
        parts.append(f"{point:.{digits}f}")
        if low is not None and high is not None:
            parts.append(f"[{low:.{digits}f}, {high:.{digits}f}]")
    if printed is not None:
        parts.append(f"({printed:g})")
    text = " ".join(parts) or ("no data" if line.ours and line.runs is None else "–")
    return Cell(text, (point, low, high, value.n[1] if value is not None and line.ours else None, printed))


def _head(spec: Aggregates, column: AggregateColumn) -> str:
    percent = " (%)" if spec.unit == "percent" and column.statistic not in COUNTS else ""
    return column.label or HEADS[column.statistic] + percent


def _caption(
    spec: Aggregates, scores: Scores, lines: Sequence[Line], curves: dict[str, Curves], intervals: bool
) -> dict[str, Any]:
    notes = _notes(spec, lines, intervals)
    if curves:
        return caption.from_runs(spec, scores, curves, notes)
    missing = chosen(scores, spec)[1] if spec.experiments else []
    sentences = [f"Scale of scores: {SCALES[spec.normalisation].text}.", *notes]
    sentences += [f"{len(missing)} planned run(s) are missing."] * bool(missing) + ["No run of ours is shown."]
    about = {"experiments": list(spec.experiments), "scales": caption.scales(scores, spec.experiments)}
    return caption.base(spec, sentences) | about | {"missing": sorted(entry["run"] for entry in missing)}


def _notes(spec: Aggregates, lines: Sequence[Line], intervals: bool) -> list[str]:
    """What the numbers are, and of what those columns are that have a scale of their own."""
    notes = []
    if any(line.ours for line in lines):
        between = "their intervals in square brackets; " if intervals else ""
        notes.append(f"Our runs: {between}games without a run are not in the numbers.")
        if lost := [line.label for line in lines if line.ours and line.runs is None]:
            notes.append(f"Not run at this scale, or without a score: {', '.join(lost)}.")
    if not all(line.ours for line in lines):
        notes.append("Published: computed again from printed per-game scores; printed values in round brackets.")
    few = {text: None for line in lines if line.runs and "(" in (text := caption.games_text(line.runs.games))}
    notes += [f"Over {'; '.join(few)}."] * bool(few)
    texts: dict[str, list[str]] = {}
    for column in spec.columns:
        if column.normalisation not in (None, spec.normalisation):
            texts.setdefault(SCALES[column.normalisation].text, []).append(_head(spec, column))
    notes += [f"{'; '.join(heads)}: of the {text}." for text, heads in texts.items()]
    bases = {row.label: row.baseline for row in spec.rows if row.baseline is not None}
    if bases and any(column.statistic in AGAINST for column in spec.columns):
        notes.append("Baselines: " + "; ".join(f"{base} for {label}" for label, base in bases.items()) + ".")
    if any(column.statistic in ESTIMATES for column in spec.columns):
        notes.append("Medians estimated by the regression of Aitchison et al. 2023: no measurement of 57 games.")
    return notes
