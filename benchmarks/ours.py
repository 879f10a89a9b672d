"""This repository's trainings as they run: acting, game, memory, update, recording of losses and norms.

Left out are evaluations and checkpoints, which come seldom. `r2d2` and `dreamer` are their updates alone (the draw from
memory, the update, the new priorities), for that is what they are compared with.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

from agents.arithmetic import settle
from agents.run.checkpoint import Checkpoints
from agents.run.loop import Run
from agents.spec.run import Spec, model_of
from benchmarks.suites import BATCH, EPSILON, MEMORY_STEPS, START_FRAMES, SUITES, TARGET_UPDATES
from workflow.config import Project
from workflow.overlay import merge

ROOT = Path(__file__).resolve().parents[1]
ATARI_STEPS = 10_000  # kept in memory on Atari, where one is 7 kB


def spec(suite: str, start_frames: int = START_FRAMES) -> Spec:
    """The suite's training on Breakout; learning starts after `start_frames`, where it waits at all."""
    name, every, _, changes, steps, _ = SUITES[suite]
    algorithm = Project(ROOT).algorithm(name)
    tree = merge(algorithm.spec, changes, algorithm.alternatives)
    tree["environment"]["game"] = "breakout"
    clock = tree["learning"]["clock"]
    if clock["kind"] == "frames":
        clock |= {"start_frames": start_frames, "every_frames": every}
    if tree["exploration"]["kind"] == "linear":
        tree["exploration"] |= {"start": EPSILON, "end": EPSILON, "warmup_frames": 0, "end_frames": 0}
    if steps:
        tree["learning"] |= {"batch": BATCH, "target_every_frames": TARGET_UPDATES * every}
        tree["memory"]["capacity_steps"] = ATARI_STEPS if suite == "atari" else MEMORY_STEPS
    return model_of(tree).model_validate(
        tree | {"version": 1, "seed": 0, "budget_frames": 1, "device": "cpu", "threads": 1}
    )


def training(suite: str, start_frames: int = START_FRAMES) -> Run:
    """The suite's training at frame 0, in a process settled as for a training."""
    settle(1)
    return Run(spec(suite, start_frames), Checkpoints(Path(tempfile.mkdtemp()), {}, print))


def make(suite: str, start_frames: int = START_FRAMES) -> Callable[[int], object]:
    """What does so many frames of the suite."""
    run = training(suite, start_frames)
    return updating(run) if suite in ("r2d2", "dreamer") else lambda frames: onward(run, frames)


def onward(run: Run, frames: int) -> None:
    """Train for `frames` more."""
    end = run.frame + frames
    while run.frame < end:
        run.iterate()


def updating(run: Run) -> Callable[[int], object]:
    """Updates from a filled memory, without acting; counted in the frames that they stand for."""
    memory, learner = run.parts.memory, run.parts.learner
    while not learner.updates:
        run.iterate()

    def advance(frames: int) -> None:
        for _ in range(frames // run.spec.learning.clock.every_frames):
            batch = memory.draw(run.frame)
            memory.update(batch.key, learner.learn(batch))

    return advance
