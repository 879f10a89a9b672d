"""The hyperparameters of a page's runs: per experiment what differs between its variants, and what all share."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

VALUES = 8  # of one key and variant that are written out
OWN = ("seed", "environment.game", "environment.suite", "device", "threads", "version")  # of a run or a machine


class Settings(NamedTuple):
    """Of one experiment. `differing`: key, and its value in each variant; `shared`: key and value."""

    experiment: str
    runs: int
    variants: list[str]
    differing: list[tuple[str, list[str]]]
    shared: list[tuple[str, str]]


def tables(rows: Iterable[Mapping[str, Any]]) -> list[Settings]:
    """Those of each experiment whose finished runs say their settings. `rows`: with `asked` and `spec`."""
    found: dict[str, dict[str, set[str]]] = {}
    counts: dict[str, int] = {}
    for row in rows:
        if not row["spec"]:
            continue
        text = _without_own(row["spec"])
        for experiment, variant in row["asked"]:
            found.setdefault(experiment, {}).setdefault(variant, set()).add(text)
            counts[experiment] = counts.get(experiment, 0) + 1
    return [_table(name, counts[name], variants) for name, variants in sorted(found.items())]


def _without_own(spec: Mapping[str, Any]) -> str:
    return json.dumps({key: value for key, value in flat(spec).items() if key not in OWN})


def flat(spec: Mapping[str, Any], under: str = "") -> dict[str, Any]:
    """{'a': {'b': 1}} -> {'a.b': 1}; lists and empty mappings stay."""
    found: dict[str, Any] = {}
    for key, value in spec.items():
        found |= flat(value, f"{under}{key}.") if isinstance(value, dict) and value else {f"{under}{key}": value}
    return found


def _table(name: str, runs: int, variants: Mapping[str, set[str]]) -> Settings:
    values: dict[str, dict[str, list[Any]]] = {}
    for variant, texts in variants.items():
        for text in sorted(texts):
            for key, value in json.loads(text).items():
                seen = values.setdefault(key, {}).setdefault(variant, [])
                if value not in seen:
                    seen.append(value)
    differing, shared = [], []
    for key, by_variant in sorted(values.items()):
        cells = [_cell(by_variant[variant]) if variant in by_variant else "–" for variant in variants]
        if len(set(cells)) == 1 and len(next(iter(by_variant.values()))) == 1:
            shared.append((key, cells[0]))
        else:
            differing.append((key, cells))
    return Settings(name, runs, list(variants), differing, shared)


def _cell(values: list[Any]) -> str:
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    values = sorted(values) if numbers else values
    if len(values) > VALUES:
        ends = f", {plain(values[0])} to {plain(values[-1])}" if numbers else ""
        return f"{len(values)} values{ends}"
    return ", ".join(map(plain, values))


def plain(value: Any) -> str:
    """A setting as a reader sees it: 2.5e-4 -> '0.00025', None -> 'none', lists as JSON."""
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | dict):
        return json.dumps(value)
    return str(value)
