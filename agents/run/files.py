"""Writing a file so that a crash leaves the old one or the new one, whole; JSON that tells when it was changed."""

import contextlib
import errno
import hashlib
import json
import os
import secrets
import shutil
import socket
from pathlib import Path
from typing import Any

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
        with contextlib.suppress(OSError):  # the first error is the one to tell
            part.unlink(missing_ok=True)
        raise
    if durable:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def beside(path: Path) -> Path:
    """A temporary name beside `path` that no other host, process or thread uses."""
    return path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}.part")


def leftovers(path: Path) -> list[Path]:
    """What processes that were killed left `beside` a path. Others that are at work have theirs there too."""
    return list(path.parent.glob(f".{path.name}.*.part*"))


def told(error: OSError, folder: Path) -> str:
    """What to say of an error while working in `folder`; only a full disk and a used-up quota are told as such."""
    what = f"cannot write to {error.filename or folder}: {error.strerror or error}"
    if error.errno not in FULL:
        return what
    place = next((p for p in (folder, *folder.parents) if p.exists()), Path("/"))
    free = "" if error.errno == errno.EDQUOT else f" ({shutil.disk_usage(place).free >> 20} MiB are free)"
    return f"{what}. What was saved before is whole; free some space{free} and start again."


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def seal_json(body: dict[str, Any]) -> bytes:
    """JSON that carries its own SHA-256."""
    return json.dumps({**body, "seal": _sum(body)}, indent=1).encode()


def unseal_json(data: bytes) -> dict[str, Any]:
    """What `seal_json` was given. Raises ValueError if anything in it changed."""
    body = json.loads(data)
    if not isinstance(body, dict) or body.pop("seal", None) != _sum(body):
        raise ValueError("its own checksum does not fit")
    return body


def _sum(body: dict[str, Any]) -> str:
    return sha256(json.dumps(body, sort_keys=True).encode())
