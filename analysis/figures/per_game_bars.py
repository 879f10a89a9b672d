"""Per-game bars: scores of variants and published algorithms, or how far they are above a baseline's."""

from __future__ import annotations

import math
import textwrap

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import caption, metrics, style
from analysis.errors import NoData, UserError, unknown
from analysis.figures import common, per_game
from analysis.figures.per_game import Series
from analysis.intervals import difference, estimate
from analysis.load import Scores, planned_labels
from analysis.normalise import SCALES, bounds, normalise, short
from analysis.reference import ATARI, Reference
from analysis.spec.items import PerGameBars
from analysis.text import game_title, number

IMPROVEMENT = "abs"  # scale of improvements: a human below the random policy will do where the baseline is above it
AROUND, TALLEST = 0.6, 8.6  # inches: of a figure beside its rows of bars, and of a page without the legend
NARROW = 36  # letters of an axis text below half of a page


def draw(spec: PerGameBars, scores: Scores, reference: Reference) -> common.Drawing:
    """UserError for unknown names, and where a normalisation or baseline lacks reference scores."""
    series, curves = per_game.series(spec, scores, reference)
    scale = SCALES[spec.normalisation]
    sheet = common.Sheet()
    games = _games(spec, series, reference, sheet)
    if _improves(spec) or spec.normalisation != "raw":  # MinAtar has games of the same names
        convention = "standard" if _improves(spec) else spec.normalisation
        ours = sorted({game for c in curves.values() for game in c.games if short(game) in games})
        normalise(np.zeros(len(ours)), ours, convention, reference, _regime(spec))
    if spec.baseline is not None:
        if spec.baseline not in [s.label for s in series]:
            planned = planned_labels(scores, spec) if spec.experiments else set()
            if spec.baseline in planned:
                raise NoData(f"{spec.id}: no run of the baseline {spec.baseline} has a score")
            raise unknown("baseline", spec.baseline, {s.label for s in series} | planned, spec.id)
        shown = _compared(spec, series, games, reference, sheet)
        axis = _axis(spec, list(shown))
    else:
        shown = _levels(spec, series, games, reference, sheet)
        axis = scale.axis if spec.published else metrics.axis(spec.metric, spec.normalisation)
    marks = style.marks([s.name for s in series])
    titles = per_game.titles(games, curves)
    figure = _bars(spec, shown, titles, axis, {s.label: marks[s.name] for s in series})
    notes = []
    if spec.published:
        notes.append("Bars with a white ground are published scores: " + per_game.sources(spec, reference) + ".")
    if spec.baseline is not None:
        improvement = f"Improvement: 100 (score - {spec.baseline}) / (max(human, {spec.baseline}) - random) percent"
        text = improvement if _improves(spec) else f"Bars: score less that of {spec.baseline}, {scale.text}"
        notes.append(f"{text}; symmetric log axis; only the difference is resampled.")
    if curves:
        text = caption.from_runs(spec, scores, curves, notes + sheet.notes)
    else:
        text = caption.base(spec, [f"Scale of scores: {scale.text}.", *notes, *sheet.notes, "No run of ours is shown."])
    return common.Drawing(figure, sheet.table(), text)


def _games(spec: PerGameBars, series: list[Series], reference: Reference, sheet: common.Sheet) -> list[str]:
    """The games to draw. UserError where a run's game, or one of a game set that is named, has no reference score."""
    names = {game for s in series for game in s.scores}
    if spec.games is not None:
        names &= {short(game) for game in spec.games}
    if spec.game_set is not None:
        names &= set(reference.game_set(spec.game_set))
    if _improves(spec) or spec.normalisation != "raw":
        convention = IMPROVEMENT if _improves(spec) else spec.normalisation
        known = set(bounds(reference, convention, _regime(spec), names).index)
        ours = {game for s in series if not s.published for game in s.scores}
        lost = sorted((names if spec.game_set is not None else names & ours) - known)
        if lost:
            raise UserError(
                f"{spec.id}: normalisation {convention!r} has no reference score for {', '.join(lost)} "
                f"({reference.folder / ATARI})"
            )
        if names - known:
            sheet.note(f"Left out, without a reference score: {', '.join(map(game_title, sorted(names - known)))}.")
        names &= known
    if not names:
        raise UserError(f"{spec.id}: no game is left to draw (needs scores and, if normalised, reference scores)")
    return sorted(names)


