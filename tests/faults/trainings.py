"""Trainings killed at any moment: forks of this process, which cost no imports."""

import os
import random
import shutil
import signal
import time
from collections import Counter
from pathlib import Path

from agents.run.store import Store
from agents.spec.base import Identified
from tests.faults.sweep import Watch, folder_of, log_of, outputs, runs, train
from tests.kills import die_at, end

EVERY = 0.05  # seconds between checkpoints
# When the kill comes: at any time; just after a checkpoint; about when the result is sealed; in place of a call that
# changes the disk.
MOMENTS = ("time", "checkpoint", "seal", "call")


def calm(folder: Path) -> dict[str, dict]:
    """What the runs leave when nobody disturbs them."""
    found = {}
    for run in runs():
        code = end(train(run, folder, 1e9))
        assert code == 0, log_of(folder, run.name()).read_text()
        found[run.name()] = outputs(folder_of(folder, run))
    return found


def campaign(folder: Path, kills: int, rng: random.Random, expected: dict[str, dict], counts: Counter) -> list[str]:
    """Kill trainings until `kills` were, each sweep of runs to its end; -> the rules that were broken."""
    broken: list[str] = []
    done = 0
    while done < kills:
        results = folder / "killed"
        watch, pending = Watch(results, runs(), expected, counts), list(runs())
        while pending:
            run = rng.choice(pending)
            # Now and then two at once: the second one waits, or takes the run over when the first one is dead.
            many = 2 if rng.random() < 0.1 else 1
            spare = done < kills
            start = _two if many == 2 else _one
            codes = start(run, results, rng, spare, counts)
            # Of two, one may see the result and end before the other, which made it, is killed: then what that one
            # leaves of its work is there until the next start.
            if set(codes) == {0}:
                pending.remove(run)
            for code in codes:
                if code == -signal.SIGKILL:
                    done += 1
                    counts["kills of trainings"] += 1
                elif code != 0:
                    tail = log_of(results, run.name()).read_text(errors="replace")[-600:]
                    watch.broken.append(f"{run.name()}: ended with {code}: {tail}")
                    if len(watch.broken) > 5:
                        return broken + watch.broken
            watch.look()
            if watch.broken:
                pending = []
        watch.close()
        broken += watch.broken
        if broken:
            return broken
        shutil.rmtree(results)
    return broken


def _two(run: Identified, results: Path, rng: random.Random, kill: bool, counts: Counter) -> list[int]:
    children = [train(run, results, EVERY) for _ in range(2)]
    if kill:
        time.sleep(rng.uniform(0.0, 0.3))
        _kill(children[0])
    codes = [end(child) for child in children]
    counts["of two at once"] += sum(code != 0 for code in codes)
    return codes


def _one(run: Identified, results: Path, rng: random.Random, kill: bool, counts: Counter) -> list[int]:
    if not kill:
        return [end(train(run, results, EVERY))]
    moment, work = rng.choice(MOMENTS), results / "work" / run.name()
    if moment == "call":
        fatal = rng.choice((rng.randrange(60), rng.randrange(250)))
        code = end(train(run, results, EVERY, lambda: die_at(fatal)))
        counts["in place of a call"] += code != 0
        return [code]
    manifests = _manifests(work)

    def come() -> bool:
        if moment == "checkpoint":
            return bool(_manifests(work) - manifests)
        if moment == "seal":
            return any(Store(results).path.glob(f"{run.digest()}/*"))  # also one that is being written
        return True

    child = train(run, results, EVERY)
    while not come() and not _ended(child):
        time.sleep(0.001)
    time.sleep(rng.uniform(0.0, {"time": 0.3, "checkpoint": 0.03, "seal": 0.012}[moment]))
    _kill(child)
    code = end(child)
    counts[f"at {'any' if moment == 'time' else 'a'} {moment}"] += code != 0
    return [code]


def _ended(child: int) -> bool:
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _kill(child: int) -> None:
    os.kill(child, signal.SIGKILL)  # a zombie until `end`: its number is nobody else's


def _manifests(work: Path) -> set[Path]:
    try:
        return set(work.glob("checkpoints/manifest-*.json"))
    except FileNotFoundError:  # the run is finished, and its folder goes at this moment
        return set()
