"""Acting: stack what was seen, choose, step. One step of all environments gives one row of experience."""

from typing import Any, Protocol

import numpy as np
import torch

from agents.envs.stream import EpisodeStatistics
from agents.rng import restore_rng, rng_state
from agents.step import ActorInput, ActorOutput, Episode, Step


class Stacker:
    """The newest S observations of each environment; zeros stand before an episode's first."""

    def __init__(self, streams: int, size: int, shape: tuple[int, ...], dtype: type):
        self.frames = np.zeros((streams, size, *shape), dtype)

    def __call__(self, obs: np.ndarray, first: np.ndarray) -> np.ndarray:
        """obs [B, C, H, W], first [B] -> [B, S * C, H, W]."""
        streams, size = self.frames.shape[:2]
        if size == 1:
            return obs
        self.frames[:, :-1] = self.frames[:, 1:]
        self.frames[first] = 0
        self.frames[:, -1] = obs
        return self.frames.reshape(streams, -1, *obs.shape[2:])


class Schedule(Protocol):
    def __call__(self, statistics: EpisodeStatistics) -> float: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Actor:
    """An agent in its environments. `epsilon(statistics)` is the chance of a random action: one, or one for each.

    What an agent remembers between rows (a recurrent state, the previous action and reward) is carried here.
    """

    def __init__(self, agent, stream, stack: int, epsilon: Schedule, rng: np.random.Generator, device):
        self.agent, self.stream, self.epsilon, self.rng, self.device = agent, stream, epsilon, rng, device
        self.stacker = Stacker(len(stream), stack, stream.shape, stream.dtype)
        self.action = np.zeros(len(stream), np.int64)
        self.reward = np.zeros(len(stream), np.float32)
        self.state: Any = None

    @property
    def frames(self) -> int:
        """Environment frames so far."""
        return self.stream.statistics.frames

    def take(self) -> list[Episode]:
        """The episodes finished since the last call."""
        return self.stream.statistics.take()

    def current(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """obs [B, …], first and last [B] of the current rows, at which nothing was done yet."""
        return self.stream.obs, self.stream.first, self.stream.last

    def lost(self) -> np.ndarray:
        """Numbers of the streams whose next row does not follow their previous one: none here."""
        return np.empty(0, np.int64)

    def step(self) -> Step:
        first = self.stream.first
        obs = torch.from_numpy(self.stacker(self.stream.obs, first)).to(self.device)
        action = np.where(first, 0, self.action.T).T  # [B, …]
        inputs = ActorInput(obs, first, action, np.where(first, 0, self.reward), self.state)
        output: ActorOutput = self.agent.act(inputs, self.epsilon(self.stream.statistics), self.rng)
        step = self.stream.step(output.action)
        self.action, self.reward, self.state = output.action, step.reward, output.state
        return step._replace(extras=output.extras) if output.extras else step

    def state_dict(self) -> dict[str, Any]:
        return {
            "stream": self.stream.state_dict(),
            "frames": self.stacker.frames.copy(),
            "action": self.action.copy(),
            "reward": self.reward.copy(),
            "state": self.state,
            "epsilon": self.epsilon.state_dict(),
            "rng": rng_state(self.rng),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.stream.load_state_dict(state["stream"])
        self.stacker.frames = state["frames"]
        self.action, self.reward, self.state = state["action"], state["reward"], state["state"]
        self.epsilon.load_state_dict(state["epsilon"])
        restore_rng(self.rng, state["rng"])
