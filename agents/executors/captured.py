"""A whole update as a CUDA graph: its hundred or more kernels are started by one call.

On a GPU the networks of these papers compute for less time than it takes to start their kernels one by one. A graph is
recorded once; a replay does the same operations on the same places in memory, whatever they hold by then. So an update
that is captured

* does the same at every call: no branch, shape or number in it follows from data by way of the host;
* takes from the last update only what stays in its place: parameters, averages, counts that are tensors. Of what it
  puts elsewhere (gradients, noise) only later operations of the same update, and acting, make use;
* has no part in what the host decides: learning rates by the clock of frames (`GradientStep.clocks`) are set before it,
  counts of steps, and copies to target networks, come after.
"""

import sys
from collections.abc import Mapping
from typing import Any

import torch

from agents.agent import Learned, Update
from agents.optim.step import GradientStep
from agents.step import Batch

WARM = 3  # updates before it is recorded: libraries choose their kernels and reserve memory at first calls


class Captured:
    """`update`, first as it stands, then as a graph; where it cannot be recorded it stays as it stands, with a warning.

    `steps` are those that it takes, once each or oftener; `noise` is what it draws from. `usable` says whether a graph
    is used, or will be. `cuda` is for tests.
    """

    def __init__(
        self, noise: torch.Generator, update: Update, steps: Mapping[str, GradientStep], cuda: Any = torch.cuda
    ):
        self.noise, self.update, self.steps, self.cuda = noise, update, list(steps.values()), cuda
        self.stream = cuda.Stream()
        self.usable, self._calls = True, 0
        self._graph: Any = None
        self._inputs: list[torch.Tensor] = []
        self._learned: Learned | None = None  # overwritten by each replay
        self._taken: list[int] = []  # gradient steps of each of `steps`

    def __call__(self, batch: Batch) -> Learned:
        for step in self.steps:
            for clock in step.clocks:
                clock()
        self._calls += 1
        if self.usable and self._graph is None and self._calls > WARM:
            self._record(batch)
        if not self.usable:
            return self.update(batch)
        if self._graph is None:
            return self._beside(batch)
        torch._foreach_copy_(self._inputs, _tensors(batch))
        self._graph.replay()
        for step, taken in zip(self.steps, self._taken, strict=True):
            step.steps += taken
        names, found = list(self._learned.metrics), [self._learned.priorities, *self._learned.metrics.values()]
        priorities, *metrics = torch._foreach_clone(found)
        return Learned(priorities, dict(zip(names, metrics, strict=True)))

    def _beside(self, batch: Batch) -> Learned:
        """An update on the stream that will be recorded."""
        main = self.cuda.current_stream()
        self.stream.wait_stream(main)
        with self.cuda.stream(self.stream):
            learned = self.update(batch)
        main.wait_stream(self.stream)
        return learned

    def _record(self, batch: Batch) -> None:
        """Record the update on copies of the batch; nothing is computed, and nothing counted, before a replay."""
        extras = {name: x.clone() for name, x in batch.extras.items()}
        inputs = Batch(*(x.clone() for x in batch[:7]), extras, batch.key)
        before, main = [step.steps for step in self.steps], self.cuda.current_stream()
        try:
            graph = self.cuda.CUDAGraph()
            graph.register_generator_state(self.noise)
            with self.cuda.graph(graph, stream=self.stream):
                self._learned = self.update(inputs)
            self._graph, self._inputs = graph, _tensors(inputs)
        except RuntimeError as error:
            self.usable = False
            self.cuda.set_stream(main)  # where the end of a recording fails, its stream is left current
            reason = str(error.__context__ or error).partition("\n")[0]
            print(f"updates are not recorded as a CUDA graph, and slower: {reason}", file=sys.stderr, flush=True)
        self._taken = [step.steps - taken for step, taken in zip(self.steps, before, strict=True)]
        for step, taken in zip(self.steps, before, strict=True):
            step.steps = taken


def _tensors(batch: Batch) -> list[torch.Tensor]:
    return [*batch[:7], *batch.extras.values()]
