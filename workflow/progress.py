"""`python -m workflow run`: Snakemake's many lines in a file, and on the terminal one per running run."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import IO, Any

from workflow import leash, locker, status, text
from workflow.pipeline import Pipeline
from workflow.plan import snakemake_command
from workflow.terminal import show

_STEPS = re.compile(r"^(\d+) of (\d+) steps", re.MULTILINE)
_TOTAL = re.compile(r"^total\s+(\d+)", re.MULTILINE)
_IDLE = "Nothing to be done"
_LOCKED = "Directory cannot be locked"
TTY_SECONDS, LOG_SECONDS = 1.0, 15.0


class Log:
    """What Snakemake has written so far, from `start` (bytes) on, read as it grows."""

    def __init__(self, path: Path, start: int = 0):
        self.file: IO[str] = path.open(encoding="utf-8", errors="replace")
        self.file.seek(start)
        self.start = start
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

    def whole(self) -> str:
        """All of it, once more."""
        self.file.seek(self.start)
        return self.file.read()


class Stop:
    """Asks the child to stop when this process is asked to; more of the same changes nothing."""

    def __init__(self, child: subprocess.Popen[Any]):
        self.child = child
        self.number: int | None = None  # the first signal
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:  # as nohup and shells in the background have it
                signal.signal(number, self._ask)
        if signal.getsignal(signal.SIGTSTP) == signal.SIG_DFL:
            signal.signal(signal.SIGTSTP, self._pause)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.number is None:
            self.number = number
            with contextlib.suppress(ProcessLookupError):
                # Whatever we got: Ctrl-C makes Snakemake give its lock back at any time, and runs save themselves.
                os.killpg(self.child.pid, signal.SIGINT)

    def _pause(self, number: int, frame: FrameType | None) -> None:
        """Ctrl-Z stops the runs, too."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGSTOP)
            os.kill(os.getpid(), signal.SIGSTOP)
            os.killpg(self.child.pid, signal.SIGCONT)


def run(pipeline: Pipeline, targets: list[str], options: list[str]) -> int:
    """Run Snakemake to its end, whatever comes; returns its exit code, 128 + n if it or this was ended by signal n."""
    results, started = Path(pipeline.results), time.monotonic()
    for line in locker.free():
        show(line)
    names = [f"{paper}.{key}" for paper, found in pipeline.papers.expanded.items() for key in found]
    variants = {run.name: run.point.variant for name in names for run in pipeline.papers.runs(name).values()}
    before = status.heartbeats(results)
    path, out = _open_log(results / "logs")
    with out:
        child = _start(snakemake_command(pipeline, targets, *options), pipeline.root, out)
        log = Log(path, out.tell())
    stop, shown, due = Stop(child), _Screen(sys.stdout), 0.0
    while True:
        try:
            code = child.wait(timeout=0.5)
            break
        except subprocess.TimeoutExpired:
            pass
        if stop.number is not None:
            shown.draw(["stopping …"] if shown.live else [])
        elif time.monotonic() >= due:
            log.read()
            shown.draw(_lines(pipeline, variants, log, time.monotonic() - started))
            due = time.monotonic() + (TTY_SECONDS if shown.live else LOG_SECONDS)
    log.read()
    shown.draw([])
    if stop.number is not None and code:
        shown.say(_stopped(results, before))
        return 128 + stop.number
    if code == 0:
        seconds = text.duration(time.monotonic() - started)
        jobs = f"{log.done or log.total} jobs done in {seconds}"
        shown.say("nothing to do: everything is up to date" if log.idle else jobs)
    else:
        _tell_failure(shown, code, log, results)
    return code if code >= 0 else 128 - code


def _start(command: list[str], root: Path, out: IO[bytes]) -> subprocess.Popen[Any]:
    """Snakemake with its jobs in a process group of its own, which ends with this process."""
    environment = os.environ | {
        "PYTHONPATH": str(root),
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",  # what it prints goes into a file, whatever this terminal can show
        "PYTHONIOENCODING": "utf-8",
    }
    words = [command[0], "-m", leash.__name__, str(os.getpid()), *command[3:]]
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment, process_group=0)


