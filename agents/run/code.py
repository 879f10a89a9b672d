"""What code a result came from: a hash of each module it reaches, blind to comments and formatting.

Modules are followed through their imports inside the repository. What is imported by name at run time (the
parts that a spec names, the function of a kind of figure) is given as a root. Knows the standard library only:
a training process and the pipeline that plans it both ask here, and must agree.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path

import agents.run.essence as essence

CODE_DIGITS = 16  # hexadecimal digits of a fingerprint that folders and files are named by
ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("agents", "analysis")
# Modules that cannot change a result, and why. All else that a root reaches counts.
EXEMPT = {
    "agents.spec": "acts through the spec's JSON, which identifies the run, and the roots chosen from it",
    "agents.__main__": "reads the command line",
    "agents.run.attempts": "counts how often a run was started",
    "agents.run.code": "names the code",
    "agents.run.essence": "names the code",
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
        essence.keep()
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
            return essence.of(path.read_bytes(), package)
        except SyntaxError as error:
            raise CodeError(f"{path}:{error.lineno}: not valid Python: {error.msg}") from None


def changed(before: str, after: str) -> list[str]:
    """Modules whose line differs between two fingerprints, new and gone ones too."""
    old, new = ({line.split()[1]: line for line in text.splitlines()} for text in (before, after))
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
