"""The starts of one run that ended before it was finished: how each ended, and whether memory was short.

SLURM cuts runs off at will, so the number of starts says nothing; whether a run gets anywhere is seen by its newest
checkpoint (workflow/retries.py asks). A process that vanished without a word while it filled the memory it had asked
for gets more at its next start.
"""

import contextlib
import json
import shutil
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from agents.run.files import write_atomic
from agents.run.lease import Held, Lease

FULL = 0.8  # of the memory asked for, at the last sign of life: a process that vanished then was killed for it
KEYS = {"time", "ended", "peak_mb"}


class Attempts:
    """attempts.json in the working folder of one run.

    For each start: when it was, what became of it (None: it vanished without a word, or still runs; failed, memory,
    left, saved), and the most memory it used (MB). As a context it books how the training in it ends.
    """

    def __init__(self, work: Path):
        self.work = work
        self.starts = read(work)

    def begin(self) -> None:
        """Book a start."""
        self.starts.append({"time": time.time(), "ended": None, "peak_mb": None})
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


def was_cut_off(start: dict[str, Any]) -> bool:
    """Whether a start ended because it was told to, not by a fault of the run."""
    return start["ended"] in ("left", "saved")


def saved(work: Path) -> int | None:
    """The frame of the newest checkpoint in a run's working folder, None if there is none."""
    try:  # the folder goes when the run is finished
        manifests = work.glob("checkpoints/manifest-*.json")
        found = {int(path.stem[9:]): path for path in manifests if path.stem[9:].isdigit()}
        return json.loads(found[max(found)].read_bytes())["frame"] if found else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def memory(work: Path, asked_mb: int) -> int:
    """MB that the next start should ask for: `asked_mb`, and as much again for each start that ran out of it."""
    times = 1
    for start in read(work):
        vanished = start["ended"] is None and (start["peak_mb"] or 0) >= FULL * asked_mb * times
        times += vanished or start["ended"] == "memory"
    return asked_mb * times
