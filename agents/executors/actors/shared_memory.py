"""The memory that a learner and its actor processes share: parameters, and slots for chunks.

It has no name, only a file descriptor that actors inherit, so that nothing can be left behind in /dev/shm: the kernel
frees it with the last process, however that one ends.
"""

import fcntl
import mmap
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from agents.agent import Agent
from agents.executors.actors.chunks import Layout, chunk_layout
from agents.executors.actors.rollout_worker import parameters
from agents.spec.run import Spec


class SharedMemory:
    """Slots for chunks of all streams, into which each actor writes its own, and the newest parameters.

    `agent` and `obs` [any, C, H, W] show the shapes, which follow from the spec on both sides. `descriptor` is None
    for the learner, who makes the memory. Of slots, pipes say who may write and read; of parameters, a lock does, which
    the kernel takes back from the dead.
    """

    def __init__(self, spec: Spec, agent: Agent, obs: np.ndarray, descriptor: int | None = None):
        executor = spec.executor
        head = Layout({name: ((1,), np.dtype(np.int64)) for name in ("version", "frame")})
        values = parameters(agent)
        network = Layout({name: (array.shape, array.dtype) for name, array in values.items()})
        chunk = chunk_layout(executor.chunk_steps, spec.environment.streams, obs, agent.sequence_spec)
        size = head.size + network.size + executor.slots * chunk.size
        if descriptor is None:
            descriptor = anonymous(size)
        self.descriptor = descriptor
        self.buffer = mmap.mmap(descriptor, size)
        self.version, self.frame = head.views(self.buffer).values()
        self.parameters = network.views(self.buffer, head.size)
        start = head.size + network.size
        self.slots = [chunk.views(self.buffer, start + i * chunk.size) for i in range(executor.slots)]

    def slot(self, chunk: int) -> dict[str, np.ndarray]:
        """Where chunk number `chunk` lies: arrays [T, all streams, …]."""
        return self.slots[chunk % len(self.slots)]

    def publish(self, version: int, values: Mapping[str, np.ndarray]) -> None:
        with self._locked(fcntl.LOCK_EX):
            for name, array in self.parameters.items():
                array[...] = values[name]
            self.version[0] = version

    def newest(self, version: int) -> tuple[int, dict[str, np.ndarray]] | None:
        """The newest version and a copy of its parameters; None when it is `version` still."""
        if self.version[0] == version:
            return None
        with self._locked(fcntl.LOCK_SH):
            return int(self.version[0]), {name: array.copy() for name, array in self.parameters.items()}

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        fcntl.lockf(self.descriptor, how, 1)
        try:
            yield
        finally:
            fcntl.lockf(self.descriptor, fcntl.LOCK_UN, 1)


def anonymous(size: int) -> int:
    """A file descriptor of `size` bytes of zeros that no name leads to."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("chunks")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.truncate(descriptor, size)
    return descriptor
