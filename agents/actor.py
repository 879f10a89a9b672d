"""Acting: stack what was seen, choose, step. One turn gives one row of experience."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from agents import rng
from agents.step import Step


class Stacker:
    """The newest S observations of each environment; zeros stand before an episode's first."""

    def __init__(self, streams: int, size: int, shape: tuple[int, ...]):
        self.frames = np.zeros((streams, size, *shape), np.uint8)

    def __call__(self, obs: np.ndarray, first: np.ndarray) -> np.ndarray:
        """obs [B, C, H, W], first [B] -> [B, S * C, H, W]."""
        streams, size = self.frames.shape[:2]
        if size == 1:
            return obs
        self.frames[:, :-1] = self.frames[:, 1:]
        self.frames[first] = 0
        self.frames[:, -1] = obs
        return self.frames.reshape(streams, -1, *obs.shape[2:])


class Actor:
    """An agent in its environments. `epsilon(frame)` is the chance of a random action."""

    def __init__(self, agent, stream, stack: int, epsilon: Callable[[int], float], dice: np.random.Generator, device):
        self.agent, self.stream, self.epsilon, self.dice, self.device = agent, stream, epsilon, dice, device
        self.stacker = Stacker(len(stream), stack, stream.shape)

    def turn(self) -> Step:
        view = torch.from_numpy(self.stacker(self.stream.obs, self.stream.first)).to(self.device)
        epsilon = self.epsilon(self.stream.ledger.frames)
        return self.stream.step(self.agent.act(view, epsilon, self.dice))

    def state_dict(self) -> dict[str, Any]:
        return {
            "stream": self.stream.state_dict(),
            "frames": self.stacker.frames.copy(),
            "dice": rng.state(self.dice),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.stream.load_state_dict(state["stream"])
        self.stacker.frames = state["frames"]
        rng.restore(self.dice, state["dice"])
