"""The shape of what is sent: arrays that lie one after another in one piece of memory.

A chunk holds T rows of B streams, time-major: the fields of agents/step.py, the agent's extras, and what the learner's
side wants to know of each row (BOOK).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from agents.step import SequenceSpec, Step

ALIGNED = 64  # bytes
STEP = {"action": np.int64, "reward": np.float32, "discount": np.float32, "first": np.bool_, "last": np.bool_}
BOOK = {
    "score": np.float64,  # of the episode that ended with this row's action, raw
    "length": np.int64,  # its frames; 0: none ended
    "truncated": np.bool_,
    "version": np.int64,  # updates behind the parameters that acted
    "incarnation": np.int64,  # how often the actor had been started before; a new incarnation follows no earlier row
    "seconds": np.float64,  # wall clock spent on the row by its actor
}


class Layout(NamedTuple):
    """Name -> shape and dtype of each array."""

    arrays: dict[str, tuple[tuple[int, ...], np.dtype]]

    @property
    def size(self) -> int:
        """Bytes, a multiple of ALIGNED."""
        return sum(_bytes(*array) for array in self.arrays.values())

    def views(self, buffer: Any, offset: int = 0) -> dict[str, np.ndarray]:
        """The arrays in `buffer` from `offset` on, without copying."""
        found = {}
        for name, (shape, dtype) in self.arrays.items():
            found[name] = np.ndarray(shape, dtype, buffer, offset)
            offset += _bytes(shape, dtype)
        return found


def _bytes(shape: tuple[int, ...], dtype: np.dtype) -> int:
    return -(-int(np.prod(shape)) * dtype.itemsize // ALIGNED) * ALIGNED


def chunk_layout(rows: int, streams: int, obs: np.ndarray, sequence_spec: SequenceSpec) -> Layout:
    """A chunk of `rows` rows of `streams` streams; `obs` [any, C, H, W] shows shape and dtype of an observation."""
    one = {"obs": (obs.shape[1:], obs.dtype), **{name: ((), dtype) for name, dtype in (STEP | BOOK).items()}}
    one |= {f"extra.{name}": (tuple(shape), dtype) for name, (shape, dtype) in sequence_spec.extras.items()}
    return Layout({name: ((rows, streams, *shape), np.dtype(dtype)) for name, (shape, dtype) in one.items()})


def step_at(chunk: Mapping[str, np.ndarray], row: int) -> Step:
    """One row [B] of a chunk."""
    extras = {name[6:]: array[row] for name, array in chunk.items() if name.startswith("extra.")}
    return Step(chunk["obs"][row], *(chunk[name][row] for name in STEP), extras)


def write_step(chunk: Mapping[str, np.ndarray], row: int, step: Step) -> None:
    chunk["obs"][row] = step.obs
    for name in STEP:
        chunk[name][row] = getattr(step, name)
    for name, array in chunk.items():
        if name.startswith("extra."):
            array[row] = step.extras[name[6:]]
