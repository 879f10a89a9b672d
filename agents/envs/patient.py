"""Atari whose episodes have no practical limit, but end where nothing is scored any more.

SABER (Toromanoff et al. 2019, arXiv:1908.04683) lets an agent play for 100 hours, and ends an episode after five
minutes without a reward: a stuck agent would play for ever. Its code (valeoai/rainbow-iqn-apex, rainbowiqn/env.py)
takes that for the game's own end; here it is a cut, as at any other limit.
"""

from typing import Any

import numpy as np
from ale_py.vector_env import AtariVectorEnv

from agents.envs.atari import Atari
from agents.spec.environment import Atari as AtariSpec
from agents.spec.environment import Patience


class Patient(Atari):
    """B Atari games whose spec's `cap_frames` is a `Patience`. A cap given as a number takes the place of its own."""

    def __init__(
        self, spec: AtariSpec, streams: int, cap_frames: int | Patience | None, seed: int, stream: str, *index: int
    ):
        patience = spec.cap_frames
        longest = cap_frames if isinstance(cap_frames, int) else patience.frames
        super().__init__(spec, streams, longest, seed, stream, *index)
        self._env = Waiting(self._env, streams, max(1, patience.unrewarded_frames // spec.repeat))


class Waiting:
    """The vector environment, whose episodes are truncated after `most` steps without a reward.

    All that it remembers follows from the actions since a reset, which a resumed run plays again.
    """

    def __init__(self, env: AtariVectorEnv, streams: int, most: int):
        self._env, self._most = env, most
        self._idle = np.zeros(streams, np.int64)  # steps since the last reward
        self._cut = np.zeros(streams, bool)  # ended here, which the environment itself does not know
        self._ended = np.zeros(streams, bool)

    def reset(self, *, seed: np.ndarray, options: dict[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
        """As the environment's, of the games of `reset_mask` [B] bool."""
        begins = options["reset_mask"]
        self._idle[begins] = 0
        self._cut[begins] = self._ended[begins] = False
        return self._env.reset(seed=seed, options=options)

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """As the environment's. What was cut begins anew, as its games do after their own end."""
        begins = self._cut | self._ended
        obs, reward, terminal, truncated, info = self._env.step(actions)
        reward, terminal, truncated = (np.where(self._cut, 0, each) for each in (reward, terminal, truncated))
        terminal, truncated = terminal.astype(bool), truncated.astype(bool)
        if self._cut.any():
            obs, info = self._env.reset(options={"reset_mask": self._cut.copy()})
        self._idle = np.where(begins | (reward != 0), 0, self._idle + 1)
        self._ended = terminal | truncated
        self._cut = (self._idle >= self._most) & ~self._ended
        return obs, reward, terminal, truncated | self._cut, info
