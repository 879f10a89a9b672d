"""How tests are shared among the workers of a run (pytest-xdist): which stay together, and which begin; what every
test begins with, and how long it may take."""

from __future__ import annotations

import functools
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

# Before torch is imported: a fork of a process with a pool of threads waits for one of them, which it has not.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"

import numpy as np
import pytest
import torch
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parents[1]
LONGEST = 1200  # seconds of a test and its fixtures: none lasts a quarter of it, however busy the machine
# One after the other, on one worker: those of the one SLURM that a machine can hold.
CLUSTER = "tests/cluster/"
# The same for clusters of Ray, and processes that are watched, signalled and killed while the clock runs. Both groups
# mostly wait, and other tests use the processors meanwhile. Each entry is how the tests' names begin.
WATCHED = (
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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """No test waits for ever: after LONGEST it fails where it stands, and so do fixtures that do not end then."""

    def late(number: int, frame: FrameType | None) -> None:
        pytest.fail(f"{item.nodeid} has taken {LONGEST} s: what it waited for stands above")

    former = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, LONGEST, 60)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


def group(test: str) -> str:
    """The name of the tests that a test, `path::name`, stays with: those of the cluster, those watched, else those of a
    module that makes something for all of them. Other tests stay with nobody."""
    if test.startswith(CLUSTER):
        return "cluster"
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
    """The cluster's begin, then the watched, since they last longest; what comes alone fills the end evenly.

    Between them lie the other groups, those of agents/ last: what numba compiles for one worker is then there for all.
    """

    def order(item: pytest.Item) -> tuple[bool, bool, bool, bool]:
        name = group(item.nodeid)
        return name != "cluster", name != "watched", name == item.nodeid, name.startswith("tests/agents/")

    items.sort(key=order)
