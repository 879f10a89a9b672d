"""results/logs/snakemake.log: what Snakemake said, one start after the other."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shlex
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_STEPS = re.compile(r"^(\d+) of (\d+) steps", re.MULTILINE)
_TOTAL = re.compile(r"^total\s+(\d+)", re.MULTILINE)
_IDLE = "Nothing to be done"


def open_log(folder: Path, command: list[str]) -> tuple[Log, int]:
    """This start's part of the log, and a descriptor to append to it, which holds the log until all that got it end.

    While another start still writes to snakemake.log, this is snakemake.2.log, and so on. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in _names(folder):
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:  # a file system without locks is written to as it is
            if error.errno in (errno.EAGAIN, errno.EACCES):
                os.close(log)
                continue
        when, host = time.strftime("%Y-%m-%d %H:%M:%S %z"), socket.gethostname()
        before = "\n" if os.fstat(log).st_size else ""
        words = shlex.join(command).encode(errors="replace").decode()
        os.write(log, f"{before}===== {when}, process {os.getpid()} on {host}: {words}\n".encode())
        return Log(path, os.lseek(log, 0, os.SEEK_CUR)), log
    raise AssertionError


def _names(folder: Path) -> Iterator[Path]:
    yield folder / "snakemake.log"
    number = 2
    while True:
        yield folder / f"snakemake.{number}.log"
        number += 1


class Log:
    """What Snakemake has written since the place `start`, read as it grows."""

    def __init__(self, path: Path, start: int = 0):
        self.path, self.start = path, start
        self.file: IO[str] = path.open(encoding="utf-8", errors="replace")
        self.file.seek(start)
        self.done = self.total = 0
        self.idle = False
        self._rest = ""

    def read(self) -> None:
        new = self._rest + self.file.read()
        whole, _, self._rest = new.rpartition("\n")
        for done, total in _STEPS.findall(whole):
            self.done, self.total = int(done), int(total)
        if not self.total and (found := _TOTAL.search(whole)):
            self.total = int(found[1])
        self.idle |= _IDLE in whole

    def text(self) -> str:
        """All of it, from the start."""
        with contextlib.suppress(OSError):
            with self.path.open("rb") as file:
                file.seek(self.start)
                return file.read().decode("utf-8", errors="replace")
        return ""
