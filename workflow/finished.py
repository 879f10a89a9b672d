"""Which runs are finished: asked of the sealed store, by the run's spec and the code it reaches now."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from agents.run import attempts, store
from agents.run.code import CODE_DIGITS, Code, fingerprint, roots
from agents.run.store import Sealed, Store
from workflow.expand import Run
from workflow.inputs import code_text
from workflow.points import digest_of


class Finished:
    """The finished runs of one results folder.

    `main`: this is the process that plans; only it shows results again and takes marks back, and not in a dry run.
    `any_code`: a result counts whatever code made it.
    """

    def __init__(self, results: Path, code: Code, any_code: bool, main: bool, dryrun: Callable[[], bool]):
        self.store = Store(results)
        self._code, self.any_code, self.main, self.dryrun = code, any_code, main, dryrun
        self._codes: dict[tuple[str, tuple[str, ...]], tuple[str, str]] = {}  # text and fingerprint
        self._problems: dict[tuple[str, str], str | None] = {}

    def _code_of(self, run: Run) -> tuple[str, str]:
        key = (run.point.driver, run.point.components)
        if key not in self._codes:
            text = code_text(self._code, roots(*key))
            self._codes[key] = text, fingerprint(text)[:CODE_DIGITS]
        return self._codes[key]

    def code_text(self, run: Run) -> str:
        """The modules that a run reaches, with their hashes. ConfigError for code that is not valid Python."""
        return self._code_of(run)[0]

    def code(self, run: Run) -> str:
        """The code whose result is wanted: the present one, or with `any_code` the newest that has one."""
        present = self._code_of(run)[1]
        if self.any_code and not self.store.folder(digest(run), present).exists():
            return next(iter(self.store.codes(digest(run))), present)
        return present

    def folder(self, run: Run) -> Path:
        """Where the result of a run lies, or will."""
        return self.store.folder(digest(run), self.code(run))

    def place(self, run: Run) -> str:
        """`folder`, relative to the store."""
        return f"{digest(run)}/{self.code(run)}"

    def problem(self, run: Run) -> str | None:
        """What is wrong with a run's result, None if it is finished and whole. Looked at once."""
        key = (digest(run), self.code(run))
        if key not in self._problems:
            self.sealed(run)
        return self._problems[key]

    def sealed(self, run: Run) -> Sealed | None:
        """A run's result, looked at now, if it is finished and whole."""
        key = (digest(run), self.code(run))
        found = store.look(self.store.folder(*key))
        self._problems[key] = found if isinstance(found, str) else None
        return None if isinstance(found, str) else found

    def mark(self, run: Run) -> str:
        """The output that Snakemake is asked for: there if the result is whole."""
        return str(self.store.mark(run.name, self.code(run)))

    def restore(self, runs: Iterable[Run]) -> None:
        """Show whole results again where their links or marks are gone; take the marks of others back."""
        for run in runs if self.main and not self.dryrun() else ():
            if sealed := self.sealed(run):
                store.refresh(sealed)
                if not self.store.is_shown(sealed):
                    self.store.show(sealed)
                attempts.clear(self.store.results / "work" / run.name)
            else:
                self.store.mark(run.name, self.code(run)).unlink(missing_ok=True)


def digest(run: Run) -> str:
    """The SHA-256 of a run's canonical spec, hexadecimal; 12 digits of it stand in the run's name."""
    return digest_of(run.spec)
