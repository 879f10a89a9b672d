"""What may stand in config/, from the models that read it: every key with what it takes, its default, its meaning."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from pydantic import BaseModel

from agents.spec.base import Identified
from agents.spec.run import LEARNERS, OFFLINE, Spec
from analysis.markdown import table
from analysis.spec import claims, figures, tables
from analysis.spec.claims import Claim, Comparison
from analysis.spec.common import FromRuns, Reduced, Shown, kinds
from analysis.spec.drawn import Curved, Drawn
from workflow.main_config import Config
from workflow.models import AlgorithmFile, Paper, Preset

Node = dict[str, Any]
HUGE = 2**31 - 1  # bounds of what memory can hold, not of what makes sense
# How a key's name ends -> its unit. What has another one says it in its meaning; the rest are plain numbers.
UNITS = {"frames": "environment frames", "steps": "agent steps", "updates": "updates", "minutes": "minutes",
         "mb": "megabytes", "episodes": "episodes"}  # fmt: skip
OF_TYPES = ("environment frames", "environment frames of one episode")  # what a type says, of any key of it
TELLS = ("kind", "suite")  # tells one part from another


class Page(NamedTuple):
    """The models of one page; `shared`: those that they have keys of, each after those that it has keys of itself."""

    name: str
    models: dict[str, type[BaseModel]]
    shared: Mapping[str, type[BaseModel]] = MappingProxyType({})


PAGES = {
    page.name: page
    for page in (
        Page("main", {"config/config.yaml": Config}),
        Page("algorithm", {"A file of config/algorithms": AlgorithmFile}),
        Page("paper", {"A file of config/papers": Paper, "A file of config/scales": Preset}),
        Page("run", {f"A run of agent `{kind}`": model for kind, model in LEARNERS.items()}
             | {f"A study by agent `{kind}`": model for kind, model in OFFLINE.items()},
             {"Of every run and study": Identified, "A run": Spec}),
        Page("figures", {f"`{kind}`": model for kind, model in kinds(vars(figures), Drawn).items()},
             {"Of every figure": Drawn, "Of what shows runs": FromRuns, "Of what shows one number per run": Reduced,
              "Of curves": Curved}),
        Page("tables", {f"`{kind}`": model for kind, model in kinds(vars(tables), Shown).items()},
             {"Of every table": Shown, "Of what shows runs": FromRuns, "Of what shows one number per run": Reduced}),
        Page("claims", {f"`{kind}`": model for kind, model in kinds(vars(claims), Claim).items()},
             {"Of every claim": Claim, "Of what looks at runs": FromRuns, "Of what takes one number per run": Reduced,
              "Of comparisons": Comparison}),
    )
}  # fmt: skip
LISTED = ("figures", "tables", "claims")  # which have pages of their own: a paper's page does not tell them again


def page(name: str) -> str:
    """Markdown of a page: the models, and below each the parts that it is made of."""
    return _Told(PAGES[name]).text()


def silent(page: Page) -> list[str]:
    """`Model.key` of all keys, and `Model` of all kinds, without a word on what they are for."""
    told, found = _Told(page), []
    told.text()
    for name, schema in told.seen.items():
        if not schema.get("description") and not _kind(schema).get("description") and _kind(schema):
            found.append(name)
        for key, node in schema.get("properties", {}).items():
            if key not in TELLS and told.meaning(node) in ("", *OF_TYPES):
                found.append(f"{name}.{key}")
    return found


class _Told:
    """A page under way: the parts that it has told of already."""

    def __init__(self, page: Page):
        self.page = page
        self.seen: dict[str, Node] = {}
        self.parts: dict[str, Node] = {}

    def text(self) -> str:
        blocks = []
        for heading, model in (dict(self.page.shared) | self.page.models).items():
            schema = model.model_json_schema(mode="validation")
            if self.page.name == "paper":
                schema["properties"] = {key: self._short(key, node) for key, node in schema["properties"].items()}
            self.parts |= schema.pop("$defs", {})
            blocks += self._model(heading, model, schema)
        return "\n\n".join(blocks)

    def meaning(self, node: Node) -> str:
        """What a key is for: what it says itself, else what it is made of."""
        if node.get("description"):
            return node["description"]
        inner = [each for each in node.get("anyOf", []) if each.get("type") != "null"]
        if "$ref" in node:
            return self.parts[_name(node)].get("description", "").split("\n\n")[0]
        return self.meaning(inner[0]) if len(inner) == 1 else ""

    def _short(self, key: str, node: Node) -> Node:
        listed = {"type": "array", "description": f"see [{key}](config_{key}.md)", "items": {"type": "object"}}
        return listed | {"default": []} if key in LISTED else node

    def _model(self, heading: str, model: type[BaseModel], schema: Node) -> Iterator[str]:
        name = model.__name__
        if name in self.seen:
            return
        self.seen[name] = schema
        of = {heading: each for heading, each in self.page.shared.items() if each is not model}
        of = {heading: each for heading, each in of.items() if issubclass(model, each)}
        common: Node = {}
        for each in of.values():
            common |= self.seen[each.__name__]["properties"]
        own = {key: node for key, node in schema["properties"].items() if common.get(key) != node and key not in TELLS}
        yield f"{self._label(name)}\n## {heading}"
        yield _first(schema) or _plain(_kind(schema).get("description", ""))
        yield self._table(own, schema)
        if of:
            links = [f"[{each[0].lower()}{each[1:]}](#{self._target(of[each].__name__)})" for each in of]
            yield f"Also the keys {', '.join(links)}."
        yield from self._below("", own)

    def _below(self, path: str, keys: Node) -> Iterator[str]:
        """The parts that these keys name, each with its own below it."""
        for key, node in keys.items():
            for ref in _refs(node):
                if ref in self.seen:
                    continue
                part = self.seen[ref] = self.parts[ref]
                at, told = f"{path}{key}", _kind(part)
                chosen = f": {' · '.join(told.get('enum', [told.get('const')]))}" if told else ""
                yield f"{self._label(ref)}\n### `{at}{chosen}`"
                yield " – ".join(filter(None, [_plain(told.get("description", "")), _first(part)]))
                own = {key: each for key, each in part.get("properties", {}).items() if key not in TELLS}
                yield self._table(own, part)
                yield from self._below(f"{at}.", own)

    def _table(self, keys: Node, schema: Node) -> str:
        if not keys:
            return ""
        required = set(schema.get("required", []))
        defaults = not set(keys) <= required
        rows = []
        for key, node in keys.items():
            default = ["*required*" if key in required else _default(node)] * defaults
            unit = UNITS.get(key.rpartition("_")[2], "") if _counts(node) else ""
            takes = self._takes(node) + (f", {unit}" if unit else "")
            rows.append([f"`{key}`", takes, *default, _plain(self.meaning(node))])
        return table(["key", "takes", *["default"] * defaults, "meaning"], rows)

    def _takes(self, node: Node) -> str:
        """What a key takes, in words, with links to parts."""
        if "$ref" in node:
            part = self.parts[_name(node)]
            if "enum" in part:
                return _either(part["enum"])
            words = " · ".join(_kind(part).get("enum", [_kind(part).get("const", "keys")]))
            return f"[{words}](#{self._target(_name(node))})"
        for word in ("anyOf", "oneOf"):
            if word in node:
                return " · ".join(dict.fromkeys(self._takes(each) for each in node[word]))
        if "const" in node or "enum" in node:
            return _either(node.get("enum", [node.get("const")]))
        match node.get("type"):
            case "array":
                if "prefixItems" in node:
                    return f"[{', '.join(self._takes(each) for each in node['prefixItems'])}]"
                return f"list of {self._takes(node.get('items', {}))}"
            case "object":
                inner = node.get("additionalProperties")
                return f"mapping to {self._takes(inner)}" if isinstance(inner, dict) else "mapping"
            case "integer" | "number":
                return node["type"] + _bounds(node)
            case None:
                return "any value"
        return {"string": "text", "boolean": "`true` · `false`", "null": "`null`"}[node["type"]]

    def _target(self, name: str) -> str:
        return f"config-{self.page.name}-{name}".lower()

    def _label(self, name: str) -> str:
        return f"({self._target(name)})="


def _name(node: Node) -> str:
    return node["$ref"].rpartition("/")[2]


def _kind(schema: Node) -> Node:
    """The key that tells a part from others, if it has one."""
    properties = schema.get("properties", {})
    return next((properties[key] for key in TELLS if {"const", "enum"} & properties.get(key, {}).keys()), {})


def _refs(node: Any) -> Iterator[str]:
    """Names of the parts within a key, in their order."""
    if isinstance(node, dict):
        if "$ref" in node:
            yield _name(node)
        for key, each in node.items():
            if key != "discriminator":
                yield from _refs(each)
    elif isinstance(node, list):
        for each in node:
            yield from _refs(each)


def _counts(node: Node) -> bool:
    """Whether it is a number."""
    return node.get("type") in ("integer", "number") or any(_counts(each) for each in node.get("anyOf", []))


def _bounds(node: Node) -> str:
    low, above = node.get("ge", node.get("minimum")), node.get("gt", node.get("exclusiveMinimum"))
    high, below = node.get("le", node.get("maximum")), node.get("lt", node.get("exclusiveMaximum"))
    found = [(" ≥ ", low), (" > ", above), (" ≤ ", high), (" < ", below)]
    told = [f"{sign}{value:g}" for sign, value in found if value is not None and abs(value) < HUGE]
    return ",".join(told)


def _either(values: Iterable[Any]) -> str:
    return " · ".join(f"`{value if isinstance(value, str) else json.dumps(value)}`" for value in values)


def _default(node: Node) -> str:
    default = node.get("default")
    return f"`{json.dumps(default, ensure_ascii=False)}`" if default not in (None, "", [], {}) else "none"


def _first(schema: Node) -> str:
    """What a model says of itself, its first paragraph."""
    return _plain(schema.get("description", "").split("\n\n")[0])


def _plain(text: str) -> str:
    """As it stands in the model, with nothing in it that Markdown would read but code."""
    return re.sub(r"([<*$]|\[\[)", r"\\\1", " ".join(text.split()))
