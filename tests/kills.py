"""Real processes that die: forks of this one, which start at once since all is imported and compiled here already."""

import builtins
import ctypes
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import torch

from agents.run import files

DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2): what a process gets when its parent ends
LONGEST = 300  # seconds of a fork

# What changes something on a disk, and `write` of files that agents/run/files.py opens.
CALLS = ("replace", "rename", "link", "fsync", "unlink", "rmdir", "mkdir", "chmod", "utime")


def begin(work: Callable[[], int | None], log: Path | None = None) -> int:
    """Start `work` in a fork, which ends with what it returns; -> its process number. What it says is added to `log`.

    As a program started by a shell: its own handlers of signals only. It is killed where this process ends.
    """
    assert torch.get_num_threads() == 1, "a fork would wait for threads that it has not: set OMP_NUM_THREADS=1"
    parent, child = os.getpid(), os.fork()
    if child:
        return child
    code = 1
    try:
        ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(code)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            signal.signal(number, signal.SIG_DFL)
        target = os.open(log or os.devnull, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.dup2(target, 2)
        sys.stderr = open(2, "w", buffering=1, closefd=False)
        code = work() or 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def end(child: int) -> int:
    """Wait for a fork; -> its exit code, -n for signal n. One that does not end is killed, and TimeoutError raised."""
    ends = os.pidfd_open(child)
    try:
        late = not select.select([ends], [], [], LONGEST)[0]
    finally:
        os.close(ends)
    if late:
        os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if late:
        raise TimeoutError(f"the fork {child} did not end within {LONGEST} s, and was killed")
    return code


def forked(work: Callable[[], int | None], log: Path | None = None) -> int:
    """`begin`, then `end`."""
    return end(begin(work, log))


def die_at(fatal: int) -> None:
    """Let this process kill itself in place of its `fatal`-th (from 0) call that changes something on a disk.

    A write is cut in half.
    """
    left = fatal

    def doomed() -> bool:
        nonlocal left
        left -= 1
        return left < 0

    def dying(function: Callable) -> Callable:
        def call(*args, **kwargs):
            if doomed():
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return call

    class Opened:
        def __init__(self, *args, **kwargs):
            self._file = builtins.open(*args, **kwargs)

        def write(self, data: bytes) -> int:
            if doomed():
                self._file.write(data[: len(data) // 2])
                self._file.flush()
                os.kill(os.getpid(), signal.SIGKILL)
            return self._file.write(data)

        def __enter__(self):
            return self

        def __exit__(self, *why) -> None:
            self._file.close()

        def __getattr__(self, name: str):
            return getattr(self._file, name)

    for name in CALLS:
        setattr(os, name, dying(getattr(os, name)))
    files.open = Opened


DAMAGES = ("flip", "cut", "empty", "remove")


def damage(path: Path, how: str, rng, keep_time: bool = False) -> None:
    """Flip a bit of a file, cut it, empty it or remove it, whatever its mode; with its old time, if asked."""
    when, data = path.stat(), bytearray(path.read_bytes())
    if how == "flip":
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif how == "cut":
        del data[rng.randrange(1, len(data)) :]
    path.unlink()  # a copy may be linked elsewhere
    if how != "remove":
        path.write_bytes(b"" if how == "empty" else data)
        if keep_time:
            os.utime(path, ns=(when.st_atime_ns, when.st_mtime_ns))
