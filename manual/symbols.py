"""Code by its name, `module:attribute`, read and never imported: where it stands, what it takes and says of itself."""

from __future__ import annotations

import ast
import copy
import functools
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMMON = {"forward", "state_dict", "load_state_dict"}  # the same everywhere; their classes say what they do
Function = ast.FunctionDef | ast.AsyncFunctionDef
Symbol = ast.ClassDef | Function


def path_of(module: str) -> Path:
    """The file of a module; LookupError where there is none."""
    base = ROOT.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    raise LookupError(f"there is no module {module}")


@functools.cache
def tree(module: str) -> ast.Module:
    """The module's syntax tree."""
    return ast.parse(path_of(module).read_text(encoding="utf-8"))


def find(name: str) -> Symbol:
    """The class or function of `module:attribute`, a method's being `Class.method`; LookupError where there is none."""
    module, _, attribute = name.partition(":")
    node: ast.Module | Symbol = tree(module)
    for word in attribute.split("."):
        found = [n for n in node.body if isinstance(n, Symbol) and n.name == word]
        if not found:
            raise LookupError(f"{module} has no {attribute}")
        node = found[0]
    assert not isinstance(node, ast.Module)
    return node


def line(name: str) -> str:
    """`file:line` of `module:attribute`."""
    return f"{path_of(name.partition(':')[0]).relative_to(ROOT)}:{find(name).lineno}"


def said(node: ast.Module | Symbol) -> str:
    """Its docstring as Markdown: what is within backticks is code, and nothing else is markup but lists."""
    parts = re.split(r"(`[^`]*`)", ast.get_docstring(node) or "")
    return "".join(part if i % 2 else re.sub(r"([*<$\\]|__|\]\()", r"\\\1", part) for i, part in enumerate(parts))


def public(node: ast.Module | ast.ClassDef) -> Iterator[Symbol]:
    """Its classes, functions or methods that others use, and that say what they do, in their order."""
    for each in node.body:
        if isinstance(each, Symbol) and not each.name.startswith("_") and ast.get_docstring(each):
            if each.name not in COMMON:
                yield each


def signature(node: Symbol) -> str:
    """The names that it is called with, a class as its `__init__` says; shapes and units are the docstring's."""
    if isinstance(node, ast.ClassDef):
        made = [n for n in node.body if isinstance(n, Function) and n.name == "__init__"]
        return _arguments(made[0]) if made else ""
    return _arguments(node)


def is_property(node: Symbol) -> bool:
    """Whether it is read like a field."""
    return any(ast.unparse(each).rpartition(".")[2] in ("property", "cached_property") for each in node.decorator_list)


def _arguments(node: Function) -> str:
    bare = copy.deepcopy(node.args)
    for each in (*bare.posonlyargs, *bare.args, *bare.kwonlyargs, bare.vararg, bare.kwarg):
        if each:
            each.annotation = None
    bare.args = [each for each in bare.args if each.arg not in ("self", "cls")]
    return f"({ast.unparse(bare)})"
