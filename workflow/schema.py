"""JSON Schemas (draft-07) of the files in config/, generated from the models, for editors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from agents.spec.base import by_kind
from agents.spec.run import LEARNERS, OFFLINE, Spec
from analysis.spec.common import EXPERIMENT
from workflow.checks import GIVEN_ELSEWHERE
from workflow.items import SHARED
from workflow.main_config import Config
from workflow.models import AlgorithmFile, Paper, Preset
from workflow.write import write_if_changed

_OF_ALL = "what all entries of the list below have of it that name it and say nothing else"


def schemas() -> dict[str, str]:
    """File name in config/schema -> its text."""
    algorithm = _draft7(AlgorithmFile)
    definitions = algorithm.setdefault("definitions", {})
    chosen: dict[str, Any] = {"$ref": f"#/definitions/{Spec.__name__}"}
    for model in (Spec, *LEARNERS.values(), *OFFLINE.values()):
        definitions |= _partial(model)
    for kind, model in (OFFLINE | LEARNERS).items():
        agent = {"required": ["kind"], "properties": {"kind": {"const": kind}}}
        asked = {"required": ["agent"], "properties": {"agent": agent}}
        chosen = {"if": asked, "then": {"$ref": f"#/definitions/{model.__name__}"}, "else": chosen}
    algorithm["properties"]["spec"] |= chosen
    paper = _draft7(Paper, oneOf="anyOf")  # what extends another may leave out the `kind` that tells it apart
    for part in paper["definitions"].values():
        if "extends" in part["properties"]:
            left = ["extends", *(key for key in part["required"] if key == "id")]
            part["anyOf"] = [{"required": part.pop("required")}, {"required": left}]
    _unsaid(paper["definitions"])
    files = {"config.json": _draft7(Config), "algorithm.json": algorithm, "paper.json": paper}
    files["preset.json"] = _draft7(Preset)
    return {name: json.dumps(schema, indent=1, ensure_ascii=False) + "\n" for name, schema in files.items()}


def _unsaid(parts: dict[str, Any]) -> None:
    """Ask not for what workflow/items.py lays in: in lists, in published numbers, and before a name of the paper's own.

    The loader checks the whole.
    """
    for part in parts.values():
        if "pattern" in (named := part["properties"].get("experiments", {}).get("items", {})):
            named["pattern"] = EXPERIMENT.replace(r"[a-z0-9_-]+\.", r"([a-z0-9_-]+\.)?")
        for entries, keys in SHARED.items():
            if entries in part["properties"]:
                entry = parts[part["properties"][entries]["items"]["$ref"].rpartition("/")[2]]
                part["properties"] |= {key: {**entry["properties"][key], "description": _OF_ALL} for key in keys}
    for name in ("PublishedScores", "PublishedNumbers", "PublishedNumber", "Recomputation"):
        parts[name].pop("required")


def _partial(model: type[BaseModel]) -> dict[str, Any]:
    """Name -> schema of a kind of spec and its parts, with nothing required: `extends` may supply what is missing.

    The loader checks the whole. What other files give has no place in it.
    """
    spec = _draft7(model, oneOf="anyOf")  # an overlay may leave out the `kind` that tells one part from another
    parts = spec.pop("definitions")
    suites = [part for part in parts.values() if "suite" in part["properties"]]
    for part in (spec, *parts.values()):
        for key in ("required", "$schema"):
            part.pop(key, None)
    for key in GIVEN_ELSEWHERE:
        head, _, rest = key.partition(".")
        for part in suites if rest else [spec]:
            part["properties"].pop(rest or head)
    return parts | {model.__name__: spec}


def write(root: Path) -> list[Path]:
    """Bring config/schema up to date; returns the files that changed."""
    paths = {root / "config" / "schema" / name: content for name, content in schemas().items()}
    return [path for path, content in paths.items() if write_if_changed(path, content)]


class _Schema(GenerateJsonSchema):
    """Pydantic's, but that a part may be written as its kind alone where its model takes it so."""

    def function_before_schema(self, schema: Any) -> dict[str, Any]:
        found = super().function_before_schema(schema)
        if schema["function"]["function"] is by_kind:
            found["oneOf"] = [{"enum": list(found["discriminator"]["mapping"])}, *found["oneOf"]]
        return found


def _draft7(model: type[BaseModel], **also: str) -> dict[str, Any]:
    """Pydantic's schema (2020-12) in the older words; `also`: more words that take the place of others."""
    words = {"$defs": "definitions", "prefixItems": "items", **also}
    schema = _in_words(model.model_json_schema(mode="validation", schema_generator=_Schema), words)
    return {"$schema": "http://json-schema.org/draft-07/schema#", **schema}


def _in_words(node: Any, words: dict[str, str]) -> Any:
    if isinstance(node, list):
        return [_in_words(item, words) for item in node]
    if not isinstance(node, dict):
        return node
    # `discriminator` is OpenAPI's word; each member's constant `kind` says the same
    found = {words.get(key, key): _in_words(value, words) for key, value in node.items() if key != "discriminator"}
    if "$ref" in found:
        found["$ref"] = found["$ref"].replace("#/$defs/", "#/definitions/")
    return found
