"""What runs keep in memory and on disk: `python -m benchmarks.memory [--steps N]`.

Prints the time and size of checkpoints while an Atari replay of `--steps` steps (default: a million) fills, with the
process's peak resident memory, and then the bytes per stored step of each kind of memory at the papers' shapes.
"""

import argparse
import resource
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

ALGORITHMS = ("dqn_nature", "prioritized_rank", "prioritized_proportional", "rainbow", "apex", "drqn", "r2d2", "a2c",
              "impala_shallow", "dqn_minatar_sn", "r2d2_minatar")  # fmt: skip
KEPT = 20_000  # steps of a memory whose bytes are counted
CHECKPOINTS = 32  # while the replay fills


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--steps", type=int, default=1_000_000)
    steps = parser.parse_args().steps
    filled(steps)  # first: memory that was once used counts
    print(f"\n{'memory of':26} bytes per step")
    for name in ALGORITHMS:
        print(f"{name:26} {per_step(name):14,.0f}")


def parts(name: str, steps: int) -> Any:
    """The parts of a run of an algorithm with a memory of so many steps, in one process."""
    from agents.build import build
    from agents.spec.run import Spec
    from workflow.config import Project
    from workflow.overlay import merge

    algorithm = Project(Path(__file__).resolve().parents[1]).algorithm(name)
    game = {"atari": "pong", "minatar": "breakout"}[algorithm.spec["environment"]["suite"]]
    changes = {
        "environment": {"game": game, "streams": min(4, algorithm.spec["environment"]["streams"])},
        "memory": {"capacity_steps": steps},
        "executor": {"kind": "inline", "lags_updates": [0]},
    }
    tree = merge(algorithm.spec, changes, algorithm.alternatives)
    tree["learning"]["batch"] = min(4, tree["learning"]["batch"])
    fixed = {"version": 1, "seed": 0, "budget_frames": 10, "device": "cpu", "threads": 1}
    return build(Spec.model_validate(tree | fixed))


def per_step(name: str) -> float:
    """Bytes of a memory's arrays, and of what its selector keeps, for each step that it holds."""
    memory = parts(name, KEPT).memory
    seen: dict[int, int] = {}
    _arrays(memory.store, seen)
    _arrays(memory.select, seen)
    return sum(seen.values()) / (memory.store.rows * memory.store.streams) * memory.copies


def _arrays(value: Any, seen: dict[int, int]) -> None:
    """The bytes of all arrays that an object of ours holds, by their memory's address."""
    if isinstance(value, np.ndarray):
        base = value
        while isinstance(base.base, np.ndarray):
            base = base.base
        seen[base.__array_interface__["data"][0]] = base.nbytes
    elif isinstance(value, dict):
        for each in value.values():
            _arrays(each, seen)
    elif isinstance(value, list | tuple):
        for each in value:
            _arrays(each, seen)
    elif type(value).__module__.startswith("agents.memory"):
        for each in vars(value).values():
            _arrays(each, seen)


def filled(steps: int) -> None:
    """Fill DQN's Atari replay with screens of a random policy's size, checkpointing on the way."""
    from agents.run.checkpoint import Checkpoints
    from agents.step import Step

    folder, rng = Path(tempfile.mkdtemp()), np.random.default_rng(0)
    run = parts("dqn_nature", steps)
    checkpoints = Checkpoints(folder, {}, print)
    store = run.memory.store
    screens = rng.integers(0, 8, (64, 1, 1, 84, 84), dtype=np.uint8) * 30  # compress about as frames do
    one, none = np.ones(1, np.float32), np.zeros(1, bool)
    print(f"{'replay steps':>14} {'checkpoint s':>13} {'written MB':>11} {'on disk MB':>11} {'peak RSS GB':>12}")
    saved = 0
    for row in range(1, steps + 1):
        store.add(Step(screens[row % 64], np.zeros(1, np.int64), one, one, none, none))
        if row % (steps // CHECKPOINTS) == 0:
            before, began = _size(folder), time.perf_counter()
            oldest = max(0, store.count - store.rows)
            checkpoints.save({"parts": run.state_dict()}, {}, store.pieces(saved, store.count), oldest)
            took, saved = time.perf_counter() - began, store.count
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9  # of KiB
            size = _size(folder)
            print(f"{row:14,} {took:13.1f} {(size - before) / 1e6:11.0f} {size / 1e6:11.0f} {peak:12.2f}", flush=True)
    shutil.rmtree(folder)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


if __name__ == "__main__":
    main()
