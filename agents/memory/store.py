"""A ring of single observations; stacks and n-step windows are put together at sampling.

Rows are numbered from 0 for ever; row p of stream b lives in slot (p mod rows, b) and has the key p * B + b.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from agents.step import Batch, SequenceSpec, Step, Stored

PIECE = 32 * 2**20  # bytes: what saving copies at a time
FIELDS = {"reward": np.float32, "discount": np.float32, "last": np.bool_, "age": np.int32}


class FrameStore:
    """The newest `capacity` observations of B streams, each kept once, and the extras that agents keep.

    `shape` and `dtype` are those of one observation, `stack` the number of them that an agent sees together;
    `sequence_spec` says what sequences are drawn; `discount` is gamma, per row. Raises ValueError where `capacity`
    (rows of all streams) holds no sequence, and for extras with the name of a field.
    """

    def __init__(
        self,
        capacity: int,
        streams: int,
        shape: tuple[int, ...],
        dtype: type,
        stack: int,
        sequence_spec: SequenceSpec,
        discount: float,
    ):
        self.rows, window = capacity // streams, sequence_spec.window
        if self.rows < window + stack + 1:
            raise ValueError(f"a memory of {capacity} steps is too short for windows of {window} and stacks of {stack}")
        self.streams, self.shape, self.stack, self.dtype = streams, shape, stack, dtype
        self.sequence_spec, self.window, self.discount = sequence_spec, window, discount
        self.count = 0  # rows ever added
        self.closed = np.empty(0, np.int64)  # keys of rows changed by `close`, perhaps after they were saved
        self.seen = 0  # the same with the rows in view, where they are known
        self._frames = np.zeros((self.rows, streams, int(np.prod(shape))), dtype)
        self._flat_frames = self._frames.reshape(self.rows * streams, -1)
        self.frames = torch.from_numpy(self._flat_frames)
        self.field = {name: np.zeros((self.rows, streams), dtype) for name, dtype in FIELDS.items()}
        if taken := {"action", *FIELDS} & set(sequence_spec.extras):
            raise ValueError(f"extras cannot be called {', '.join(sorted(taken))}")
        for name, (extra, dtype) in {"action": sequence_spec.action, **sequence_spec.extras}.items():
            self.field[name] = np.zeros((self.rows, streams, *extra), dtype)
        slots = self.rows * streams
        self._flat = {name: array.reshape(slots, *array.shape[2:]) for name, array in self.field.items()}  # views

    def add(self, step: Step) -> None:
        """Keep a row of each stream (agents/step.py) in place of the oldest; KeyError where an extra is missing."""
        slot, field = self.count % self.rows, self.field
        self._frames[slot] = step.obs.reshape(self.streams, -1)
        field["age"][slot] = (field["age"][slot - 1] + 1) * ~step.first  # rows since the episode's first; slot -1 wraps
        field["discount"][slot] = np.where(step.last, 1, self.discount * step.discount)
        field["action"][slot], field["reward"][slot], field["last"][slot] = step.action, step.reward, step.last
        for name in self.sequence_spec.extras:
            field[name][slot] = step.extras[name]
        self.count += 1

    def see(self, obs: np.ndarray, first: np.ndarray, last: np.ndarray) -> None:
        """Note the current rows, successors of the newest ones, for `SequenceSpec.bootstrap_on_current`.

        obs [B, *shape], first and last [B].

        They take the place of the oldest rows; `add` writes them again when something was done there.
        """
        slot = self.count % self.rows
        self._frames[slot] = obs.reshape(self.streams, -1)
        self.field["age"][slot] = np.where(first, 0, self.field["age"][slot - 1] + 1)
        self.field["last"][slot] = last
        self.seen = self.count + 1

    def span(self) -> tuple[int, int]:
        """Keys [low, high) whose window lies inside the memory."""
        oldest = max(0, self.count - self.rows)
        return oldest * self.streams, max(oldest, self.count - self.window) * self.streams

    def valid(self, keys: np.ndarray) -> np.ndarray:
        """Whether a sequence starts at each key, in a span's bounds, with its stack's history still there. [N] bool."""
        slot, sequence_spec = self._slot(keys), self.sequence_spec
        back = np.minimum(self._flat["age"][slot], self.stack - 1) if self.stack > 1 else 0
        good = ~self._flat["last"][slot] & (keys >= (max(0, self.count - self.rows) + back) * self.streams)
        if sequence_spec.stride > 1:
            good &= self._flat["age"][slot] % sequence_spec.stride == 0
        if sequence_spec.min_following:
            age = self._flat["age"][slot]
            after = self._slot(keys + sequence_spec.min_following * self.streams)
            enough = (self._flat["age"][after] == age + sequence_spec.min_following) & ~self._flat["last"][after]
            good &= enough | (age == 0)
        return good

    def sequence(self, keys: np.ndarray) -> np.ndarray:
        """The keys of the rows of the sequences that start at `keys` [N]. -> [window + 1, N]"""
        rows = [keys]
        for _ in range(self.window):
            following = rows[-1] + self.streams
            if not self.sequence_spec.cross_episodes:
                following = np.where(self._flat["last"][self._slot(rows[-1])], rows[-1], following)
            rows.append(following)
        return np.stack(rows)

    def read(self, name: str, keys: np.ndarray) -> np.ndarray:
        """The field or extra `name` (KeyError if there is none) of the rows at `keys` [...]. -> [..., …]"""
        return self._flat[name][self._slot(keys)]

    def by_slot(self, name: str) -> np.ndarray:
        """The field or extra `name` of all rows, or "obs", by slot: keys modulo their number. [slots, …], no copy."""
        return self._flat_frames if name == "obs" else self._flat[name]

    def close(self, streams: np.ndarray) -> None:
        """End the episodes of `streams` (their numbers) at the newest row: their next row starts another one.

        What was done at that row is dropped, since what came of it is lost: it becomes an episode's last row.
        """
        if self.count:
            keys = (self.count - 1) * self.streams + streams
            self._end(keys)
            self.closed = np.concatenate((self.closed, keys))

    def _end(self, keys: np.ndarray) -> None:
        slots = self._slot(keys)
        for name, value in (("last", True), ("reward", 0), ("discount", 1)):
            self._flat[name][slots] = value

    def gather(self, keys: np.ndarray, weight: np.ndarray) -> Batch:
        """The sequences that start at `keys` [N], with `weight` [N]; after an episode's last row as `cross_episodes`.

        -> a batch with B = N, T = window and M = len(obs_steps) (agents/step.py), on the CPU.
        """
        rows = self.sequence(keys)
        slots = self._slot(rows)
        part = {name: torch.from_numpy(self._flat[name][slots[:-1]]) for name in ("action", "reward", "discount")}
        part["first"] = torch.from_numpy(self._flat["age"][slots] == 0)
        part["last"] = torch.from_numpy(self._flat["last"][slots])
        obs = self.stacks(rows[list(self.sequence_spec.obs_steps)])
        return Batch(obs, **part, weight=torch.from_numpy(weight), extras=self._extras(slots), key=keys)

    def locate(self, keys: np.ndarray, weight: np.ndarray) -> Stored:
        """The same sequences where they lie."""
        wanted = self.sequence_spec.extras
        return Stored(self, self._extras(self._slot(self.sequence(keys))) if wanted else {}, weight, keys)

    def _extras(self, slots: np.ndarray) -> dict[str, torch.Tensor]:
        return {name: torch.from_numpy(self._flat[name][slots]) for name in self.sequence_spec.extras}

    def stacks(self, keys: np.ndarray) -> torch.Tensor:
        """Observations [M, N] -> [M, N, stack * C, H, W]; zeros stand before an episode's first row."""
        if self.stack == 1:
            frames = self.frames.index_select(0, torch.from_numpy(self._slot(keys).ravel()))
            return frames.view(*keys.shape, *self.shape)
        back = np.arange(self.stack - 1, -1, -1)
        frames = self.frames.index_select(
            0, torch.from_numpy(self._slot(keys[..., None] - back * self.streams).ravel())
        )
        frames = frames.view(*keys.shape, self.stack, -1)
        before = self._flat["age"][self._slot(keys)][..., None] < back
        if before.any():
            frames[torch.from_numpy(before)] = 0
        return frames.view(*keys.shape, self.stack * self.shape[0], *self.shape[1:])

    def _slot(self, keys: np.ndarray) -> np.ndarray:
        return keys % (self.rows * self.streams)

    def extract(self, start: int, stop: int) -> dict[str, np.ndarray]:
        """Rows [start, stop) as arrays [rows, B, …], for saving."""
        slots = np.arange(start, stop) % self.rows
        return {"obs": self._frames[slots], **{name: array[slots] for name, array in self.field.items()}}

    def pieces(self, start: int, stop: int) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
        """Rows [start, stop) as (number of the first row, arrays), in pieces of at most PIECE bytes or one row."""
        row = self._frames[0].nbytes + sum(array[0].nbytes for array in self.field.values())
        rows = max(1, PIECE // row)
        for first in range(start, stop, rows):
            yield first, self.extract(first, min(first + rows, stop))

    def insert(self, start: int, arrays: dict[str, np.ndarray]) -> None:
        """Put extracted rows back at row number `start`."""
        slots = np.arange(start, start + len(arrays["obs"])) % self.rows
        self._frames[slots] = arrays["obs"]
        for name, array in self.field.items():
            array[slots] = arrays[name]

    def state_dict(self) -> dict[str, Any]:
        self.closed = self.closed[self.closed >= (self.count - self.rows) * self.streams]
        return {"count": self.count, "closed": self.closed.copy()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """After `insert`."""
        self.count, self.closed = state["count"], state["closed"]
        self._end(self.closed)
