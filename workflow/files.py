"""The files of config/: what they are called, and their text."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from workflow.strict_yaml import ConfigError, Document, Location, Problem, load, right_name

FOLDERS = {"paper": "papers", "algorithm": "algorithms", "preset": "scales"}  # of config/


class Files(NamedTuple):
    """Those under one checkout. `root`: the checkout."""

    root: Path

    def load(self, *parts: str) -> Document:
        """A file of config/, by the folders on the way and its name. Raises ConfigError."""
        return load(self.root.joinpath("config", *parts), "/".join(("config", *parts)))

    def names(self, folder: str) -> list[str]:
        """The names of a folder's files, without `.yaml`."""
        return [file.removesuffix(".yaml") for file, right in self._named(folder).items() if file == right]

    def misnamed(self, folder: str) -> list[Problem]:
        """Files that would be passed over."""
        wrong = ((file, right) for file, right in self._named(folder).items() if file != right)
        return [Problem(f"config/{folder}/{f}", 0, (), f"not read under this name: call it {r}") for f, r in wrong]

    def unknown(self, doc: Document, at: Location, what: str, name: object, valid: list[str]) -> Problem:
        """A name that no file has; `what`: one of FOLDERS. A file that nearly has it is named."""
        plain = right_name(Path(str(name)).name.removesuffix(".yaml").removesuffix(".yml"))
        for file, right in self._named(FOLDERS[what]).items():
            if file != right and plain == right.removesuffix(".yaml"):
                return doc.problem(at, f"unknown {what} {name!r}: config/{FOLDERS[what]}/{file} must be called {right}")
        return doc.problem(at, f"unknown {what} {name!r}", plain if plain in valid else name, valid)

    def paper(self, name: str) -> str:
        """The name, if a paper has it. Raises ConfigError."""
        if name not in (known := self.names("papers")):
            raise ConfigError([Document("config/papers", None).problem((), f"unknown paper {name!r}", name, known)])
        return name

    def _named(self, folder: str) -> dict[str, str]:
        """File name -> the name that it ought to have, of all that look like YAML in a folder of config/."""
        paths = (self.root / "config" / folder).glob("*")
        found = (p for p in paths if p.suffix.lower() in (".yaml", ".yml") and not p.name.startswith("."))
        return {path.name: f"{right_name(path.stem)}.yaml" for path in sorted(found)}
