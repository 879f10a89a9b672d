"""Mappings laid on mappings: the one rule by which a file, a preset or an override changes another."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from workflow.strict_yaml import Document, Location, Place

# What a part starts from where another kind of it is chosen: its dotted name -> kind -> its keys.
Alternatives = Mapping[str, Mapping[str, Mapping[str, Any]]]
NONE: Alternatives = {}

_SHARE = re.compile(r"(\d{1,9}(?:\.\d+)?) ?%")
_COUNTS = ("frames", "steps", "updates")  # last words of keys that a budget may be shared by


def flatten(tree: dict[str, Any], inner: bool = False, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of every leaf, and of the mappings on the way when `inner`."""
    for key, value in tree.items():
        if isinstance(value, dict):
            if inner:
                yield prefix + key, value
            yield from flatten(value, inner, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def nested(dotted: str, value: Any) -> dict[str, Any]:
    """`a.b: value` as the mappings that it is short for."""
    for part in reversed(dotted.split(".")):
        value = {part: value}
    return value


def set_by(key: str, value: Any, at: Location) -> Iterator[tuple[str, Location, Any]]:
    """(dotted key, its place, its value) of all that a key of an overlay sets, the mappings on the way too.

    A mapping with a `kind` is a part put in whole, and is not looked into.
    """
    yield key, at, value
    if isinstance(value, dict) and "kind" not in value:
        for name, inner in value.items():
            yield from set_by(f"{key}.{name}", inner, (*at, name))


def ends(tree: dict[str, Any], at: Location = (), prefix: str = "") -> Iterator[tuple[str, Location, Any]]:
    """(dotted key, its place, its value) of all in a tree that is no mapping."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from ends(value, (*at, key), f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", (*at, key), value


def leaves(layer: dict[str, Any], at: Location) -> list[tuple[str, Location, Any]]:
    """(dotted key, its place, its value) of what an overlay sets in the end: what chooses a part's kind comes first."""
    found = [each for key in layer for each in set_by(key, layer[key], (*at, key))]
    ends = [each for each in found if not isinstance(each[2], dict) or "kind" in each[2]]
    return sorted(ends, key=lambda each: each[0].removesuffix(".kind").count("."))


def merge(under: Any, over: Any, alternatives: Alternatives = NONE, at: str = "") -> Any:
    """`over` laid on `under`, mapping by mapping; neither is changed. `at`: the dotted name of both.

    A part of another `kind` (or `suite`) has other keys: it starts from what `alternatives` say of that kind, and what
    was there is gone. A part may be written as its kind alone.
    """
    kinds = alternatives.get(at, {})
    if isinstance(over, str) and (over in kinds or (isinstance(under, dict) and "kind" in under)):
        over = {"kind": over}
    if not isinstance(over, dict):
        return over
    now = under if isinstance(under, dict) else {"kind": under} if isinstance(under, str) else {}
    if not now or any(key in over and over[key] != now.get(key, over[key]) for key in ("kind", "suite")):
        kind = over.get("kind")
        now = kinds.get(kind, {}) if isinstance(kind, str) else {}
    inside = f"{at}." if at else ""
    return {**now, **{key: merge(now.get(key), value, alternatives, f"{inside}{key}") for key, value in over.items()}}


def chooses_anew(tree: dict[str, Any], dotted: str, value: Any) -> bool:
    """Whether a leaf of an overlay would make a part another kind than it has in the tree."""
    name = dotted.removesuffix(".kind")
    now = at_in(tree, tuple(name.split(".")))
    if name == dotted and not isinstance(value, dict) and not isinstance(now, dict):
        return False  # a number, or a word that is no part
    return _kind(value) != _kind(now)


def _kind(part: Any) -> Any:
    return part.get("kind") if isinstance(part, dict) else part


def of_budget(value: Any, budget_frames: int, key: str) -> Any:
    """`25 %` as that share of the budget, rounded to whole frames, wherever it stands in an overlay's value.

    `key`: the value's dotted name. Where it counts neither frames nor steps nor updates, it is left as it is.
    """
    if isinstance(value, dict):
        return {name: of_budget(inner, budget_frames, name) for name, inner in value.items()}
    if isinstance(value, str) and key.endswith(_COUNTS) and (share := _SHARE.fullmatch(value)):
        return round(budget_frames * float(share[1]) / 100)
    return value


def unwritten(file: str, data: dict[str, Any]) -> Document:
    """What stands in no file: the place of each key and list item is `file` alone."""
    return Document(file, data, {at: Place(file, 0, at) for at in _locations(data, ())})


def _locations(data: Any, at: Location) -> Iterator[Location]:
    steps = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in steps:
        yield (*at, key)
        yield from _locations(value, (*at, key))


def part(document: Document, at: Location) -> Document:
    """What a document says at a location, as one of its own; it still knows where each value stands."""
    places = {place[len(at) :]: found for place, found in document.places.items() if place[: len(at)] == at}
    return Document(document.file, at_in(document.data, at), places)


def placed(document: Document, at: Location, inner: Document) -> Document:
    """The document with another one in place of what it says at a location, which may be new outside of lists."""
    data = inner.data
    for n in range(len(at), 0, -1):
        holder, step = at_in(document.data, at[: n - 1]) or {}, at[n - 1]
        data = [*holder[:step], data, *holder[step + 1 :]] if isinstance(holder, list) else {**holder, step: data}
    outside = {place: found for place, found in document.places.items() if place[: len(at)] != at}
    return Document(document.file, data, outside | {(*at, *place): found for place, found in inner.places.items()})


def laid(under: Document, over: Document) -> Document:
    """`over` laid on `under` by `merge`, each value with the place of the one that it comes from.

    `a.b` and `a: { b }` are the same key: what `over` gives in one spelling takes the place of the other.
    """
    names = {name for name, _, _ in ends(over.data)} if isinstance(over.data, dict) else set()
    data = merge(_without(under.data, names, over.data), over.data)
    kept = {place: found for place, found in under.places.items() if _holds(data, place)}
    return Document(over.file, data, kept | over.places)


def _without(tree: dict[str, Any], names: set[str], over: Any, at: Location = ()) -> dict[str, Any]:
    """The tree without what is no mapping and has one of these dotted names, but for what `over` spells the same."""
    kept = {}
    for key, value in tree.items():
        where = (*at, key)
        if isinstance(value, dict):
            kept[key] = _without(value, names, over, where)
        elif _holds(over, where) or ".".join(map(str, where)) not in names:
            kept[key] = value
    return kept


def at_in(data: Any, at: Location) -> Any:
    """What a tree says at a location; None where it says nothing."""
    for step in at:
        data = data[step] if _holds(data, (step,)) else None
    return data


def _holds(data: Any, at: Location) -> bool:
    for step in at:
        if (isinstance(data, dict) and step in data) or (isinstance(data, list) and step in range(len(data))):
            data = data[step]  # type: ignore[index]
        else:
            return False
    return True
