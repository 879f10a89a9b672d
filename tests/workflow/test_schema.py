"""The JSON Schemas in config/schema are those of the code, and the shipped files fit them."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import jsonschema
import pytest

from tests.workflow.house import ROOT
from workflow.schema import schemas as made
from workflow.strict_yaml import load

schemas = functools.cache(made)  # the same for all tests
SHIPPED = {
    path: kind
    for folder, kind in (("", "config"), ("algorithms", "algorithm"), ("papers", "paper"), ("scales", "preset"))
    for path in sorted((ROOT / "config" / folder).glob("*.yaml"))
}


@pytest.mark.parametrize("name", ["config.json", "algorithm.json", "paper.json", "preset.json"])
def test_the_files_are_what_the_code_says(name: str):
    path = ROOT / "config" / "schema" / name
    assert path.read_text() == schemas()[name], "run `python -m workflow schema`"


@pytest.mark.parametrize("name", ["config.json", "algorithm.json", "paper.json", "preset.json"])
def test_they_are_draft_7(name: str):
    schema = json.loads(schemas()[name])
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    jsonschema.Draft7Validator.check_schema(schema)
    assert "$defs" not in schemas()[name]
    assert "prefixItems" not in schemas()[name]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_each_shipped_file_fits_its_schema_and_names_it(path: Path):
    kind = SHIPPED[path]
    up = "" if kind == "config" else "../"
    assert path.read_text().splitlines()[0] == f"# yaml-language-server: $schema={up}schema/{kind}.json"
    schema = json.loads(schemas()[f"{kind}.json"])
    errors = list(jsonschema.Draft7Validator(schema).iter_errors(load(path).data))
    assert errors == []


def test_a_typing_error_is_seen_by_an_editor():
    data = load(ROOT / "config/algorithms/dqn_minatar_sn.yaml").data
    data["spec"]["learning"]["bach"] = 32
    schema = json.loads(schemas()["algorithm.json"])
    messages = [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(data)]
    assert len(messages) == 1
    assert "'bach' was unexpected" in messages[0]


def complaints(spec: dict) -> list[str]:
    data = {"label": "x", "source": "y", "extends": "dqn_minatar_sn", "spec": spec}
    schema = json.loads(schemas()["algorithm.json"])
    return [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(data)]


@pytest.mark.parametrize(
    "spec",
    [
        {"network": {"head": "dueling", "torso": "residual", "linear": "plain", "normalisation": "batch"}},
        {"network": {"head": {"kind": "dueling"}}},
        {"spectral": "none", "exploration": "none", "learning": {"clock": "unrolls"}, "record": {"norms": "none"}},
        {"spectral": "weights"},  # whose numbers stand under `alternatives`
        {"agent": {"correction": "vtrace"}, "memory": {"select": {"weights": "none"}}},
        {"agent": {"value": "scalar", "penalty": "none"}},
        {"memory": {"select": "uniform"}, "record": {"probes": [{"kind": "feature_rank", "states": 2}, "td_error"]}},
        {"environment": {"suite": "atari"}},
    ],
)
def test_a_part_may_be_its_kind_alone(spec: dict):
    assert complaints(spec) == []


@pytest.mark.parametrize(
    "spec",
    [
        {"network": {"head": "duelling"}},
        {"spectral": "weight"},
        {"exploration": {"kind": "linar"}},
        {"agent": "dqn"},  # never without its numbers
        {"environment": "atari"},
        {"optimizer": {"kind": "adam", "lr": "fast"}},
        {"spectral": {"kind": "output", "bound": 1.0}},
        {"learning": {"start_frames": 5}},
    ],
)
def test_what_is_no_part_is_seen_by_an_editor(spec: dict):
    assert len(complaints(spec)) == 1
