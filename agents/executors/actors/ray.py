"""Actors as Ray actors, on whatever nodes the cluster has: for more actors than one node can hold. Needs `ray`.

$RAY_ADDRESS names the cluster (workflow/ray_cluster.py starts one in a SLURM allocation); without it Ray starts one on
this machine. An actor whose node or process is lost starts again elsewhere, in a new incarnation; the chunks it had
under way are played again, and no frame is missing or counted twice, since frames count when the learner takes them.
"""

import os
import sys
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
from ray.exceptions import RayError

from agents.arithmetic import settle
from agents.executors.actors.chunks import Layout
from agents.executors.actors.rollout_worker import RolloutWorker, parameters
from agents.executors.actors.rows import Rows
from agents.executors.iteration import iterate
from agents.learner import Learner
from agents.memory.replay import Replay
from agents.spec.run import Spec

HERE = str(Path(__file__).resolve().parents[3])
JOIN = 60.0  # seconds for all nodes to join; then it goes with those that did
PATIENCE = 10  # starts in a row without a chunk, before an actor is given up


class RayRolloutWorker:
    """The Ray actor: a RolloutWorker that gives its chunks away."""

    def __init__(self, spec: str, number: int, incarnation: int):
        settle(1)
        self.worker = RolloutWorker(Spec.model_validate_json(spec), number, incarnation)
        self.layout: Layout = self.worker.layout

    def rollout(self, frame: int, version: int, values: list[ray.ObjectRef]) -> dict[str, np.ndarray]:
        """A chunk; `values` [1] are the parameters after `version` updates, fetched only if they are due and new."""
        chunk = self.layout.views(bytearray(self.layout.size))
        self.worker.rollout(chunk, frame, lambda mine: (version, ray.get(values[0])) if version != mine else None)
        return chunk


class RayActors:
    """A source of chunks (agents/executors/actors/rows.py). The cluster is joined with the first chunk asked for."""

    def __init__(self, spec: Spec, learner: Learner, memory: Replay):
        self.spec, self.agent, self.learner, self.memory = spec, learner.agent, learner, memory
        learner.listeners.append(self.updated)
        self.version = 0
        actors = spec.executor.actors
        self.incarnations = np.zeros(actors, np.int64)  # of each actor, the present one
        self.rows = Rows(self, spec.environment.streams, spec.environment.repeat)
        self.workers: list[Any] = []
        self.chunks: list[deque] = [deque() for _ in range(actors)]  # under way, in order
        self.restarts = [0] * actors
        self._vain = [0] * actors
        self._values: ray.ObjectRef | None = None
        self._published = -1
        self._waited = 0.0

    def updated(self) -> None:
        self.version += 1

    def take(self, seconds: float, frame: int) -> Mapping[str, np.ndarray] | None:
        """The next chunk [T, B, …]; None if it is not there in `seconds`.

        Raises RuntimeError when an actor cannot be kept alive.
        """
        if not self.workers:
            _join()
            self.workers = [self._start(number) for number in range(len(self.incarnations))]
        if self._published != self.version:
            self._values, self._published = ray.put(parameters(self.agent)), self.version
        for number, chunks in enumerate(self.chunks):
            while len(chunks) < self.spec.executor.slots:
                chunks.append(self.workers[number].rollout.remote(frame, self.version, [self._values]))
        started, heads = time.monotonic(), [chunks[0] for chunks in self.chunks]
        ready, _ = ray.wait(heads, num_returns=len(heads), timeout=seconds)
        self._waited += time.monotonic() - started
        found = []
        for number, head in enumerate(heads):
            try:
                if head in ready:
                    found.append(ray.get(head))
                    self._vain[number] = 0
            except RayError as error:
                self._restart(number, error)
        if len(found) < len(heads):
            return None
        for chunks in self.chunks:
            chunks.popleft()
        return {name: np.concatenate([chunk[name] for chunk in found], axis=1) for name in found[0]}

    def _start(self, number: int) -> Any:
        remote = ray.remote(num_cpus=1, max_restarts=0, scheduling_strategy="SPREAD")(RayRolloutWorker)
        return remote.remote(self.spec.canonical(), number, int(self.incarnations[number]))

    def _restart(self, number: int, error: RayError) -> None:
        """A new incarnation; the chunks under way are given up, since those after a lost one would not follow."""
        self._vain[number] += 1
        if self._vain[number] == PATIENCE:
            raise RuntimeError(f"actor {number} failed {PATIENCE} times before its first chunk") from error
        print(f"actor {number} is lost ({type(error).__name__}); started anew", file=sys.stderr, flush=True)
        ray.kill(self.workers[number])
        self.chunks[number].clear()
        self.incarnations[number] += 1
        self.restarts[number] += 1
        self.workers[number] = self._start(number)

    def advance(self, wait: float) -> bool:
        """One row of all streams, and the updates that fall due."""
        if not self.rows.ready(wait):
            return False
        iterate(self.rows, self.memory, self.learner, self.spec.learning.clock)
        return True

    def readings(self) -> dict[str, float]:
        return self.rows.readings(len(self.incarnations))

    def facts(self) -> dict[str, Any]:
        return {
            **self.rows.speeds(len(self.incarnations)),
            "actor_restarts": self.restarts,
            "learner_waited_seconds": self._waited,
        }

    def close(self) -> None:
        """End the actors, and the cluster if it was started here."""
        if self.workers:
            self.workers = []
            ray.shutdown()

    def state_dict(self) -> dict[str, Any]:
        return {"version": self.version, "incarnations": self.incarnations.copy()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Every actor begins a new incarnation."""
        self.version, self.incarnations = state["version"], state["incarnations"] + 1


def _join() -> None:
    """The cluster of $RAY_ADDRESS, once $RAY_NODES nodes are there; or a new one of this process's cores."""
    path = os.pathsep.join(filter(None, (HERE, os.environ.get("PYTHONPATH"))))
    options: dict[str, Any] = {"runtime_env": {"env_vars": {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}}}
    if address := os.environ.get("RAY_ADDRESS"):
        options["address"] = address
    else:
        os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # nothing outside this machine can reach it
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        options |= {"num_cpus": len(os.sched_getaffinity(0)), "include_dashboard": False}
    ray.init(log_to_driver=True, logging_level="warning", **options)
    wanted, until = int(os.environ.get("RAY_NODES", "1")), time.monotonic() + JOIN
    while sum(node["Alive"] for node in ray.nodes()) < wanted and time.monotonic() < until:
        time.sleep(0.2)  # else all actors would crowd on the nodes that came first


def make(spec: Spec, learner: Learner, memory: Replay, stream: Any, device: torch.device) -> tuple[RayActors, Rows]:
    """The executor, and where its steps come from."""
    source = RayActors(spec, learner, memory)
    return source, source.rows
