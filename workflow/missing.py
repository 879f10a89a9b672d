"""What to say where a package that this one needs is not installed. Needs none itself."""


def explain(error: ModuleNotFoundError) -> str:
    """One line for people; an error about our own modules is raised again."""
    if not error.name or error.name.split(".")[0] in ("workflow", "agents", "analysis"):
        raise error
    return (
        f"the package {error.name!r} is missing: activate the environment first (source .venv/bin/activate), or make "
        "it (make venv)"
    )
