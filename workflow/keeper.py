"""`python -m workflow.keeper`: between `python -m workflow run` and Snakemake: neither is left without the other.

Gets Snakemake's command as a line of JSON on its standard input, which then stays open for as long as `run` lives. When
that ends, or a signal comes, all processes of the group get what Ctrl-C sends: Snakemake starts nothing more and gives
its lock back, trainings save themselves. They get it once, since Snakemake loses its wait over a second one. The keeper
ends after the last of them, also where Snakemake itself was killed, with Snakemake's exit code (128 + n for signal n).
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
from typing import Any

from workflow import locker

SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2): processes whose parent ends become this one's children
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def start(command: list[str], log: int, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start `command` under a keeper in a process group of its own; all they write goes to the file `log`."""
    keeper = subprocess.Popen(
        [sys.executable, "-P", "-m", "workflow.keeper"],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        env=environment,
        process_group=0,
    )
    assert keeper.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # killed already; its exit code tells
        keeper.stdin.write(json.dumps(command).encode() + b"\n")
        keeper.stdin.flush()
    return keeper


def stop(keeper: subprocess.Popen[bytes]) -> None:
    """Ask for an end. Waiting for it is the caller's."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(keeper.pid, signal.SIGTERM)


def end_group(group: int) -> None:
    """Tell the processes of a group to save themselves and leave."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGINT)


def reap_group(group: int) -> None:
    """Wait until no child of this process is left in the group."""
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-group, 0)


def adopt() -> None:
    """Become the parent of processes whose own parent ends; elsewhere than on Linux nobody waits for those."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)


def pause_with_starter(group: int) -> None:
    """Ctrl-Z of this process holds the group too, until it goes on."""

    def pause(*_: Any) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGSTOP)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGCONT)

    if signal.getsignal(signal.SIGTSTP) != signal.SIG_IGN:
        signal.signal(signal.SIGTSTP, pause)


def main() -> int:
    stopped = threading.Lock()

    def leave(*_: Any) -> None:
        if stopped.acquire(blocking=False):
            end_group(os.getpgrp())

    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)  # one that comes now is for the child too
    for number in STOPS:
        signal.signal(number, leave)
    adopt()
    command = json.loads(sys.stdin.buffer.readline())
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=_signals_of_a_foreground_job)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    note = locker.note(of=(child.pid, command))
    threading.Thread(target=_end_with_starter, daemon=True).start()
    code = child.wait()
    if code >= 0:
        note.unlink(missing_ok=True)
    leave()  # whoever is left has lost its parent
    reap_group(os.getpgrp())
    return code if code >= 0 else 128 - code


def _signals_of_a_foreground_job() -> None:
    """A job in the background of a shell would ignore Ctrl-C; and a hang-up is for the keeper to pass on."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)


def _end_with_starter() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
