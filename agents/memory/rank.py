"""Rank-based prioritized replay (Schaul et al. 2016, section 3.3): p_i = 1 / rank(i), rank by |error|.

The paper ranks with a heap that is sorted now and then and only nearly in order between; here the order is exact
at every draw (Ranking). Its k segments of equal probability become k equal shares of the running sum of
rank^-alpha, drawn from by inversion, so that P(i) is exact too.
"""

from typing import Any

import numpy as np
import torch

from agents.memory.proportional import Drawable, importance, magnitude, points
from agents.memory.store import FrameStore
from agents.memory.sumtree import SumTree
from agents.spec import PrioritySelect


def code(errors: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """One int64 per row whose ascending order is the ranking: largest error first, of equal ones the oldest row.

    `errors` [N] are float32 and not negative, so their bits are ordered as they are. Keys [N] lie below 2^32.
    """
    return (0x7FFFFFFF - errors.view(np.int32).astype(np.int64)) << 32 | keys


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
        """Hold exactly these numbers."""
        self.sorted = np.sort(numbers)
        self.recent = np.array([np.iinfo(np.int64).max])  # the largest number closes the array
        self.bucket = np.array([self.size + 1])  # of each recent number
        self.tree.fill(np.ones(len(numbers)))

    def replace(self, gone: np.ndarray, come: np.ndarray) -> None:
        """Remove the numbers `gone` (all present), then add `come` (none present)."""
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
        return len(self.recent) > 1_000 + len(self.sorted) // 16

    def at(self, ranks: np.ndarray) -> np.ndarray:
        """Ranks [N] from 0 -> numbers [N]."""
        bucket, rest = self.tree.find(ranks.astype(np.float64))
        at = self.bucket.searchsorted(bucket) + rest.astype(np.int64)
        settled = np.append(self.sorted, 0)[bucket] if len(self.sorted) < 64 else self._settled(bucket)
        return np.where(self.bucket[at] == bucket, self.recent[at], settled)
