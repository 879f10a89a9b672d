"""One process per run: a file that says who works on it.

The owner renews it with every sign of life, and finds out there if others took it over meanwhile. It is taken over when
its owner provably is gone (same boot of the machine, same process namespace, and the process ended), or has not renewed
it for `STALE` seconds. Ages are measured with the file system's own clock, since hosts disagree about the time.
"""

import contextlib
import fcntl
import json
import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agents.files import write_atomic

STALE = float(os.environ.get("PAPER_ARCADE_STALE_SECONDS", "180"))  # without a renewal; one comes every few seconds


class Held(Exception):
    """Another process works on this run; the text names it, and `owner` tells it from others."""

    def __init__(self, text: str, owner: str):
        super().__init__(text)
        self.owner = owner


class Lost(Exception):
    """Another process took this run over, or somebody removed the lease."""


class Lease:
    """Take with `Lease(path)` (raises Held), renew now and then (raises Lost), release at the end."""

    def __init__(self, path: Path):
        self.path = path
        self._mine = {"token": secrets.token_hex(16), **identity()}
        with _guard(path):
            _refuse_if_alive(path)
            write_atomic(path, json.dumps(self._mine).encode(), durable=False)

    def renew(self) -> None:
        """Say that the owner lives. Raises Lost."""
        if not self.is_mine():
            raise Lost(f"another process took this run over ({self.path})")
        os.utime(self.path)

    def release(self) -> None:
        """Give the run back; a lease that others took over is left alone."""
        with contextlib.suppress(OSError):  # the folder is gone, or cannot be written
            with _guard(self.path):
                if self.is_mine():
                    self.path.unlink(missing_ok=True)

    def is_mine(self) -> bool:
        """Whether nobody took it over."""
        owner = _read(self.path)
        return owner is not None and owner.get("token") == self._mine["token"]


def identity() -> dict[str, Any]:
    """What tells this process from all others: its number alone says nothing in another namespace or after a reboot."""
    return {
        "host": socket.gethostname(),
        "boot": _first_line("/proc/sys/kernel/random/boot_id"),
        "namespace": _namespace(),
        "pid": os.getpid(),
        "started": _started(os.getpid()),
    }


def is_dead(owner: dict[str, Any]) -> bool | None:
    """Whether the process of an identity is gone; None if that cannot be seen from here."""
    here = identity()
    if here["namespace"] is None or any(owner.get(key) != here[key] for key in ("boot", "namespace")):
        return None
    return _started(owner["pid"]) != owner.get("started")


def living(path: Path) -> str | None:
    """Who works on the run of a lease, in words; None if nobody does."""
    try:
        _refuse_if_alive(path)
    except Held as why:
        return why.owner
    return None


def _refuse_if_alive(path: Path) -> None:
    owner = _read(path)
    if owner is None:
        return
    dead, age = is_dead(owner) if owner else None, _age(path)
    name = f"process {owner['pid']} on {owner['host']}" if owner else "an unknown process"
    if age is not None and dead is not True and (dead is False or age < STALE):
        raise Held(f"{name} works on this run, seen {max(0, age):.0f} s ago ({path})", name)


def _read(path: Path) -> dict[str, Any] | None:
    """The owner; empty if the file says nothing that can be understood, None if there is no file."""
    try:
        owner = json.loads(path.read_bytes())
        return owner if isinstance(owner, dict) and {"pid", "host"} <= set(owner) else {}
    except FileNotFoundError:
        return None
    except ValueError:
        return {}


def _age(path: Path) -> float | None:
    """Seconds since the last renewal, by the clock of the file system; None if the lease is gone."""
    probe = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.clock")
    try:
        probe.touch()
        return probe.stat().st_mtime - path.stat().st_mtime
    except FileNotFoundError:
        return None
    finally:
        probe.unlink(missing_ok=True)


@contextlib.contextmanager
def _guard(path: Path) -> Iterator[None]:
    """One at a time judges and takes a lease. Raises FileNotFoundError if the folder is gone."""
    with open(path.with_name(f"{path.name}.lock"), "w") as file:
        with contextlib.suppress(OSError):  # a file system without locks: `renew` still finds out
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _started(pid: int) -> str | None:
    """When a process started, or None if it does not live: pids are used again, this pair is not."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    except (OSError, IndexError):
        return None


def _namespace() -> str | None:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return None


def _first_line(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None
