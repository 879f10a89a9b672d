"""Writing a file so that a crash leaves the old one or the new one, whole."""

import hashlib
import os
from pathlib import Path


def write_atomic(path: Path, data: bytes, durable: bool = True) -> None:
    """Write beside `path`, then rename over it; `durable` waits for the disk. Raises OSError, leaving no part."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
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


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
