"""Proportional prioritized replay (Schaul et al. 2016, arXiv:1511.05952, section 3.3).

P(i) = p_i^alpha / sum p^alpha with p = |error| + epsilon.
"""

from typing import Any

import numpy as np
import torch

from agents.memory.priorities import Drawable, acted_errors, magnitude, points
from agents.memory.store import FrameStore
from agents.memory.sumtree import SumTree
from agents.spec.memory import ProportionalSelect


class Proportional:
    """Draws a row with a probability proportional to p^exponent. Methods as in `Select` (memory/replay.py).

    A new row has the largest p seen so far; with `initial: actor` that of its own TD error (Ape-X, Horgan et al. 2018,
    arXiv:1803.00933).
    """

    def __init__(self, spec: ProportionalSelect, store: FrameStore):
        self.spec, self.rows = spec, Drawable(store)
        self.weights = spec.weights.make()
        compiled = store.sequence_spec.in_place  # as the agent that learns from them
        self.tree = SumTree(self.rows.slots, self.weights.of_memory, compiled)  # p^exponent, 0: not drawable
        self.largest = 1.0  # p

    def add(self, keys: np.ndarray) -> None:
        pass  # draw and update follow the store in one go: cheaper, and `largest` changes only in update

    def due(self, ticks: int, size: int) -> int:
        return ticks

    def draw(self, rng: np.random.Generator, size: int, frame: int) -> tuple[np.ndarray, np.ndarray]:
        """-> keys [size], weights [size] float32. Raises LookupError when there is no row to draw."""
        self._catch_up()
        total = self.tree.total
        if not total > 0:
            self.rows.require()
            raise LookupError("every row in the memory has priority 0: give `epsilon` a positive value")
        slots, _ = self.tree.find(points(rng, size, self.spec.stratified) * total)
        least = self.tree.minimum if self.weights.of_memory else 0.0
        return self.rows.key(slots), self.weights(frame, self.tree.values(slots), least)

    def update(self, keys: np.ndarray, priorities: np.ndarray | torch.Tensor) -> None:
        """Errors [N] of the rows at keys [N]; of equal keys the last one counts.

        Rows overwritten meanwhile are left out, and so are errors that are not finite (a diverged run ends in an
        orderly way, elsewhere).
        """
        self._catch_up()
        p = magnitude(self.spec, priorities) + self.spec.epsilon
        with np.errstate(over="ignore"):
            value = p**self.spec.exponent
        good = np.isfinite(p) & np.isfinite(value) & self.rows.current(keys)
        self.tree.set(self.rows.slot(keys[good]), value[good])
        self.largest = max(self.largest, float(p[good].max(initial=0)))

    def seen(self) -> tuple[np.ndarray, np.ndarray]:
        """|error| [N] and probability [N] of every row that may be drawn. Needs an exponent above 0."""
        self._catch_up()
        values = self.tree.leaves()[self.rows.mask]
        errors = values ** (1 / self.spec.exponent) - self.spec.epsilon
        return np.maximum(errors, 0.0), values / values.sum()

    def _catch_up(self) -> None:
        gone, come = self.rows.catch_up()
        if len(gone) or len(come):
            first = np.full(len(come), self.largest)
            if self.spec.initial == "actor":
                first = magnitude(self.spec, acted_errors(self.rows.store, come)) + self.spec.epsilon
                first = np.where(np.isfinite(first), first, self.largest)
            value = np.concatenate((np.zeros(len(gone)), first**self.spec.exponent))
            self.tree.set(self.rows.slot(np.concatenate((gone, come))), value)

    def state_dict(self) -> dict[str, Any]:
        self._catch_up()
        return {"rows": self.rows.state_dict(), "values": self.tree.leaves(), "largest": self.largest}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows.load_state_dict(state["rows"])
        self.tree.fill(state["values"])
        self.largest = state["largest"]
