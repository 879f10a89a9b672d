"""What a claim would compare of several settings of one variant at once.

analysis/claims.py and curve_claims.py refuse the same, but only once all has been trained.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from analysis.spec import AboveFrom, Comparison, FromRuns, MoreWins, RisesMore, Sooner
from workflow.scales import Scaled, has


def mixed(item: FromRuns, sources: list[Scaled], labels: list[str]) -> Iterator[tuple[str, str]]:
    """(key, what is wrong) of an item, of its experiments at one scale; `labels`: of their algorithms."""
    if not isinstance(item, Comparison | MoreWins | AboveFrom | RisesMore | Sooner):
        return
    sides = [("where", item.a, item.where)]
    if isinstance(item.b, str):
        own = item.b_where if isinstance(item, Comparison | Sooner) else {}
        sides.append(("b_where" if own else "where", item.b, item.where | own))
    for key, name, where in sides:
        points = [
            {name: value for name, (_, value) in point.items()}
            for each, label in zip(sources, labels, strict=True)
            if name in each.variants(label)
            for point in each.points()
            if has(point, where)
        ]
        if (count := len({json.dumps(point, sort_keys=True) for point in points})) > 1:
            keys = dict.fromkeys(name for point in points for name in point if name not in where)
            yield key, f"variant {name!r} has {count} settings: {key!r} has to choose one by {', '.join(keys)}"
            return  # the first one, with which the claim would end
