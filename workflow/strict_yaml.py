"""YAML read strictly, with the line of every key kept, and the errors that point at those lines.

Differences from plain `yaml.safe_load`: a key given twice is an error (YAML keeps the last one in silence);
`1e-4` is a number (YAML 1.1 makes it a string); only `true` and `false` are booleans (not `no`, `on`);
`12:30` and `007` stay text.
"""

from __future__ import annotations

import copy
import difflib
import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import yaml

from analysis.spec.common import right_name as right_name
from analysis.spec.complaints import Location


def nearest(bad: object, valid: Iterable[str]) -> str | None:
    """The valid name most like a bad one, or None. Dotted keys also match by their last part."""
    names = sorted(set(valid))
    folded = {name.lower(): name for name in names}
    close = [folded[each] for each in difflib.get_close_matches(str(bad).lower(), folded, n=3, cutoff=0.6)]
    if close := [name for name in close if _alike(str(bad).lower(), name.lower())]:
        return close[0]
    deepest_first = sorted(reversed(names), key=lambda name: -name.count("."))  # the least deep of equal tails stays
    tails = {name.rsplit(".", 1)[-1].rsplit("/", 1)[-1]: name for name in deepest_first}
    part, _, _ = str(bad).rpartition(".")
    cutoff = 0.9 if any(part and name.startswith(f"{part}.") for name in names) else 0.75  # of a part that there is
    close = difflib.get_close_matches(re.split("[./]", str(bad))[-1].lower(), tails, n=1, cutoff=cutoff)
    return tails[close[0]] if close else None


def _alike(bad: str, name: str) -> bool:
    """Whether two names are alike beyond the part that holds them, which makes `optimizer.a` like any `optimizer.b`."""
    (of, _, own), (other, _, last) = bad.rpartition("."), name.rpartition(".")
    return of != other or difflib.SequenceMatcher(None, own, last).ratio() >= 0.5


def _beside(bad: object, valid: list[str]) -> list[str]:
    """The valid names of the part that a dotted name is of, all where there is none."""
    part = str(bad).rpartition(".")[0]
    return [name for name in valid if part and name.rpartition(".")[0] == part] or valid


class Problem(NamedTuple):
    """One thing wrong with the configuration. `line` is 0 where there is none (the command line)."""

    file: str
    line: int
    location: Location
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        key = ".".join(map(str, self.location))
        return f"{place}: {key}: {self.message}" if key else f"{place}: {self.message}"


class ConfigError(Exception):
    """Everything wrong with the configuration, one line each; shown to users without a traceback."""

    def __init__(self, problems: Iterable[Problem] | str):
        self.problems = [] if isinstance(problems, str) else sorted(set(problems), key=lambda p: (p[0], p[1], str(p)))
        if isinstance(problems, str):
            text = problems
        else:
            n = len(self.problems)
            text = f"{n} problem{'s' * (n != 1)} in the configuration:\n" + "\n".join(f"  {p}" for p in self.problems)
        super().__init__(text)


NAMED = 32  # valid names in a message: all kinds of figures
DEEPEST = 100  # mappings and lists in each other; the reader is recursive, in C


class Place(NamedTuple):
    """Where a value stands. `line` is 0 where there is none (the command line)."""

    file: str
    line: int
    location: Location


@dataclass
class Document:
    """A YAML file: its data and the place of each key and list item, which may have come from another file."""

    file: str
    data: Any
    places: dict[Location, Place] = field(default_factory=dict)

    def problem(self, location: Location, message: str, bad: object = None, valid: Iterable[str] = ()) -> Problem:
        """A problem at a location (or its nearest parent in the file), with the nearest valid name."""
        options = sorted(set(valid))
        if guess := nearest(bad, options):
            message += f"; did you mean {guess!r}?"
        elif options:
            options = _beside(bad, options)
            message += "; valid: " + ", ".join(options[:NAMED]) + (", …" if len(options) > NAMED else "")
        for n in range(len(location), -1, -1):
            if (place := self.places.get(location[:n])) is None:
                continue
            if place.location != location[:n]:  # inherited: say who inherits it, too
                message += f" (for {self.file}: {'.'.join(map(str, location))})"
            return Problem(place.file, place.line, (*place.location, *location[n:]), message)
        return Problem(self.file, 0, location, message)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Safe loader with YAML 1.2's plain scalars."""

    yaml_implicit_resolvers: ClassVar[dict] = {}


