"""Writing a file so that a crash leaves the old one or the new one, whole."""

import errno
import hashlib
import os
import secrets
import shutil
import socket
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT)


def write_atomic(path: Path, data: bytes, durable: bool = True) -> None:
    """Write beside `path`, then rename over it; `durable` waits for the disk. Raises OSError, leaving no part."""
    part = beside(path)
    try:
        with open(part, "wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    if durable:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def beside(path: Path) -> Path:
    """A temporary name beside `path` that nobody else uses, on whatever host."""
    return path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}.part")


def leftovers(path: Path) -> list[Path]:
    """What processes that were killed left `beside` a path. Others that are at work have theirs there too."""
    return list(path.parent.glob(f".{path.name}.*.part*"))


def told(error: OSError, folder: Path) -> str:
    """What to say of a write that failed: only a full disk or quota is told as one."""
    what = f"cannot write to {error.filename or folder}: {error.strerror or error}"
    if error.errno not in FULL:
        return what
    place = next((p for p in (folder, *folder.parents) if p.exists()), Path("/"))
    free = shutil.disk_usage(place).free >> 20
    return f"{what}. What was saved before is whole; free some space ({free} MiB are free) and start again."


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
