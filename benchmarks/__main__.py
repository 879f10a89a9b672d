"""Training speed against other programs: frames per CPU-second at one thread, as ratios of one alternating run.

`python -m benchmarks` starts every contestant of a suite in a process of its own and lets them take turns, one at a
time, in `--rounds` short windows. It prints the median speed, and the median ratio of ours to theirs in the same round:
a machine's speed drifts, ratios of neighbouring windows drift less. The suites and what is the same for all are in
benchmarks/suites.py; each contestant's file says what it does:
  ours      this repository, with its recording of losses and norms; settled as a training is (agents/arithmetic.py)
  ours dqn  ours on the suite `dqn`, beside the other value methods: what a method costs over plain DQN
  modules   the same update with plain torch modules and optimizers as they come, and nothing else around it
  sb3, tianshou, torchrl, pfrl   the packages of these names; left out where they are not installed
A peer may have a virtual environment of its own, `FOLDER/<name>` with `--peers FOLDER`. Peers get one thread, and
nothing else of ours.
"""

import argparse
import importlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from benchmarks.suites import CONTESTANTS, QUICK, SUITES, WARM_FRAMES

READY = "benchmark:"  # begins the lines a contestant's process means for us
FIND = "import importlib.util as u, sys; sys.exit(u.find_spec(sys.argv[1]) is None)"
Rounds = list[dict[str, float]]  # of each round: contestant -> frames per CPU-second


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, help="default 9, or 3 with --quick")
    parser.add_argument("--suites", nargs="+", choices=SUITES, help="default: all, or four of them with --quick")
    parser.add_argument("--quick", action="store_true", help="minutes instead of half an hour")
    parser.add_argument("--peers", type=Path, help="folder of virtual environments that are named as the peers")
    parser.add_argument("--one", nargs=2, metavar=("CONTESTANT", "SUITE"), help="one contestant, for the above")
    options = parser.parse_args()
    if options.one:
        serve(*options.one)
        return
    pythons = installed(options.peers)
    for suite in options.suites or (QUICK if options.quick else SUITES):
        rounds = measure(suite, pythons, options.rounds or (3 if options.quick else 9))
        print("\n".join(report(suite, rounds)), flush=True)


def installed(peers: Path | None) -> dict[str, str]:
    """Contestant -> the Python that it runs by; a line for each that is not installed."""
    found = {}
    for name, (_, _, package) in CONTESTANTS.items():
        own = peers / name / "bin" / "python" if peers else None
        python = str(own) if own and own.exists() else sys.executable
        if package and subprocess.run([python, "-c", FIND, package], check=False).returncode:
            print(f"{name}: left out, {package} is not installed")
            continue
        found[name] = python
    return found


def contestants(suite: str, names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Label -> contestant and suite of each that takes part, ours first."""
    found = {name: (name, suite) for name in names if suite in CONTESTANTS[name].suites}
    return found | {"ours dqn": ("ours", "dqn")} if SUITES[suite].relative else found


def measure(suite: str, pythons: dict[str, str], number: int) -> Rounds:
    """`number` rounds, every other one in reverse order. A peer that does not start is left out with a line."""
    with ExitStack() as stack:
        started = {
            label: stack.enter_context(Child(pythons[name], name, of))
            for label, (name, of) in contestants(suite, pythons).items()
        }  # all at once: they warm up beside each other
        children = {}
        for label, child in started.items():
            try:
                child.answer()
                children[label] = child
            except RuntimeError as error:
                if not CONTESTANTS[child.name].package:
                    raise
                print(f"{label}: left out of {suite}, {error}")
        labels = list(children)
        return [{label: children[label].window() for label in labels[:: 1 if i % 2 else -1]} for i in range(number)]


def report(suite: str, rounds: Rounds) -> list[str]:
    """The lines that are printed: each contestant's median speed, the median ratio to it and the ratios' range."""
    lines = [f"\n{suite}: frames per CPU-second, median of {len(rounds)}; ratio: ours / theirs in the same round"]
    for label in sorted(rounds[0], key=list(("ours", "ours dqn", *CONTESTANTS)).index):
        ratios = sorted(each["ours"] / each[label] for each in rounds)
        speed, middle = statistics.median(each[label] for each in rounds), statistics.median(ratios)
        lines.append(f"  {label:8} {speed:8.0f}   {middle:5.2f}   ({ratios[0]:.2f} to {ratios[-1]:.2f})")
    return lines


def serve(name: str, suite: str) -> None:
    """Prepare, warm up, then do one window for every line of input and answer with its frames per CPU-second."""
    module, frames = CONTESTANTS[name].module, SUITES[suite].window
    import torch

    torch.set_num_threads(1)
    advance = importlib.import_module(module).make(suite)
    advance(WARM_FRAMES)
    print(READY, flush=True)
    for _ in sys.stdin:
        began = time.process_time()
        advance(frames)
        print(f"{READY} {frames / (time.process_time() - began)}", flush=True)


class Child:
    """A contestant in its own process; it ends when its input does. What it writes as errors is kept for a line."""

    def __init__(self, python: str, name: str, suite: str):
        self.name, self.errors = name, tempfile.TemporaryFile("w+")
        command = [python, "-m", "benchmarks", "--one", name, suite]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.errors}
        self.process = subprocess.Popen(command, text=True, **pipes)

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *error: object) -> None:
        self.process.__exit__(None, None, None)
        self.errors.close()

    def window(self) -> float:
        """Let it do one window; -> its frames per CPU-second."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.answer().split()[1])

    def answer(self) -> str:
        """The next line meant for us; programs print lines of their own. RuntimeError when the process has died."""
        for line in self.process.stdout:
            if line.startswith(READY):
                return line
        self.errors.seek(0)
        words = self.errors.read().strip().splitlines()
        raise RuntimeError(words[-1] if words else f"it ended without a word, by code {self.process.wait()}")


if __name__ == "__main__":
    main()
