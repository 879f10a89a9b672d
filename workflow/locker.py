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
import hashlib
import json
import os
import re
import secrets
import shlex
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(".snakemake")  # in the working folder, as Snakemake has it
Mark = tuple[int, int]  # what tells a file from a later one of its name: inode and time of change


class Process(NamedTuple):
    """A process, told from all others: its number alone says nothing in another namespace or after a reboot."""

    host: str
    boot: str | None  # of the machine
    namespace: str | None  # of process numbers and clocks
    pid: int
    started: str | None  # clock ticks after the boot
    argv: tuple[str, ...]
    since: float  # seconds since 1970, for people

    @property
    def visible(self) -> bool:
        """Whether its life can be judged from here."""
        return None not in (self.boot, self.namespace) and (self.boot, self.namespace) == _here()

    def dead(self) -> bool:
        """True only if that is certain."""
        if not self.visible:
            return False
        try:
            os.kill(self.pid, 0)  # also sees what /proc may hide from other users
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        state, started = _stat(self.pid)
        return state in ("Z", "X") or (None not in (started, self.started) and started != self.started)

    def __str__(self) -> str:
        command = shlex.join(self.argv)
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.since))
        return f"process {self.pid} on {self.host}, since {when} ({command[:77]}{'...' if len(command) > 77 else ''})"


def process(pid: int, argv: Sequence[str]) -> Process:
    """A process of this host."""
    return Process(socket.gethostname(), *_here(), pid, _stat(pid)[1], tuple(argv), time.time())


class _Note(NamedTuple):
    path: Path
    process: Process | None  # None: the note says nothing that can be understood
    written: int  # ns, by the clock of the file system
    present: dict[str, Mark]  # the locks that were there when it was written

    def dead(self) -> bool:
        return self.process is not None and self.process.dead()

    def explains(self, name: str, mark: Mark) -> bool:
        """Whether this process can have written a lock: it came later, or was there when a late note was written."""
        return mark[1] >= self.written or self.present.get(name) == mark


def note(folder: Path = FOLDER, of: tuple[int, Sequence[str]] | None = None) -> Path:
    """Say that this process (or that `of` a number and a command) is a main process of Snakemake here. Never fails.

    Before the lock is taken, or soon after. Called again, it does nothing. A process that notes itself takes the
    note away when it ends in order; whoever notes another one does that for it, and keeps the note of a killed one.
    """
    who = process(*of) if of else process(os.getpid(), sys.orig_argv)
    name = hashlib.sha256(json.dumps(who[:5]).encode()).hexdigest()[:16]
    path = folder / "lockers" / f"{name}.json"
    with contextlib.suppress(OSError):
        if path.exists():
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        locks = _locks(folder)
        for other in _notes(folder):
            if not locks and other.dead():
                other.path.unlink(missing_ok=True)
        new = path.with_name(f".{secrets.token_hex(8)}.new")
        new.write_text(json.dumps({**who._asdict(), "locks": locks}), encoding="utf-8")
        new.replace(path)
        if of is None:
            atexit.register(_take_away, path, who.pid)
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
    if seen := [who for who in notes if who.visible]:
        return f"Snakemake works on these files already: {'; '.join(map(str, seen))}. Wait for it, or stop it there."
    if notes:
        who = "; ".join(map(str, notes))
        return f"locked by {who}, which cannot be seen from here. If it does not run any more, {unlock}."
    return (
        f"locked by a Snakemake that left no note about itself. If none works in {folder.resolve().parent}, {unlock}."
    )


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
                    who = Process(**said | {"argv": tuple(map(str, said["argv"])), "since": float(said["since"])})
            found.append(_Note(path, who, written, present))
    return found


def _here() -> tuple[str | None, str | None]:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        clock = Path("/proc/self/ns/time")  # newer kernels have it
        return boot, os.readlink("/proc/self/ns/pid") + (os.readlink(clock) if clock.is_symlink() else "")
    except OSError:  # not Linux, or one without these
        return None, None


def _stat(pid: int) -> tuple[str | None, str | None]:
    """State and start of a process, or None for what cannot be seen."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return fields[0], fields[19]
    except (OSError, IndexError):
        return None, None


@contextlib.contextmanager
def _guard(folder: Path) -> Iterator[None]:
    """One at a time judges and unlocks. Raises OSError where nothing can be written."""
    (folder / "lockers").mkdir(parents=True, exist_ok=True)
    with open(folder / "lockers" / "guard", "w") as file:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
