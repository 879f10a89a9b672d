"""Rank-based prioritized replay (Schaul et al. 2016, arXiv:1511.05952, section 3.3): p_i = 1 / rank(i), by |error|.

The paper ranks with a heap that is sorted now and then and only nearly in order between; here the order is exact
at every draw (Ranking). Its k segments of equal probability become k equal shares of the running sum of
rank^-alpha, drawn from by inversion, so that P(i) is exact too.
"""

from typing import Any

import numpy as np
import torch

from agents.clock import linear
from agents.memory.priorities import Drawable, magnitude, points
from agents.memory.store import FrameStore
from agents.memory.sumtree import SumTree
from agents.spec.memory import AnnealedExponent, RankSelect

KEY = 0xFFFFFFFF  # the low bits of a code


def code(errors: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """One int64 per row whose ascending order is the ranking: largest error first, of equal ones the oldest row.

    `errors` [N] are float32 and not negative, so their bits are ordered as they are. Keys [N] lie below 2^32,
    which agents/spec sees to.
    """
    return (0x7FFFFFFF - errors.view(np.int32).astype(np.int64)) << 32 | keys


END = np.iinfo(np.int64).max  # closes an array, so that every search ends inside it


class Ranking:
    """Up to `size` distinct int64 numbers that come and go, by rank.

    `sorted` is an array from the last sort; `recent`, small and sorted too, holds what has come since. Bucket b
    of the tree counts what is present from sorted[b - 1] (not with it) up to sorted[b]: the recent numbers in
    between, then sorted[b] unless it has gone. The order therefore never depends on when the last sort was.
    """

    def __init__(self, size: int):
        self.size, self.tree = size, SumTree(size + 1)
        self.sort(np.empty(0, np.int64))

    def sort(self, numbers: np.ndarray) -> None:
        """Hold exactly these numbers [N], distinct and below 2^63 - 1."""
        self.sorted = np.append(np.sort(numbers), END)
        self.recent = np.array([END])
        self.bucket = np.array([self.size + 1])  # of each recent number; END stands in none
        self.tree.fill(np.ones(len(numbers)))

    def replace(self, gone: np.ndarray, come: np.ndarray) -> None:
        """Remove the numbers `gone` [N] (all present), then add `come` [M] (none present)."""
        at = self.recent.searchsorted(gone)
        found = self.recent[at] == gone
        left = np.concatenate((self.bucket[at[found]], self.sorted.searchsorted(gone[~found])))
        recent, bucket = np.delete(self.recent, at[found]), np.delete(self.bucket, at[found])
        come = np.sort(come)
        joined, at = self.sorted.searchsorted(come), recent.searchsorted(come)
        self.recent, self.bucket = np.insert(recent, at, come), np.insert(bucket, at, joined)
        change = np.repeat((-1.0, 1.0), (len(left), len(joined)))
        touched, which = np.unique(np.concatenate((left, joined)), return_inverse=True)
        self.tree.set(touched, self.tree.values(touched) + np.bincount(which, change, len(touched)))

    def crowded(self) -> bool:
        """Whether so many have come since the last sort that sorting again is cheaper than going on."""
        return len(self.recent) > 1_000 + len(self.sorted) // 32

    def at(self, ranks: np.ndarray) -> np.ndarray:
        """Ranks [N] from 0, all below how many there are -> numbers [N], ascending with the rank."""
        bucket, rest = self.tree.find(ranks.astype(np.float64))
        at = self.bucket.searchsorted(bucket) + rest.astype(np.int64)
        return np.where(self.bucket[at] == bucket, self.recent[at], self.sorted[bucket])


class Rank:
    """Draws a row with a probability proportional to rank^-exponent. Methods as in `Select` (memory/replay.py).

    A new row has the largest |error| seen so far and a touch more: where errors are clipped many rows have that error,
    all of them older, and behind those it would wait for its first draw, or be overwritten before.
    """

    def __init__(self, spec: RankSelect, store: FrameStore):
        self.spec, self.rows, self.weights = spec, Drawable(store), spec.weights.make()
        self.errors = np.zeros(self.rows.slots, np.float32)  # clipped |error| of the row in each slot
        self.largest = 1.0  # |error|
        self.ranking = Ranking(self.rows.slots)
        self.count = 0  # rows that may be drawn
        self._turn_to(self._exponent(0))

    def add(self, keys: np.ndarray) -> None:
        pass  # draw and update follow the store in one go: cheaper, and `largest` changes only in update

    def due(self, ticks: int, size: int) -> int:
        return ticks

    def draw(self, rng: np.random.Generator, size: int, frame: int) -> tuple[np.ndarray, np.ndarray]:
        """-> keys [size], weights [size] float32. Raises LookupError when there is no row to draw."""
        self._catch_up()
        if (exponent := self._exponent(frame)) != self.exponent:
            self._turn_to(exponent)
        if not self.count:
            self.rows.require()
        if self.ranking.crowded():
            self._sort()
        sums = self.sums[: self.count]
        ranks = sums.searchsorted(points(rng, size, self.spec.stratified) * sums[-1], "right")
        ranks = np.minimum(ranks, self.count - 1)  # rounding may reach the end
        share = (ranks + 1.0) ** -self.exponent
        least = float(self.count) ** -self.exponent
        return self.ranking.at(ranks) & KEY, self.weights(frame, share, least)

    def update(self, keys: np.ndarray, priorities: np.ndarray | torch.Tensor) -> None:
        """Errors [N] of the rows at keys [N]; of equal keys the last one counts.

        Rows overwritten meanwhile are left out, and so are errors that are not finite (a diverged run ends in an
        orderly way, elsewhere).
        """
        self._catch_up()
        errors = magnitude(self.spec, priorities).astype(np.float32)
        good = np.isfinite(errors) & self.rows.current(keys)
        errors = errors[good]
        self.largest = max(self.largest, float(errors.max(initial=0)))
        keys, latest = np.unique(keys[good][::-1], return_index=True)
        slots, errors = self.rows.slot(keys), errors[::-1][latest]
        before = code(self.errors[slots], keys)
        self.errors[slots] = errors
        self.ranking.replace(before, code(errors, keys))

    def seen(self) -> tuple[np.ndarray, np.ndarray]:
        """|error| [N] and probability [N] of every row that may be drawn, in the order of the ranking."""
        self._catch_up()
        slots = np.flatnonzero(self.rows.mask)
        order = np.argsort(code(self.errors[slots], self.rows.key(slots)))
        share = np.arange(1, len(slots) + 1) ** -self.exponent
        return np.minimum(self.errors[slots[order]], self.largest).astype(np.float64), share / share.sum()

    def _exponent(self, frame: int) -> float:
        """Alpha at a frame; one that changes does so in thousandths, since new sums are dear."""
        alpha = self.spec.exponent
        if isinstance(alpha, AnnealedExponent):
            return round(linear(frame, alpha.start, alpha.end, 0, alpha.end_frames), 3)
        return alpha

    def _turn_to(self, exponent: float) -> None:
        self.exponent = exponent
        self.sums = (np.arange(1, self.rows.slots + 1) ** -exponent).cumsum()  # of the shares of ranks 1, 2, …

    def _catch_up(self) -> None:
        gone, come = self.rows.catch_up()
        if len(gone) or len(come):
            before = code(self.errors[self.rows.slot(gone)], gone)
            slots = self.rows.slot(come)
            self.errors[slots] = np.nextafter(np.float32(self.largest), np.float32(np.inf))
            self.ranking.replace(before, code(self.errors[slots], come))
            self.count += len(come) - len(gone)

    def _sort(self) -> None:
        slots = np.flatnonzero(self.rows.mask)
        self.ranking.sort(code(self.errors[slots], self.rows.key(slots)))
        self.count = len(slots)

    def state_dict(self) -> dict[str, Any]:
        """Without the ranking, which follows from the errors."""
        self._catch_up()
        return {
            "rows": self.rows.state_dict(),
            "errors": self.errors.copy(),
            "largest": self.largest,
            "exponent": self.exponent,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows.load_state_dict(state["rows"])
        self.errors[:], self.largest = state["errors"], state["largest"]
        self._turn_to(state["exponent"])
        self._sort()
