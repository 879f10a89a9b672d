"""How runs are named in figures: by their variant, with its varied values where it has several settings.

An unfinished sweep has the names of the finished one: settings without a finished run count too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.text import canonical

Missing = Sequence[Mapping[str, Any]]  # planned runs that are not finished, with variant and vary


def labels(rows: pd.DataFrame, missing: Missing) -> pd.Series:
    """The name of each row's run. `rows`: with variant and vary, the latter as JSON."""
    names = _names(rows, missing)
    pairs = zip(rows.variant, rows.vary, strict=True)
    return pd.Series([names[pair] for pair in pairs], index=rows.index, dtype=object)


def planned(rows: pd.DataFrame, missing: Missing) -> set[str]:
    """Variants, and the names of all their settings, of the runs there and of those that are missing."""
    found = _names(rows, missing)
    return {variant for variant, _ in found} | set(found.values())


def _names(rows: pd.DataFrame, missing: Missing) -> dict[tuple[str, str], str]:
    """(variant, vary) -> name."""
    seen = rows.drop_duplicates(["variant", "vary"])
    settings: dict[str, dict[str, dict[str, Any]]] = {}
    for variant, text in zip(seen.variant, seen.vary, strict=True):
        settings.setdefault(variant, {})[text] = json.loads(text)
    for entry in missing:
        vary = entry.get("vary") or {}
        mine = settings.setdefault(entry["variant"], {})
        if vary not in mine.values():
            mine[f"{len(mine)} missing"] = vary
    names = {}
    for variant, mine in settings.items():
        keys = sorted({key for values in mine.values() for key in values})
        differing = [key for key in keys if len({canonical(values.get(key)) for values in mine.values()}) > 1]
        for text, values in mine.items():
            tail = ", ".join(f"{key.rsplit('.', 1)[-1]} {_plain(values.get(key))}" for key in differing)
            names[variant, text] = f"{variant} ({tail})" if tail else variant
    return names


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
