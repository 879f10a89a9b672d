"""Which rows of a store are drawn: selectors share add, draw, update and their state.

`draw` gives keys and importance weights; a selector without priorities gives ones and ignores updates, so that
nothing above this file asks which kind it is.
"""

from typing import Any

import numpy as np

from agents.memory.store import FrameStore
from agents.spec.memory import UniformSelect


class Uniform:
    """Every valid row with the same probability, with replacement."""

    def __init__(self, spec: UniformSelect, store: FrameStore):
        self.store = store

    def add(self, keys: np.ndarray) -> None:
        pass

    def draw(self, dice: np.random.Generator, size: int, frame: int) -> tuple[np.ndarray, np.ndarray]:
        """-> keys [size], weights [size] of ones. Raises LookupError when the store holds no valid row."""
        low, high = self.store.span()
        if high <= low:
            raise LookupError("nothing to draw yet: learning starts before the memory holds one window")
        keys = dice.integers(low, high, size=size)
        bad = np.flatnonzero(~self.store.valid(keys))
        for _ in range(10_000):  # rejection keeps the draw uniform over valid rows
            if not len(bad):
                return keys, np.ones(size, np.float32)
            keys[bad] = dice.integers(low, high, size=len(bad))
            bad = bad[~self.store.valid(keys[bad])]
        raise LookupError("the memory holds no row at which a transition starts")

    def update(self, keys: np.ndarray, priorities: np.ndarray) -> None:
        pass

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass
