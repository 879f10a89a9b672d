"""What commands print: whatever terminal, pipe or file is behind it, it ends no command and hides no exit code."""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import os
import sys
from typing import IO

GONE = (errno.EPIPE, errno.EIO)  # a reader that has left (| head), a terminal that was closed
ASCII = {"…": "...", "·": "|", "–": "-", "—": "-", "×": "x", "→": "->"}


def prepare() -> None:
    """Make standard output and error take any text, in whatever encoding they have, and be there at all."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by who started us
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="nearest")


def show(text: str, out: IO[str] | None = None, end: str = "\n") -> bool:
    """Print at once; False if nobody reads any more. Raises OSError where text cannot be kept, as on a full disk."""
    out = sys.stdout if out is None else out
    try:
        out.write(text + end)
        out.flush()
    except OSError as error:
        mute(out)
        if error.errno in GONE:
            return False
        raise
    return True


def mute(out: IO[str]) -> None:
    """Let all that is still to be written to `out` go nowhere, also what is in its buffer."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())


def _nearest(error: UnicodeError) -> tuple[str, int]:
    """For characters that an encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(ASCII.get(c, "?") for c in error.object[error.start : error.end]), error.end


codecs.register_error("nearest", _nearest)
