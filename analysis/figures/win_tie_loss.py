"""How far one agent is above others in each game, and how many games it wins, ties and loses; a panel per rival.

Hafner et al. 2021 (arXiv:2010.02193, section 3.2 and Figure E.1).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from analysis import caption, style
from analysis.duels import outcomes, tally, tally_text
from analysis.errors import NoData, UserError, unknown
from analysis.figures import common, per_game
from analysis.load import Scores
from analysis.normalise import SCALES, normalise
from analysis.reference import Reference
from analysis.spec.items import WinTieLoss
from analysis.text import number

SHADES = {1: style.BLUE, 0: style.GREY, -1: style.ORANGE}
NAMES = {1: "better", 0: "tied", -1: "worse"}
FEW = 12  # games' bars of a panel are as narrow as so many would be
TITLE, NAME, BARS = 0.32, 0.047, 0.85  # inches: of a title, of a game's name per letter, of the bars


class Duel(NamedTuple):
    """One panel: games [G] from the best difference to the worst, scaled differences and outcomes [G]."""

    rival: str
    games: list[str]
    difference: np.ndarray
    outcome: np.ndarray


def draw(spec: WinTieLoss, scores: Scores, reference: Reference) -> common.Drawing:
    """UserError for unknown names and for games without a reference score; NoData where there is nothing to compare."""
    found, curves = per_game.series(spec, scores, reference)
    sides = {s.label: s for s in found}
    if spec.a not in sides:
        if spec.experiments:
            raise NoData(f"{spec.id}: no run of {spec.a} has a score")
        raise unknown("published label", spec.a, sides, spec.id)
    duels = [_duel(spec, sides[spec.a], sides[rival], reference) for rival in spec.b if rival in sides]
    duels = [duel for duel in duels if duel.games]
    if not duels:
        raise (NoData if spec.experiments else UserError)(f"{spec.id}: nothing to compare {spec.a!r} with")
    titles = per_game.titles({game for duel in duels for game in duel.games}, curves)
    longest = max(map(len, titles.values()))
    legend = list(NAMES.values())
    height = TITLE + BARS + NAME * longest
    figure, axes = common.grid(spec, len(duels), 1, height, legend, least=height)
    sheet = common.Sheet()
    for duel, panel in zip(duels, axes, strict=True):
        _panel(spec, duel, panel, sheet, titles)
    common.legend_below(figure, {name: sheet.legend[name] for name in legend if name in sheet.legend})
    notes = [
        f"Bars: mean score of {spec.a} less that of the other, in each game; {SCALES[spec.normalisation].text}.",
        f"Scores tie that differ by at most {100 * spec.tie:g} % of the larger one's size. Symmetric log axis.",
    ]
    if lost := [rival for rival in spec.b if rival not in {duel.rival for duel in duels}]:
        notes.append(f"Without a score here: {', '.join(lost)}.")
    if spec.published:
        notes.append(f"Published scores: {per_game.sources(spec, reference)}.")
    if curves:
        entered = {label: c for label, c in curves.items() if label in {spec.a, *(duel.rival for duel in duels)}}
        text = caption.from_runs(spec, scores, entered, notes, interval=False)
    else:
        text = caption.base(spec, [*notes, "No run of ours is shown."])
    return common.Drawing(figure, sheet.table(), text)


def _duel(spec: WinTieLoss, a: per_game.Series, b: per_game.Series, reference: Reference) -> Duel:
    """The games that both have, from best to worst."""
    games = sorted(set(a.scores) & set(b.scores))
    if spec.game_set is not None:
        games = [game for game in games if game in set(reference.game_set(spec.game_set))]
    if not games:
        return Duel(b.label, [], np.empty(0), np.empty(0))
    means = [np.array([side.scores[game].mean() for game in games]) for side in (a, b)]
    ours, others = (normalise(values, games, spec.normalisation, reference) for values in means)
    difference = SCALES[spec.normalisation].factor * (ours - others)
    order = np.argsort(-difference, kind="stable")
    won = outcomes(ours, others, spec.tie)
    return Duel(b.label, [games[i] for i in order], difference[order], won[order])


def _panel(spec: WinTieLoss, duel: Duel, panel: Axes, sheet: common.Sheet, titles: dict[str, str]) -> None:
    """Bars of one rival; the tally above them, beside the paper's where it gives one."""
    places = np.arange(len(duel.games))
    for kind, name in NAMES.items():
        mine = duel.outcome == kind
        if mine.any():
            sheet.legend.setdefault(name, panel.bar(places[mine], duel.difference[mine], color=SHADES[kind], width=0.8))
    for game, value, won in zip(duel.games, duel.difference, duel.outcome, strict=True):
        sheet.rows.append(common.row(duel.rival, game, NAMES[int(won)], None, value))
    counts = tally(duel.outcome)
    for name, count in zip(("better", "worse", "tied"), counts, strict=True):
        sheet.rows.append(common.row(duel.rival, name, "count", None, count))
    title = f"{spec.a} against {duel.rival}: {tally_text(counts)}"
    if duel.rival in spec.counted:
        title += f" (paper: {', '.join(map(str, spec.counted[duel.rival]))})"
    panel.set_title(title)
    sizes = np.abs(duel.difference[duel.difference != 0])
    usual = float(np.median(sizes)) if len(sizes) else 1.0
    panel.set_yscale("symlog", linthresh=10.0 ** np.round(np.log10(usual)))
    panel.yaxis.set_major_formatter(style.FuncFormatter(lambda v, _: number(v)))
    panel.axhline(0, color="#444444", linewidth=0.7)
    panel.set_xticks(places, [titles[game] for game in duel.games], rotation=90, fontsize=5.5)
    panel.tick_params(axis="x", length=0)
    panel.grid(axis="x", visible=False)
    panel.set_xlim(-0.6, max(len(duel.games), FEW) - 0.4)
    panel.set_ylabel("Difference")
