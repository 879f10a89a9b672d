"""Trajectories, new and replayed (Wang et al. 2017, arXiv:1611.01224, Algorithm 1).

After each batch of new windows come n more, n drawn from a Poisson distribution, of windows drawn uniformly from the
memory; all of the same length, none of them across a gap.
"""

from typing import Any

import numpy as np

from agents.memory.select import Fifo
from agents.memory.store import FrameStore
from agents.spec.memory import TrajectoriesSelect


class Trajectories:
    """New windows as from Fifo (memory/select.py). Methods as in `Select` (memory/replay.py).

    At most one batch of new windows is ever ready, since a batch takes one or more of each stream. How often the next
    one will be followed by a replay is drawn with the one before it, so that `due` knows.
    """

    def __init__(self, spec: TrajectoriesSelect, store: FrameStore):
        self.spec, self.store, self.fresh = spec, store, Fifo(spec, store)
        self.following = 0  # replays after the next batch of new windows
        self.left = 0  # replays still to be drawn after the last one

    def add(self, keys: np.ndarray) -> None:
        pass

    def _started(self) -> bool:
        return self.store.count * self.store.streams >= self.spec.start_steps

    def due(self, ticks: int, size: int) -> int:
        """None, or a new batch and its replays."""
        new = self.fresh.due(ticks, size)
        return new + self.following if new and self._started() else new

    def draw(self, rng: np.random.Generator, size: int, frame: int) -> tuple[np.ndarray, np.ndarray]:
        """-> keys [size], weights [size] of ones. Raises LookupError when the memory is too short for a batch."""
        if self.left:
            self.left -= 1
            return self.fresh.keys(self.fresh.replayed(rng, size)), np.ones(size, np.float32)
        found = self.fresh.draw(rng, size, frame)
        self.left = self.following if self._started() else 0
        self.following = int(rng.poisson(self.spec.replay_ratio))
        return found

    def update(self, keys: np.ndarray, priorities: np.ndarray) -> None:
        pass

    def state_dict(self) -> dict[str, Any]:
        return {"fresh": self.fresh.state_dict(), "following": self.following, "left": self.left}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.fresh.load_state_dict(state["fresh"])
        self.following, self.left = state["following"], state["left"]
