"""Tests that must not run at the same time, or that share what is dear to make, stay on one worker."""

from types import SimpleNamespace

import pytest

from tests.conftest import ROOT, WATCHED, Groups, group

CLUSTER = ["tests/cluster/test_slurm.py::test_a", "tests/cluster/test_ray_nodes.py::test_b"]
KILLED = "tests/agents/test_resume.py::test_a_killed_run_ends_with_the_bytes_of_an_undisturbed_one[dqn]"


def test_the_cluster_and_watched_processes_are_a_group_each():
    assert {group(test) for test in CLUSTER} == {"cluster"}
    assert {group(f"{test}::test_c[x]") for test in ("tests/agents/test_hogwild.py", WATCHED[0])} == {"watched"}


def test_a_module_stays_together_if_its_tests_share_a_fixture():
    assert group("tests/workflow/test_rerun.py::test_what_was_made") == "tests/workflow/test_rerun.py"
    assert group(KILLED) == KILLED


@pytest.mark.parametrize("name", WATCHED)
def test_what_is_watched_is_there(name):
    path, _, test = name.partition("::")
    assert (ROOT / path).is_dir() if path.endswith("/") else f"def {test}" in (ROOT / path).read_text()


class Worker:
    """Stands for a worker process: takes note of the tests that it is given."""

    shutting_down = False

    def __init__(self, name: str):
        self.gateway, self.given = SimpleNamespace(id=name), []

    def send_runtest_some(self, numbers: list[int]) -> None:
        self.given += numbers

    def shutdown(self) -> None:
        self.shutting_down = True


def test_a_worker_gets_whole_groups():
    config = SimpleNamespace(getvalue=lambda name: ["2*popen"], option=SimpleNamespace(loadscopereorder=False))
    tests = [CLUSTER[0], KILLED, CLUSTER[1], *(f"tests/workflow/test_rerun.py::test_{i}" for i in range(3))]
    groups, workers = Groups(config), [Worker("a"), Worker("b")]
    for worker in workers:
        groups.add_node(worker)
        groups.add_node_collection(worker, tests)
    groups.schedule()
    assert [worker.given for worker in workers] == [[0, 2, 3, 4, 5], [1]]
