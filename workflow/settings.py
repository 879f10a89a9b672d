"""What an algorithm's file sets, line by line, with what its comments say of each number."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from workflow.strict_yaml import Document, Location, load

_COMMENT = re.compile(r"\s#\s+(.*)$")


class Setting(NamedTuple):
    """A dotted key of a spec, its value as YAML writes it, and the comment on its line."""

    key: str
    value: str
    comment: str


class Settings(NamedTuple):
    label: str
    source: str
    extends: str | None
    rows: list[Setting]


def read(root: Path, algorithm: str) -> Settings:
    """The settings of config/algorithms/<algorithm>.yaml alone, without what it extends."""
    name = f"config/algorithms/{algorithm}.yaml"
    document, lines = load(root / name, name), (root / name).read_text(encoding="utf-8").splitlines()
    comments = [comment_of(line) for line in lines]
    data = document.data
    rows = [
        Setting(".".join(map(str, at[1:])), _plain(value), comments[document.places[at].line - 1])
        for at, value in _lines(document, ("spec",), data["spec"])
    ]
    return Settings(data["label"], data["source"], data.get("extends"), rows)


def comment_of(line: str) -> str:
    """The comment at the end of a line of YAML; "" where there is none."""
    return found[1].strip() if (found := _COMMENT.search(line)) else ""


def _lines(document: Document, at: Location, value: Any) -> Iterator[tuple[Location, Any]]:
    """The innermost keys that begin a line: what is written on one line is told as one."""
    line = document.places[at].line
    if isinstance(value, dict) and any(document.places[*at, key].line != line for key in value):
        for key, inner in value.items():
            yield from _lines(document, (*at, key), inner)
    else:
        yield at, value


def _plain(value: Any) -> str:
    """A value in YAML's flow style."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key}: {_plain(each)}" for key, each in value.items()) + " }" if value else "{}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_plain, value)) + "]"
    return value if isinstance(value, str) else json.dumps(value)
