"""MuJoCo's tasks as Gymnasium has them (Todorov, Erez & Tassa 2012; Brockman et al. 2016), version 4: B of one, stepped
together.

Observation [1, D, 1] float32: positions and speeds. Actions [A] float32: -1 and 1 are the bounds of the task's own
numbers, beyond which they are cut. One agent step is one frame, a time step of the task.

Papers of 2017 ran version 1 on MuJoCo 1.31, which no longer installs; version 4 is its nearest relative (version 5
pays for being healthy and for contacts otherwise).
"""

import sys
from typing import Any

import numpy as np

from agents.envs.stream import EpisodeStatistics
from agents.rng import generator, restore_rng, rng_state
from agents.spec.base import load
from agents.spec.environment import Mujoco as MujocoSpec
from agents.step import Step

TASKS = {
    "ant": "ant_v4:AntEnv",
    "half_cheetah": "half_cheetah_v4:HalfCheetahEnv",
    "hopper": "hopper_v4:HopperEnv",
    "inverted_double_pendulum": "inverted_double_pendulum_v4:InvertedDoublePendulumEnv",
    "inverted_pendulum": "inverted_pendulum_v4:InvertedPendulumEnv",
    "reacher": "reacher_v4:ReacherEnv",
    "swimmer": "swimmer_v4:SwimmerEnv",
    "walker2d": "walker2d_v4:Walker2dEnv",
}
LIMITS = {"reacher": 50}  # time steps after which an episode is cut
LIMIT = 1000  # of the others


def _warned(message: str) -> None:
    """MuJoCo's own handler writes a file into the working folder. That a task's file is old is nobody's concern."""
    if "deprecated" not in message:
        print(f"MuJoCo: {message}", file=sys.stderr, flush=True)


class Mujoco:
    """B tasks: a `Stream` (envs/stream.py). agents/step.py says what rows they give.

    Raises ImportError where the package `mujoco` is not installed.
    """

    scale = 1.0
    dtype = np.float32

    def __init__(self, spec: MujocoSpec, streams: int, cap_frames: int | None, seed: int, stream: str, *index: int):
        try:
            import mujoco
        except ImportError as error:
            raise ImportError(f"{error}: the mujoco suite needs: pip install '.[mujoco]'") from error
        mujoco.set_mju_user_warning(_warned)
        self._engine = mujoco
        make = load(f"gymnasium.envs.mujoco.{TASKS[spec.game]}")
        self._tasks = [make() for _ in range(streams)]
        limit = LIMITS.get(spec.game, LIMIT)
        self._limit = min(limit, cap_frames or limit)
        space = self._tasks[0].action_space
        self._low, self._width = space.low, space.high - space.low
        self.actions = np.arange(len(space.low))  # which numbers there are
        self.shape = (1, *self._tasks[0].observation_space.shape, 1)
        self.obs = np.empty((streams, *self.shape), np.float32)
        for i, task in enumerate(self._tasks):
            task.np_random = generator(seed, stream, *index, i)
            self.obs[i, 0, :, 0] = task.reset()[0]
        self.first = np.ones(streams, bool)
        self.last = np.zeros(streams, bool)
        self.statistics = EpisodeStatistics(streams, repeat=1)

    def __len__(self) -> int:
        return len(self._tasks)

    def step(self, actions: np.ndarray) -> Step:
        """Do `actions` [B, A] float32; at last rows the task is set up anew instead."""
        size = len(self._tasks)
        reward, over = np.zeros(size), np.zeros(size, bool)
        first, last, obs = self.last, np.zeros(size, bool), np.empty_like(self.obs)
        for i, task in enumerate(self._tasks):
            if self.last[i]:
                obs[i, 0, :, 0] = task.reset()[0]
                continue
            force = self._low + (np.clip(actions[i], -1, 1) + 1) / 2 * self._width
            seen, reward[i], over[i], _, _ = task.step(force)
            obs[i, 0, :, 0] = seen
            last[i] = over[i] or self.statistics.length[i] + 1 == self._limit
        moved, discount = ~self.last, (~over).astype(np.float32)
        step = Step(self.obs, actions, reward.astype(np.float32), discount, self.first, self.last)
        self.statistics.add(reward, moved, ended=last, truncated=last & ~over)
        self.obs, self.first, self.last = obs, first, last
        return step

    def state_dict(self) -> dict[str, Any]:
        """Of the engine all that its next step starts from, the solver's last result included; and where bodies are,
        which tasks look at before they step, and which the engine only works out as it steps."""
        return {
            "tasks": [
                {"engine": self._read(task), "bodies": task.data.xpos.copy(), "rng": rng_state(task.np_random)}
                for task in self._tasks
            ],
            "obs": self.obs.copy(),
            "first": self.first.copy(),
            "last": self.last.copy(),
            "statistics": self.statistics.state_dict(),
        }

    def _read(self, task: Any) -> np.ndarray:
        whole = self._engine.mjtState.mjSTATE_INTEGRATION
        state = np.empty(self._engine.mj_stateSize(task.model, whole))
        self._engine.mj_getState(task.model, task.data, state, whole)
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for task, saved in zip(self._tasks, state["tasks"], strict=True):
            whole = self._engine.mjtState.mjSTATE_INTEGRATION
            self._engine.mj_setState(task.model, task.data, saved["engine"], whole)
            task.data.xpos[:] = saved["bodies"]
            restore_rng(task.np_random, saved["rng"])
        self.obs, self.first, self.last = state["obs"], state["first"], state["last"]
        self.statistics.load_state_dict(state["statistics"])
