"""Who holds Snakemake's lock: Snakemake itself does not say, and its lock outlives it when it is killed.

Each Snakemake that starts here leaves a note before it takes the lock, and removes it when it ends. A lock file belongs
to one of those that had left their note before it was written. If all of these are gone, so is who needs the lock.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import shlex
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from agents.files import beside, write_atomic
from agents.identity import identity, is_dead, name

STATE = Path(".snakemake")  # in the working directory, as Snakemake has it
ADVICE = (
    "Wait for it, or stop it (Ctrl-C there, or kill its process): what it trains is saved. Nothing was unlocked. "
    "Only if you are sure that it is gone: snakemake --unlock"
)


class Note(NamedTuple):
    """What a Snakemake left."""

    path: Path
    owner: dict[str, Any]
    written: int  # ns, of the clock of the file system, as a lock file's

    def __str__(self) -> str:
        started = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.written / 1e9))
        return f"{name(self.owner)}, started {started} ({shlex.join(self.owner.get('command', []))[:120]})"


def enter() -> None:
    """For the Snakefile, in Snakemake's main process, before it locks: leave a note, and end well at a hangup."""
    if not any(re.fullmatch(r"--dry-?run|-[a-zA-Z]*n[a-zA-Z]*", word) for word in sys.argv):
        path = beside(STATE / "lockers" / "note").with_suffix(".json")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            owner = identity() | {"command": ["snakemake", *sys.argv[1:]]}
            write_atomic(path, json.dumps(owner).encode(), durable=False)
            atexit.register(path.unlink, missing_ok=True)
        except OSError:
            pass  # then nothing is unlocked by itself
    if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:  # not under nohup
        signal.signal(signal.SIGHUP, _hang_up)


def _hang_up(number: int, frame: FrameType | None) -> None:
    """As SIGTERM: no new jobs, and an end with those that run here, which got it too and save themselves."""
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        raise KeyboardInterrupt  # still planning: so that a lock is given back
    os.kill(os.getpid(), signal.SIGTERM)


def free(state: Path = STATE) -> list[str]:
    """Remove the locks that nobody can need; -> what there is to say about it."""
    notes = _notes(state)
    told = []
    for lock in _locks(state):
        suspects = _suspects(lock, notes)
        if suspects and all(is_dead(note.owner) for note in suspects):
            lock.unlink(missing_ok=True)
            newest = max(suspects, key=lambda note: note.written)
            told.append(f"unlocked, since the Snakemake that held the lock is gone: {newest}")
    if not _locks(state):
        for note in notes:
            if is_dead(note.owner):
                note.path.unlink(missing_ok=True)
    return list(dict.fromkeys(told))


def holders(state: Path = STATE) -> str:
    """Who may hold the locks that are there, and what to do."""
    notes, locks = _notes(state), _locks(state)
    suspects = {n.path: n for lock in locks for n in _suspects(lock, notes) if not is_dead(n.owner)}
    if not suspects:
        return "a Snakemake that left no note of itself holds the lock of this folder. " + ADVICE
    lines = []
    for note in suspects.values():
        seen = "is running" if is_dead(note.owner) is False else "cannot be seen from here, so it may be running"
        lines.append(f"{note} {seen}")
    return f"another Snakemake holds the lock of this folder: {'; '.join(lines)}. {ADVICE}"


def _suspects(lock: Path, notes: list[Note]) -> list[Note]:
    """Who may have written a lock file."""
    try:
        written = lock.stat().st_mtime_ns
    except FileNotFoundError:
        return []
    return [note for note in notes if note.written <= written]


def _locks(state: Path) -> list[Path]:
    return sorted((state / "locks").glob("*.lock"))


def _notes(state: Path) -> list[Note]:
    found = []
    for path in sorted((state / "lockers").glob(".note.*.json")):
        try:
            owner, written = json.loads(path.read_bytes()), path.stat().st_mtime_ns
        except (OSError, ValueError):
            continue  # being written, or removed by its owner
        if isinstance(owner, dict):
            found.append(Note(path, owner, written))
    return found
