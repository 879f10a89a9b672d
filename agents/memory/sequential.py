"""Sequential updates (Hausknecht & Stone 2015, arXiv:1507.06527): finished episodes replayed from first row to last.

Each place of the batch follows an episode of its own; the state that a sequence ends with is where the next one begins
(`state: carried`, agents/r2d2.py). Where an episode is through, or its rows had to make room, the place takes another
one, every finished episode in the memory with the same probability.
"""

from typing import Any

import numpy as np

from agents.memory.store import FrameStore
from agents.spec.memory import SequentialSelect


class Sequential:
    """Sequences follow each other by `SequenceSpec.stride` rows. Methods as in `Select` (memory/replay.py)."""

    def __init__(self, spec: SequentialSelect, store: FrameStore):
        self.store = store
        self.episodes: list[int] = []  # keys of first rows of finished episodes; some may be overwritten by now
        self.keys = np.empty(0, np.int64)  # of the newest sequence of each place
        self.ages = np.empty(0, np.int64)  # rows between the episode's first row and the sequence's

    def add(self, keys: np.ndarray) -> None:
        store = self.store
        over = keys[store.read("last", keys)]
        self.episodes += (over - store.read("age", over).astype(np.int64) * store.streams).tolist()

    def due(self, ticks: int, size: int) -> int:
        """None before an episode has ended."""
        return ticks if self.episodes else 0

    def draw(self, rng: np.random.Generator, size: int, frame: int) -> tuple[np.ndarray, np.ndarray]:
        """-> keys [size], place by place, weights [size] of ones. Raises LookupError where no whole episode fits in."""
        store = self.store
        if not len(self.keys):
            self.keys, self.ages = np.full(size, -1), np.zeros(size, np.int64)
        keys, ages = self.keys + store.sequence_spec.stride * store.streams, self.ages + store.sequence_spec.stride
        present = (self.keys >= 0) & (keys < store.count * store.streams)
        goes_on = present & store.valid(keys) & (store.read("age", keys) == ages)
        for place in np.flatnonzero(~goes_on):
            keys[place], ages[place] = self._episode(rng), 0
        self.keys, self.ages = keys, ages
        return keys, np.ones(size, np.float32)

    def _episode(self, rng: np.random.Generator) -> int:
        while self.episodes:
            at = int(rng.integers(len(self.episodes)))
            if self.store.valid(np.array([self.episodes[at]]))[0]:
                return self.episodes[at]
            self.episodes[at] = self.episodes[-1]  # overwritten: the last one takes its number
            self.episodes.pop()
        raise LookupError(f"a memory of {self.store.rows} rows holds no whole episode")

    def update(self, keys: np.ndarray, priorities: np.ndarray) -> None:
        pass

    def state_dict(self) -> dict[str, Any]:
        return {"episodes": list(self.episodes), "keys": self.keys.copy(), "ages": self.ages.copy()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.episodes, self.keys, self.ages = state["episodes"], state["keys"], state["ages"]
