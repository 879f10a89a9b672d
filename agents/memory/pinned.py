"""Batches on their way to a GPU: gathered in page-locked memory, and copied from there while the host goes on."""

from collections.abc import Callable
from typing import Any

import torch

from agents.memory.store import FrameStore
from agents.step import Batch


def pinned(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """An empty page-locked tensor."""
    return torch.empty(shape, dtype=dtype, pin_memory=True)


class Pinned:
    """Two sets of page-locked buffers in turn: one is filled while the other's copies may still be under way.

    `empty(shape, dtype=…)` makes a buffer, `event()` what is recorded behind a set's copies and waited for before the
    set is filled again.
    """

    def __init__(
        self,
        device: torch.device,
        empty: Callable[..., torch.Tensor] = pinned,
        event: Callable[[], Any] = torch.cuda.Event,
    ):
        self.device, self._empty = device, empty
        self._sets: list[tuple[dict[str, torch.Tensor], Any]] = [({}, event()), ({}, event())]  # the set in use first

    def frames(self, store: FrameStore, size: int) -> torch.Tensor:
        """Where the observations of the next `size` sequences go, as `FrameStore.gather` wants it."""
        self._sets.reverse()
        self._sets[0][1].synchronize()
        rows = len(store.sequence_spec.obs_steps) * size * store.stack
        return self._buffer("obs", (rows, store.frames.shape[1]), store.frames.dtype)

    def send(self, batch: Batch) -> Batch:
        """A batch whose observations lie where `frames` said -> its tensors on the device, in its stream's time."""

        def move(name: str, x: torch.Tensor) -> torch.Tensor:
            return self._buffer(name, x.shape, x.dtype).copy_(x).to(self.device, non_blocking=True)

        obs = batch.obs.to(self.device, non_blocking=True)
        fields = (move(name, getattr(batch, name)) for name in Batch._fields[1:7])
        extras = {name: move(f"extras.{name}", x) for name, x in batch.extras.items()}
        sent = Batch(obs, *fields, extras, batch.key)
        self._sets[0][1].record()
        return sent

    def _buffer(self, name: str, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        buffers = self._sets[0][0]
        if name not in buffers or buffers[name].shape != shape:
            buffers[name] = self._empty(shape, dtype=dtype)
        return buffers[name]
