"""Which rows of a store are drawn: selectors share the methods of `Select` (memory/replay.py).

`draw` gives keys and importance weights; a selector without priorities gives ones and ignores updates, so that
nothing above this file asks which kind it is.
"""

from collections import deque
from functools import partial
from typing import Any

import numpy as np

from agents.memory.store import FrameStore
from agents.spec.memory import FifoSelect, NewestSelect, TrajectoriesSelect, UniformSelect

TRIES = 10_000


class Uniform:
    """Every valid row with the same probability, with replacement (experience replay of Mnih et al. 2015)."""

    def __init__(self, spec: UniformSelect, store: FrameStore):
        self.store, self._keys = store, self._drawn
        if store.sequence_spec.in_place:  # the agent that learns from them is compiled as well
            from agents.compiled import draws

            self._keys = partial(self._compiled, draws)

    def add(self, keys: np.ndarray) -> None:
        pass

    def due(self, ticks: int, size: int) -> int:
        return ticks

    def draw(self, rng: np.random.Generator, size: int, frame: int) -> tuple[np.ndarray, np.ndarray]:
        """-> keys [size], weights [size] of ones. Raises LookupError when the store holds no valid row."""
        low, high = self.store.span()
        if high <= low:
            raise LookupError("nothing to draw yet: learning starts before the memory holds one window")
        keys = self._keys(rng, low, high, size)
        if keys is None:
            raise LookupError("the memory holds no row at which a transition starts")
        return keys, np.ones(size, np.float32)

    def _drawn(self, rng: np.random.Generator, low: int, high: int, size: int) -> np.ndarray | None:
        """Valid keys [size] of those from low to high - 1; None where hardly any is."""
        keys = rng.integers(low, high, size=size)
        bad = np.flatnonzero(~self.store.valid(keys))
        for _ in range(TRIES):  # rejection keeps the draw uniform over valid rows
            if not len(bad):
                return keys
            keys[bad] = rng.integers(low, high, size=len(bad))
            bad = bad[~self.store.valid(keys[bad])]
        return None

    def _compiled(self, draws: Any, rng: np.random.Generator, low: int, high: int, size: int) -> np.ndarray | None:
        """The same keys."""
        store = self.store
        fields = store.by_slot("last"), store.by_slot("age")
        keys = draws.valid_keys(draws.source(rng), low, high, size, *fields, store.streams, store.stack, TRIES)
        return keys if keys[0] >= 0 else None

    def update(self, keys: np.ndarray, priorities: np.ndarray) -> None:
        pass

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


class Fifo:
    """On-policy: every window of T rows once, in the order of time.

    Windows follow each other without a gap, row k T to row (k + 1) T for each stream, so that what ends one (the
    observation to bootstrap from) begins the next. Learning follows the rows, not the clock of frames: an
    episode's last row takes no frame. With a `replay_share` that part of each batch, rounded, comes after the new
    windows and is drawn uniformly, with replacement, from all complete windows in the memory (Espeholt et al. 2018,
    arXiv:1802.01561, section 5.2.2).
    """

    def __init__(self, spec: FifoSelect | TrajectoriesSelect, store: FrameStore):
        self.spec, self.store = spec, store
        self.taken = 0  # windows handed out; window w is number w // B of stream w % B

    def add(self, keys: np.ndarray) -> None:
        pass

    def whole(self) -> int:
        """Windows of one stream that were ever complete."""
        return max(0, max(self.store.count, self.store.seen) - 1) // self.store.window

    def due(self, ticks: int, size: int) -> int:
        """As many updates as there are batches of new whole windows."""
        return (self.whole() * self.store.streams - self.taken) // self.spec.fresh(size)

    def draw(self, rng: np.random.Generator, size: int, frame: int) -> tuple[np.ndarray, np.ndarray]:
        """-> keys [size], those of the oldest windows that were not drawn yet first; weights [size] of ones.

        Raises LookupError when the memory is too short to hold a batch of windows.
        """
        store, fresh = self.store, self.spec.fresh(size)
        windows = self.taken + np.arange(fresh)
        self.taken += fresh
        oldest = self.oldest()
        if windows[0] // store.streams < oldest:
            raise LookupError(f"a memory of {store.rows} rows is too short for {size} windows of {store.window}")
        if size > fresh:
            windows = np.concatenate([windows, self.replayed(rng, size - fresh)])
        return self.keys(windows), np.ones(size, np.float32)

    def oldest(self) -> int:
        """Number of the oldest window of a stream that the memory holds, its stack's history too."""
        store = self.store
        row = max(store.count, store.seen) - store.rows + store.stack - 1
        return max(0, -(-row // store.window)) if row > store.stack - 1 else 0

    def replayed(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """Windows drawn uniformly from all complete ones in the memory, with replacement. [size]"""
        return rng.integers(self.oldest() * self.store.streams, self.whole() * self.store.streams, size=size)

    def keys(self, windows: np.ndarray) -> np.ndarray:
        """The keys of the rows that windows [N] start with."""
        number, stream = np.divmod(windows, self.store.streams)
        return number * self.store.window * self.store.streams + stream

    def update(self, keys: np.ndarray, priorities: np.ndarray) -> None:
        pass

    def state_dict(self) -> dict[str, Any]:
        return {"taken": self.taken}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.taken = state["taken"]


class Newest:
    """Every transition once, in the order they were made: learning without replay (Young & Tian 2019,
    arXiv:1903.03176).

    The windows of a stream follow each other without overlap; an episode's end closes the window it falls into, and
    the next one begins with the next episode. Windows wait in a queue, stream by stream in order of completion, so
    that nothing is lost or doubled where streams end their episodes at different times. When learning keeps pace,
    what is drawn is the newest complete window.
    """

    def __init__(self, spec: NewestSelect, store: FrameStore):
        self.store = store
        self.start = np.zeros(store.streams, np.int64)  # row at which each stream's next window starts
        self.ready: deque[int] = deque()  # keys of complete windows

    def add(self, keys: np.ndarray) -> None:
        """Windows that the newest rows complete join the queue."""
        store, row = self.store, self.store.count - 1
        last = store.field["last"][row % store.rows]
        full = row - self.start == store.window  # the row after the window is its final observation
        complete = np.flatnonzero((full | last) & (row > self.start))
        self.ready.extend((self.start[complete] * store.streams + complete).tolist())
        self.start = np.where(last, row + 1, np.where(full, row, self.start))

    def due(self, ticks: int, size: int) -> int:
        return ticks

    def draw(self, rng: np.random.Generator, size: int, frame: int) -> tuple[np.ndarray, np.ndarray]:
        """-> keys [size], weights [size] of ones. Raises LookupError when learning runs ahead or falls behind."""
        if len(self.ready) < size:
            raise LookupError(
                f"{len(self.ready)} of {size} windows are complete: learning starts too early or runs too often "
                "for one that uses every transition once"
            )
        keys = np.array([self.ready.popleft() for _ in range(size)])
        if not self.store.valid(keys).all():
            raise LookupError("the memory no longer holds the oldest unused transition: learning falls behind acting")
        return keys, np.ones(size, np.float32)

    def update(self, keys: np.ndarray, priorities: np.ndarray) -> None:
        pass

    def state_dict(self) -> dict[str, Any]:
        return {"start": self.start.copy(), "ready": list(self.ready)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.start, self.ready = state["start"], deque(state["ready"])
