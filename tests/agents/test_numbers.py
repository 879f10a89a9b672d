"""No number of a spec is dead: each number of each kind of part, changed, changes what a run leaves.

`python -m tests.numbers` asks the same of every number of every shipped algorithm, which takes an hour.
"""

import functools
from typing import Any

import pytest

from tests.numbers import ROOT, SILENT, dead, numbers, tree_of
from workflow.config import Project

PROJECT = Project(ROOT)


def role(tree: dict[str, Any], at: tuple[Any, ...]) -> tuple[str, ...]:
    """The steps to a number with the kinds that they lead through: what code reads it."""
    steps = []
    for step in at:
        kind = tree.get("kind", tree.get("suite", "")) if isinstance(tree, dict) else ""
        steps.append(f"{kind}.{step}" if isinstance(step, str) else "*")
        tree = tree[step]
    return tuple(steps)


@functools.cache
def work() -> dict[str, list[tuple[Any, ...]]]:
    """Algorithm -> its numbers that no quicker algorithm has in the same role."""
    cost = {
        "minatar": 0,
        "cartpole": 0,
        "recall": 0,
        "cliffwalk": 0,
        "corridor": 0,
        "digits": 0,
        "minigrid": 1,
        "atari": 2,
    }
    names = sorted(PROJECT.algorithm_names, key=lambda name: cost[PROJECT.algorithm(name).spec["environment"]["suite"]])
    seen: set[tuple[str, ...]] = set()
    found = {}
    for name in names:
        tree = tree_of(PROJECT, name)
        new = {role(tree, at): at for at, _ in numbers(tree) if role(tree, at) not in seen}
        seen |= new.keys()
        found[name] = list(new.values())
    return {name: paths for name, paths in found.items() if paths}


@pytest.mark.parametrize("name", PROJECT.algorithm_names)
def test_every_number_of_each_kind_of_part_counts(name):
    if name in work():
        assert dead(tree_of(PROJECT, name), work()[name]) == []


def test_what_may_be_silent_is_there():
    every = {".".join(map(str, at)) for name in work() for at, _ in numbers(tree_of(PROJECT, name))}
    for key in SILENT:
        assert any(f"{other}.".startswith(f"{key}.") for other in every), key
