"""Actors as processes of the learner's node: chunks and parameters in shared memory, pipes to say what is ready."""

import os
import select
import time
from typing import Any

import numpy as np
import torch

from agents.executors.actors.rollout_worker import RolloutWorker, parameters
from agents.executors.actors.rows import Rows
from agents.executors.actors.shared_memory import SharedMemory
from agents.executors.iteration import iterate
from agents.executors.nursery import Post
from agents.executors.pool import ProcessPool, WorkerProcess
from agents.learner import Learner
from agents.memory.replay import Replay
from agents.spec.run import Spec


class Processes:
    """A source of chunks (agents/executors/actors/rows.py). Actors start with the first chunk asked for."""

    def __init__(self, spec: Spec, learner: Learner, memory: Replay, obs: np.ndarray):
        self.spec, self.agent, self.learner, self.memory = spec, learner.agent, learner, memory
        learner.listeners.append(self.updated)
        self.shared = SharedMemory(spec, self.agent, obs)
        self.version = 0
        actors = spec.executor.actors
        self.pool = ProcessPool(actors, self._begin)
        self.rows = Rows(self, spec.environment.streams, spec.environment.repeat)
        self.filled = [0] * actors  # chunks played by each actor
        self.taken = 0  # chunks handed out
        self.released = 0  # chunks done with
        self._published = -1
        self._waited = 0.0  # seconds

    def updated(self) -> None:
        self.version += 1

    def take(self, seconds: float, frame: int) -> dict[str, np.ndarray] | None:
        """The next chunk [T, B, …], a view that lasts until the next call; None if it is not there in `seconds`.

        Raises RuntimeError when an actor cannot be kept alive.
        """
        self.shared.frame[0] = frame
        self._publish()
        self.pool.start()
        if self.released < self.taken:
            self.released = self.taken
            for worker in self.pool.workers:
                worker.allow(1)
        started = time.monotonic()
        while (lagging := [i for i, filled in enumerate(self.filled) if filled == self.taken]) and seconds >= 0:
            waited = time.monotonic() - started
            if waited > seconds:
                break
            self._listen(lagging, seconds - waited)
        self._waited += time.monotonic() - started
        if lagging:
            return None
        self.taken += 1
        return self.shared.slot(self.taken - 1)

    def _publish(self) -> None:
        if self._published != self.version:
            self.shared.publish(self.version, parameters(self.agent))
            self._published = self.version

    def _listen(self, numbers: list[int], seconds: float) -> None:
        """Count what actors have played; start those anew that died."""
        pipes = {self.pool.workers[i].full: i for i in numbers}
        ready, _, _ = select.select(list(pipes), [], [], seconds)
        for pipe in ready:
            number = pipes[pipe]
            if news := os.read(pipe, 4096):
                self.filled[number] += len(news)
                self.pool.worked(number)
            else:
                self.pool.restart(number)

    def _begin(self, number: int, incarnation: int) -> WorkerProcess:
        free = self.spec.executor.slots - (self.filled[number] - self.released)
        return WorkerProcess(self.spec, number, incarnation, self.shared.descriptor, free, self.filled[number])

    def advance(self, wait: float) -> bool:
        """One row of all streams, and the updates that fall due."""
        if not self.rows.ready(wait):
            return False
        iterate(self.rows, self.memory, self.learner, self.spec.learning.clock)
        return True

    def readings(self) -> dict[str, float]:
        return self.rows.readings(len(self.pool.incarnations))

    def facts(self) -> dict[str, Any]:
        return {
            **self.rows.speeds(len(self.pool.incarnations)),
            "actor_restarts": self.pool.restarts,
            "learner_waited_seconds": self._waited,
        }

    def close(self) -> None:
        """End the actors. Nothing can be taken afterwards."""
        self.pool.close()

    def state_dict(self) -> dict[str, Any]:
        return {"version": self.version, "incarnations": self.pool.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.version = state["version"]
        self.pool.load_state_dict(state["incarnations"])


def make(spec: Spec, learner: Learner, memory: Replay, stream: Any, device: torch.device) -> tuple[Processes, Rows]:
    """The executor, and where its steps come from."""
    source = Processes(spec, learner, memory, stream.obs)
    return source, source.rows


def run_worker(spec: Spec, post: Post) -> None:
    """What an actor process does: it plays while it is given slots, and leaves when its learner is gone."""
    worker = RolloutWorker(spec, post.number, post.incarnation)
    shared = SharedMemory(spec, worker.agent, worker.actor.stream.obs, post.memory)
    streams = len(worker.actor.stream)
    mine, chunk = slice(post.number * streams, (post.number + 1) * streams), post.chunk
    while os.read(post.free, 1):  # a byte for each slot that may be filled; none at all: the learner is gone
        slot = shared.slot(chunk)
        worker.rollout({name: array[:, mine] for name, array in slot.items()}, int(shared.frame[0]), shared.newest)
        try:
            os.write(post.full, b".")
        except BrokenPipeError:
            return
        chunk += 1