def _float(loader: _Loader, node: yaml.ScalarNode) -> float:
    text = loader.construct_scalar(node).replace("_", "").lower()
    return float(text.replace(".inf", "inf").replace(".nan", "nan"))


def _int(loader: _Loader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node).replace("_", ""))


for _tag, _pattern, _first in (
    ("bool", r"^(?:true|false|True|False)$", "tfTF"),
    ("int", r"^[-+]?(?:0|[1-9][0-9_]*)$", "-+0123456789"),
    (
        "float",
        r"^[-+]?(?:(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+|\.inf)$|^\.nan$",
        "-+.0123456789",
    ),
    ("null", r"^(?:~|null|)$", ["~", "n", ""]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))
_Loader.add_constructor("tag:yaml.org,2002:float", _float)
_Loader.add_constructor("tag:yaml.org,2002:int", _int)
_PLAIN = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq")}


def _too_deep(text: str) -> int:
    """The line on which nesting passes DEEPEST; 0 where it never does."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            return event.start_mark.line + 1
    return 0


def load(path: Path, name: str | None = None) -> Document:
    """Read one YAML file whose top level is a mapping.

    `name` is the file's name in messages. Raises ConfigError for unreadable files, syntax errors, tags, aliases
    and keys given twice (all of them at once).
    """
    name = name or str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(name, 0, (), f"cannot be read: {error}")]) from None
    document = _parsed(text, name)
    return replace(document, data=copy.deepcopy(document.data))


@functools.lru_cache(1024)  # checkouts have most of their files in common, and copying is quicker than parsing
def _parsed(text: str, name: str) -> Document:
    try:
        if line := _too_deep(text):
            raise ConfigError([Problem(name, line, (), "mappings and lists lie in each other too deeply")])
        loader = _Loader(text)
        root = loader.get_single_node()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        if getattr(error, "problem", None) == "could not find expected ':'":  # which is noticed a line later
            mark = error.context_mark or mark
        text = " ".join(filter(None, [getattr(error, "context", None), getattr(error, "problem", None)]))
        line = mark.line + 1 if mark else 0
        raise ConfigError([Problem(name, line, (), f"not valid YAML: {text or error}")]) from None
    document, problems, seen = Document(name, {}, {(): Place(name, 1, ())}), [], set()

    def build(node: yaml.Node, at: Location) -> Any:
        document.places.setdefault(at, Place(name, node.start_mark.line + 1, at))
        if id(node) in seen:
            problems.append(document.problem(at, "aliases (*name) are not allowed"))
            return None
        seen.add(id(node))
        if node.tag not in _PLAIN:
            problems.append(document.problem(at, f"the tag {node.tag} is not allowed"))
            return None
        if isinstance(node, yaml.SequenceNode):
            return [build(item, (*at, i)) for i, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            try:
                return loader.construct_object(node)
            except (ValueError, KeyError):  # e.g. an explicit !!int or !!bool before text
                problems.append(document.problem(at, f"{node.value!r} is not a {node.tag.rsplit(':', 1)[-1]}"))
                return None
        result: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag not in _PLAIN:
                problems.append(Problem(name, line, at, "keys must be plain text"))
                continue
            key = key_node.value
            if key in result:
                first = document.places[(*at, key)].line
                problems.append(Problem(name, line, (*at, key), f"given twice (first on line {first})"))
                continue
            document.places[(*at, key)] = Place(name, line, (*at, key))
            result[key] = build(value_node, (*at, key))
        return result

    if not isinstance(root, yaml.MappingNode):
        raise ConfigError([Problem(name, 1, (), "a mapping of keys to values is wanted")])
    document.data = build(root, ())
    if problems:
        raise ConfigError(problems)
    return document
