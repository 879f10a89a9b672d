"""The typed specs: one registry entry per kind, every option described, nothing heavy imported."""

import json
import subprocess
import sys
from typing import get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from analysis.files import resolve
from analysis.spec import items as spec

FAMILIES = [(spec.FigureSpec, spec.FIGURES), (spec.TableSpec, spec.TABLES), (spec.ClaimSpec, spec.CLAIMS)]


@pytest.mark.parametrize(("union", "registry"), FAMILIES)
def test_every_kind_has_a_model_and_a_function(union, registry):
    models = get_args(get_args(union)[0])
    kinds = [get_args(model.model_fields["kind"].annotation)[0] for model in models]
    assert sorted(kinds) == sorted(registry)
    assert all(callable(resolve(target)) for target in registry.values())


@pytest.mark.parametrize(("union", "registry"), FAMILIES)
def test_every_option_is_described_for_the_json_schema(union, registry):
    definitions = TypeAdapter(union).json_schema()["$defs"]
    for name, definition in definitions.items():
        assert definition["additionalProperties"] is False, name
        for key, field in definition["properties"].items():
            assert key == "kind" or field.get("description"), f"{name}.{key}"


def test_importing_the_specs_loads_pydantic_only():
    heavy = ("numpy", "pandas", "torch", "pyarrow")
    code = f"import sys, analysis.spec.items; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_unknown_key_missing_key_and_bad_names_are_refused():
    good = {"id": "a", "kind": "learning_curves", "title": "T", "experiments": ["demo.x"]}
    assert spec.figure_adapter.validate_python(good).metric == "evaluation_return"
    for change in (
        {"smooth": 3},
        {"id": "../a"},
        {"experiments": []},
        {"experiments": ["x"]},
        {"kind": "pie"},
    ):
        with pytest.raises(ValidationError):
            spec.figure_adapter.validate_python(good | change)
    with pytest.raises(ValidationError, match="'printed', 'recomputed' or both"):
        spec.PublishedBar(label="x")


def test_a_spec_survives_json():
    claim = {"id": "c", "kind": "greater", "text": "T", "a": "A", "b": 1.5, "experiments": ["demo.x"]}
    loaded = spec.claims_adapter.validate_python([claim])
    again = spec.claims_adapter.validate_python(json.loads(spec.claims_adapter.dump_json(loaded)))
    assert again == loaded and again[0].b == 1.5
