"""What code a result came from: a hash of each module it reaches, blind to comments and formatting.

Modules are followed through their imports inside the repository. What is imported by name at run time (the
parts that a spec names, the function of a kind of figure) is given as a root. Knows the standard library only:
a training process and the pipeline that plans it both ask here, and must agree.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

CODE_DIGITS = 16  # hexadecimal digits of a fingerprint that folders and files are named by
ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("agents", "analysis")
# Modules that cannot change a result, and why. All else that a root reaches counts.
EXEMPT = {
    "agents.spec": "acts through the spec's JSON, which identifies the run, and the roots chosen from it",
    "agents.__main__": "reads the command line",
    "agents.run.attempts": "counts how often a run was started",
    "agents.run.code": "names the code",
    "agents.run.gpu": "chooses where, which is noted with the run",
    "agents.run.heartbeat": "says how far a run is",
    "agents.run.lease": "keeps two processes off one run",
    "agents.run.store": "keeps what is finished",
    "agents.run.warm": "starts trainings that other code does",
    "analysis.spec": "acts through the JSON of figures, tables and claims, which the rules pass on",
    "analysis.__main__": "reads the command line",
}


class CodeError(Exception):
    """Code that cannot be followed; the text names the file."""


def fingerprint(text: str) -> str:
    """The SHA-256 of the text that `Code.text` gives, hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def roots(driver: str, components: Iterable[str]) -> tuple[str, ...]:
    """Where following the code of a training run or study begins; `driver` and `components` are its spec's."""
    return (driver, "agents.run.outputs", *components)


class Code:
    """The modules of one checkout; each file is read once."""

    def __init__(self, root: Path):
        self.root = Path(root)

    def text(self, roots: Iterable[str]) -> str:
        """One line `hash module` for each module reached from the roots ("module" or "module:attribute")."""
        modules = self.reach(roots)
        return "".join(f"{self._module(name)[0]} {name}\n" for name in sorted(modules))

    def reach(self, roots: Iterable[str]) -> set[str]:
        """All modules that importing the roots brings in, without the exempt ones."""
        found: set[str] = set()
        todo = [root.partition(":")[0] for root in roots]
        for name in todo:
            if self._path(name) is None:
                raise CodeError(f"the code names a module {name!r} that is not in {self.root}")
        while todo:
            name = todo.pop()
            if name in found or self._exempt(name) or self._path(name) is None:
                continue
            found.add(name)
            todo += self._module(name)[1]
            todo += [name.rsplit(".", n)[0] for n in range(1, name.count(".") + 1)]  # packages run their __init__
        return found

    @staticmethod
    def _exempt(module: str) -> bool:
        return any(module == name or module.startswith(f"{name}.") for name in EXEMPT)

    def _path(self, module: str) -> Path | None:
        if module.split(".")[0] not in PACKAGES:
            return None
        base = self.root.joinpath(*module.split("."))
        return next((p for p in (base / "__init__.py", base.with_suffix(".py")) if p.is_file()), None)

    @functools.cache  # noqa: B019 - one per process
    def _module(self, name: str) -> tuple[str, tuple[str, ...]]:
        """(hash, modules it imports)."""
        path = self._path(name)
        assert path is not None, name
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        try:
            return _read(path.read_bytes(), package)
        except SyntaxError as error:
            raise CodeError(f"{path}:{error.lineno}: not valid Python: {error.msg}") from None


@functools.cache  # checkouts have most of their modules in common
def _read(source: bytes, package: str) -> tuple[str, tuple[str, ...]]:
    """(hash, modules it imports) of a module in that package."""
    tree = ast.parse(source)
    digest = hashlib.sha256(repr(_essence(tree)).encode()).hexdigest()[:16]
    return digest, tuple(dict.fromkeys(_imports(tree, package)))


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


def changed(before: str, after: str) -> list[str]:
    """Modules whose line differs between two fingerprints, new and gone ones too."""
    old, new = ({line.split()[1]: line for line in text.splitlines()} for text in (before, after))
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
