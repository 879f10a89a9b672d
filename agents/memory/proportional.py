"""Proportional prioritized replay (Schaul et al. 2016, section 3.3), and what both prioritized selectors share.

P(i) = p_i^alpha / sum p^alpha with p = |error| + epsilon; w = (N P)^-beta / max w corrects for it.
"""

from typing import Any

import numpy as np
import torch

from agents.clock import linear
from agents.memory.store import FrameStore
from agents.memory.sumtree import SumTree
from agents.spec.memory import PrioritySelect


class Drawable:
    """Which rows of a store may be drawn, followed as rows come and go.

    A row may be drawn from the moment its window is stored until it, or an observation of its stack, is
    overwritten; an episode's last row never may. These are the valid rows of the store's span.
    """

    def __init__(self, store: FrameStore):
        self.store = store
        self.slots = store.rows * store.streams
        self.mask = np.zeros(self.slots, bool)
        self.seen = 0  # rows of the store that the mask accounts for

    def catch_up(self) -> tuple[np.ndarray, np.ndarray]:
        """Follow the store up to now. -> keys that may no longer be drawn, keys that now may, both ascending."""
        store, before, now = self.store, self.seen, self.store.count
        if now == before:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        self.seen = now
        oldest = max(0, now - store.rows)
        gone = self._keys(max(0, before - store.rows), min(oldest + store.stack - 1, before - store.window))
        gone = gone[self.mask[self.slot(gone)]] if oldest else gone[:0]
        gone = gone[(gone < oldest * store.streams) | ~store.valid(gone)]
        self.mask[self.slot(gone)] = False
        come = self._keys(max(oldest, before - store.window), now - store.window)
        come = come[store.valid(come)]
        self.mask[self.slot(come)] = True
        return gone, come

    def current(self, keys: np.ndarray) -> np.ndarray:
        """Whether each key [N] still stands for a row that may be drawn. -> bool [N]"""
        return (keys >= (self.seen - self.store.rows) * self.store.streams) & self.mask[self.slot(keys)]

    def require(self) -> None:
        """Raises LookupError when no row may be drawn."""
        low, high = self.store.span()
        if high <= low:
            raise LookupError("nothing to draw yet: learning starts before the memory holds one window")
        if not self.mask.any():
            raise LookupError("the memory holds no row at which a transition starts")

    def slot(self, keys: np.ndarray) -> np.ndarray:
        return keys % self.slots

    def key(self, slots: np.ndarray) -> np.ndarray:
        """Slots [N] -> keys of the rows that lie there now [N]."""
        newest = self.seen * self.store.streams - 1
        return newest - (newest - slots) % self.slots

    def state_dict(self) -> dict[str, Any]:
        return {"mask": self.mask.copy(), "seen": self.seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.mask[:], self.seen = state["mask"], state["seen"]

    def _keys(self, first_row: int, stop_row: int) -> np.ndarray:
        return np.arange(first_row * self.store.streams, stop_row * self.store.streams)


def points(rng: np.random.Generator, size: int, stratified: bool) -> np.ndarray:
    """Points [size] in [0, 1]: one in each of `size` equal parts, or all independent."""
    draws = rng.random(size)
    return (np.arange(size) + draws) / size if stratified else draws


def importance(spec: PrioritySelect, frame: int, share: np.ndarray, least: float) -> np.ndarray:
    """Weights [N] float32 of rows drawn in proportion to share [N]; `least` is the smallest share in the memory.

    w / max w = (P / smallest P)^-beta: N and the sum of all shares cancel.
    """
    beta = linear(frame, spec.weight_start, spec.weight_end, 0, spec.weight_end_frames)
    smallest = share.min() if spec.normalise == "batch" else least
    return ((share / smallest) ** -beta).astype(np.float32)


def magnitude(spec: PrioritySelect, errors: np.ndarray | torch.Tensor) -> np.ndarray:
    """Errors [N] -> |error| [N] float64, clipped at `maximum`. NaN stays NaN."""
    size = np.abs(torch.as_tensor(errors).detach().cpu().numpy().astype(np.float64))
    return size if spec.maximum is None else np.minimum(size, spec.maximum)


def acted_errors(store: FrameStore, keys: np.ndarray) -> np.ndarray:
    """n-step TD errors of the rows at keys [N] by the action values they were acted on. -> float64 [N]

    G_t + gamma^n max_a Q(S_{t+n}, a) - Q(S_t, A_t), with the extras `q_best` and `q_taken` of the rows and n the
    window (Horgan et al. 2018, section 3). The networks are the actor's: online ones, as old as each row.
    """
    rows = store.sequence(keys)
    total, product = np.zeros(len(keys)), np.ones(len(keys))
    for row in rows[:-1]:
        total += product * store.read("reward", row)
        product *= store.read("discount", row)
    return total + product * store.read("q_best", rows[-1]) - store.read("q_taken", keys)


class Proportional:
    """Draws a row with a probability proportional to p^exponent.

    A new row has the largest p seen so far; with `initial: actor` that of its own TD error (Ape-X).
    """

    def __init__(self, spec: PrioritySelect, store: FrameStore):
        self.spec, self.rows = spec, Drawable(store)
        self.tree = SumTree(self.rows.slots, minimum=spec.normalise == "memory")  # p^exponent, 0: not drawable
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
        least = self.tree.minimum if self.spec.normalise == "memory" else 0.0
        return self.rows.key(slots), importance(self.spec, frame, self.tree.values(slots), least)

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
