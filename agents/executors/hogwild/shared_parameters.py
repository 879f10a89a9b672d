"""What lock-free actor-learners share: parameters, target network, optimizer's statistics, books of what they did.

Nobody locks anything (Hogwild!, Recht et al. 2011): two that write the same number at once may undo part of each
other's step, which is rare and does no harm. The books have one line for each worker, which it alone writes, so that
no frame and no update is ever lost. Memory without a name, as in shared.py.
"""

import mmap
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from agents.executors.actors.chunks import Layout
from agents.executors.actors.shared_memory import anonymous
from agents.optim.step import GradientStep


class SharedParameters:
    """The learner's parameters and statistics move into shared memory: from here on its tensors are views of it.

    So does what its agent has in `common` with the others. With `own` statistics each worker has a line of its own in
    `own`, tensors [workers, …]. `descriptor` is None for the main process, whose values count; workers, whose learners
    have the same shapes, take what is there, with their `number`.
    """

    def __init__(
        self,
        step: GradientStep,
        workers: int,
        common: Sequence[torch.Tensor] = (),
        own: bool = False,
        descriptor: int | None = None,
        number: int | None = None,
    ):
        statistics = _tensors(step.state_dict())
        shared = [*step.parameters, *common, *(() if own else statistics)]
        lines = {"frames": workers, "updates": workers, "until": 1}
        book = Layout({name: ((size,), np.dtype(np.int64)) for name, size in lines.items()})
        shapes = [((t.numel(),), t) for t in shared]
        shapes += [((workers, *t.shape), t) for t in (statistics if own else ())]
        values = Layout({str(i): (shape, t.detach().numpy().dtype) for i, (shape, t) in enumerate(shapes)})
        size, begins = book.size + values.size, descriptor is None
        self.descriptor = anonymous(size) if begins else descriptor
        buffer = mmap.mmap(self.descriptor, size)
        self.frames, self.updates, self.until = book.views(buffer).values()  # until: work goes on up to this frame
        arrays = [*values.views(buffer, book.size).values()]
        for tensor, array in zip(shared, arrays[: len(shared)], strict=True):
            view = torch.from_numpy(array).as_strided(tensor.shape, tensor.stride())
            if begins:
                view.copy_(tensor.detach())
            tensor.data = view
        self.own = [torch.from_numpy(array) for array in arrays[len(shared) :]]
        for tensor, of_all in zip(statistics if own else (), self.own, strict=True):
            if begins:
                of_all.copy_(tensor)
            else:
                tensor.data = of_all[number]

    @property
    def frame(self) -> int:
        """Of the whole run."""
        return int(self.frames.sum())

    @property
    def version(self) -> int:
        """Updates of the whole run."""
        return int(self.updates.sum())


def _tensors(state: Any) -> list[torch.Tensor]:
    """Those in a state_dict, in order."""
    if isinstance(state, torch.Tensor):
        return [state]
    inner = state.values() if isinstance(state, dict) else state if isinstance(state, list) else ()
    return [tensor for each in inner for tensor in _tensors(each)]
