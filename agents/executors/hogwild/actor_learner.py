"""A lock-free actor-learner of A3C (Mnih et al. 2016, Algorithm S3), one process of agents/executors/hogwild/executor.py.

It is a whole run of its own, with environments, memory and learner, but for two things: its learner's parameters and
statistics are everybody's, and its agent acts and takes gradients on a copy of them, fetched when an unroll starts.
"""

import copy
import json
import os
import time
from argparse import Namespace
from typing import Any

import torch

from agents.build import build
from agents.executors.hogwild.shared_parameters import SharedParameters
from agents.executors.rows import rows
from agents.optim.gradient import Backward
from agents.spec import Spec
from agents.spec.executor import Inline
from agents.step import Loss


class ActorLearner:
    """Worker `number` in its incarnation number `incarnation` (0 at first); incarnations share no random numbers.

    `memory` is the descriptor of what is shared.
    """

    def __init__(self, spec: Spec, number: int, incarnation: int, memory: int):
        workers, streams = spec.executor.actors, spec.environment.streams
        self.number, self.streams = number, streams // workers
        self.spec = spec.model_copy(
            update={
                "executor": Inline(kind="inline", lags_updates=[0]),
                "environment": spec.environment.model_copy(update={"streams": self.streams}),
            }
        )
        self.parts = build(self.spec, number, incarnation)
        self.learner, agent = self.parts.learner, self.parts.learner.agent
        agent.online = copy.deepcopy(agent.online)
        self.own = list(agent.online.parameters())
        self.backward = Backward(self.own)
        self.shared = SharedParameters(self.learner, workers, memory)
        self.learner.gradient = self.hand_over
        self.learner.clock = lambda: self.shared.version
        self.learner.listeners.append(self.updated)
        self.fetch()

    @torch.no_grad()
    def fetch(self) -> None:
        self.parts.executor.updates = self.shared.version  # what rows are marked with from here on
        torch._foreach_copy_(self.own, self.learner.parameters)

    def hand_over(self, loss: Loss) -> None:
        """Gradients at the own parameters become those that the shared ones are to follow."""
        self.backward(loss)
        for shared, own in zip(self.learner.parameters, self.own, strict=True):
            shared.grad = own.grad

    def updated(self) -> None:
        """The step is made: count it, and take what all have made of the parameters."""
        self.shared.updates[self.number] += 1
        self.fetch()

    def iterate(self) -> None:
        """One row of the own streams, and the update if it completes an unroll; frames are the whole run's."""
        statistics = self.parts.actor.stream.statistics
        before = statistics.frames = self.shared.frame
        rows(self.spec, self.parts)
        self.shared.frames[self.number] += statistics.frames - before

    def interval(self) -> dict[str, Any]:
        """Work until the run's frame `shared.until`; -> what was done, in plain numbers."""
        started, before = time.perf_counter(), int(self.shared.frames[self.number])
        while self.shared.frame < self.shared.until[0]:
            self.iterate()
        sums, counts = self.learner.totals()
        episodes = [
            episode._replace(env=self.number * self.streams + episode.env) for episode in self.parts.actor.take()
        ]
        return {
            "frames": int(self.shared.frames[self.number]) - before,
            "seconds": time.perf_counter() - started,
            "episodes": episodes,
            "sums": sums,
            "counts": counts,
        }


def race(spec: Spec, options: Namespace) -> None:
    """What the process does: a line of JSON when it is ready and after each interval; it leaves when the pipe closes."""
    worker = ActorLearner(spec, options.number, options.incarnation, options.memory)
    report: dict[str, Any] = {}
    with open(options.full, "wb") as news:
        try:
            while True:
                news.write(json.dumps(report).encode() + b"\n")
                news.flush()
                if not os.read(options.free, 1):
                    return
                report = worker.interval()
        except BrokenPipeError:
            os._exit(0)  # the main process is gone, and nobody wants what is left to be written
