"""How likely a run of one agent scores more than a run of another.

Agarwal et al. 2021 (arXiv:2108.13264), section 4.3: the mean over common games of P(a > b), ties half.
"""

from __future__ import annotations

from analysis import caption, style
from analysis.curves import by_label, some
from analysis.errors import NoData
from analysis.figures import common
from analysis.intervals import Estimate, probability_of_improvement
from analysis.load import Scores, select
from analysis.reference import Reference
from analysis.spec.items import ImprovementProbability


def draw(spec: ImprovementProbability, scores: Scores, reference: Reference) -> common.Drawing:
    """UserError for unknown names; NoData where no pair has runs on a common game."""
    curves = some(by_label(select(scores, spec), spec.variants, spec.window, spec.score), spec.id)
    pairs: dict[str, Estimate] = {}
    for rival in spec.b:
        if spec.a in curves and rival in curves and set(curves[spec.a].games) & set(curves[rival].games):
            a, b = curves[spec.a], curves[rival]
            pairs[rival] = probability_of_improvement(a.numbers, a.games, b.numbers, b.games, spec.interval)
    if not pairs:
        raise NoData(f"{spec.id}: no run of {spec.a} on a game that another has runs of")
    sheet = common.Sheet()
    figure, (axes,) = common.grid(spec, 1, 1, 0.75 + 0.24 * len(pairs), [])
    shades = style.shades(list(pairs))
    for y, (rival, value) in enumerate(pairs.items()):
        point = 100.0 * float(value.point)
        low, high = (None if side is None else 100.0 * side for side in value.ends())
        if low is not None and high is not None:
            axes.barh(y, high - low, left=low, height=0.62, color=shades[rival], alpha=0.4, linewidth=0)
        axes.plot([point, point], [y - 0.31, y + 0.31], color=shades[rival], linewidth=2, solid_capstyle="butt")
        sheet.rows.append(common.row("", rival, "bar", None, point, low, high, value.n[1]))
    axes.axvline(50, color="#444444", linestyle=style.REFERENCE_DASH, linewidth=1.0)
    axes.set_xlim(0, 100)
    axes.set_ylim(len(pairs) - 0.4, -0.6)
    axes.set_yticks(range(len(pairs)), [f"over {rival}" for rival in pairs])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    figure.supxlabel(f"Probability that {spec.a} improves (%)", fontsize=8)
    common_games = {game for rival in pairs for game in set(curves[spec.a].games) & set(curves[rival].games)}
    notes = [
        f"Stroke: share of pairs of runs, one of each, in which {spec.a} scores more, ties half, mean over games; "
        f"band: its interval. Over {caption.games_text(common_games)}. Dotted: neither is better."
    ]
    if lost := [rival for rival in spec.b if rival not in pairs]:
        notes.append(f"Without a score here: {', '.join(lost)}.")
    entered = {label: curves[label] for label in (spec.a, *pairs)}
    return common.Drawing(figure, sheet.table(), caption.from_runs(spec, scores, entered, notes))
