"""What each part of an agent is worth, per game (Hessel et al. 2018, Figure 4, arXiv:1710.02298).

Performance is the area under the learning curve, 0 for the base agent and 1 for the full one; the drop is what an
ablation lacks of 1. Each game's strongest drop is framed; games where the base beats the full agent are left out.
"""

from __future__ import annotations

import numpy as np
from matplotlib.patches import Rectangle

from analysis import caption, style
from analysis.curves import Curves, one_number, scored
from analysis.errors import NoData, UserError, unknown
from analysis.figures import common
from analysis.load import Scores, planned_labels, select
from analysis.reference import Reference
from analysis.spec.items import AblationDrops
from analysis.text import game_title

PRINTED = 12  # columns up to which each cell shows its number


def draw(spec: AblationDrops, scores: Scores, reference: Reference) -> common.Drawing:
    """UserError for unknown names. Empty where no game has the full agent ahead of the base."""
    rows = select(scores, spec)
    areas: dict[str, dict[str, float]] = {}
    used: dict[str, Curves] = {}
    for (label, game), group in rows.groupby(["label", "game"]):
        if len(scored(group)):
            curves = one_number(group, "average", spec.window).scaled(spec.normalisation, reference)
            used[f"{label} on {game}"] = curves
            areas.setdefault(label, {})[game] = float(curves.numbers.mean())
    names = planned_labels(scores, spec)
    for name in (spec.full, spec.base):
        if name not in names:
            raise unknown("variant", name, names, spec.id)
        if name not in areas:
            raise NoData(f"{spec.id}: no run of {name} has a score")
    rank = {name: i for i, name in enumerate(spec.variants or [])}
    ablations = sorted(set(areas) - {spec.full, spec.base}, key=lambda label: (rank.get(label, 0), label))
    if not names - {spec.full, spec.base}:
        raise UserError(f"{spec.id}: there is no variant beside {spec.full!r} and {spec.base!r}")
    if not ablations:
        raise NoData(f"{spec.id}: no run of a variant beside {spec.full} and {spec.base} has a score")
    both = sorted(set(areas[spec.full]) & set(areas[spec.base]))
    games = [game for game in both if areas[spec.full][game] > areas[spec.base][game]]
    notes = [f"Drop of the area under the curve, from {spec.full} (0 %) to {spec.base} (100 %), mean over seeds."]
    notes.append("Framed: the strongest drop of each game. No interval: a ratio of differences between few seeds.")
    if len(games) < len(both):
        left = ", ".join(game_title(game) for game in both if game not in games)
        notes.append(f"Left out, since {spec.base} is not below {spec.full}: {left}.")
    drops = np.empty((len(ablations), len(games)))
    drops[:] = [[drop(areas, spec, label, game) for game in games] for label in ablations]
    if np.isnan(drops).any():
        notes.append("Grey: no run.")
    figure = _plot(spec, drops, ablations, [game_title(game) for game in games])
    sheet = common.Sheet()
    for k, game in enumerate(games):
        for i, label in enumerate(ablations):
            if not np.isnan(drops[i, k]):
                n = len(used[f"{label} on {game}"].runs)
                sheet.rows.append(common.row(game, label, "drop", None, drops[i, k], n=n))
    return common.Drawing(figure, sheet.table(), caption.from_runs(spec, scores, used, notes, interval=False))


def drop(areas: dict[str, dict[str, float]], spec: AblationDrops, label: str, game: str) -> float:
    """Percent of the way from the full agent down to the base; NaN where the game was not run."""
    if game not in areas[label]:
        return float("nan")
    full, base = areas[spec.full][game], areas[spec.base][game]
    return 100 * (full - areas[label][game]) / (full - base)


def _plot(spec: AblationDrops, drops: np.ndarray, ablations: list[str], games: list[str]):
    figure, (axes,) = common.grid(spec, 1, 1, 1.15 + 0.25 * len(ablations), [])
    axes.grid(visible=False)
    if not games:
        common.nothing(axes, f"{spec.base} is not below {spec.full} in any game")
        axes.set_axis_off()
        return figure
    # purple to orange through white: told apart with any colour vision, and white is no drop
    colours = style.plt.get_cmap("PuOr_r").with_extremes(bad="#d9d9d9")
    norm = style.plt.Normalize(-100, 100)
    axes.imshow(np.ma.masked_invalid(drops), cmap=colours, norm=norm, aspect="auto")
    for k in range(len(games)):
        column = drops[:, k]
        if not np.isnan(column).all():
            worst = int(np.nanargmax(column))
            if column[worst] > 0:
                axes.add_patch(
                    Rectangle((k - 0.5, worst - 0.5), 1, 1, fill=False, edgecolor="black", linewidth=1.2, zorder=3)
                )
        for i, value in enumerate(column):
            if len(games) <= PRINTED and not np.isnan(value):
                shade = "white" if abs(value) > 70 else "black"
                axes.text(k, i, f"{value:.0f}", ha="center", va="center", fontsize=7, color=shade)
    turn = 0 if len(games) <= 4 else 90
    axes.set_xticks(range(len(games)), games, rotation=turn)
    axes.set_yticks(range(len(ablations)), ablations)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    bar = figure.colorbar(style.plt.cm.ScalarMappable(norm, colours), ax=axes, pad=0.02, extend="both")
    bar.set_label("Drop (%)")
    bar.outline.set_visible(False)
    return figure
