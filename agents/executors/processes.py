"""Actors as processes of the learner's node: chunks and parameters in shared memory, pipes to say what is ready.

A pipe closes when the process at its other end dies, whatever it died of. So the learner hears at once of a dead actor
and starts it anew, and actors leave when the learner is gone.
"""

import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agents.executors import worker
from agents.executors.player import parameters
from agents.executors.rows import Rows
from agents.executors.shared import Shared
from agents.learner import Agent
from agents.spec import Spec

HERE = Path(__file__).resolve().parents[2]
PATIENCE = 3  # starts in a row without a chunk, before an actor is given up
LEAVE = 5.0  # seconds that actors have to leave by themselves


class Child:
    """The learner's ends of one actor."""

    def __init__(self, spec: Spec, number: int, life: int, chunk: int, free: int, memory: int):
        """Start it; it may fill `free` slots, beginning with chunk number `chunk`."""
        theirs_free, self.free = os.pipe()
        self.full, theirs_full = os.pipe()
        numbers = {"number": number, "life": life, "chunk": chunk, "parent": os.getpid()}
        numbers |= {"memory": memory, "free": theirs_free, "full": theirs_full}
        self.process = subprocess.Popen(
            [sys.executable, "-m", worker.__name__, "--spec", spec.canonical()]
            + [f"--{name}={value}" for name, value in numbers.items()],
            pass_fds=(memory, theirs_free, theirs_full),
            stdin=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": _path()},
        )
        os.close(theirs_free)
        os.close(theirs_full)
        self.allow(free)

    def allow(self, slots: int) -> None:
        """Let it fill so many more slots."""
        try:
            os.write(self.free, b"." * slots)
        except BrokenPipeError:
            pass  # it is dead, which is noticed at its other pipe

    def close(self) -> None:
        """It leaves when it next looks for a slot."""
        os.close(self.free)
        os.close(self.full)

    def gone(self, seconds: float) -> int:
        """Its exit status; it is killed if it is still there after `seconds`."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


class Processes:
    """A source of chunks (agents/executors/rows.py). Actors start with the first chunk asked for."""

    def __init__(self, spec: Spec, agent: Agent, obs: np.ndarray):
        self.spec, self.agent = spec, agent
        self.shared = Shared(spec, agent, obs)
        self.version = 0
        actors = spec.executor.actors
        self.lives = np.zeros(actors, np.int64)  # of each actor, the present one
        self.rows = Rows(self, spec.environment.streams, spec.environment.repeat)
        self.children: list[Child] = []
        self.filled = [0] * actors  # chunks played by each actor
        self.taken = 0  # chunks handed out
        self.released = 0  # chunks done with
        self.restarts = [0] * actors
        self._vain = [0] * actors  # starts in a row without a chunk
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
        if not self.children:
            self.children = [self._start(number) for number in range(self.spec.executor.actors)]
        if self.released < self.taken:
            self.released = self.taken
            for child in self.children:
                child.allow(1)
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
            self.shared.publish(self.version, parameters(self.agent.online))
            self._published = self.version

    def _listen(self, numbers: list[int], seconds: float) -> None:
        """Count what actors have played; start those anew that died."""
        pipes = {self.children[i].full: i for i in numbers}
        ready, _, _ = select.select(list(pipes), [], [], seconds)
        for pipe in ready:
            number = pipes[pipe]
            if news := os.read(pipe, 4096):
                self.filled[number] += len(news)
                self._vain[number] = 0
            else:
                self._restart(number)

    def _restart(self, number: int) -> None:
        self.children[number].close()
        status = self.children[number].gone(LEAVE)
        self._vain[number] += 1
        if self._vain[number] == PATIENCE:
            del self.children[number]
            raise RuntimeError(f"actor {number} ended {PATIENCE} times before its first chunk, at last with {status}")
        print(f"actor {number} ended with {status}; started anew", file=sys.stderr, flush=True)
        self.lives[number] += 1
        self.restarts[number] += 1
        self.children[number] = self._start(number)

    def _start(self, number: int) -> Child:
        free = self.spec.executor.slots - (self.filled[number] - self.released)
        life = int(self.lives[number])
        return Child(self.spec, number, life, self.filled[number], free, self.shared.descriptor)

    def ready(self, seconds: float) -> bool:
        return self.rows.ready(seconds)

    def readings(self) -> dict[str, float]:
        return self.rows.readings(self.spec.learning.batch)

    def facts(self) -> dict[str, Any]:
        return {
            **self.rows.speeds(len(self.lives)),
            "actor_restarts": self.restarts,
            "learner_waited_seconds": self._waited,
        }

    def close(self) -> None:
        """End the actors. Nothing can be taken afterwards."""
        children, self.children = self.children, []
        for child in children:
            child.close()
        until = time.monotonic() + LEAVE
        for child in children:
            child.gone(max(0.0, until - time.monotonic()))

    def state_dict(self) -> dict[str, Any]:
        return {"version": self.version, "lives": self.lives.copy()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Every actor begins a new life."""
        self.version, self.lives = state["version"], state["lives"] + 1


def _path() -> str:
    return os.pathsep.join(filter(None, (str(HERE), os.environ.get("PYTHONPATH"))))


def collect(spec: Spec, agent: Agent, stream: Any, device: torch.device) -> tuple[Processes, Rows]:
    """The executor, and what its rows come from."""
    source = Processes(spec, agent, stream.obs)
    return source, source.rows
