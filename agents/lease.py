"""One process per run: a file that says who works on it.

The file is created exclusively and its age renewed by a heartbeat. It is taken over when its process is gone
(same host) or has not renewed it for `STALE` seconds (another host, whose processes cannot be seen).
"""

import json
import os
import socket
import time
from pathlib import Path

STALE = 180.0  # seconds without a renewal; the heartbeat comes every few seconds


class Held(Exception):
    """Another process works on this run; the text names it."""


def _started(pid: int) -> str | None:
    """When a process of this host started, or None if it does not live: pids are used again, this pair is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


class Lease:
    """Take with `Lease(path)` (raises Held), renew now and then, release at the end."""

    def __init__(self, path: Path):
        self.path = path
        self._mine = {"host": socket.gethostname(), "pid": os.getpid(), "started": _started(os.getpid())}
        for _ in range(10):
            try:
                handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            except FileExistsError:
                self._clear_if_dead()
                continue
            with os.fdopen(handle, "w") as file:
                json.dump(self._mine, file)
            return
        raise Held(f"{path}: other processes keep taking this run")

    def _clear_if_dead(self) -> None:
        try:
            age = time.time() - self.path.stat().st_mtime
            owner = json.loads(self.path.read_text())
        except FileNotFoundError:
            return
        except ValueError:
            owner = {}  # its writer died, or is between creating and writing it
            if age < 5:
                time.sleep(0.2)
                return
        here = owner.get("host") == self._mine["host"]
        if owner and here and _started(owner["pid"]) == owner["started"]:
            raise Held(f"process {owner['pid']} on {owner['host']} works on this run ({self.path})")
        if owner and not here and age < STALE:
            raise Held(f"a process on {owner['host']} works on this run, seen {age:.0f} s ago ({self.path})")
        grave = self.path.with_name(f".{self.path.name}.{os.getpid()}.dead")
        try:
            os.rename(self.path, grave)  # of several that see a dead lease, one succeeds
            grave.unlink()
        except FileNotFoundError:
            pass

    def renew(self) -> None:
        os.utime(self.path)

    def release(self) -> None:
        self.path.unlink(missing_ok=True)
