"""One iteration of acting and learning, where both are done by this process."""

from typing import Any, Protocol

import numpy as np

from agents.clock import ticks
from agents.learner import Learner
from agents.memory.replay import Replay
from agents.spec.memory import FrameClock, UnrollClock
from agents.step import Episode, Step


class Acting(Protocol):
    """Where steps come from: environments here (agents/acting/actor.py) or those of other processes."""

    @property
    def frames(self) -> int: ...
    def step(self) -> Step: ...
    def current(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]: ...
    def lost(self) -> np.ndarray: ...
    def take(self) -> list[Episode]: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Executor(Protocol):
    """Where acting and learning happen.

    `advance` acts in every environment and does the learning that falls due; False where there was nothing to act on
    within `wait` seconds. `readings` are metrics since the last call, `facts` what the wall clock told, for run.json.
    """

    def advance(self, wait: float) -> bool: ...
    def readings(self) -> dict[str, float]: ...
    def facts(self) -> dict[str, Any]: ...
    def close(self) -> None: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


def iterate(actor: Acting, memory: Replay, learner: Learner, clock: FrameClock | UnrollClock) -> None:
    """One step of every environment into the memory, and the updates that fall due."""
    before = actor.frames
    memory.close(actor.lost())
    memory.add(actor.step())
    memory.see(*actor.current())
    after = actor.frames
    struck = ticks(before, after, clock.every_frames, clock.start_frames) if clock.kind == "frames" else 0
    for _ in range(memory.due(struck)):
        batch = memory.draw(after)
        memory.update(batch.key, learner.learn(batch))
