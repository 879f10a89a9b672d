"""What of a module's source can change a result, and what it imports.

Following the syntax trees of all modules takes half a second, and each process of the pipeline does it: what was found
is kept beside the compiled code, by the hash of what it was found in, and so is never out of date.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from agents.run.files import sha256, write_atomic

KEPT = Path(__file__).parent / "__pycache__" / f"essence.{sys.implementation.cache_tag}.json"
MOST = 2000  # modules that are kept: those of a few branches of the repository


def of(source: bytes, package: str) -> tuple[str, tuple[str, ...]]:
    """(hash, modules it imports) of a module in that package. SyntaxError where it is no Python."""
    key = sha256(b"\0".join((_own(), package.encode(), source)))
    known = _known()
    if key not in known:
        tree = ast.parse(source)
        digest = hashlib.sha256(repr(_essence(tree)).encode()).hexdigest()[:16]
        known[key] = digest, tuple(dict.fromkeys(_imports(tree, package)))
        _new.append(key)
    return known[key]


def keep() -> None:
    """Keep what is new, where Python keeps compiled code. What another process keeps meanwhile may be lost."""
    if _new and not sys.dont_write_bytecode:
        _new.clear()
        text = json.dumps(dict(list(_known().items())[-MOST:]))
        with contextlib.suppress(OSError):  # a checkout that is not ours to write
            KEPT.parent.mkdir(exist_ok=True)
            write_atomic(KEPT, f"{sha256(text.encode())}\n{text}".encode(), durable=False)


_new: list[str] = []  # keys of what is known and not kept


@functools.cache
def _own() -> bytes:
    """What else a hash depends on."""
    return Path(__file__).read_bytes() + sys.version.encode()


@functools.cache
def _known() -> dict[str, tuple[str, tuple[str, ...]]]:
    """What is kept; nothing where the file is missing or damaged."""
    try:
        check, _, text = KEPT.read_bytes().partition(b"\n")
    except OSError:
        return {}
    if check.decode(errors="replace") != sha256(text):
        return {}
    return {key: (digest, tuple(imports)) for key, (digest, imports) in json.loads(text).items()}


def _imports(node: ast.AST, package: str) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for other in child.orelse:
                yield from _imports(ast.Module([other], []), package)
        elif isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - child.level + 1] if child.level else []
            base = ".".join([*above, *filter(None, [child.module])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in child.names)
        else:
            yield from _imports(child, package)


def _essence(node: object) -> object:
    """A syntax tree as nested tuples, without positions, docstrings and fields that are empty."""
    if isinstance(node, list):
        return tuple(map(_essence, node))
    if not isinstance(node, ast.AST):
        return node
    fields = dict(ast.iter_fields(node))
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        first = node.body[0] if node.body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            fields["body"] = node.body[1:]
    if isinstance(node, ast.Constant):
        return ("Constant", repr(node.value))
    return (
        type(node).__name__,
        *((k, _essence(v)) for k, v in sorted(fields.items()) if v not in (None, [])),
    )
