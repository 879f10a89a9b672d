"""Partial sums over an array of slots: finds where a running sum is reached without walking the array.

Every node has 16 children, and the top level, at most 4096 wide, is searched by its running sums. At a million
slots that is three levels, each a handful of numpy calls for a whole batch; a binary tree needs twenty.
"""

from functools import partial
from itertools import accumulate, pairwise

import numpy as np

FAN = 16
SHIFT = 4  # log2 of FAN
TOP = 4096


class SumTree:
    """Non-negative float64 values in `size` slots, all zero at first.

    A parent is always the sum of its children computed anew, never changed by a difference, so nothing drifts and
    the sums follow from the values alone. `minimum=True` also keeps the smallest positive value. `compiled=True` finds
    and sets in compiled calls, for those who learn in such: with the same results.
    """

    def __init__(self, size: int, minimum: bool = False, compiled: bool = False):
        self.size = size
        widths = [size]
        while widths[-1] > TOP:
            widths.append(-(-widths[-1] // FAN))
        padded = [*(width * FAN for width in widths[1:]), widths[-1]]  # whole families below the top
        starts = [0, *accumulate(padded)]
        nodes, least = np.zeros(starts[-1]), np.full(starts[-1] if minimum else 0, np.inf)
        self._sums = [nodes[first:end] for first, end in pairwise(starts)]
        self._least = [least[first:end] for first, end in pairwise(starts)] if minimum else []
        self._edges: np.ndarray | None = None  # running sums of the top level, from 0
        if compiled:
            from agents.compiled import tree

            self._found = partial(tree.find, nodes, np.array(starts))
            self._put = partial(tree.put, nodes, least, np.array(starts))

    @property
    def total(self) -> float:
        """The sum of all values."""
        return float(self._top()[-1])

    @property
    def minimum(self) -> float:
        """The smallest positive value; infinity when there is none. IndexError where it is not kept."""
        return float(self._least[-1].min())

    def values(self, indices: np.ndarray) -> np.ndarray:
        """Slots [N] -> their values [N]."""
        return self._sums[0][indices]

    def leaves(self) -> np.ndarray:
        """A copy of all values [size]."""
        return self._sums[0][: self.size].copy()

    def set(self, indices: np.ndarray, values: np.ndarray) -> None:
        """Slots [N] take values [N]; of equal slots the last one counts."""
        self._put(indices, values)
        self._edges = None

    def _put(self, indices: np.ndarray, values: np.ndarray) -> None:
        self._sums[0][indices] = values
        self._climb(indices if len(indices) * FAN < self.size else None)

    def fill(self, values: np.ndarray) -> None:
        """The first slots take values [N], all others zero."""
        self._sums[0][: len(values)] = values
        self._sums[0][len(values) :] = 0
        self._climb(None)

    def find(self, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For each of sums [N] in [0, total): the slot [N] where the running sum passes it, and the rest [N].

        The rest is what is left of the sum within the slot. A slot with value zero is never found, also where
        rounding has pushed a sum to the end of its range. The total must be positive.
        """
        return self._found(sums)

    def _found(self, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        edges = self._top()
        sums = np.minimum(sums, np.nextafter(edges[-1], 0))
        node = edges.searchsorted(sums, "right") - 1
        rest = sums - edges[node]
        each = np.arange(len(node))
        running = np.zeros((len(node), FAN + 1))
        for level in reversed(self._sums[:-1]):
            np.cumsum(level.reshape(-1, FAN)[node], axis=1, out=running[:, 1:])
            rest = np.minimum(rest, np.nextafter(running[:, -1], 0))  # parent and children round differently
            child = (running[:, 1:] <= rest[:, None]).sum(1)
            rest = rest - running[each, child]
            node = node * FAN + child
        return node, rest

    def _top(self) -> np.ndarray:
        if self._edges is None:
            self._edges = np.concatenate(([0.0], self._sums[-1].cumsum()))
        return self._edges

    def _climb(self, indices: np.ndarray | None) -> None:
        """Recompute what lies above slots [N]; None: above all slots."""
        self._edges = None
        if self._least:
            changed = slice(None) if indices is None else indices
            values = self._sums[0][changed]
            self._least[0][changed] = np.where(values > 0, values, np.inf)
        for levels, combine in ((self._sums, np.add), (self._least, np.minimum)):
            below = indices
            for level, parents in pairwise(levels):
                families = level.reshape(-1, FAN)
                if below is None:
                    parents[: len(families)] = combine.reduce(families, axis=1)
                else:
                    below = below >> SHIFT
                    parents[below] = combine.reduce(families[below], axis=1)
