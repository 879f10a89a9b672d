"""The distributions of returns that an agent expects of its actions at single steps (Bellemare et al. 2017, Figure 4).

Training records them as `return_probability[step,action,return]` at its last evaluation; one panel per variant, game
and step, of the first seed alone, since other seeds play other games.
"""

from __future__ import annotations

import re

import pandas as pd

from analysis import caption, style
from analysis.curves import by_label, scored
from analysis.errors import NoData
from analysis.figures import common
from analysis.load import Scores, select
from analysis.metrics import axis
from analysis.reference import Reference
from analysis.spec.items import ReturnDistribution
from analysis.text import game_title

NAME = re.compile(r"\[(\d+),(\d+),(-?[\d.e+-]+)\]$")


def draw(spec: ReturnDistribution, scores: Scores, reference: Reference) -> common.Drawing:
    """UserError for unknown names; NoData where no run recorded a distribution."""
    rows = snapshots(spec, scores)
    panels = list(rows.groupby(["label", "game", "step"], sort=True))
    several = rows.label.nunique() > 1
    actions = [f"action {action}" for action in sorted(rows.action.unique())]
    marks = style.marks(actions)
    sheet = common.Sheet()
    across = spec.panels if spec.column == "double" else 1
    figure, axes = common.grid(spec, len(panels), across, 2.0, actions)
    for panel, ((label, game, step), group) in zip(axes, panels, strict=True):
        words = [*[label] * several, game_title(game), f"step {step}"]
        for action, mine in group.groupby("action"):
            mine, name = mine.sort_values("atom"), f"action {action}"
            (handle,) = panel.plot(
                mine.atom, mine["mean"], color=marks[name].colour, linestyle=marks[name].dash, linewidth=1.0
            )
            panel.fill_between(mine.atom, mine["mean"], color=marks[name].colour, alpha=0.1, linewidth=0)
            sheet.legend.setdefault(name, handle)
            for z, chance in zip(mine.atom, mine["mean"], strict=True):
                sheet.rows.append(common.row(", ".join(words), name, "probability", None, chance, n=1) | {"return": z})
        common.title(panel, min(across, len(panels)), words)
        panel.set_ylim(bottom=0)
    common.name_axes(axes, across, "Return", axis(spec.metric, "raw"))
    common.legend_below(figure, dict(sorted(sheet.legend.items(), key=lambda item: actions.index(item[0]))))
    used = by_label(rows[rows.metric == rows.metric.iloc[0]], spec.variants, 1, "final")
    notes = [
        "Returns are of the rewards that are learned from.",
        "Actions are numbered as the game offers them. Of the first seed.",
    ]
    about = caption.from_runs(spec, scores, used, notes, interval=False)
    return common.Drawing(figure, sheet.table(), about, common.by_game(axes, [game for (_, game, _), _ in panels]))


def snapshots(spec: ReturnDistribution, scores: Scores) -> pd.DataFrame:
    """The rows of the first seed of each label and game, with the columns step, action and atom."""
    mine = scores.rows[scores.rows.experiment.isin(spec.experiments)]
    names = [str(name) for name in mine.metric.unique() if str(name).startswith(f"{spec.metric}[")]
    found = [scored(select(scores, spec, metric=name)) for name in names]
    if not any(map(len, found)):
        raise NoData(f"{spec.id}: no run has a value of {spec.metric}")
    rows = pd.concat(found)
    rows = rows[rows.seed == rows.groupby(["label", "game"]).seed.transform("min")]
    parts = rows.metric.astype(str).str.extract(NAME)
    return rows.assign(step=parts[0].astype(int), action=parts[1].astype(int), atom=parts[2].astype(float))
