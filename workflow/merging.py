"""How layers of a spec are laid on each other: one rule, for algorithms that extend others and for experiments' keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Tree = dict[str, Any]
# What a part starts from where another kind of it is chosen: dotted name of the part -> kind -> its keys.
Alternatives = Mapping[str, Mapping[str, Mapping[str, Any]]]


def merge(under: Tree, over: Mapping[str, Any], alternatives: Alternatives, at: str = "") -> Tree:
    """`over` laid on `under`, mapping by mapping; neither is changed. `at`: the dotted name of both, with a dot.

    A part of another `kind` (or `suite`) has other keys, so what was there gives way to what `alternatives` say of that
    kind. A part without keys may be written as its kind alone.
    """
    return under | {key: _laid(under.get(key), value, alternatives, at + key) for key, value in over.items()}


def put(tree: Tree, dotted: str, value: Any, alternatives: Alternatives, at: str = "") -> Tree:
    """The tree with the value at a dotted key; a mapping takes the place of what was there."""
    head, _, rest = dotted.partition(".")
    inner, name = tree.get(head), at + head
    if rest and rest != "kind":
        now = inner if isinstance(inner, dict) else {}
        return tree | {head: put(now, rest, value, alternatives, f"{name}.")}
    if rest:
        return tree | {head: _laid(inner, {"kind": value}, alternatives, name)}
    return tree | {head: _laid({}, value, alternatives, name)}


def has(tree: Any, dotted: str) -> bool:
    """Whether the tree has something at a dotted key."""
    for name in dotted.split("."):
        if not isinstance(tree, dict) or name not in tree:
            return False
        tree = tree[name]
    return True


def _laid(under: Any, over: Any, alternatives: Alternatives, name: str) -> Any:
    """One value laid on another."""
    kinds = alternatives.get(name, {})
    if isinstance(over, str) and over in kinds:
        over = {"kind": over}
    if not isinstance(over, Mapping):
        return over
    now = under if isinstance(under, dict) else {"kind": under} if isinstance(under, str) else {}
    if any(key in over and over[key] != now.get(key) for key in ("kind", "suite")):
        kind = over.get("kind")
        now = dict(kinds.get(kind, {})) if isinstance(kind, str) else {}
    return merge(now, over, alternatives, f"{name}.")
