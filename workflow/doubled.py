"""Runs of several experiments that a figure, table or claim could not tell apart.

`select` in analysis/load.py refuses the same, but only once all has been trained.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from analysis.spec.items import BestGreater, FromRuns
from workflow.expand import Papers
from workflow.strict_yaml import Problem
from workflow.unscaled import variants_of


def doubled(papers: Papers, paper: str) -> Iterator[Problem]:
    """Items of a paper that would find several runs of one variant, setting, game and seed, at the papers' scale."""
    described, document = papers.project.paper(paper)
    for part in ("figures", "tables", "claims"):
        for i, item in enumerate(getattr(described, part)):
            alone = isinstance(item, BestGreater)  # which takes the best of each sweep
            if isinstance(item, FromRuns) and not alone and (found := _doubled(papers, item)):
                yield document.problem((part, i, "experiments"), found)


def _doubled(papers: Papers, item: FromRuns) -> str:
    wanted, seen = variants_of(item), dict[tuple[str, str], tuple[str, str, set]]()
    for name in item.experiments:
        found = papers.experiment(name)
        plays = {(game, seed) for game in found.games for seed in found.seeds if game in (item.games or [game])}
        for point in found.points:
            fits = all(key in point.vary and point.vary[key] == value for key, value in item.where.items())
            if not fits or (wanted and point.variant not in wanted):
                continue
            key = point.variant, json.dumps(point.vary, sort_keys=True)
            first, template, before = seen.setdefault(key, (name, point.template, plays))
            if template != point.template and before & plays:
                game, seed = min(before & plays)
                return (
                    f"{first} and {name} both have runs of {point.variant!r} on {game} with seed {seed}, and they "
                    "differ: choose with 'variants' or 'where', or give the variants other names"
                )
    return ""
