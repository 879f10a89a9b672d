"""What SLURM's queue knows of pilots, by the names of their jobs."""

from __future__ import annotations

import subprocess
from typing import NamedTuple

LIVING = ("PENDING", "RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "REQUEUED", "REQUEUE_HOLD", "RESIZING")


class State(NamedTuple):
    """A pilot in the queue: its job's number, SLURM's word for how it is, and its node."""

    job: str
    state: str
    node: str


def queue() -> dict[tuple[str, int], State]:
    """(folder's name, slice) -> the pilot that SLURM knows of; nothing where there is no SLURM."""
    form = "--format=%i|%T|%N|%j|%K"
    try:
        command = ["squeue", "--me", "--array", "--noheader", "--states=all", form]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    found = {}
    for line in done.stdout.splitlines():
        job, state, node, name, index = (*line.split("|"), "", "")[:5]
        if name.startswith("pilots-") and index.isdigit():
            found[name.removeprefix("pilots-"), int(index)] = State(job, state, node)
    return found
