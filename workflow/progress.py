"""`python -m workflow run`: Snakemake's many lines in a file, and on the terminal one per running run."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

from workflow import status, text
from workflow.pipeline import Pipeline
from workflow.plan import snakemake_command

_STEPS = re.compile(r"^(\d+) of (\d+) steps", re.MULTILINE)
_TOTAL = re.compile(r"^total\s+(\d+)", re.MULTILINE)
_IDLE = "Nothing to be done"
TTY_SECONDS, LOG_SECONDS = 1.0, 15.0


class Log:
    """What Snakemake has written so far, read as it grows."""

    def __init__(self, path: Path):
        self.file: IO[str] = path.open(encoding="utf-8", errors="replace")
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


def run(pipeline: Pipeline, targets: list[str], options: list[str]) -> int:
    """Run Snakemake to its end; returns its exit code."""
    path = Path(pipeline.results) / "logs" / "snakemake.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"PYTHONPATH": str(pipeline.root), "PYTHONUNBUFFERED": "1"}
    command = snakemake_command(pipeline, targets, *options)
    shown = _Screen(sys.stdout)
    names = [f"{paper}.{key}" for paper, found in pipeline.papers.expanded.items() for key in found]
    variants = {run.name: run.point.variant for name in names for run in pipeline.papers.runs(name).values()}
    with path.open("w", encoding="utf-8") as out:
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment)
    log, start, due = Log(path), time.monotonic(), 0.0
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    while True:
        try:
            code = child.wait(timeout=0.5)
            break
        except subprocess.TimeoutExpired:
            pass
        except KeyboardInterrupt:  # Snakemake has it too, and stops its jobs, which save themselves
            print("\nstopping …", flush=True)
            continue
        if time.monotonic() >= due:
            log.read()
            shown.draw(_lines(pipeline, variants, log, time.monotonic() - start))
            due = time.monotonic() + (TTY_SECONDS if shown.live else LOG_SECONDS)
    log.read()
    shown.draw([])
    if code:
        print("".join(path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)[-40:]))
        print(f"snakemake failed with exit code {code}; all it said is in {path}", file=sys.stderr)
    elif log.idle:
        print("nothing to do: everything is up to date")
    else:
        print(f"{log.done or log.total} jobs done in {text.duration(time.monotonic() - start)}")
    return code


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
    """Lines drawn in place on a terminal; elsewhere one line each time."""

    def __init__(self, out: IO[str]):
        self.out, self.live, self.height = out, out.isatty(), 0

    def draw(self, lines: list[str]) -> None:
        if not self.live:
            if lines:
                print(" |".join(lines), file=self.out, flush=True)
            return
        width = os.get_terminal_size(self.out.fileno()).columns or 80
        back = f"\x1b[{self.height}F" if self.height else ""
        self.out.write(back + "\x1b[J" + "".join(line[: width - 1] + "\n" for line in lines))
        self.out.flush()
        self.height = len(lines)
