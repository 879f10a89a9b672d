"""A task that needs memory and nothing else: a cue, a delay without any hint, then the choice that the cue named.

Observation [cues + 1, 3, 3]: channel i is all ones while cue i is shown, the last channel while the choice is due.
There are as many actions as cues. Row 0 shows the cue, rows 1 to `delay` nothing, and the action at row delay + 1
earns +1 where it equals the cue, else -1, and ends the episode. Without a memory the mean is 2 / cues - 1.
"""

from typing import Any

import numpy as np

from agents.envs.stream import EpisodeStatistics
from agents.rng import generator, restore_rng, rng_state
from agents.spec.environment import Recall as RecallSpec
from agents.step import Step


class Recall:
    """B tasks side by side: a `Stream` (envs/stream.py). agents/step.py says what rows they give."""

    dtype = np.uint8
    scale = 1.0

    def __init__(self, spec: RecallSpec, streams: int, cap_frames: int | None, seed: int, stream: str, *index: int):
        self.delay, self.actions = spec.delay, np.arange(spec.cues)
        self.shape = (spec.cues + 1, 3, 3)
        self._cap = cap_frames
        self._rng = generator(seed, stream, *index)
        self._cue = self._rng.integers(spec.cues, size=streams)
        self._time = np.zeros(streams, np.int64)  # rows since the cue
        self.first = np.ones(streams, bool)
        self.last = np.zeros(streams, bool)
        self.obs = self._see()
        self.statistics = EpisodeStatistics(streams, repeat=1)

    def __len__(self) -> int:
        return len(self._cue)

    def _see(self) -> np.ndarray:
        obs = np.zeros((len(self), *self.shape), np.uint8)
        cued = np.flatnonzero(self._time == 0)
        obs[cued, self._cue[cued]] = 1
        obs[self._time == self.delay + 1, -1] = 1
        return obs

    def step(self, actions: np.ndarray) -> Step:
        """Do `actions` [B]; where the last row is in view a new cue comes instead."""
        due = ~self.last & (self._time == self.delay + 1)
        reward = np.where(due, np.where(actions == self._cue, 1, -1), 0).astype(np.float32)
        step = Step(self.obs, actions, reward, (~due).astype(np.float32), self.first, self.last)
        cut = ~self.last & ~due & (self.statistics.length + 1 == (self._cap or 0))
        self.statistics.add(reward, ~self.last, ended=due | cut, truncated=cut)
        fresh = self._rng.integers(len(self.actions), size=len(self))
        self._cue = np.where(self.last, fresh, self._cue)
        self._time = np.where(self.last, 0, self._time + 1)
        self.first, self.last = self.last, due | cut
        self.obs = self._see()
        return step

    def state_dict(self) -> dict[str, Any]:
        return {
            "rng": rng_state(self._rng),
            "cue": self._cue.copy(),
            "time": self._time.copy(),
            "first": self.first.copy(),
            "last": self.last.copy(),
            "statistics": self.statistics.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        restore_rng(self._rng, state["rng"])
        self._cue, self._time = state["cue"], state["time"]
        self.first, self.last = state["first"], state["last"]
        self.obs = self._see()
        self.statistics.load_state_dict(state["statistics"])
