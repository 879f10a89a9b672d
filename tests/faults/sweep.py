"""A small sweep of runs, what an undisturbed one leaves, and what must be true of a disturbed one."""

import functools
import json
import re
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from agents import __main__ as program
from agents.run.record import LOGGED
from agents.run.store import Store, problem, read
from agents.spec.base import Identified
from tests.agents.specs import spec, warm
from tests.agents.test_studies import walk
from tests.kills import begin

TABLES = ("summary", *(name for name in LOGGED if name != "timing"))
BEGAN = re.compile(r": (?:started|resumed) at frame ([\d,]+) of|: started$", re.MULTILINE)
QUICK = {"evaluation__every_frames": 200, "evaluation__episodes": 2}
START = "learning__clock__start_frames"
ON_POLICY = {"learning__target_every_frames": None, "environment__streams": 4, "learning__batch": 4}


@functools.cache
def runs() -> list[Identified]:
    """One of each kind of learner, a policy that never learns, and a study: less than a second each."""
    found = [
        spec("dqn_minatar_sn", budget=600, **QUICK, **{START: 100}),
        spec(
            "dqn_minatar_sn",
            "asterix",
            seed=1,
            budget=400,
            **QUICK,
            **{START: 100},
            agent__selector="online",
            agent__n_step=3,
        ),
        spec("dqn_minatar_sn", "seaquest", budget=400, **QUICK, **{START: 10**9}),
        spec("a2c_minatar", "freeway", budget=300, **QUICK, **ON_POLICY),
        spec("rainbow_minatar", "space_invaders", budget=150, **QUICK, **{START: 100}),
        walk(62, seed=3),
    ]
    warm()  # what is imported and compiled here is there in each fork
    for run in found:
        for name in run.components():
            import_module(name.partition(":")[0])
    program.Code = functools.cache(program.Code)  # read once, not in each fork
    program.Training(found[0], program._options(["train", "--spec", "", "--results", ""]))
    return found


def train(run: Identified, results: Path, seconds: float, before: Callable[[], None] = lambda: None) -> int:
    """Start a training in a fork, its messages in <results>/logs/train/<run>.log; -> its process number."""
    log = log_of(results, run.name())
    log.parent.mkdir(parents=True, exist_ok=True)

    def work() -> int:
        before()
        words = ["train", "--spec", run.canonical(), "--results", str(results)]
        return program.main([*words, "--checkpoint-seconds", str(seconds)])

    return begin(work, log)


def log_of(results: Path, run: str) -> Path:
    return results / "logs" / "train" / f"{run}.log"


def folder_of(results: Path, run: Identified) -> Path | None:
    """Where the whole sealed result of a run lies, None if there is none. Damaged ones are what no kill may leave."""
    found = list(Store(results).results_of(run.digest()))
    wrong = [problem(folder, thorough=True) for folder in found]
    assert len(found) <= 1 and wrong in ([], [None]), f"{run.name()}: a kill left a result of which {wrong}"
    return found[0] if found else None


def outputs(folder: Path) -> dict[str, bytes | str]:
    """What a spec, the code and the libraries determine of a sealed result."""
    kept = {name: (folder / f"{name}.parquet").read_bytes() for name in TABLES}
    facts = json.loads((folder / "run.json").read_text())
    if (folder / "weights.pt").exists():
        kept["weights"] = (folder / "weights.pt").read_bytes()
    return kept | {name: str(facts.get(name)) for name in ("status", "frames", "updates", "parameters_sha256")}


class Watch:
    """What is known of the runs of one results folder, and every rule that was broken there."""

    def __init__(self, results: Path, runs: list[Identified], expected: dict[str, dict], counts: Counter):
        self.results, self.runs, self.expected, self.counts = results, runs, expected, counts
        self.sealed: dict[str, tuple] = {}  # run -> inode and time of its manifest, and how often it had begun
        self.broken: list[str] = []

    def look(self) -> None:
        """After a kill, an end, or at any time: what is sealed stays as it is, and is trained no more."""
        for run in self.runs:
            name = run.name()
            try:
                folder = folder_of(self.results, run)
            except AssertionError as error:
                self.broken.append(str(error))
                continue
            if folder is None:
                if name in self.sealed:
                    self.broken.append(f"{name}: its sealed result is gone")
                continue
            seen = (folder / "manifest.json").stat()
            now = (seen.st_ino, seen.st_mtime_ns, len(self.begun(name)))
            if self.sealed.setdefault(name, now) != now:
                self.broken.append(f"{name}: sealed, then trained or written again: {self.sealed[name]}, now {now}")

    def begun(self, name: str) -> list[int]:
        """The frames at which a run was begun or gone on with, in order."""
        log = log_of(self.results, name)
        found = BEGAN.findall(log.read_text(errors="replace")) if log.exists() else []
        return [int(frame.replace(",", "") or 0) for frame in found]

    def close(self) -> None:
        """All runs are finished: equal to undisturbed ones to the bit, nothing lost, doubled or left over."""
        self.look()
        for run in self.runs:
            name, folder = run.name(), folder_of(self.results, run)
            if folder is None:
                self.broken.append(f"{name}: not finished")
                continue
            if outputs(folder) != self.expected[name]:
                differ = {k for k, v in outputs(folder).items() if v != self.expected[name].get(k)}
                self.broken.append(f"{name}: differs from an undisturbed run in {sorted(differ)}")
            begun = self.begun(name)
            if begun != sorted(begun):
                self.broken.append(f"{name}: went on from {begun}, which loses progress that was saved")
            if not Store(self.results).is_shown(read(folder)):
                self.broken.append(f"{name}: finished, but not shown")
            self.counts["resumed"] += sum(frame > 0 for frame in begun)
            self.counts["runs"] += 1
        for place in ("store", "runs", "sealed", "work"):
            left = [p for p in (self.results / place).rglob("*") if ".part" in p.name or place == "work"]
            self.broken += [f"left over: {path}" for path in left[:3]]
        self.counts["sweeps"] += 1
