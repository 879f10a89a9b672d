"""A lock-free actor-learner (Mnih et al. 2016, arXiv:1602.01783, Algorithms 1, S2 and S3): one process of executor.py.

It is a whole run of its own, with environments, memory and learner, but for three things: its learner's parameters,
its target network and mostly its statistics are everybody's; its agent acts and takes gradients on a copy of the
parameters, fetched when an unroll starts; and its environments explore by their numbers among those of all.
"""

import copy
import json
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from agents.acting.exploration import share
from agents.build import Central, build
from agents.envs.stream import EpisodeStatistics
from agents.executors.hogwild.shared_parameters import SharedParameters
from agents.executors.nursery import Post
from agents.optim.objective import Objective
from agents.optim.step import GradientStep
from agents.rng import generator
from agents.spec.executor import Inline
from agents.spec.run import Spec


class HandOver:
    """In place of a worker's gradient step: gradients are those of its own network, the step is the shared one's."""

    def __init__(self, own: nn.Module, shared: GradientStep):
        self.parameters, self.shared = list(own.parameters()), shared

    @property
    def moved(self) -> list[nn.Parameter]:
        return self.shared.parameters

    def descend(self, objective: Objective) -> dict[str, torch.Tensor | float]:
        return {"grad_norm": self.down(objective.loss())}

    def down(self, loss: torch.Tensor) -> torch.Tensor:
        for parameter in self.parameters:
            parameter.grad = None
        loss.backward(inputs=self.parameters)
        return self.shared.along([parameter.grad for parameter in self.parameters])


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

        def hand_over(own: nn.Module, make_step: Callable[[nn.Module], GradientStep]) -> HandOver:
            self.step = HandOver(own, make_step(copy.deepcopy(own)))
            return self.step

        self.parts = build(self.spec, number, incarnation, central=Central(hand_over, lambda: self.shared.version))
        self.learner = self.parts.learner
        common, own = self.learner.agent.common, spec.executor.own
        self.shared = SharedParameters(self.step.shared, workers, common, own, memory, number)
        self.parts.actor.epsilon = self.exploration(spec)
        self.learner.listeners.append(self.updated)
        self.fetch()

    def exploration(self, spec: Spec) -> Callable[[EpisodeStatistics], float | np.ndarray]:
        """The epsilons of its own environments; `spec` is the whole run's."""
        every = spec.exploration.make(spec.environment.streams, generator(spec.seed, "epsilon"))
        mine = slice(self.number * self.streams, (self.number + 1) * self.streams)
        return lambda statistics: share(every(statistics), mine)

    @torch.no_grad()
    def fetch(self) -> None:
        self.parts.executor.acting.at(self.shared.version)
        torch._foreach_copy_(self.step.parameters, self.step.shared.parameters)

    def updated(self) -> None:
        """The step is made: count it, and take what all have made of the parameters."""
        self.shared.updates[self.number] += 1
        self.fetch()

    def iterate(self) -> None:
        """One row of the own streams, and the update if it completes an unroll; frames are the whole run's."""
        statistics = self.parts.actor.stream.statistics
        before = statistics.frames = self.shared.frame
        self.parts.executor.advance(0.0)
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


def run_worker(spec: Spec, post: Post) -> None:
    """What the process does: a line of JSON when it is ready and after each interval, until the pipe closes."""
    worker = ActorLearner(spec, post.number, post.incarnation, post.memory)
    report: dict[str, Any] = {}
    with open(post.full, "wb") as news:
        try:
            while True:
                news.write(json.dumps(report).encode() + b"\n")
                news.flush()
                if not os.read(post.free, 1):
                    return
                report = worker.interval()
        except BrokenPipeError:
            os._exit(0)  # the main process is gone, and nobody wants what is left to be written
