"""How tests are shared among the workers of a run (pytest-xdist): which stay together, and which begin; and what
every test begins with."""

from __future__ import annotations

import functools
import random
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parents[1]
# One after the other, on one worker: the one SLURM that a machine can hold, clusters of Ray, and processes that are
# watched, signalled and killed while the clock runs. They mostly wait, and other tests use the processors meanwhile.
# Each entry is how the tests' names begin.
WATCHED = (
    "tests/cluster/",
    "tests/workflow/test_ray_cluster.py",
    "tests/agents/test_ray.py",
    "tests/agents/test_executors.py",
    "tests/agents/test_hogwild.py",
    "tests/agents/test_resume.py::test_a_signal",
    "tests/agents/test_lease.py::test_a_stopped_training",
    "tests/test_faults.py::test_a_sweep_whose_programs",
)

# A shell starts background jobs with SIGINT ignored, nohup those with SIGHUP, which would pass on to the programs that
# tests signal.
torch.set_flush_denormal(True)  # as all processes that compute do (agents/arithmetic.py)
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def same_draws() -> None:
    """What a test draws without a generator of its own is the same each time."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


def group(test: str) -> str:
    """The name of the tests that a test, `path::name`, stays with: those watched, else those of a module that makes
    something for all of them. Other tests stay with nobody."""
    if test.startswith(WATCHED):
        return "watched"
    module = test.partition("::")[0]
    return module if _shares(module) else test


@functools.cache
def _shares(module: str) -> bool:
    return 'scope="module"' in (ROOT / module).read_text()


class Groups(LoadScopeScheduling):
    """Hands a worker one group after the other. (xdist's own `--dist loadgroup` finds no groups with pytest 9.2.)"""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log) -> Groups | None:
    return Groups(config, log) if config.getvalue("dist") == "loadscope" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The watched begin, since they last longest; what comes alone fills the end evenly.

    Between them lie the other groups, those of agents/ last: what numba compiles for one worker is then there for all.
    """

    def order(item: pytest.Item) -> tuple[bool, bool, bool]:
        name = group(item.nodeid)
        return name != "watched", name == item.nodeid, name.startswith("tests/agents/")

    items.sort(key=order)
