"""Settings of a sweep that a figure, table or claim would take for one.

analysis/ refuses the same (claims.py, curve_claims.py, cells.py and two tables), but only once all has been trained.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

from analysis.spec.items import (
    AboveFrom,
    Aggregates,
    Comparison,
    DepthBars,
    FromRuns,
    MoreWins,
    RisesMore,
    Sensitivity,
    Sooner,
    Speedups,
)
from workflow.scales import Scaled, has


class Side(NamedTuple):
    """Runs that have to be of one setting. `key`: what chooses it; `apart`: a varied key whose values stay apart."""

    variant: str
    where: dict[str, Any]
    key: str = "where"
    apart: str | None = None


def mixed(item: FromRuns, sources: list[Scaled], labels: list[str]) -> Iterator[tuple[str, str]]:
    """(key, what is wrong) of an item, of its experiments at one scale; `labels`: of their algorithms."""
    runs = [(each.variants(label), list(each.points())) for each, label in zip(sources, labels, strict=True)]
    for side in _sides(item, [name for variants, _ in runs for name in variants]):
        settings: dict[str, set[str]] = defaultdict(set)  # value of what stays apart -> points
        keys: dict[str, None] = {}
        for point in (point for variants, points in runs if side.variant in variants for point in points):
            if has(point, side.where) and (side.apart is None or side.apart in point):
                values = {key: value for key, (_, value) in point.items()}
                settings[json.dumps(values.get(side.apart or ""))].add(json.dumps(values, sort_keys=True))
                keys |= dict.fromkeys(key for key in values if key not in side.where and key != side.apart)
        for value, found in settings.items():
            if len(found) > 1:
                of = f" with {side.apart} {value}" if side.apart else ""
                yield (
                    side.key,
                    f"variant {side.variant!r} has {len(found)} settings{of}: {side.key!r} has to choose one by "
                    f"{', '.join(keys)}",
                )
                return  # the first one, with which the drawing would end


def _sides(item: FromRuns, variants: list[str]) -> Iterator[Side]:
    match item:
        case Comparison() | MoreWins() | AboveFrom() | RisesMore() | Sooner():
            yield Side(item.a, item.where)
            if isinstance(item.b, str):
                own = item.b_where if isinstance(item, Comparison | Sooner) else {}
                yield Side(item.b, item.where | own, "b_where" if own else "where")
        case Aggregates():
            yield from (Side(row.variant, item.where) for row in item.rows if row.variant is not None)
        case Sensitivity() | DepthBars() | Speedups():
            yield from (Side(name, item.where, apart=item.x) for name in item.variants or dict.fromkeys(variants))
