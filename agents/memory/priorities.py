"""What both prioritized selectors share: which rows may be drawn, and what is made of priorities.

Prioritized Experience Replay, Schaul et al. 2016 (arXiv:1511.05952), sections 3.3 and 3.4.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from agents.clock import linear
from agents.memory.store import FrameStore
from agents.spec.memory import AnnealedWeights, ConstantWeights, NoWeights, PrioritySelect


class Drawable:
    """Which rows of a store may be drawn, followed as rows come and go. A slot is a key modulo the number of slots.

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
        """Keys [N] -> the slots that their rows lie in, or lay in [N]."""
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


def no_weights(spec: NoWeights) -> "Importance":
    """Weights of 1, whatever is drawn: beta is 0."""
    return Importance(lambda frame: 0.0, "batch")


def constant(spec: ConstantWeights) -> "Importance":
    """The same beta at all frames."""
    return Importance(lambda frame: spec.beta, spec.normalise)


def annealed(spec: AnnealedWeights) -> "Importance":
    """Beta on a straight line from frame 0 to `end_frames`, and as at its end from there on."""
    return Importance(lambda frame: linear(frame, spec.start, spec.end, 0, spec.end_frames), spec.normalise)


class Importance:
    """w = (N P)^-beta / max w, for what prioritized draws do to the expectation (section 3.4, arXiv:1511.05952).

    `beta` gives its value at a frame.
    """

    def __init__(self, beta: Callable[[int], float], normalise: str):
        self.beta, self.of_memory = beta, normalise == "memory"

    def __call__(self, frame: int, share: np.ndarray, least: float) -> np.ndarray:
        """Weights [N] float32 of rows drawn in proportion to share [N]; `least` is the smallest share in the memory.

        w / max w = (P / smallest P)^-beta: N and the sum of all shares cancel.
        """
        smallest = least if self.of_memory else share.min()
        return ((share / smallest) ** -self.beta(frame)).astype(np.float32)


def magnitude(spec: PrioritySelect, errors: np.ndarray | torch.Tensor) -> np.ndarray:
    """Errors [N] -> |error| [N] float64, clipped at `maximum`. NaN stays NaN."""
    size = np.abs(torch.as_tensor(errors).detach().cpu().numpy().astype(np.float64))
    return size if spec.maximum is None else np.minimum(size, spec.maximum)


def acted_errors(store: FrameStore, keys: np.ndarray) -> np.ndarray:
    """n-step TD errors of the rows at keys [N] by the action values they were acted on. -> float64 [N]

    G_t + gamma^n max_a Q(S_{t+n}, a) - Q(S_t, A_t), with the extras `q_best` and `q_taken` of the rows and n the
    window (Horgan et al. 2018, arXiv:1803.00933, section 3). The networks are the actor's: online ones, as old as each
    row.
    """
    rows = store.sequence(keys)
    total, product = np.zeros(len(keys)), np.ones(len(keys))
    for row in rows[:-1]:
        total += product * store.read("reward", row)
        product *= store.read("discount", row)
    return total + product * store.read("q_best", rows[-1]) - store.read("q_taken", keys)
