"""Files of a store and of checkpoints with a bit flipped, cut, emptied or removed: each must be noticed or harmless."""

import json
import os
import random
import shutil
import signal
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from agents.run import attempts, lease
from agents.run.checkpoint import Checkpoints, _pack
from agents.run.files import sha256
from agents.run.store import Store, problem
from agents.spec.base import Identified
from tests.faults.sweep import folder_of, log_of, outputs, runs, train
from tests.kills import DAMAGES, damage, end

PROGRAM = 40  # one in so many is also given to the real program


def campaign(folder: Path, count: int, rng: random.Random, expected: dict[str, dict], counts: Counter) -> list[str]:
    """Damage `count` files, half of them of the results in <folder>/calm, half of checkpoints; -> broken rules."""
    broken: list[str] = []
    works = [_interrupted(run, folder / "half") for run in runs()[:2] + runs()[3:4]] if count else []
    for number in range(count):
        if number % 2:
            broken += _of_store(rng.choice(runs()), folder, rng, expected, counts, number % PROGRAM == 1)
        else:
            broken += _of_checkpoint(rng.choice(works), folder, rng, expected, counts, number % PROGRAM == 0)
        counts["damages"] += 1
        if len(broken) > 5:
            break
    return broken


def _of_store(
    run: Identified, folder: Path, rng: random.Random, expected: dict[str, dict], counts: Counter, program: bool
) -> list[str]:
    good = folder_of(folder / "calm", run)
    results = folder / "damaged"
    bad = results / "store" / good.parent.name / good.name
    shutil.copytree(good, bad, copy_function=shutil.copy2)
    name, how, keep_time = rng.choice(os.listdir(good)), rng.choice(DAMAGES), rng.random() < 0.3
    damage(bad / name, how, rng, keep_time)
    what, broken = f"{run.name()}: {name} of the store, {how}", []
    if problem(bad, thorough=True) is None:
        broken.append(f"{what}: not noticed")
    if problem(bad) is None and not (keep_time and how == "flip"):
        broken.append(f"{what}: not noticed at a quick look")
    if program and not broken:
        if code := end(train(run, results, 1e9)):
            broken.append(f"{what}: the next start ended with {code}")
        elif problem(bad, thorough=True) or outputs(bad) != expected[run.name()]:
            broken.append(f"{what}: not made again")
        counts["of these given to the program"] += 1
    shutil.rmtree(results)
    return broken


class Interrupted(NamedTuple):
    """The working folder of a run that was killed with two checkpoints or more.

    `named`: the files of its newest and of its previous checkpoint; `good`: checksums of what these two hold, and None.
    """

    run: Identified
    work: Path
    identity: dict
    named: list[set[str]]
    good: list[str | None]


def _interrupted(run: Identified, results: Path) -> Interrupted:
    work = results / "work" / run.name()
    child = train(run, results, 0.05)
    while len(list(work.glob("checkpoints/manifest-*.json"))) < 2:
        assert os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None, log_of(results, run.name())
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    end(child)
    manifests = sorted(work.glob("checkpoints/manifest-*.json"), key=lambda path: -int(path.stem[9:]))[:2]
    bodies = [json.loads(path.read_text()) for path in manifests]
    identity, good = bodies[0]["identity"], []
    copy = results / "copy" / run.name()
    shutil.copytree(work, copy)
    for path in (*manifests, None):
        good.append(_load(copy, identity)[0])
        if path:
            (copy / "checkpoints" / path.name).unlink()
    assert None not in good[:2] and good[2] is None
    named = [{path.name, *body["sha256"]} for path, body in zip(manifests, bodies, strict=True)]
    return Interrupted(run, work, identity, named, good)


def _load(work: Path, identity: dict) -> tuple[str | None, list[str]]:
    """A checksum of all that the newest usable checkpoint of a folder holds, and what was said."""
    said: list[str] = []
    checkpoints = Checkpoints(work / "checkpoints", identity, said.append)
    saved = checkpoints.load()
    if saved is None:
        return None, said
    tables = {name: [t.to_pylist() for t in checkpoints.history(name)] for name in checkpoints._parts}
    return sha256(_pack([saved.state, list(saved.segments)]) + repr(tables).encode()), said


def _of_checkpoint(
    interrupted: Interrupted,
    folder: Path,
    rng: random.Random,
    expected: dict[str, dict],
    counts: Counter,
    program: bool,
) -> list[str]:
    run, work, identity, named, good = interrupted
    results = folder / "damaged"
    copy = results / "work" / run.name()
    shutil.copytree(work, copy)
    path = rng.choice(sorted(p for p in copy.rglob("*") if p.is_file() and p.stat().st_size))
    how = rng.choice(DAMAGES)
    damage(path, how, rng)
    what, broken = f"{run.name()}: {path.relative_to(copy)}, {how}", []
    found, said = _load(copy, identity)
    # Usable is the newest checkpoint that does not name the file.
    wanted = good[next((n for n, names in enumerate(named) if path.name not in names), 2)]
    if found != wanted:
        broken.append(f"{what}: not the newest whole checkpoint is used: {said}")
    if path.name in named[0] and not said and not (how == "remove" and path.name.startswith("manifest")):
        broken.append(f"{what}: nothing was said")
    attempts.Attempts(copy)
    lease.living(copy / "lease.json")
    if program and not broken:
        if path.name == "lease.json":
            (copy / "lease.json").unlink(missing_ok=True)  # else it is waited for, as for any whose owner is unknown
        if code := end(train(run, results, 1e9)):
            tail = log_of(results, run.name()).read_text(errors="replace")[-600:]
            broken.append(f"{what}: the next start ended with {code}: {tail}")
        elif outputs(folder_of(results, run)) != expected[run.name()]:
            broken.append(f"{what}: the run ends differently")
        elif Store(results).codes(run.digest()) == []:
            broken.append(f"{what}: not sealed")
        counts["of these given to the program"] += 1
    shutil.rmtree(results)
    return broken
