"""What training costs on this machine: CPU milliseconds of each algorithm's steps, as workflow/speeds.yaml holds them.

`python -m benchmarks.speeds [ALGORITHM …]` measures these algorithms (default: all) and prints their lines; with
`--write` it puts them into the file. Each is measured in a process of its own, inline and on one thread, in short
windows of which a quarter's bound counts, since other work on the machine only ever adds. The self-test of
workflow/cost.py runs before and after and scales the numbers to the machine that the file names. Best done on an
otherwise idle machine.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from workflow.config import Project
from workflow.cost import quartile, read_speeds, rows, selftest

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 3.0  # of CPU in each measurement
GAMES = {
    "minatar": "breakout", "atari": "breakout", "cartpole": "v0", "recall": "cue", "minigrid": "memory_s7",
    "cliffwalk": "blind", "corridor": "dueling", "digits": "imbalanced", "random_mdp": "garnet",
    "mujoco": "half_cheetah",
}  # fmt: skip
GIVEN = {"version": 1, "seed": 0, "device": "cpu", "threads": 1}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speeds", description=__doc__)
    parser.add_argument("algorithms", nargs="*")
    parser.add_argument("--write", action="store_true", help="into workflow/speeds.yaml")
    options = parser.parse_args()
    if len(options.algorithms) == 1 and not options.write:
        print(line(options.algorithms[0], measure(options.algorithms[0], read_speeds(ROOT).selftest)))
        return
    one_thread = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
    found = {}
    for name in options.algorithms or Project(ROOT).algorithm_names:
        command = [sys.executable, "-m", "benchmarks.speeds", name]
        done = subprocess.run(command, env=os.environ | one_thread, stdout=subprocess.PIPE, text=True, check=True)
        found[name] = done.stdout
        print(done.stdout, end="", flush=True)
    if options.write:
        path = ROOT / "workflow" / "speeds.yaml"
        head, _, former = path.read_text(encoding="utf-8").partition("algorithms:\n")
        kept = {text.split(":")[0].strip(): f"{text}\n" for text in former.splitlines()}
        lines = (text for _, text in sorted((kept | found).items()))
        path.write_text(f"{head}algorithms:\n{''.join(lines)}", encoding="utf-8")


def line(name: str, numbers: dict[str, float]) -> str:
    """The line of the file."""
    return f"  {name}: {{ {', '.join(f'{key}: {_plain(value)}' for key, value in numbers.items())} }}"


def _plain(value: float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{float(f'{value:.3g}'):g}"


def measure(name: str, reference: float) -> dict[str, float]:
    """The numbers of one algorithm; `reference`: seconds of the self-test on the machine that they are for."""
    tree = json.loads(json.dumps(Project(ROOT).algorithm(name).spec)) | GIVEN
    tree["environment"]["game"] = GAMES[tree["environment"]["suite"]]
    before = selftest()
    numbers = _training(tree) if "learning" in tree else _study(tree)
    slow = (before + selftest()) / 2 / reference
    times = ("turn", "stream", "update", "unit")
    return {key: value / slow if key in times else value for key, value in numbers.items()}


def _training(tree: dict) -> dict[str, float]:
    import numpy as np

    from agents.acting.actor import Actor
    from agents.acting.exploration import Constant
    from agents.agent import acting_networks
    from agents.arithmetic import settle
    from agents.envs.stream import make_streams
    from agents.run.checkpoint import Checkpoints
    from agents.run.loop import Run
    from agents.spec.network import Network
    from agents.spec.run import model_of

    settle(1)
    environment, select = tree["environment"], tree["memory"]["select"]["kind"]
    tree["executor"] = {"kind": "inline", "lags_updates": [0]}
    tree["memory"]["capacity_steps"] = min(tree["memory"]["capacity_steps"], 40_000)
    tree["record"]["probes"] = []
    if select not in ("fifo", "newest", "trajectories"):  # these learn from what was just seen
        environment["streams"] = min(environment["streams"], 8)
        steps = max(6_000 if select == "sequential" else 2_000, environment["streams"] * 200)
        tree["learning"]["clock"]["start_frames"] = steps * environment.get("repeat", 1)
    if "start_steps" in tree["memory"]["select"]:
        tree["memory"]["select"]["start_steps"] = 2_000
    if tree["exploration"]["kind"] == "linear":
        tree["exploration"] |= {"warmup_frames": 0, "end_frames": 0}
    spec = model_of(tree).model_validate(tree | {"budget_frames": 10**9})
    run = Run(spec, Checkpoints(Path(tempfile.mkdtemp()), {}, print))
    agent, device = run.parts.learner.agent, run.parts.device

    def playing(streams: int) -> float:
        stream = make_streams(spec.environment, streams, spec.evaluation.cap_frames, 0, "evaluation", 0)
        rng = np.random.default_rng(0)
        actor = Actor(agent, stream, spec.environment.stack, Constant(spec.evaluation.epsilon), rng, device)
        return _each(actor.step, SECONDS / 2)

    one, eight = playing(1), playing(8)
    stream = max(0.0, (eight - one) / 7)
    turn = max(0.0, one - stream)
    while run.parts.learner.updates < 5:
        run.iterate()
    windows: list[float] = []
    began = time.process_time()
    while time.process_time() - began < SECONDS or len(windows) < 5:
        updates, turns, start = run.parts.learner.updates, 0, time.process_time()
        while run.parts.learner.updates == updates or time.process_time() - start < 0.1:
            run.iterate()
            turns += 1
        spent = 1e3 * (time.process_time() - start) - turns * (turn + stream * spec.environment.streams)
        windows.append(max(0.0, spent) / (run.parts.learner.updates - updates))
    weights = sum(math.prod(p.shape) for net in acting_networks(agent).values() for p in net.parameters()) * 4e-6
    numbers = {"turn": turn, "stream": stream, "update": quartile(windows), "rows": rows(tree), "weights": weights}
    if not isinstance(spec.network, Network):
        return numbers
    own = {"noisy": spec.network.linear.kind != "plain", "dueling": spec.network.head.kind == "dueling"}
    return numbers | {part: there for part, there in own.items() if there}


def _study(tree: dict) -> dict[str, float]:
    from agents.run.offline import perform
    from agents.spec.run import model_of

    spec = model_of(tree).model_validate(tree | {"budget_frames": 2_000})
    return {"unit": _each(lambda: perform(spec, lambda done: None), SECONDS) / 2_000}


def _each(do: Callable[[], object], seconds: float) -> float:
    """CPU milliseconds of one call."""
    for _ in range(5):
        do()
    windows: list[float] = []
    began = time.process_time()
    while time.process_time() - began < seconds:
        start, n = time.process_time(), 0
        while time.process_time() - start < 0.05:
            do()
            n += 1
        windows.append(1e3 * (time.process_time() - start) / n)
    return quartile(windows)


if __name__ == "__main__":
    main()
