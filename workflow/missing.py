"""What to say where a package that this one needs is not installed. Needs none itself."""

import importlib.util


def need(*names: str) -> None:
    """Raise ModuleNotFoundError of the first of these packages that is not there; none is imported."""
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def explain(error: ModuleNotFoundError) -> str:
    """One line for people; an error about our own modules is raised again."""
    if not error.name or error.name.split(".")[0] in ("workflow", "agents", "analysis"):
        raise error
    return (
        f"the package {error.name!r} is missing: activate the environment first (source .venv/bin/activate), or make "
        "it (make venv)"
    )
