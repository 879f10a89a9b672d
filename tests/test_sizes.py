"""Files and functions that can be read at one sitting."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILE, FUNCTION, TOP = 350, 60, 15
PLACES = ("agents", "analysis", "workflow", "benchmarks", "manual")
KERNELS = "agents/compiled/"  # numba compiles a kernel as one function
FILES = sorted(path for place in PLACES for path in (ROOT / place).rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_short(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= FILE
    if not str(path.relative_to(ROOT)).startswith(KERNELS):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = node.end_lineno - node.lineno + 1
                assert lines <= FUNCTION, f"{node.name} has {lines} lines"


def test_the_top_of_agents_shows_the_agents():
    assert len(list((ROOT / "agents").glob("*.py"))) <= TOP


def test_other_files_are_short_too():
    for path in (ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= FILE, path
