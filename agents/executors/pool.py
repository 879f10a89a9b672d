"""Processes beside the main one: how they are started, heard of, started anew and ended.

A pipe closes when the process at its other end dies, whatever it died of. So the main process hears at once of a dead
worker and starts it anew, and workers leave when the main process is gone.
"""

import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from agents.executors import nursery
from agents.spec.run import Spec

HERE = Path(__file__).resolve().parents[2]
PATIENCE = 3  # starts in a row without anything done, before a worker is given up
LEAVE = 5.0  # seconds that workers have to leave by themselves


class Nursery:
    """The main process's end of the process that workers are forks of. It has one at a time, for all pools."""

    program = nursery.__name__
    now: "Nursery | None" = None

    @classmethod
    def living(cls) -> "Nursery":
        """The present one, or a new one where there is none or it has died."""
        if cls.now is None or cls.now.process.poll() is not None:
            cls.now = cls()
        return cls.now

    def __init__(self) -> None:
        self.link, theirs = socket.socketpair()
        with theirs:
            words = [f"--link={theirs.fileno()}", f"--parent={os.getpid()}"]
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.program, *words],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": _path()},
            )
        self.forks = 0
        self.ended: dict[int, int] = {}  # number of a fork -> its exit status, not yet asked for
        self._unread = b""

    def fork(self, request: dict, files: list[int]) -> int:
        """Ask for a worker that has these files; -> the number of the fork."""
        self.forks += 1
        self._say({"fork": self.forks, **request}, files)
        return self.forks

    def kill(self, fork: int) -> None:
        self._say({"kill": fork}, [])

    def _say(self, words: dict, files: list[int]) -> None:
        data = json.dumps(words).encode()
        try:
            socket.send_fds(self.link, [len(data).to_bytes(nursery.HEAD, "big")], files)
            self.link.sendall(data)
        except ConnectionError:
            pass  # it is dead and so are its forks, which is noticed at their pipes

    def wait(self, fork: int, seconds: float) -> int | None:
        """The exit status of a fork, or None if it has not ended in so many seconds."""
        until = time.monotonic() + seconds
        while fork not in self.ended:
            ready, _, _ = select.select([self.link], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                return None
            try:
                news = self.link.recv(1 << 16)
            except ConnectionError:  # it died before it had read all
                news = b""
            if not news:
                return self.process.wait()  # all its forks have ended with it
            *told, self._unread = (self._unread + news).split(b"\n")
            self.ended |= {number: status for number, status in map(json.loads, told)}
        return self.ended.pop(fork)


class WorkerProcess:
    """The main process's ends of one worker: a byte into `free` lets it do one piece of work, `full` tells of it."""

    def __init__(self, spec: Spec, number: int, incarnation: int, memory: int, free: int, chunk: int):
        """Start it; it may do `free` pieces at once, and the first one is number `chunk`."""
        theirs_free, self.free = os.pipe()
        self.full, theirs_full = os.pipe()
        self.nursery = Nursery.living()
        request = {"spec": spec.canonical(), "post": [number, incarnation, chunk]}
        self.fork = self.nursery.fork(request, [memory, theirs_free, theirs_full])
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

    def kill(self) -> None:
        self.nursery.kill(self.fork)

    def gone(self, seconds: float) -> int:
        """Its exit status; it is killed if it is still there after `seconds`."""
        status = self.nursery.wait(self.fork, seconds)
        if status is None:
            self.kill()
            status = self.nursery.wait(self.fork, LEAVE)
        return status


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
