"""The starts of one run that ended before it was finished: whether it gets anywhere, and whether memory was short.

SLURM cuts runs off at will, so the number of starts says nothing. What counts is starts that failed and left no newer
checkpoint: after `IN_VAIN` of these in a row the run is given up, until Snakemake is started again. A process that
vanished without a word while it filled the memory it had asked for gets more at its next start.
"""

import contextlib
import json
import os
import shutil
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from agents.files import write_atomic
from agents.lease import Held, Lease

IN_VAIN = 3  # failures in a row without a newer checkpoint
FULL = 0.8  # of the memory asked for, at the last sign of life: a process that vanished then was killed for it
BATCH = "PAPER_ARCADE_BATCH"  # names one start of Snakemake, whose jobs inherit it
KEYS = {"batch", "saves", "time", "ended", "peak_mb"}
FAILED = (None, "failed", "memory")  # what becomes of a start that fails; None: it vanished without a word


class Attempts:
    """attempts.json in the working folder of one run.

    For each start: which start of Snakemake it belongs to, how many checkpoints there were, what became of it (None,
    failed, memory, left, saved), and the most memory it used (MB). As a context it books how the training in it ends.
    """

    def __init__(self, work: Path):
        self.work = work
        self.starts = read(work)
        self.batch = os.environ.get(BATCH)

    @property
    def in_vain(self) -> int:
        """The newest starts in this batch that failed without a checkpoint newer than those they found."""
        saves, count = self._saves(), 0
        for start in reversed(self.starts):
            if (start["batch"], start["saves"]) != (self.batch, saves) or start["ended"] not in FAILED:
                break
            count += 1
        return count

    def is_hopeless(self) -> bool:
        """Whether the run failed often enough without getting anywhere. Never outside Snakemake."""
        return self.batch is not None and self.in_vain >= IN_VAIN

    def begin(self) -> None:
        """Book a start."""
        fresh = {"batch": self.batch, "saves": self._saves(), "time": time.time(), "ended": None, "peak_mb": None}
        self.starts.append(fresh)
        self._write()

    def end(self, how: str) -> None:
        """Book how the newest start ended, unless others took the run over or its finished run's folder is gone."""
        written = read(self.work)
        if self.starts and written and written[-1]["time"] == self.starts[-1]["time"]:
            self.starts[-1]["ended"] = how
            self._write()

    def __enter__(self) -> None:
        self.begin()

    def __exit__(self, kind: type | None, error: BaseException | None, where: TracebackType | None) -> None:
        self.end("saved" if kind is None else "memory" if kind is MemoryError else "failed")

    def _saves(self) -> int:
        """The number of the newest checkpoint."""
        found = (path.stem[9:] for path in self.work.glob("checkpoints/manifest-*.json"))
        return max((int(number) for number in found if number.isdigit()), default=0)

    def _write(self) -> None:
        write_atomic(self.work / "attempts.json", json.dumps(self.starts).encode(), durable=False)


def read(work: Path) -> list[dict[str, Any]]:
    """The starts so far, oldest first; the newest one's memory is what its signs of life tell."""
    try:
        starts = json.loads((work / "attempts.json").read_bytes())
        if any(start.keys() != KEYS for start in starts):
            return []
        newest = starts[-1]
        if newest["peak_mb"] is None:
            beat = _beat(work)
            newest["peak_mb"] = beat["peak_mb"] if beat.get("time", 0) >= newest["time"] else None
        return starts
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError):
        return []  # a damaged file says nothing


def clear(work: Path) -> None:
    """Remove the working folder of a finished run if its process was killed before it could. One that was kept on
    purpose stays, and so does one that a process works in."""
    starts = read(work)
    if work.exists() and not (starts and starts[-1]["ended"] == "saved"):
        with contextlib.suppress(Held, OSError):
            Lease(work / "lease.json")
            shutil.rmtree(work, ignore_errors=True)


def _beat(work: Path) -> dict[str, Any]:
    try:
        return json.loads((work / "heartbeat.json").read_bytes())
    except (OSError, ValueError):
        return {}


def memory(work: Path, asked_mb: int) -> int:
    """MB that the next start should ask for: `asked_mb`, and as much again for each start that ran out of it."""
    times = 1
    for start in read(work):
        vanished = start["ended"] is None and (start["peak_mb"] or 0) >= FULL * asked_mb * times
        times += vanished or start["ended"] == "memory"
    return asked_mb * times
