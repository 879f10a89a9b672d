"""Signs of life: a small JSON file that `python -m workflow status` reads, renewed every few seconds."""

import json
import os
import resource
import time
from pathlib import Path

from agents.run.files import write_atomic
from agents.run.identity import identity

EVERY = 2.0  # seconds


class Heartbeat:
    def __init__(self, path: Path, run: str, budget: int, resumes: int):
        self._path, self._due = path, 0.0
        self._fixed = {
            "run": run,
            "budget_frames": budget,
            **identity(),
            "slurm_job": os.environ.get("SLURM_JOB_ID"),
            "resumes": resumes,
        }
        self._last: tuple[float, int] | None = None
        self._speed = 0.0  # frames per second, smoothed
        self.score: float | None = None  # return of the last finished episode

    def due(self) -> bool:
        return time.monotonic() >= self._due

    def beat(self, state: str, frame: int) -> float:
        """Write the file; -> frames per second since the previous beat."""
        now = time.monotonic()
        speed = (frame - self._last[1]) / (now - self._last[0]) if self._last and now > self._last[0] else 0.0
        self._speed = 0.7 * self._speed + 0.3 * speed if self._speed else speed
        self._last, self._due = (now, frame), now + EVERY
        left = self._fixed["budget_frames"] - frame
        beat = {
            **self._fixed,
            "state": state,
            "frame": frame,
            "frames_per_second": self._speed,
            "eta_seconds": left / self._speed if self._speed else None,
            "last_return": self.score,
            "peak_mb": _peak_mb(),
            "time": time.time(),
        }
        try:
            write_atomic(self._path, json.dumps(beat).encode(), durable=False)
        except OSError:
            pass  # a missing sign of life must not end a run; the next checkpoint meets the full disk and says so
        return speed


def _peak_mb() -> float:
    """The most memory that this process, and the largest of its children, ever had at once."""
    used = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used) / 1024
