"""Writing for people, and for machines as JSON: in any encoding, to a pipe or a terminal that may be gone."""

from __future__ import annotations

import codecs
import json
import os
import shutil
import sys
from collections.abc import Iterable
from typing import IO, Any

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


def wait(line: str) -> None:
    """What takes long is told to whoever looks at a terminal, not to a file or a program."""
    if sys.stderr.isatty():
        say(f"{line}\n", sys.stderr)


def note(warnings: Iterable[object]) -> None:
    for warning in warnings:
        say(f"note: {warning}\n", sys.stderr)


def print_json(value: Any) -> None:
    """ASCII, whatever the locale; what is not a number in JSON is null."""
    print(json.dumps(_finite(value), allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not abs(value) < float("inf") else value


def width() -> int | None:
    """Characters of the terminal that is written to; None where it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


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
