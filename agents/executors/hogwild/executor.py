"""Lock-free actor-learners as processes of this node (Mnih et al. 2016), and the main process beside them.

Workers act and learn by themselves (actor_learner.py). The main process lets them go for an interval: up to the next
tick of its clocks or for INTERVAL seconds, whichever comes first. Between intervals all stand still, so that what is
recorded, evaluated and saved is one moment; an interval ends with the row that each is at, which costs next to nothing.

A run can be taken up again, not to the bit: two runs never have the same order of updates. Parameters, statistics,
frames and updates go on from the checkpoint; workers start fresh episodes in new incarnations.
"""

import json
import os
import select
import time
from typing import Any

import torch

from agents.executors.hogwild.shared_parameters import SharedParameters
from agents.executors.pool import ProcessPool, WorkerProcess
from agents.learner import Learner
from agents.memory.replay import Replay
from agents.spec.run import Spec
from agents.step import Episode

INTERVAL = 0.2  # seconds; what happened in an interval is recorded at the frame of its end
STUCK = 30.0  # seconds after an interval's end in which a worker must have come to rest


class Tally:
    """In place of an Actor: what the workers have done, as of the last interval."""

    def __init__(self) -> None:
        self.frames = 0
        self.episodes: list[Episode] = []

    def take(self) -> list[Episode]:
        """The episodes finished since the last call."""
        taken, self.episodes = self.episodes, []
        return taken

    def state_dict(self) -> dict[str, Any]:
        return {"frames": self.frames}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.frames = state["frames"]


class Hogwild:
    """The workers, started with the first interval, and the memory that they share."""

    def __init__(self, spec: Spec, learner: Learner):
        self.spec, self.learner, self.tally = spec, learner, Tally()
        actors = spec.executor.actors
        self.pool = ProcessPool(actors, self._begin)
        self.shared: SharedParameters | None = None  # from the first interval on
        self.resting: set[int] = set()  # numbers of the workers that wait for an interval
        self.working: set[int] = set()  # those in one; all others are just starting
        self._statistics: list[torch.Tensor] = []  # of each worker's optimizer, as a checkpoint had them
        self._unread = [b""] * actors
        self._frames, self._seconds = [0] * actors, [0.0] * actors  # since the start
        self._read = (0, 0.0)  # their sums at the last reading

    def advance(self, wait: float) -> bool:
        """Let the workers go on; when this returns they stand still. Raises RuntimeError when one keeps dying."""
        learner = self.learner
        shared = self.shared = self.shared or self._share()
        self.pool.start()
        shared.until[0] = self._tick(self.tally.frames)
        ends = time.monotonic() + INTERVAL
        for number in tuple(self.resting):
            self._release(number)
        begun = bool(self.working)
        while self.working or not begun:
            left = ends - time.monotonic()
            if left <= 0:
                shared.until[0] = 0
                begun = True
            if left <= -STUCK:
                for number in self.working:
                    self.pool.workers[number].kill()
            for number in self._listen(max(left, 0.0) or INTERVAL):
                if left > 0:  # it has just started
                    self._release(number)
                    begun = True
        self.tally.frames, learner.updates = shared.frame, shared.version
        learner.agent.online.resample(learner.agent.noise)  # for evaluations with noise
        return True

    def _share(self) -> SharedParameters:
        agent, executor = self.learner.agent, self.spec.executor
        shared = SharedParameters(agent.step, executor.actors, agent.common, executor.own)
        if self._statistics:
            torch._foreach_copy_(shared.own, self._statistics)
        shared.frames[0], shared.updates[0] = (
            self.tally.frames,
            self.learner.updates,
        )  # before this start, whoever made them
        return shared

    def _tick(self, frame: int) -> int:
        """The next frame at which something is due."""
        periods = (self.spec.record.learning_every_frames, self.spec.evaluation.every_frames)
        return min(self.spec.budget_frames, *(every * (frame // every + 1) for every in periods))

    def _release(self, number: int) -> None:
        self.resting.discard(number)
        self.working.add(number)
        self.pool.workers[number].allow(1)

    def _listen(self, seconds: float) -> list[int]:
        """Take what workers report, start those anew that died; -> the numbers of those that have just started."""
        fresh, pipes = [], {worker.full: i for i, worker in enumerate(self.pool.workers)}
        ready, _, _ = select.select(list(pipes), [], [], seconds)
        for pipe in ready:
            number = pipes[pipe]
            news = os.read(pipe, 1 << 16)
            if not news:
                self.resting.discard(number)
                self.working.discard(number)
                self._unread[number] = b""
                self.pool.restart(number)
                continue
            self._unread[number] += news
            if self._unread[number].endswith(b"\n"):
                report, self._unread[number] = json.loads(self._unread[number]), b""
                if number in self.working:
                    self._note(number, report)
                else:
                    fresh.append(number)
                self.working.discard(number)
                self.resting.add(number)
        return fresh

    def _note(self, number: int, report: dict[str, Any]) -> None:
        self.pool.worked(number)
        self._frames[number] += report["frames"]
        self._seconds[number] += report["seconds"]
        self.tally.episodes += [Episode(*episode) for episode in report["episodes"]]
        self.learner.note(report["sums"], report["counts"])

    def _begin(self, number: int, incarnation: int) -> WorkerProcess:
        return WorkerProcess(self.spec, number, incarnation, self.shared.descriptor, 0, 0)

    def readings(self) -> dict[str, float]:
        """Frames per second of a worker, mean since the last call; nothing where none lived to report."""
        frames, seconds = self._read
        self._read = sum(self._frames), sum(self._seconds)
        worked = self._read[1] - seconds
        return {"actor_frames_per_second": (self._read[0] - frames) / worked} if worked else {}

    def facts(self) -> dict[str, Any]:
        pairs = zip(self._frames, self._seconds, strict=True)
        return {
            "actor_frames_per_second": [frames / seconds if seconds else None for frames, seconds in pairs],
            "actor_restarts": self.pool.restarts,
        }

    def close(self) -> None:
        """End the workers."""
        if self.shared:
            self.shared.until[0] = 0
        self.pool.close()

    def state_dict(self) -> dict[str, Any]:
        held = self.shared.own if self.shared else self._statistics
        return {"incarnations": self.pool.state_dict(), "statistics": [tensor.clone() for tensor in held]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.pool.load_state_dict(state["incarnations"])
        self._statistics = state["statistics"]


def make(spec: Spec, learner: Learner, memory: Replay, stream: Any, device: torch.device) -> tuple[Hogwild, Tally]:
    """The executor, and what counts its frames; workers have memories and environments of their own."""
    executor = Hogwild(spec, learner)
    return executor, executor.tally
