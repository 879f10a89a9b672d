"""Code that explains itself: every public module, class and function of these packages says what it is for."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("agents/losses", "agents/memory", "agents/nets", "agents/optim", "agents/envs", "analysis", "manual")
MODULES = {package: sorted((ROOT / package).rglob("*.py")) for package in PACKAGES}
# The same everywhere: the class says what goes in and out, and what its state is.
COMMON = {"forward", "state_dict", "load_state_dict"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def protocols(package: str) -> set[str]:
    """Names of the methods that the package's protocols document: those of the classes behind them need not again."""
    classes = [n for path in MODULES[package] for n in ast.parse(path.read_text()).body if isinstance(n, ast.ClassDef)]
    shared = [n for n in classes if any(getattr(base, "id", "") == "Protocol" for base in n.bases)]
    return {m.name for n in shared for m in n.body if isinstance(m, Function) and ast.get_docstring(m)}


def is_property(node: ast.AST) -> bool:
    """Read like a field, and explained by its class like one."""
    return any(getattr(decorator, "id", "") == "property" for decorator in getattr(node, "decorator_list", ()))


def silent(tree: ast.Module, excused: set[str]) -> list[str]:
    """Public classes and functions at a module's top, and public methods, without a docstring."""
    found = []
    for node in tree.body:
        within = [node, *node.body] if isinstance(node, ast.ClassDef) else [node]
        for part in within if not getattr(node, "name", "_").startswith("_") else ():
            if not isinstance(part, ast.ClassDef | Function) or part.name.startswith("_") or ast.get_docstring(part):
                continue
            method = part is not node
            if not (method and (part.name in excused or is_property(part))):
                found.append(f"{node.name}.{part.name}" if method else part.name)
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_public_code_has_docstrings(package):
    excused = COMMON | protocols(package)
    for path in MODULES[package]:
        tree = ast.parse(path.read_text())
        assert ast.get_docstring(tree) or not tree.body, path
        assert not silent(tree, excused), path


def test_a_protocol_excuses_methods_by_its_own_docstrings():
    assert protocols("agents/memory") == {"add", "due", "draw", "update", "state_dict", "load_state_dict"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("def f(): ...", ["f"]),
        ("def f():\n  'Says.'", []),
        ("def _f(): ...", []),
        ("class C:\n  def m(self): ...", ["C", "C.m"]),
        ("class C:\n  'Says.'\n  def draw(self): ...\n  def __len__(self): ...", []),
        ("class C:\n  'Says.'\n  @property\n  def m(self): ...", []),
        ("def draw(): ...", ["draw"]),
    ],
)
def test_what_is_silent(text, names):
    assert silent(ast.parse(text), {"draw"}) == names
