"""JSON Schemas (draft-07) of the files in config/, generated from the models, for editors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from agents.spec import Spec
from workflow.config import GIVEN_ELSEWHERE
from workflow.fingerprint import write_if_changed
from workflow.models import AlgorithmFile, Config, Paper


def schemas() -> dict[str, str]:
    """File name in config/schema -> its text."""
    algorithm = _draft7(AlgorithmFile)
    spec = _draft7(Spec)
    definitions = spec.pop("definitions")
    for model in (spec, *definitions.values()):
        model.pop("required", None)  # `extends` may supply what is missing; the loader checks the whole
        for key in ("discriminator", "$schema"):
            model.pop(key, None)
        for part in model["properties"].values():  # without its kind, a part may fit several
            if "oneOf" in part:
                part["anyOf"] = part.pop("oneOf")
    for key in GIVEN_ELSEWHERE:
        head, _, rest = key.partition(".")
        if rest:
            for model in (definitions[name] for name in ("MinAtar", "Atari", "Recall")):
                model["properties"].pop(rest)
        else:
            spec["properties"].pop(head)
    algorithm["definitions"] = algorithm.get("definitions", {}) | definitions
    algorithm["properties"]["spec"] = spec | {"description": algorithm["properties"]["spec"]["description"]}
    files = {"config.json": _draft7(Config), "algorithm.json": algorithm, "paper.json": _draft7(Paper)}
    return {name: json.dumps(schema, indent=1, ensure_ascii=False) + "\n" for name, schema in files.items()}


def write(root: Path) -> list[Path]:
    """Bring config/schema up to date; returns the files that changed."""
    paths = {root / "config" / "schema" / name: content for name, content in schemas().items()}
    return [path for path, content in paths.items() if write_if_changed(path, content)]


def _draft7(model: type[BaseModel]) -> dict[str, Any]:
    """Pydantic's schema (2020-12) in the older words."""
    schema = _old_words(model.model_json_schema(mode="validation"))
    return {"$schema": "http://json-schema.org/draft-07/schema#", **schema}


def _old_words(node: Any) -> Any:
    if isinstance(node, list):
        return [_old_words(item) for item in node]
    if not isinstance(node, dict):
        return node
    result = {}
    for key, value in node.items():
        if key == "$defs":
            result["definitions"] = _old_words(value)
        elif key == "prefixItems":
            result["items"] = _old_words(value)
        elif key == "$ref":
            result["$ref"] = value.replace("#/$defs/", "#/definitions/")
        elif key == "discriminator":
            continue  # OpenAPI's word; each member's constant `kind` says the same
        else:
            result[key] = _old_words(value)
    return result
