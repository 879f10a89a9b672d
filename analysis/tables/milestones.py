"""How long each variant takes to a score, e.g. episodes to the human's (Wu et al. 2017, Table 1, arXiv:1708.05144)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis import caption
from analysis.curves import by_label, some
from analysis.errors import NoData, unknown
from analysis.load import Scores, planned_labels, select
from analysis.passage import Passages, levels, passages
from analysis.reference import Reference
from analysis.spec.items import Milestones
from analysis.table import Sheet
from analysis.text import game_title, number, numbers


def build(spec: Milestones, scores: Scores, reference: Reference) -> Sheet:
    """UserError for unknown names and for a game without a level. A variant that a game lacks gets a dash."""
    rows = select(scores, spec)
    curves = some(by_label(rows, spec.variants, 1), spec.id)
    games = spec.games or sorted(rows.game.unique())
    wanted = levels(spec, games, spec.levels, spec.human, reference)
    found = passages(spec, scores, spec.count, wanted)
    if spec.baseline is not None and spec.baseline not in found:
        names = planned_labels(scores, spec)
        if spec.baseline in names:
            raise NoData(f"{spec.id}: no run of the baseline {spec.baseline} has a score")
        raise unknown("baseline", spec.baseline, names, spec.id)
    others = [label for label in found if spec.baseline is not None and label != spec.baseline]
    body, data = [], []
    for game in games:
        line = [game_title(game), number(wanted[game])]
        medians = {label: _median(each, game) for label, each in found.items()}
        text = numbers(medians.values())
        for label, each in found.items():
            mine = each.on(game)
            reached = int(np.isfinite(mine).sum())
            line.append("–" if not len(mine) else f"{text(medians[label])} ({reached} of {len(mine)})")
            data.append((game, label, "ours", medians[label], reached, len(mine)))
        for label in others:
            times = medians[label] / medians[str(spec.baseline)]
            line.append(number(times))
            data.append((game, f"{label} / {spec.baseline}", "ratio", times, None, None))
        for name, values in spec.printed.items():
            line.append(number(values[game]) if game in values else "–")
            data.append((game, name, "published", values.get(game), None, None))
        body.append(line)
    head = ["Game", "Level", *(f"{label} ({spec.count})" for label in found)]
    head += [f"{label} / {spec.baseline}" for label in others] + [f"{name} (published)" for name in spec.printed]
    frame = pd.DataFrame(data, columns=["game", "label", "role", "value", "reached", "n"])
    notes = [
        f"Median over seeds of the {spec.count} until {spec.metric} is above the level, seen at the run's checkpoints; "
        "a run that never is counts as later than all, and a dash is a median that was not reached. In brackets: runs "
        "that reached it.",
    ]
    if set(games) - set(spec.levels):
        notes.append(f"Level: the human's score, convention '{spec.human}'.")
    return Sheet(head, body, frame, caption.from_runs(spec, scores, curves, notes, interval=False))


def _median(each: Passages, game: str) -> float:
    mine = each.on(game)
    return float(np.median(mine)) if len(mine) else float("nan")
