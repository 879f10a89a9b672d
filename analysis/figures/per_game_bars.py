"""Per-game bars: scores of variants and published algorithms, or how far they are above a baseline's."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from analysis import caption, metrics, style
from analysis.errors import NoData, UserError, unknown
from analysis.figures import common, per_game
from analysis.figures.per_game import Series
from analysis.intervals import difference, estimate
from analysis.load import Scores, planned_labels
from analysis.normalise import SCALES, bounds, normalise, short
from analysis.reference import ATARI, Reference
from analysis.spec import PerGameBars
from analysis.text import game_title, number

IMPROVEMENT = "abs"  # scale of improvements: a human below the random policy will do where the baseline is above it


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
    figure = _bars(spec, shown, games, axis, {s.label: marks[s.name] for s in series})
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
    spec: PerGameBars, shown: dict[str, list], games: list[str], axis: str, marks: dict[str, style.Mark]
) -> Figure:
    """Horizontal groups, games from best to worst of the first label."""
    first = {game: point for game, point, *_ in next(iter(shown.values()))}
    games = sorted(games, key=lambda game: (-first.get(game, -np.inf), game))
    games = [game for game in games if any(game == bar[0] for bars in shown.values() for bar in bars)]
    place = {game: i for i, game in enumerate(games)}
    thick = 0.8 / len(shown)
    labels = list(shown)
    row_height = max(0.15, 0.1 * len(shown) + 0.05)
    figure, (axes,) = common.grid(spec, 1, 1, 0.6 + row_height * len(games), labels if len(labels) > 1 else [])
    legend = {}
    for k, (label, bars) in enumerate(shown.items()):
        y = np.array([place[bar[0]] for bar in bars]) + (k - (len(shown) - 1) / 2) * thick
        point = np.array([bar[1] for bar in bars])
        look = style.outline if bars[0][4] else style.fill
        legend[label] = axes.barh(y, point, height=thick * 0.92, **look(marks[label]))
        spread = [(at, bar[1], bar[2], bar[3]) for at, bar in zip(y, bars, strict=True) if bar[2] is not None]
        for at, _, low, high in spread:
            axes.plot([low, high], [at, at], color="#222222", linewidth=0.8, solid_capstyle="butt")
    sizes = np.abs([bar[1] for bars in shown.values() for bar in bars])
    percent = spec.baseline is not None and (_improves(spec) or SCALES[spec.normalisation].factor == 100.0)
    if spec.baseline is not None or sizes.max() > 25 * max(np.median(sizes), 1e-12):
        axes.set_xscale("symlog", linthresh=100 if percent else max(float(np.median(sizes)), 1e-6))
        ticks = _symlog_ticks(axes.get_xlim())
        if percent and ticks:
            axes.set_xticks(ticks)
            axes.xaxis.set_minor_locator(style.MaxNLocator(1))
    axes.xaxis.set_major_formatter(style.FuncFormatter(lambda v, _: number(v)))
    axes.axvline(0, color="#444444", linewidth=0.7)
    axes.set_yticks(range(len(games)), [game_title(game) for game in games])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.set_ylim(len(games) - 0.45, -0.55)
    axes.set_xlabel(axis)
    if len(legend) > 1:
        common.legend_below(figure, legend)
    return figure


def _symlog_ticks(limits: tuple[float, float]) -> list[float]:
    powers = [-1e5, -1e4, -1e3, -100, 0, 100, 1e3, 1e4, 1e5]
    return [p for p in powers if limits[0] <= p <= limits[1]]