def _regime(spec: PerGameBars) -> str:
    regimes = {p.regime for p in spec.published}
    return "human_starts" if regimes == {"human_starts"} else "noop_starts"


def _levels(
    spec: PerGameBars, series: list[Series], games: list[str], reference: Reference, sheet: common.Sheet
) -> dict[str, list]:
    factor = SCALES[spec.normalisation].factor
    shown: dict[str, list] = {}
    for s in series:
        for game in (g for g in games if g in s.scores):
            values = s.scores[game]
            values = factor * normalise(values, [game] * len(values), spec.normalisation, reference, _regime(spec))
            value = estimate(values, [game] * len(values), "mean", spec.interval)
            _keep(shown, sheet, s, game, float(value.point), value.low, value.high, value.n[1])
    return shown


def _improves(spec: PerGameBars) -> bool:
    """Whether bars are improvements, which need human scores whatever the normalisation."""
    return spec.baseline is not None and spec.formula == "improvement"


def _axis(spec: PerGameBars, labels: list[str]) -> str:
    one = labels[0] if len(labels) == 1 else ""
    if _improves(spec):
        return f"Improvement{f' of {one}' if one else ''} over {spec.baseline} (%)"
    return f"{SCALES[spec.normalisation].axis}, {f'{one} ' if one else ''}less {spec.baseline}"


def _compared(
    spec: PerGameBars, series: list[Series], games: list[str], reference: Reference, sheet: common.Sheet
) -> dict[str, list]:
    """How far each label is above the baseline in each game that both have."""
    base = next(s for s in series if s.label == spec.baseline)
    shown: dict[str, list] = {}
    unscaled: set[str] = set()
    for s in (s for s in series if s is not base):
        for game in (g for g in games if g in s.scores and g in base.scores):
            arms = [s.scores[game], base.scores[game]]
            scaled = _scaled(spec, game, arms, float(arms[1].mean()), reference)
            if scaled is None:
                unscaled.add(game)
                continue
            a, b = scaled
            value = difference(a, [game] * len(a), b, [game] * len(b), "mean", spec.interval)
            _keep(shown, sheet, s, game, float(value.point), value.low, value.high, value.n[1])
    if unscaled:
        names = ", ".join(map(game_title, sorted(unscaled)))
        sheet.note(f"Left out, since neither the human nor {spec.baseline} is above the random policy there: {names}.")
    if not shown:
        raise (NoData if spec.experiments else UserError)(f"{spec.id}: nothing to compare with {spec.baseline!r}")
    return shown


def _scaled(
    spec: PerGameBars, game: str, scores: list[np.ndarray], base: float, reference: Reference
) -> list[np.ndarray] | None:
    """The scores in units of the axis; None where neither the human nor the baseline is above the random policy."""
    if not _improves(spec):
        factor, regime = SCALES[spec.normalisation].factor, _regime(spec)
        return [factor * normalise(s, [game] * len(s), spec.normalisation, reference, regime) for s in scores]
    limits = bounds(reference, IMPROVEMENT, _regime(spec), [game])
    span = max(limits.high[game], base) - limits.low[game]
    return [100 / span * each for each in scores] if span > 0 else None


def _keep(shown: dict, sheet: common.Sheet, s: Series, game: str, point: float, low, high, n: int) -> None:
    low, high = (None if side is None else float(side) for side in (low, high))
    shown.setdefault(s.label, []).append((game, point, low, high, s.published))
    role = "published" if s.published else "bar"
    sheet.rows.append(common.row(game, s.label, role, None, point, low, high, None if s.published else n))


def _bars(
    spec: PerGameBars, shown: dict[str, list], titles: dict[str, str], axis: str, marks: dict[str, style.Mark]
) -> Figure:
    """Horizontal groups, games from best to worst of the first label that has them; in two halves where a page is too
    short."""
    points = [{game: point for game, point, *_ in bars} for bars in shown.values()]
    games = sorted(titles, key=lambda game: (*(-each.get(game, -np.inf) for each in points), game))
    games = [game for game in games if any(game == bar[0] for bars in shown.values() for bar in bars)]
    labels = list(shown) if len(shown) > 1 else []
    row_height = max(0.15, 0.1 * len(shown) + 0.05)
    halves = 2 if spec.column == "double" and AROUND + row_height * len(games) > TALLEST else 1
    rows = math.ceil(len(games) / halves)
    figure, panels = common.grid(spec, halves, halves, AROUND + min(row_height * rows, TALLEST - AROUND), labels)
    legend: dict[str, Artist] = {}
    for k, panel in enumerate(panels):
        mine = games[k * rows : (k + 1) * rows]
        _half(panel, shown, mine, marks, legend)
        panel.set_yticks(range(len(mine)), [titles[game] for game in mine])
    _same_axis(spec, panels, np.abs([bar[1] for bars in shown.values() for bar in bars]))
    for panel in panels:
        panel.axvline(0, color="#444444", linewidth=0.7)
        panel.tick_params(axis="y", length=0)
        panel.grid(axis="y", visible=False)
        panel.set_ylim(rows - 0.45, -0.55)
        panel.set_xlabel(axis if halves == 1 else _evenly(axis, NARROW))
    if labels:
        common.legend_below(figure, legend)
    return figure


