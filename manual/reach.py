"""Which functions and classes of agents/ others use, by their syntax: where an algorithm's equations are."""

from __future__ import annotations

import ast
import functools
from collections.abc import Collection, Iterable, Iterator

from manual import symbols


def reached(names: Iterable[str], others: Collection[str]) -> set[str]:
    """These and all that they use in turn but for `others`, `module:attribute`; a method goes with its class."""
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in found and _node(name) is not None:
            found.add(name)
            todo += set(_used(name)) - set(others)
    return found


@functools.cache
def _used(name: str) -> tuple[str, ...]:
    scope, node = _scope(name.partition(":")[0]), _node(name)
    assert node is not None
    return tuple(dict.fromkeys(_names(node, scope)))


def _names(node: ast.AST, scope: dict[str, str]) -> Iterator[str]:
    for each in ast.walk(node):
        match each:
            case ast.Name(id=word) if ":" in scope.get(word, ""):
                yield scope[word]
            case ast.Attribute(value=ast.Name(id=word), attr=attribute) if word in scope:
                yield f"{scope[word]}:{attribute}"


@functools.cache
def _scope(module: str) -> dict[str, str]:
    """What the names of a module stand for: `module:attribute` of ours, or a module of ours."""
    tree = symbols.tree(module)
    found = {node.name: f"{module}:{node.name}" for node in tree.body if isinstance(node, symbols.Symbol)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("agents"):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found[alias.asname or alias.name] = inner if _is_module(inner) else f"{node.module}:{alias.name}"
    return found


@functools.cache
def _node(name: str) -> symbols.Symbol | None:
    """None for what is no function or class, and for specs, which only say what there is."""
    if name.startswith("agents.spec"):
        return None
    try:
        return symbols.find(name)
    except LookupError:
        return None


def _is_module(name: str) -> bool:
    try:
        return bool(symbols.path_of(name))
    except LookupError:
        return False
