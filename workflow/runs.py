"""What finished runs left behind: how they are named, and what two of them differ in."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from workflow import catalogue, index, text
from workflow.overlay import flatten
from workflow.strict_yaml import ConfigError, nearest

LISTED = 8  # candidates that are named where a piece of a name fits several runs


class Record(NamedTuple):
    """One run's run.json, with its spec and versions flattened to dotted keys."""

    name: str
    facts: dict[str, Any]
    spec: dict[str, Any]
    versions: dict[str, Any]


def read(folder: Path) -> Record | None:
    """The run in results/runs/<run>, or None where there is no readable run.json."""
    try:
        facts = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        return Record(folder.name, facts, dict(flatten(facts["spec"])), dict(flatten(facts.get("versions", {}))))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def finished(results: Path) -> list[Record]:
    """All finished runs, by name."""
    return [run for folder in sorted((results / "runs").glob("*")) if (run := read(folder))]


def named(results: Path, piece: str) -> str:
    """The one run in results/runs that has a piece in its name, or whose hash begins with it. Raises ConfigError."""
    names = catalogue.names(results)
    fitting = [n for n in names if n == piece] or [n for n in names if piece in n]
    if not fitting and re.fullmatch("[0-9a-f]{13,64}", piece):  # a digest, of which the name has twelve digits
        fitting = [n for n in names if piece.startswith(n.rpartition(".")[2])]
    if len(fitting) > 1:
        more = [f"  … and {len(fitting) - LISTED} more"] if len(fitting) > LISTED else []
        rows = index.read(results / "index.csv")
        asked = {row.run: f"  ({row.paper}.{row.experiment}: {row.variant}, {row.scale})" for row in rows}
        told = (f"  {name}{asked.get(name, '')}" for name in fitting[:LISTED])
        lines = [f"{piece!r} could be any of {len(fitting)} runs:", *told, *more]
        raise ConfigError("\n".join(lines))
    if not fitting:
        guess = nearest(piece, names)
        raise ConfigError(f"no run {piece!r} in {results / 'runs'}" + (f"; did you mean {guess!r}?" if guess else ""))
    return fitting[0]


def find(results: Path, piece: str) -> Record:
    """A finished run by any unique piece of its name or hash; ConfigError if not exactly one fits."""
    name = named(results, piece)
    run = read(results / "runs" / name)
    if run is None:
        raise ConfigError(f"{name}: run.json is missing or not readable")
    return run


def differing(specs: list[dict[str, Any]]) -> list[str]:
    """Keys whose values are not the same in all; as they are written, so that 1, 1.0 and true are three."""
    keys = dict.fromkeys(key for spec in specs for key in spec)
    return [key for key in keys if len({repr(spec.get(key, "absent")) for spec in specs}) > 1]


def _told_by_kind(key: str, specs: list[dict[str, Any]]) -> bool:
    """Whether a key is there in some only, since others have another kind of its part, and the same wherever it is."""
    steps = key.split(".")
    kinds = [kind for n in range(1, len(steps)) if (kind := ".".join([*steps[:n], "kind"])) != key]
    values = {repr(spec[key]) for spec in specs if key in spec}
    return len(values) == 1 and any(len({spec.get(kind) for spec in specs}) > 1 for kind in kinds)


def telling(specs: list[dict[str, Any]]) -> list[str]:
    """Keys whose values are not the same in all, but for those that a part's kind already tells."""
    return [key for key in differing(specs) if not _told_by_kind(key, specs)]


Sides = dict[str, Any]  # "a" and "b" -> the value there; without the side on which there is none


class Difference(NamedTuple):
    """Of two runs; `scores` are all that either has, whether they differ or not."""

    a: str
    b: str
    settings: dict[str, Sides]
    scores: dict[str, Sides]
    rest: dict[str, Sides]  # versions, code, outcome


def diff(results: Path, first: str, second: str) -> Difference:
    """What differs between two finished runs: spec, scores, versions, code, outcome."""
    a, b = find(results, first), find(results, second)
    told = ({k: r.facts.get(k) for k in ("fingerprint", "status", "frames", "host", "device")} for r in (a, b))
    versions = ({f"versions.{key}": value for key, value in run.versions.items()} for run in (a, b))
    left, right = ({**version, **fact} for version, fact in zip(versions, told, strict=True))
    ours, theirs = (catalogue.scores(results / "runs" / run.name) for run in (a, b))

    def sides(key: str, one: dict[str, Any], other: dict[str, Any]) -> Sides:
        return {side: values[key] for side, values in (("a", one), ("b", other)) if key in values}

    return Difference(
        a.name,
        b.name,
        {key: sides(key, a.spec, b.spec) for key in differing([a.spec, b.spec])},
        {key: sides(key, ours, theirs) for key in catalogue.SCORES if key in ours or key in theirs},
        {key: sides(key, left, right) for key in differing([left, right])},
    )


def side_by_side(found: Difference) -> str:
    """The difference as text: settings, then the last scores, then the rest."""
    if not (found.settings or found.rest) and all(each.get("a") == each.get("b") for each in found.scores.values()):
        return f"{found.a} and {found.b}: no difference"
    rows = [[f"last {key}", *(score(sides.get(side)) for side in "ab")] for key, sides in found.scores.items()]
    settings, rest = (
        [[key, *(cell(sides[side]) if side in sides else None for side in "ab")] for key, sides in part.items()]
        for part in (found.settings, found.rest)
    )
    return text.table(["", found.a, found.b], [*settings, *rows, *rest])


@functools.cache  # runs are thousands, and many alike
def score(value: float | None) -> str | None:
    """A return as people read it: one decimal, more where it is small."""
    return None if value is None else f"{value:.1f}" if abs(value) >= 10 else f"{value or 0:.3g}"  # no -0


def cell(value: Any) -> str:
    shown = value if isinstance(value, str) else json.dumps(value)
    return shown[:16] + "…" if len(shown) == 64 else shown  # a hash