def _half(
    panel: Axes, shown: dict[str, list], games: list[str], marks: dict[str, style.Mark], legend: dict[str, Artist]
) -> None:
    """The bars of some of the games, the first of them at the top."""
    place = {game: i for i, game in enumerate(games)}
    thick = 0.8 / len(shown)
    for k, (label, every) in enumerate(shown.items()):
        bars = [bar for bar in every if bar[0] in place]
        y = np.array([place[bar[0]] for bar in bars]) + (k - (len(shown) - 1) / 2) * thick
        look = style.outline if every[0][4] else style.fill
        handle = panel.barh(y, [bar[1] for bar in bars], height=thick * 0.92, **look(marks[label]))
        if bars:
            legend.setdefault(label, handle)
        for at, (_, _, low, high, _) in zip(y, bars, strict=True):
            if low is not None:
                common.whisker(panel, [low, high], [at, at])


def _same_axis(spec: PerGameBars, panels: list[Axes], sizes: np.ndarray) -> None:
    """One x axis for all panels: of differences, and where sizes lie far apart, symmetric and logarithmic."""
    percent = spec.baseline is not None and (_improves(spec) or SCALES[spec.normalisation].factor == 100.0)
    if spec.baseline is not None or sizes.max() > 25 * max(np.median(sizes), 1e-12):
        usual = 100.0 if percent else 10.0 ** np.round(np.log10(max(float(np.median(sizes)), 1e-6)))
        for panel in panels:
            panel.set_xscale("symlog", linthresh=usual)
        limits = _limits(panels)
        for panel in panels:
            panel.set_xticks(symlog_ticks(limits, usual, most=9 if len(panels) == 1 else 5))
            panel.minorticks_off()
    limits = _limits(panels)
    for panel in panels:
        panel.set_xlim(limits)
        panel.xaxis.set_major_formatter(style.FuncFormatter(lambda v, _: number(v)))


def _evenly(text: str, wide: int) -> str:
    """In lines of at most so many letters, about as long as each other."""
    each = min(wide, math.ceil(len(text) / math.ceil(len(text) / wide)) + 6)
    return textwrap.fill(text, each, break_on_hyphens=False)


def _limits(panels: list[Axes]) -> tuple[float, float]:
    """Of the axis that shows what each of them shows."""
    return min(panel.get_xlim()[0] for panel in panels), max(panel.get_xlim()[1] for panel in panels)


def symlog_ticks(limits: tuple[float, float], usual: float, most: int) -> list[float]:
    """Ticks of an axis that is linear up to +-`usual`: 0 and powers of ten from there on, about `most` of them; parts
    of `usual` where few powers are in sight."""
    beyond = max(1, math.ceil(math.log10(max(np.abs(limits)) / usual)) + 1)
    sizes = [usual * 10.0**power for power in range(beyond)]
    inside = [each for each in (-s for s in reversed(sizes)) if each >= limits[0]]
    inside += [0.0, *(each for each in sizes if each <= limits[1])]
    if len(inside) > most:
        return [each for each in inside if each == 0 or round(math.log10(abs(each) / usual)) % 2 == 0]
    if len(inside) == 1 and max(np.abs(limits)) < usual / 4:
        largest = 10.0 ** math.floor(math.log10(max(np.abs(limits))))
        inside = [each for each in (-largest, 0.0, largest) if limits[0] <= each <= limits[1]]
    elif len(inside) <= 3:
        parts = [side * share * usual for side in (-1, 1) for share in (0.25, 0.5)]
        inside = sorted([*inside, *(each for each in parts if limits[0] <= each <= limits[1])])
    return inside
