"""Processes beside the main one: how they are started, heard of, started anew and ended.

A pipe closes when the process at its other end dies, whatever it died of. So the main process hears at once of a dead
worker and starts it anew, and workers leave when the main process is gone.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from agents.executors import process
from agents.spec import Spec

HERE = Path(__file__).resolve().parents[2]
PATIENCE = 3  # starts in a row without anything done, before a worker is given up
LEAVE = 5.0  # seconds that workers have to leave by themselves


class WorkerProcess:
    """The main process's ends of one worker: a byte into `free` lets it do one piece of work, `full` tells of it."""

    def __init__(self, spec: Spec, number: int, incarnation: int, memory: int, free: int, chunk: int):
        """Start it; it may do `free` pieces at once, and the first one is number `chunk`."""
        theirs_free, self.free = os.pipe()
        self.full, theirs_full = os.pipe()
        numbers = {"number": number, "incarnation": incarnation, "chunk": chunk, "parent": os.getpid()}
        numbers |= {"memory": memory, "free": theirs_free, "full": theirs_full}
        self.process = subprocess.Popen(
            [sys.executable, "-m", process.__name__, "--spec", spec.canonical()]
            + [f"--{name}={value}" for name, value in numbers.items()],
            pass_fds=(memory, theirs_free, theirs_full),
            stdin=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": _path()},
        )
        os.close(theirs_free)
        os.close(theirs_full)
        self.allow(free)

    def allow(self, pieces: int) -> None:
        """Let it do so many more."""
        try:
            os.write(self.free, b"." * pieces)
        except BrokenPipeError:
            pass  # it is dead, which is noticed at its other pipe

    def close(self) -> None:
        """It leaves when it next looks for work."""
        os.close(self.free)
        os.close(self.full)

    def gone(self, seconds: float) -> int:
        """Its exit status; it is killed if it is still there after `seconds`."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


class ProcessPool:
    """All workers of a run; `begin(number, incarnation)` starts one."""

    def __init__(self, size: int, begin: Callable[[int, int], WorkerProcess]):
        self.begin = begin
        self.incarnations = np.zeros(size, np.int64)  # of each worker, the present one
        self.restarts = [0] * size
        self.workers: list[WorkerProcess] = []
        self._vain = [0] * size  # starts in a row without anything done

    def start(self) -> None:
        """Start those that were never started."""
        if not self.workers:
            self.workers = [
                self.begin(number, int(incarnation)) for number, incarnation in enumerate(self.incarnations)
            ]

    def worked(self, number: int) -> None:
        """Note that a worker has done something."""
        self._vain[number] = 0

    def restart(self, number: int) -> None:
        """A new incarnation for a dead one. Raises RuntimeError when it cannot be kept alive."""
        self.workers[number].close()
        status = self.workers[number].gone(LEAVE)
        self._vain[number] += 1
        if self._vain[number] == PATIENCE:
            del self.workers[number]
            raise RuntimeError(f"actor {number} ended {PATIENCE} times before it did anything, at last with {status}")
        print(f"actor {number} ended with {status}; started anew", file=sys.stderr, flush=True)
        self.incarnations[number] += 1
        self.restarts[number] += 1
        self.workers[number] = self.begin(number, int(self.incarnations[number]))

    def close(self) -> None:
        """End them all."""
        workers, self.workers = self.workers, []
        for worker in workers:
            worker.close()
        until = time.monotonic() + LEAVE
        for worker in workers:
            worker.gone(max(0.0, until - time.monotonic()))

    def state_dict(self) -> np.ndarray:
        return self.incarnations.copy()

    def load_state_dict(self, incarnations: np.ndarray) -> None:
        """Every worker begins a new incarnation."""
        self.incarnations = incarnations + 1


def _path() -> str:
    return os.pathsep.join(filter(None, (str(HERE), os.environ.get("PYTHONPATH"))))
