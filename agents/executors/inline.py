"""Acting and learning in turns, in one process: repeatable to the bit."""

from typing import Any

import torch

from agents.acting.actor import Actor
from agents.acting.lagged import Lagged
from agents.executors.iteration import iterate
from agents.learner import Learner
from agents.memory.replay import Replay
from agents.rng import generator
from agents.spec.run import Spec


class Inline:
    def __init__(self, spec: Spec, actor: Actor, acting: Lagged, memory: Replay, learner: Learner):
        self.clock, self.actor, self.acting, self.memory, self.learner = (
            spec.learning.clock,
            actor,
            acting,
            memory,
            learner,
        )
        learner.listeners.append(acting.updated)

    def advance(self, wait: float) -> bool:
        """One step of every environment, and the updates that fall due; there is never anything to wait for."""
        iterate(self.actor, self.memory, self.learner, self.clock)
        return True

    def readings(self) -> dict[str, float]:
        return {}

    def facts(self) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        """Nothing runs beside this process."""

    def state_dict(self) -> dict[str, Any]:
        return self.acting.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.acting.load_state_dict(state)


def make(
    spec: Spec, learner: Learner, memory: Replay, stream: Any, device: torch.device, *index: int
) -> tuple[Inline, Actor]:
    """The executor, and where its steps come from; `index` as for agents/build.py."""
    acting = Lagged(learner.agent, spec.executor.lags_updates, len(stream))
    epsilon = spec.exploration.make(len(stream), generator(spec.seed, "epsilon"))
    rng = generator(spec.seed, "exploration", *index)
    actor = Actor(acting, stream, spec.environment.stack, epsilon, rng, device)
    return Inline(spec, actor, acting, memory, learner), actor
