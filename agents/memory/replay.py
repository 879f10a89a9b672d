"""A memory: a store that keeps, a selector that chooses, a generator that rolls the rng."""

from typing import Any, Protocol

import numpy as np
import torch

from agents.memory.store import FrameStore
from agents.rng import restore_rng, rng_state
from agents.step import Batch, Step, Stored


class Select(Protocol):
    """Which sequences of a store are drawn, and how many batches of them. Keys (int64) are those of memory/store.py.

    Every selector has all of this; one without priorities draws with weights of 1 and ignores updates.
    """

    def add(self, keys: np.ndarray) -> None:
        """The store took a row of each stream: their keys [B], ascending. Called once for each `FrameStore.add`."""
        ...

    def due(self, ticks: int, size: int) -> int:
        """Updates to be made now, of `size` sequences each, when the clock of learning struck `ticks` times.

        As many as `ticks`, but for selectors that learn from rows as they come, or have none to offer yet.
        """
        ...

    def draw(self, rng: np.random.Generator, size: int, frame: int) -> tuple[np.ndarray, np.ndarray]:
        """-> keys [size] of the rows at which sequences start, importance weights [size] float32, at most 1.

        `frame`: training frames so far, by which weights are annealed. Raises LookupError where nothing can be drawn.
        """
        ...

    def update(self, keys: np.ndarray, priorities: np.ndarray) -> None:
        """What was learned from sequences drawn before: keys [N], priorities [N] as in `Learned` (agents/agent.py).

        Keys may stand for rows that were overwritten meanwhile, and priorities may be NaN.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """All that the store's rows and the generator do not hold, as arrays, lists, numbers and tensors."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`'s state. The store is back at its own state by then, with its rows."""
        ...


class Replay:
    """The memory that a run has: rows go in, batches of `batch` sequences come out, on `device`.

    `copies` of each stream are kept side by side, as if so many environments had done the same (Horgan et al. 2018,
    arXiv:1803.00933, appendix).
    """

    def __init__(
        self,
        store: FrameStore,
        select: Select,
        rng: np.random.Generator,
        batch: int,
        device: torch.device,
        copies: int = 1,
    ):
        self.store, self.select, self.rng, self.batch, self.device = store, select, rng, batch, device
        self.copies = copies

    def add(self, step: Step) -> None:
        """Keep a row of each environment; see agents/step.py."""
        if self.copies > 1:
            step = _repeated(step, self.copies)
        self.store.add(step)
        end = self.store.count * self.store.streams
        self.select.add(np.arange(end - self.store.streams, end))

    def close(self, streams: np.ndarray) -> None:
        """End the episodes of `streams` (numbers of environments) at the newest row."""
        if not len(streams):
            return
        environments = self.store.streams // self.copies
        self.store.close((streams + environments * np.arange(self.copies)[:, None]).ravel())

    def see(self, obs: np.ndarray, first: np.ndarray, last: np.ndarray) -> None:
        """The rows in view, for sequences that end with them: obs [B, C, H, W], first and last [B].

        Empty where they are not known yet. Only kept where the agent asked for them (`bootstrap_on_current`).
        """
        if self.store.sequence_spec.bootstrap_on_current and len(obs):
            self.store.see(*(np.concatenate([field] * self.copies) for field in (obs, first, last)))

    def due(self, ticks: int) -> int:
        """Updates to be made now, when the clock of learning struck `ticks` times; as in `Select`."""
        return self.select.due(ticks, self.batch)

    def draw(self, frame: int) -> Batch | Stored:
        """A batch (agents/step.py); `frame` (training frames so far) sets what is annealed. Raises as `Select` does."""
        keys, weight = self.select.draw(self.rng, self.batch, frame)
        if self.store.sequence_spec.in_place:
            return self.store.locate(keys, weight)
        batch = self.store.gather(keys, weight)
        return batch if self.device.type == "cpu" else batch.to(self.device)

    def update(self, keys: np.ndarray, priorities: np.ndarray) -> None:
        """Keys [N] of a batch and its new priorities [N]; as in `Select`."""
        self.select.update(keys, priorities)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the rows, which the checkpoint saves as segments (store.extract)."""
        return {
            "store": self.store.state_dict(),
            "select": self.select.state_dict(),
            "rng": rng_state(self.rng),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.store.load_state_dict(state["store"])
        self.select.load_state_dict(state["select"])
        restore_rng(self.rng, state["rng"])


def _repeated(step: Step, times: int) -> Step:
    """Step [B] -> [times * B], copy after copy."""
    fields = (np.concatenate([field] * times) for field in step[:-1])
    return Step(*fields, {name: np.concatenate([extra] * times) for name, extra in step.extras.items()})
