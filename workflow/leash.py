"""`python -m workflow.leash PARENT OPTIONS …`: Snakemake on behalf of `python -m workflow run`; never called by hand.

It has a process group of its own, with all jobs that it runs here. A terminal's Ctrl-C reaches `run` alone, which
passes it on to the group; and when `run` dies without a word, the kernel tells this process, which does the same:
trainings save themselves, and Snakemake gives its lock back and ends.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys
from types import FrameType

PR_SET_PDEATHSIG = 1
LEFT_ALONE = signal.SIGUSR1


def main(words: list[str]) -> None:
    parent = int(words[0])
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells start what runs in the background without
    signal.signal(LEFT_ALONE, _stop_group)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, LEFT_ALONE)
    if os.getppid() != parent:  # it died before it could be told of
        return
    sys.argv = ["snakemake", *words[1:]]
    runpy.run_module("snakemake", run_name="__main__", alter_sys=True)


def _stop_group(number: int, frame: FrameType | None) -> None:
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    main(sys.argv[1:])
