"""Who holds Snakemake's lock, so that one left by a killed Snakemake can be told from one that is in use.

Snakemake locks files by lists of their names in .snakemake/locks/, which do not say who wrote them and which nobody
removes after a SIGKILL or a power loss. So each main process leaves a note about itself in .snakemake/lockers/, and
takes it away when it ends in order. A lock is given up only if its holder provably is dead and nobody else can be
behind it.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import json
import os
import re
import shlex
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from agents.run.files import sha256
from agents.run.identity import identity, is_dead, name
from workflow.write import write_if_changed

FOLDER = Path(".snakemake")  # in the working folder, as Snakemake has it
Mark = tuple[int, int]  # what tells a file from a later one of its name: inode and time of change


class Process(NamedTuple):
    """A process, as a note tells of it."""

    identity: dict[str, Any]  # see agents/identity.py
    argv: tuple[str, ...]
    since: float  # seconds since 1970, for people

    def __str__(self) -> str:
        command = shlex.join(self.argv)
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.since))
        return f"{name(self.identity)}, since {when} ({command[:77]}{'...' if len(command) > 77 else ''})"


class _Note(NamedTuple):
    path: Path
    process: Process | None  # None: the note says nothing that can be understood
    written: int  # ns, by the clock of the file system
    present: dict[str, Mark]  # the locks that were there when it was written

    def dead(self) -> bool:
        """True only if that is certain."""
        return self.process is not None and is_dead(self.process.identity) is True

    def explains(self, name: str, mark: Mark) -> bool:
        """Whether this process can have written a lock: it came later, or was there when a late note was written."""
        return mark[1] >= self.written or self.present.get(name) == mark


def note(folder: Path = FOLDER, of: tuple[int, Sequence[str]] | None = None) -> Path:
    """Say that this process (or that `of` a number and a command) is a main process of Snakemake here. Never fails.

    Before the lock is taken, or soon after. Called again, it does nothing. A process that notes itself takes the
    note away when it ends in order; whoever notes another one does that for it, and keeps the note of a killed one.
    """
    who = identity(of[0]) if of else identity()
    digest = sha256(json.dumps(list(who.values())).encode())[:16]
    path = folder / "lockers" / f"{digest}.json"
    with contextlib.suppress(OSError):
        if path.exists():
            return path
        locks = _locks(folder)
        for other in _notes(folder):
            if not locks and other.dead():
                other.path.unlink(missing_ok=True)
        said = {**who, "argv": list(of[1] if of else sys.orig_argv), "since": time.time(), "locks": locks}
        write_if_changed(path, json.dumps(said))
        if of is None:
            atexit.register(_take_away, path, os.getpid())
    return path


def _take_away(path: Path, pid: int) -> None:
    if os.getpid() == pid:  # not a fork of it
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def unlock_if_dead(folder: Path = FOLDER) -> str | None:
    """Remove a lock that only dead processes can have left; who they were, or None if nothing was done."""
    try:
        with _guard(folder):
            locks, notes = _locks(folder), _notes(folder)
            if not locks or not _abandoned(locks, notes):
                return None
            for name, mark in locks.items():
                path = folder / "locks" / name
                if _mark(path) == mark:
                    path.unlink(missing_ok=True)
            for found in notes:
                found.path.unlink(missing_ok=True)
            return "; ".join(str(found.process) for found in notes)
    except OSError:
        return None  # not ours to write; Snakemake refuses, and `holder` says why


def holder(folder: Path = FOLDER) -> str:
    """Who may hold the lock and what to do about it, for a person whom Snakemake has refused."""
    notes = [found.process for found in _notes(folder) if found.process and not found.dead()]
    unlock = "`snakemake --unlock`, then the same command, goes on"
    if seen := [who for who in notes if is_dead(who.identity) is False]:
        return f"Snakemake works on these files already: {'; '.join(map(str, seen))}. Wait for it, or stop it there."
    if notes:
        who = "; ".join(map(str, notes))
        return f"locked by {who}, which cannot be seen from here. If it does not run any more, {unlock}."
    return (
        f"locked by a Snakemake that left no note about itself. If none works in {folder.resolve().parent}, {unlock}."
    )


def held(paths: Iterable[str], folder: Path = FOLDER) -> bool:
    """Whether a lock is on one of these files as something that its Snakemake makes."""
    wanted = set(paths)
    for path in sorted((folder / "locks").glob("*.output.lock")):
        with contextlib.suppress(OSError):  # given up just now
            if wanted & set(path.read_text(encoding="utf-8").splitlines()):
                return True
    return False


def _abandoned(locks: dict[str, Mark], notes: list[_Note]) -> bool:
    return all(found.dead() for found in notes) and all(
        any(found.explains(name, mark) for found in notes) for name, mark in locks.items()
    )


def _locks(folder: Path) -> dict[str, Mark]:
    found = {path.name: _mark(path) for path in (folder / "locks").glob("*.lock")}
    return {
        name: mark for name, mark in sorted(found.items()) if mark and re.fullmatch(r"\d+\.(in|out)put\.lock", name)
    }


def _mark(path: Path) -> Mark | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def _notes(folder: Path) -> list[_Note]:
    found = []
    for path in sorted((folder / "lockers").glob("*.json")):
        with contextlib.suppress(FileNotFoundError):  # taken away by its process just now
            written, who, present = path.stat().st_mtime_ns, None, {}
            with contextlib.suppress(ValueError, TypeError, AttributeError, KeyError):
                said = json.loads(path.read_text(encoding="utf-8"))
                present = {name: (int(inode), int(when)) for name, (inode, when) in said.pop("locks").items()}
                if int(said["pid"]) > 0:
                    about = {key: said[key] for key in identity()}
                    who = Process(about, tuple(map(str, said["argv"])), float(said["since"]))
            found.append(_Note(path, who, written, present))
    return found


@contextlib.contextmanager
def _guard(folder: Path) -> Iterator[None]:
    """One at a time judges and unlocks. Raises OSError where nothing can be written."""
    (folder / "lockers").mkdir(parents=True, exist_ok=True)
    with open(folder / "lockers" / "guard", "w") as file:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
