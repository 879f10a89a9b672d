"""Ray actors on two nodes (two raylets of this machine), one of which is lost in mid-run."""

import os
import sys

import pytest

from agents.run.checkpoint import Checkpoints
from agents.run.loop import Run
from tests.agents.specs import ROOT, spec
from tests.agents.test_apex import APEX

pytestmark = pytest.mark.ray
ray = pytest.importorskip("ray", reason="Ray is not installed: pip install '.[ray]'")

EXECUTOR = {"kind": "ray", "actors": 2, "slots": 2, "chunk_steps": 10, "pull_every_steps": 10}


@pytest.fixture
def nodes(monkeypatch):
    """A cluster of two nodes with one place for an actor each; -> the second one, and how to add another."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("PATH", f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second = cluster.add_node(num_cpus=1)
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    yield cluster, second
    ray.shutdown()
    cluster.shutdown()


def test_no_frame_is_missing_when_a_node_is_lost(nodes, tmp_path):
    cluster, second = nodes
    plan = spec(**APEX | {"executor": EXECUTOR, "learning__clock__every_frames": 16, "memory__capacity_steps": 8_000})
    run = Run(plan, Checkpoints(tmp_path, {}, print))
    executor, store = run.parts.executor, run.parts.memory.store
    try:
        while run.frame < 300:
            assert run.iterate()
        assert executor.restarts == [0, 0]
        cluster.remove_node(second, allow_graceful=False)
        cluster.add_node(num_cpus=1)
        while run.frame < 1_000:
            assert run.iterate()
    finally:
        executor.close()
    assert sorted(executor.restarts) == [0, 1] and executor.incarnations.sum() == 1
    rows = store.extract(0, store.count)
    assert len(store.closed) == 2 and rows["last"].reshape(-1)[store.closed].all()
    # Every row handed over is there, and each is one frame but for episodes' ends.
    dropped = run.frame - int((~rows["last"]).sum())
    assert 1_000 <= run.frame < 1_004 and 0 <= dropped <= 2
    episodes = run.recorder.tables()["episodes"].to_pylist()
    assert sum(row["length"] for row in episodes) <= run.frame
    for row in range(1, store.count):
        assert ((rows["age"][row] == 0) == rows["last"][row - 1]).all()
