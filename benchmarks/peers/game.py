"""What the peers on MinAtar share: the game as a gymnasium environment, and the network."""

import gymnasium as gym
import numpy as np
from minatar import Environment
from torch import nn

from benchmarks.suites import ACTIONS


class MinAtar(gym.Env):
    """Breakout as MinAtar gives it (sticky actions 0.1, ramping), channels first, float32."""

    observation_space = gym.spaces.Box(0, 1, (4, 10, 10), np.float32)
    action_space = gym.spaces.Discrete(ACTIONS)

    def __init__(self):
        self.game = Environment("breakout")

    def _see(self) -> np.ndarray:
        return self.game.state().transpose(2, 0, 1).astype(np.float32)

    def reset(self, *, seed=None, options=None):
        self.game.reset()
        return self._see(), {}

    def step(self, action):
        reward, terminal = self.game.act(action)
        return self._see(), float(reward), bool(terminal), False, {}


def torso() -> list[nn.Module]:
    """Observations [B, 4, 10, 10] -> [B, 128]."""
    return [nn.Conv2d(4, 16, 3), nn.ReLU(), nn.Flatten(-3), nn.Linear(1024, 128), nn.ReLU()]


def values() -> nn.Sequential:
    """Observations [B, 4, 10, 10] -> action values [B, actions]."""
    return nn.Sequential(*torso(), nn.Linear(128, ACTIONS))
