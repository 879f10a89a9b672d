"""Who may know whom: the arrows between the layers, read from the code itself."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# package -> top-level names (or own packages) that its modules must not import
FORBIDDEN = {
    "agents/losses": {"agents", "numpy", "workflow", "analysis"},
    "agents/compiled": {"agents", "torch", "workflow", "analysis"},
    "agents/clock.py": {"agents", "workflow", "analysis", "torch"},
    "agents/nets": {"agents.losses", "agents.optim", "agents.memory", "agents.envs", "workflow", "analysis"},
    "agents/memory": {"agents.losses", "agents.nets", "agents.optim", "agents.envs", "workflow", "analysis"},
    "agents/envs": {
        "agents.losses",
        "agents.nets",
        "agents.optim",
        "agents.memory",
        "workflow",
        "analysis",
        "torch",
    },
    "agents/spec": {"torch", "numpy", "pandas", "agents.build", "agents.run.loop", "workflow", "analysis"},
    "agents": {"workflow", "analysis", "snakemake", "pandas", "matplotlib", "seaborn"},
    "analysis/spec": {"torch", "pandas", "numpy", "matplotlib", "agents", "workflow"},
    "analysis": {"agents", "workflow", "snakemake", "torch"},
    "analysis/figures": {"analysis.claims", "analysis.tables", "analysis.report"},
    "analysis/tables": {"analysis.claims", "analysis.figures", "analysis.report", "matplotlib"},
    "workflow": {"torch", "pandas", "matplotlib"},
    "manual": {"torch", "snakemake"},
}
# workflow/ reaches into the two layers below it only through their specs, and through what a training process and the
# pipeline that plans it must agree on, and what writes Markdown for both: modules that know the standard library only
SHARED = {
    f"agents.run.{name}" for name in ("attempts", "code", "essence", "files", "gpu", "identity", "lease", "store")
} | {"analysis.markdown"}
ONLY = {"workflow": {"agents": {"agents.spec", *SHARED}, "analysis": {"analysis.spec", *SHARED}}}


def imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def modules(place: str) -> list[Path]:
    path = ROOT / place
    return [path] if path.suffix == ".py" else sorted(path.rglob("*.py"))


@pytest.mark.parametrize("place", FORBIDDEN)
def test_layers_do_not_know_what_lies_above_them(place):
    files = modules(place)
    assert files
    for path in files:
        for name in imports(path):
            if place in ("agents/losses", "agents/compiled") and name.startswith(place.replace("/", ".")):
                continue  # one loss may be made of another, and one compiled function
            for banned in FORBIDDEN[place]:
                assert name != banned and not name.startswith(f"{banned}."), f"{path} imports {name}"


def test_workflow_reaches_down_only_through_the_specs():
    for path in modules("workflow"):
        for name in imports(path):
            package = name.partition(".")[0]
            allowed = ONLY["workflow"].get(package)
            if allowed and name != package:
                known = any(f"{name}.".startswith(f"{a}.") or a.startswith(f"{name}.") for a in allowed)
                assert known, f"{path} imports {name}"


def test_only_workflow_and_the_rules_know_snakemake():
    for place in ("agents", "analysis"):
        for path in modules(place):
            assert not any(name.startswith("snakemake") for name in imports(path)), path


def test_only_figures_know_figures():
    """Statistics, claims, tables and the report do without drawing."""
    for path in modules("analysis"):
        if path.name != "figure.py" and path.parent.name != "figures":
            drawing = {name for name in imports(path) if name.startswith(("analysis.figures", "matplotlib"))}
            assert not drawing or path.name == "style.py", f"{path} imports {drawing}"


def arrows(package: str) -> dict[str, set[str]]:
    """Module -> the modules of its package that it imports, at its head or later."""
    files = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in modules(package)}
    names = {name.removesuffix(".__init__"): path for name, path in files.items()}
    return {name: imports(path) & names.keys() for name, path in names.items()}


@pytest.mark.parametrize("package", ["workflow", "analysis"])
def test_imports_go_round_in_no_circle(package):
    left = arrows(package)
    assert len(left) > 20
    while free := [name for name, known in left.items() if not known & left.keys()]:
        for name in free:
            del left[name]
    assert not left, f"these import each other, or what does: {sorted(left)}"


@pytest.mark.parametrize("module", sorted(SHARED))
def test_what_the_pipeline_shares_with_the_layers_below_needs_the_standard_library_only(module):
    for name in imports(ROOT / f"{module.replace('.', '/')}.py"):
        assert name.partition(".")[0] in sys.stdlib_module_names or name.partition(".")[0] == "agents"
        if name.startswith("agents."):
            assert any(name == m or name.startswith(f"{m}.") for m in SHARED), name
