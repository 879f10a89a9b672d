"""CartPole (Barto, Sutton & Anderson 1983): B poles with the physics of gymnasium's CartPoleEnv, stepped together.

Observation [4, 1, 1] float32: cart position (m) and speed, pole angle (rad) and speed. Actions: push left, push right.
One agent step is one frame. The recorded score is the episode's length in steps, whatever the training reward is.
"""

from typing import Any

import numpy as np
from gymnasium.envs.classic_control.cartpole import CartPoleEnv

from agents.envs.stream import EpisodeStatistics
from agents.rng import generator, restore_rng, rng_state
from agents.spec.environment import CartPole as CartPoleSpec
from agents.step import Step

GOAL = 196  # steps from which `goal` rewards an episode's end: the blog's code asks for step number 195, counted from 0


class CartPole:
    """B poles: a `Stream` (envs/stream.py). agents/step.py says what rows they give."""

    scale = 1.0
    shape = (4, 1, 1)
    dtype = np.float32

    def __init__(self, spec: CartPoleSpec, streams: int, cap_frames: int | None, seed: int, stream: str, *index: int):
        self._spec = spec
        self._limit = min(spec.limit, cap_frames or spec.limit)
        self._poles = [CartPoleEnv() for _ in range(streams)]
        self.actions = np.arange(2)
        self.obs = np.empty((streams, *self.shape), np.float32)
        for i, pole in enumerate(self._poles):
            pole.np_random = generator(seed, stream, *index, i)
            self.obs[i, :, 0, 0] = pole.reset()[0]
        self.first = np.ones(streams, bool)
        self.last = np.zeros(streams, bool)
        self.statistics = EpisodeStatistics(streams, repeat=1)

    def __len__(self) -> int:
        return len(self._poles)

    def step(self, actions: np.ndarray) -> Step:
        """Do `actions` [B]; at last rows the pole is set up anew instead."""
        size = len(self._poles)
        reward, discount, fallen = np.zeros(size, np.float32), np.ones(size, np.float32), np.zeros(size, bool)
        first, last, obs = self.last, np.zeros(size, bool), np.empty_like(self.obs)
        for i, pole in enumerate(self._poles):
            if self.last[i]:
                obs[i, :, 0, 0] = pole.reset()[0]
                continue
            obs[i, :, 0, 0], _, fallen[i], _, _ = pole.step(int(actions[i]))
            steps = self.statistics.length[i] + 1
            last[i] = fallen[i] or steps == self._limit
            reward[i], discount[i] = self._outcome(int(steps), bool(fallen[i]), bool(last[i]))
        moved = ~self.last
        step = Step(self.obs, actions, reward, discount, self.first, self.last)
        self.statistics.add(moved.astype(np.float32), moved, ended=last, truncated=last & ~fallen)
        self.obs, self.first, self.last = obs, first, last
        return step

    def _outcome(self, steps: int, fallen: bool, last: bool) -> tuple[float, float]:
        """(reward, discount) of a step; `steps` counts those of the episode up to and with it."""
        if self._spec.reward == "standard":
            return 1.0, float(not fallen)
        if not last:
            return 0.0, 1.0
        return (1.0 if steps >= GOAL else -1.0), 0.0  # here the time limit ends the return too

    def state_dict(self) -> dict[str, Any]:
        return {
            "poles": [{"state": pole.state.copy(), "rng": rng_state(pole.np_random)} for pole in self._poles],
            "obs": self.obs.copy(),
            "first": self.first.copy(),
            "last": self.last.copy(),
            "statistics": self.statistics.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for pole, saved in zip(self._poles, state["poles"], strict=True):
            pole.state, pole.steps_beyond_terminated = saved["state"], None
            restore_rng(pole.np_random, saved["rng"])
        self.obs, self.first, self.last = state["obs"], state["first"], state["last"]
        self.statistics.load_state_dict(state["statistics"])