def _open_log(folder: Path) -> tuple[Path, IO[bytes]]:
    """The log, open at its end, which begins with a mark. Who starts beside others that still write has another one."""
    folder.mkdir(parents=True, exist_ok=True)
    command = shlex.join([Path(sys.executable).name, "-m", "workflow", *sys.argv[1:]])
    when = time.strftime("%Y-%m-%d %H:%M:%S %z")
    for number in range(1, 1000):
        path = folder / ("snakemake.log" if number == 1 else f"snakemake.{number}.log")
        file = path.open("ab", buffering=0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # kept by Snakemake, and by jobs that outlive it
        except BlockingIOError:
            file.close()
            continue
        except OSError:
            pass  # a file system without locks
        file.write(f"\n===== {when}, process {os.getpid()} on {socket.gethostname()}: {command} =====\n".encode())
        return path, file
    raise OSError(f"{folder}: too many programs write logs here")


def _stopped(results: Path, before: dict[str, dict[str, Any]]) -> str:
    """What became of the runs that were going on."""
    now = status.heartbeats(results)
    saved = [beat for name, beat in now.items() if beat["state"] == "preempted" and beat != before.get(name)]
    if not saved:
        return "stopped, no run had anything new to save; the same command goes on"
    frames = [f"{beat['frame']:,}" for beat in saved[:4]] + ["…"] * (len(saved) > 4)
    runs = "1 run" if len(saved) == 1 else f"{len(saved)} runs"
    return f"stopped, {runs} saved at frame {', '.join(frames)}; the same command goes on"


def _tell_failure(shown: _Screen, code: int, log: Log, results: Path) -> None:
    """Why Snakemake ended as it did: its last words, or what it does not say."""
    said = log.whole()
    if _LOCKED in said:
        why = locker.holders()
    elif code > 0:
        shown.say("".join(said.splitlines(keepends=True)[-40:]))
        why = f"snakemake failed with exit code {code}"
    else:
        going = [beat for beat in status.heartbeats(results).values() if beat["state"] in ("running", "evaluating")]
        goes = f"; runs that go on by themselves: {len(going)}, for which the same command waits" if going else ""
        why = f"snakemake was ended by {signal.Signals(-code).name}{goes}"
    _Screen(sys.stderr).say(f"{why}; all it said is in {log.file.name}")


def _lines(pipeline: Pipeline, variants: dict[str, str], log: Log, seconds: float) -> list[str]:
    """The count of jobs, then each running run with its frames, speed and time to go."""
    if not log.total:
        return [f"planning … {text.duration(seconds)}"]
    lines = [f"{log.done}/{log.total} jobs · {text.duration(seconds)}"]
    for name, beat in status.heartbeats(Path(pipeline.results)).items():
        if beat["state"] not in ("running", "evaluating"):
            continue
        last = beat.get("last_return")
        parts = [
            name.rsplit(".", 1)[0],
            variants.get(name, ""),
            f"{text.frames(beat['frame'])}/{text.frames(beat['budget_frames'])}",
            f"{beat.get('frames_per_second') or 0:.0f} f/s",
            f"ETA {text.duration(beat.get('eta_seconds'))}",
            f"return {last:.1f}" if last is not None else "",
        ]
        lines.append("  " + " · ".join(part for part in parts if part))
    return lines


class _Screen:
    """Lines drawn in place on a terminal; elsewhere one line each time. Nothing that happens to it ends the run."""

    def __init__(self, out: IO[str]):
        self.out, self.live, self.height = out, out.isatty(), 0

    def draw(self, lines: list[str]) -> None:
        if not self.live:
            if lines:
                self._print(" |".join(lines) + "\n")
            return
        with contextlib.suppress(OSError):  # it may be closed by now
            width = os.get_terminal_size(self.out.fileno()).columns or 80
            lines = [line[: width - 1] for line in lines]
        back = f"\x1b[{self.height}F" if self.height else ""
        self._print(back + "\x1b[J" + "".join(line + "\n" for line in lines))
        self.height = len(lines)

    def say(self, line: str) -> None:
        self._print(line + "\n")

    def _print(self, what: str) -> None:
        with contextlib.suppress(OSError):
            if not show(what, self.out, end=""):
                self.live = False
