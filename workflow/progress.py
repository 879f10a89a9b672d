"""`python -m workflow run`: Snakemake's many lines in a file, and on the terminal one per running run."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from workflow import keeper, locker, status, text
from workflow.context import Context
from workflow.environment import snakemake_command, snakemake_environment
from workflow.snakemake_log import Log, open_log
from workflow.strict_yaml import ConfigError
from workflow.terminal import Screen, say

TTY_SECONDS, LOG_SECONDS = 1.0, 15.0
FAILED = re.compile(r"^\s*(\S+) ended with code (\d+); the end of (.+):$", re.MULTILINE)
REFUSED = "Error: Directory cannot be locked."
NAMED = 3  # saved runs named at the end; `status` shows all


def run(context: Context, targets: list[str], options: list[str]) -> int:
    """Run Snakemake to its end. Its exit code; 128 + n where signal n stopped it."""
    command = snakemake_command(context, targets, *options)
    logs = Path(context.results) / "logs"
    try:
        log, end = open_log(logs, command)
    except OSError as error:
        raise ConfigError(f"cannot write {error.filename or logs}: {error.strerror}") from None
    stopped = _note_stops()
    keeper.adopt()
    began, start, due, told = time.time(), time.monotonic(), 0.0, 0
    child = keeper.start(command, end, snakemake_environment(context))
    os.close(end)
    keeper.pause_with_starter(child.pid)
    shown, variants = Screen(sys.stdout), _variants(context)
    while True:
        if len(stopped) > told:
            say("stopping: trainings save themselves ...\n" if not told else "still saving; this is waited for\n")
            keeper.stop(child)
            told, shown.height = len(stopped), 0
        try:
            child.wait(timeout=0.5)
            break
        except subprocess.TimeoutExpired:
            pass
        if not stopped and time.monotonic() >= due:
            log.read()
            shown.draw(_lines(context, variants, log, time.monotonic() - start))
            due = time.monotonic() + (TTY_SECONDS if shown.live else LOG_SECONDS)
    if child.returncode < 0:  # nobody keeps the others now
        keeper.end_group(child.pid)
        keeper.reap_group(child.pid)
    log.read()
    shown.draw([])
    code = child.returncode if child.returncode >= 0 else 128 - child.returncode
    if stopped and code:
        say(f"stopped; {_saved(context, variants, began)}; the same command goes on\n")
        return 128 + stopped[0]
    if code > 128:
        saved = _saved(context, variants, began)
        say(f"snakemake was killed by signal {code - 128}; {saved}; the same command goes on\n")
    elif code and REFUSED in log.text():
        say(f"{locker.holder()}\n", sys.stderr)
    elif code:
        say("".join(log.text().splitlines(keepends=True)[-40:]) + _failures(log.text()))
        say(f"snakemake failed with exit code {code}; all it said is in {log.path}\n", sys.stderr)
    elif log.idle:
        say("nothing to do: everything is up to date\n")
    else:
        say(f"{log.done or log.total} jobs done in {text.duration(time.monotonic() - start)}\n")
    return code


def _failures(said: str) -> str:
    """The first runs that failed, each with the last line of its log; rules/train.smk says where that is."""
    lines = []
    for run, code, path in dict.fromkeys(FAILED.findall(said)):
        told = Path(path).read_text(encoding="utf-8", errors="replace").splitlines() if Path(path).exists() else []
        lines.append(f"{run} ended with code {code}: {told[-1] if told else 'without a word'} ({path})\n")
    return "".join(lines[:NAMED]) + (f"... and {len(lines) - NAMED} more\n" if len(lines) > NAMED else "")


def _note_stops() -> list[int]:
    """The signals that have come and ask for an end, in their order. `nohup` stays what it is."""
    stopped: list[int] = []
    for number in keeper.STOPS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda number, frame: stopped.append(number))
    return stopped


def _variants(context: Context) -> dict[str, str]:
    """Run -> its variant, with the varied values that tell it from others of its experiment."""
    found = {}
    for experiments in context.papers.expanded.values():
        for each in experiments.values():
            labels, runs = each.labels(), context.papers.runs(each.name).values()
            found |= {run.name: labels[run.point.variant, run.point.template] for run in runs}
    return found


def _saved(context: Context, variants: dict[str, str], began: float) -> str:
    """How many runs that were in progress since `began` saved themselves and where, and whether others did not."""
    beats = {name: b for name, b in status.heartbeats(Path(context.results)).items() if b["time"] >= began}
    saved = {name: beat for name, beat in beats.items() if beat["state"] == "preempted"}
    lost = [name for name in beats if beats[name]["state"] == "lost"]
    if not beats:
        return "no run was in progress"
    words = [
        f"{' '.join(filter(None, (name.rsplit('.', 1)[0], variants.get(name))))} at frame {beat['frame']:,}"
        for name, beat in list(saved.items())[:NAMED]
    ]
    if len(saved) > NAMED:
        words.append("...")
    parts = [f"{text.count(len(saved), 'run')} saved" + (f" ({', '.join(words)})" if words else "")]
    if lost:
        parts.append(f"{text.count(len(lost), 'run')} ended without saving and will go on from an earlier checkpoint")
    return ", ".join(parts)


def _lines(context: Context, variants: dict[str, str], log: Log, seconds: float) -> list[str]:
    """The count of jobs, then each running run with its frames, speed and time to go."""
    if not log.total:
        return [f"planning … {text.duration(seconds)}"]
    lines = [f"{log.done}/{log.total} jobs · {text.duration(seconds)}"]
    for name, beat in status.heartbeats(Path(context.results)).items():
        if beat["state"] not in ("running", "evaluating"):
            continue
        last = beat.get("last_return")
        parts = [
            name.rsplit(".", 1)[0],
            variants.get(name, ""),
            f"{text.frames(beat['frame'])}/{text.frames(beat['budget_frames'])}",
            *_pace(beat),
            f"return {last:.1f}" if last is not None else "",
        ]
        lines.append("  " + " · ".join(part for part in parts if part))
    return lines


def _pace(beat: dict[str, Any]) -> list[str]:
    """What a run does: an evaluation may take minutes, in which no frame of training passes; so may the start."""
    if beat["state"] == "evaluating":
        return ["evaluating"]
    if not beat.get("frames_per_second"):
        return ["starting"]
    return [f"{beat['frames_per_second']:.0f} f/s", f"ETA {text.duration(beat.get('eta_seconds'))}"]
