"""Who a process is, for others to read in a file: whether it still lives can only sometimes be seen.

A process number alone is no identity. It is used again, it means another process in another namespace (a container with
the same host name) and after the next boot, and on another machine it means nothing.
"""

import os
import socket
from pathlib import Path
from typing import Any


def identity(pid: int | None = None) -> dict[str, Any]:
    """A process of this host, by default this one: host, boot, namespace of process numbers and clocks, number and
    start time (clock ticks after the boot); None for what the system does not tell."""
    return {
        "host": socket.gethostname(),
        "boot": _text("/proc/sys/kernel/random/boot_id"),
        "namespace": _namespace(),
        "pid": os.getpid() if pid is None else pid,
        "started": _started("self" if pid is None else str(pid)),
    }


def is_dead(owner: dict[str, Any]) -> bool | None:
    """Whether the process of an `identity` is gone; None if that cannot be told from here."""
    here = identity()
    if any(here[key] is None or owner.get(key) != here[key] for key in ("boot", "namespace")):
        return None
    pid, started = owner.get("pid"), owner.get("started")
    if type(pid) is not int or pid < 1 or started is None:
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # somebody else's
    if not _sees_its_own():
        return None
    now = _started(str(pid))
    return None if now is None else now != started


def name(owner: dict[str, Any]) -> str:
    """In words."""
    return f"process {owner['pid']} on {owner['host']}" if {"pid", "host"} <= owner.keys() else "an unknown process"


def _started(pid: str) -> str | None:
    """When a process started, "" for one that has ended and is not collected yet; None if it cannot be read."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else fields[19]
    except (OSError, IndexError):
        return None


def _sees_its_own() -> bool:
    """Whether /proc is that of this process's namespace: a new namespace may still have the outer one mounted."""
    try:
        return os.readlink("/proc/self") == str(os.getpid())
    except OSError:
        return False


def _namespace() -> str | None:
    try:
        clock = Path("/proc/self/ns/time")  # newer kernels have it, and count start times by it
        return os.readlink("/proc/self/ns/pid") + (os.readlink(clock) if clock.is_symlink() else "")
    except OSError:
        return None


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None
