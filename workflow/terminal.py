"""Writing for people: in any encoding, to a pipe or a terminal that may be gone."""

from __future__ import annotations

import codecs
import os
import sys
from typing import IO

# What our messages use beyond ASCII, for terminals and files that cannot take it.
PLAIN = {"…": "...", "–": "-", "—": "-", "·": "|", "×": "x", "→": "->", "≤": "<=", "≥": ">=", "ε": "eps", "λ": "lambda"}


def take_any_text() -> None:
    """Let the standard streams replace what their encoding lacks, where they would raise UnicodeEncodeError."""
    codecs.register_error("plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="plain")


def _plain(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return "".join(PLAIN.get(letter, "?") for letter in error.object[error.start : error.end]), error.end


def say(text: str, out: IO[str] | None = None) -> None:
    """Write now, or drop what nobody can read any more: whoever waits for others must not end for that."""
    out = out or sys.stdout
    try:
        out.write(text)
        out.flush()
    except OSError:  # `| head` has what it wanted, the connection dropped, or the disk is full
        silence(out)


def silence(out: IO[str]) -> None:
    """Let all that is still written to a stream go nowhere, also at the interpreter's end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, out.fileno())
    os.close(nowhere)


class Screen:
    """Lines drawn in place on a terminal; elsewhere one line each time."""

    def __init__(self, out: IO[str]):
        self.out, self.live, self.height = out, out.isatty(), 0

    def draw(self, lines: list[str]) -> None:
        if not self.live:
            if lines:
                say(" |".join(lines) + "\n", self.out)
            return
        try:
            width = os.get_terminal_size(self.out.fileno()).columns or 80
        except OSError:
            width = 80
        back = f"\x1b[{self.height}F" if self.height else ""
        say(back + "\x1b[J" + "".join(line[: width - 1] + "\n" for line in lines), self.out)
        self.height = len(lines)
