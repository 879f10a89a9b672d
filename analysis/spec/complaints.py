"""Pydantic's complaints about YAML and JSON, in plain words: where, what, and which words would be valid."""

from __future__ import annotations

import functools
import math
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from analysis.spec.common import EXPERIMENT, GAME, NAME, right_name

Location = tuple[str | int, ...]

# What a pattern asks for, in words.
PATTERNS = {
    NAME: "small letters, digits, - and _ are wanted, at most 64",
    EXPERIMENT: "paper.experiment is wanted",
    GAME: "the name of a game is wanted",
    "^(https?://.*)?$": "an address that starts with https:// is wanted, or nothing",
}

_SAY = {
    "missing": "is missing",
    "extra_forbidden": "unknown key",
    "int_type": "a whole number is wanted",
    "int_parsing": "a whole number is wanted",
    "int_from_float": "a whole number is wanted",
    "float_type": "a number is wanted",
    "float_parsing": "a number is wanted",
    "string_type": "text is wanted",
    "bool_type": "true or false is wanted",
    "bool_parsing": "true or false is wanted",
    "list_type": "a list is wanted",
    "tuple_type": "a list is wanted",
    "string_too_short": "must not be empty",
    "dict_type": "a mapping of keys to values is wanted",
    "model_type": "a mapping of keys to values is wanted",
    "model_attributes_type": "a mapping of keys to values is wanted",
    "too_short": "must not be empty",
    "union_tag_not_found": "is missing",
}


def complaints(error: ValidationError, model: Any, data: Any) -> Iterator[tuple[Location, str, object, list[str]]]:
    """What `complaint` says of each of pydantic's errors, one for each line of those that say several things."""
    for item in error.errors(include_url=False):
        location, message, bad, valid = complaint(item, model, data)
        for line in message.split("\n"):
            yield location, line, bad, valid


def complaint(item: dict[str, Any], model: Any, data: Any) -> tuple[Location, str, object, list[str]]:
    """(location in the data, message, the bad word, the valid words) of one pydantic error.

    `item`: of `ValidationError.errors()`. `model`: what the data were validated as, a model or an annotation.
    """
    kind, given, context = item["type"], item.get("input"), item.get("ctx", {})
    location = within(item["loc"], data, keep_last=kind in ("missing", "extra_forbidden"))
    message = _SAY.get(kind) or item["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    bad: object = None
    valid: list[str] = []
    if kind == "extra_forbidden":
        bad, valid = location[-1], keys_at(model, item["loc"][:-1])
    elif kind == "union_tag_not_found":
        location = (*location, context["discriminator"].strip("'"))
    elif kind == "union_tag_invalid":
        location = (*location, context["discriminator"].strip("'"))
        bad, valid = context["tag"], [tag.strip(" '") for tag in context["expected_tags"].split(",")]
        message = f"unknown {location[-1]} {bad!r}"
    elif kind == "literal_error":
        bad = given
        valid = [word.strip(" '") for word in context["expected"].replace(" or ", ",").split(",")]
        message = f"unknown value {given!r}"
    elif kind == "string_pattern_mismatch":
        message = f"{PATTERNS.get(context['pattern'], 'must match ' + context['pattern'])}, not {given!r}"
        if context["pattern"] == NAME and right_name(given):
            message += f"; did you mean {right_name(given)!r}?"
    elif kind == "too_long":
        message = f"at most {context['max_length']} are wanted, not {len(given)}"
    elif kind != "missing" and not isinstance(given, dict | list):
        if isinstance(given, float) and not math.isfinite(given):  # a bound says nothing of these
            message = "a finite number is wanted"
        shown = "null" if given is None else repr(given)
        message += f", not {shown}" if ", not " not in message else ""
    return location, message, bad, valid


def within(loc: Location, data: Any, keep_last: bool = False) -> Location:
    """Pydantic's location without the names of union members, which do not stand in the data."""
    path: list[str | int] = []
    for i, part in enumerate(loc):
        inside = isinstance(data, dict) and part in data
        inside = inside or (isinstance(data, list) and isinstance(part, int) and part < len(data))
        if inside:
            data = data[part]
        if inside or (keep_last and i == len(loc) - 1):
            path.append(part)
    return tuple(path)


def keys_at(model: Any, loc: Location) -> list[str]:
    """The keys that the model at a pydantic location knows."""
    for part in loc:
        model = _step(_bare(model), part)
    model = _bare(model)
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


@functools.cache
def dotted_keys(model: Any) -> frozenset[str]:
    """All dotted keys of a model and of the models within it, whichever of a union is chosen; not those in lists."""
    found: set[str] = set()
    for name, known in model.model_fields.items():
        inner = [m for m in _members(known.annotation) if isinstance(m, type) and issubclass(m, BaseModel)]
        found |= {name} | {f"{name}.{key}" for member in inner for key in dotted_keys(member)}
    return frozenset(found)


def knows(model: Any, tree: Any, dotted: str) -> bool:
    """Whether a model has a dotted key, given the kinds of the parts in raw data of it."""
    members = _members(model)
    for name in dotted.split("."):
        model = members[0]
        if len(members) > 1:
            chosen = (tree.get("kind"), tree.get("suite")) if isinstance(tree, dict) else (tree,)
            words = {word for word in chosen if isinstance(word, str)}
            # All members have a `kind`, whatever word stands there.
            model = next((m for m in members if _tags(m) & words), model if name == "kind" else None)
        inside = _inside(model, name)
        if inside is None:
            return False
        members, tree = inside, tree.get(name) if isinstance(tree, dict) else None
    return True


@functools.cache
def _inside(model: Any, name: str) -> tuple[Any, ...] | None:
    """The members of what a field of a model may hold; None if it has no such field."""
    known = getattr(model, "model_fields", {}).get(name)
    return None if known is None else _members(known.annotation)


def _members(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, or what stands alone."""
    bare = _bare(annotation)
    union = get_origin(bare) in (Union, types.UnionType)
    return tuple(map(_bare, get_args(bare))) if union else (bare,)


def _bare(annotation: Any) -> Any:
    """Without Annotated and without `| None`."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [a for a in get_args(annotation) if a is not type(None)]
        if len(rest) == 1:
            return _bare(rest[0])
    return annotation


def _step(annotation: Any, part: str | int) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        known = annotation.model_fields.get(str(part))
        return known.annotation if known else None
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return next((a for a in map(_bare, args) if part in _tags(a)), None)
    if origin is dict:
        return args[1]
    return args[0] if args else None


@functools.cache
def _tags(model: Any) -> frozenset[str]:
    """The values by which a discriminator chooses a union's member."""
    fields = getattr(model, "model_fields", {})
    tags = (fields[name].annotation for name in ("kind", "suite") if name in fields)
    return frozenset(value for tag in tags if get_origin(tag) is Literal for value in get_args(tag))
