"""Which tests of a run on several workers stay together, and which of them begin."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent
# One after the other, on one worker: the one SLURM that a machine can hold, clusters of Ray, and processes that are
# watched, signalled and killed while the clock runs. They mostly wait, and other tests use the processors meanwhile.
WATCHED = ("cluster", "agents/test_executors.py", "agents/test_hogwild.py", "workflow/test_ray_cluster.py")
MARKS = ("cluster", "ray", "processes")


def group(item: pytest.Item) -> str | None:
    """The tests that `item` stays with: those that watch processes, else those that share a fixture of its module."""
    place = item.path.relative_to(HERE)
    if place.parts[0] in WATCHED or place.as_posix() in WATCHED or any(map(item.get_closest_marker, MARKS)):
        return "processes"
    definitions = item._fixtureinfo.name2fixturedefs if isinstance(item, pytest.Function) else {}
    shared = any(found[-1].scope == "module" for found in definitions.values())
    return place.stem if shared else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its group. The watched begin, since they last longest, then what comes in groups."""
    groups = {item: group(item) for item in items}
    for item, name in groups.items():
        if name:
            item.add_marker(pytest.mark.xdist_group(name))
    items.sort(key=lambda item: (groups[item] != "processes", groups[item] is None))
