"""Small files that jobs take as inputs: written by the process that plans, only when what they say changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from agents.run.code import Code, CodeError, fingerprint
from workflow.strict_yaml import ConfigError
from workflow.write import write_if_changed


def code_text(code: Code, roots: Iterable[str]) -> str:
    """The modules that the roots reach, with their hashes. ConfigError for code that is not valid Python."""
    try:
        return code.text(roots)
    except CodeError as error:
        raise ConfigError(str(error)) from None


class Inputs:
    """The small inputs below one results folder; each is written at most once.

    `main`: this is the process that plans and submits, not one inside a job; only it writes. `dryrun`: write nothing.
    """

    def __init__(self, results: str, code: Code, main: bool, dryrun: Callable[[], bool]):
        self.results, self._code, self.main, self.dryrun = results, code, main, dryrun
        self._fresh: set[str] = set()

    def written(self, path: Path, text: Callable[[], str]) -> list[str]:
        """The path of a file that says `text()`; none where a dry run finds no file."""
        if self.main and str(path) not in self._fresh and not self.dryrun():
            self._fresh.add(str(path))
            write_if_changed(path, text())
        return [] if self.dryrun() and not path.exists() else [str(path)]

    def code(self, name: str, roots: Iterable[str]) -> list[str]:
        """The file of that name with the hashes of all modules that the roots reach.

        It has a folder of its own, as the list of an experiment's runs has: Snakemake lists the folders of the first
        target's inputs once, and would hold a file that is written there later for missing.
        """
        return self.written(Path(f"{self.results}/code/{name}/modules.fp"), lambda: code_text(self._code, roots))

    def code_sum(self, roots: Iterable[str]) -> str:
        """Makes changed code a changed parameter, whatever happened to its file."""
        return fingerprint(code_text(self._code, roots))[:12]
