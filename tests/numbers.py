"""Whether every number of every shipped algorithm does something: `python -m tests.numbers [ALGORITHM …]`.

Each algorithm is trained for a few hundred frames, small enough that all its clocks come round, and again for each of
its numbers with that number changed. One whose change leaves all bytes as they were is dead, unless SILENT says why;
one that may have no other value, the rest being as it is, is not.
tests/agents/test_numbers.py does this once for each number of each kind of part.
"""

import argparse
import hashlib
import itertools
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agents.agent import acting_state
from agents.arithmetic import settle
from agents.run.checkpoint import Checkpoints
from agents.run.heartbeat import Heartbeat
from agents.run.loop import Run, train
from agents.run.offline import perform
from agents.spec.network import Network
from agents.spec.run import Spec, model_of
from tests.agents.specs import has
from workflow.config import Project
from workflow.overlay import merge, nested

ROOT = Path(__file__).resolve().parents[1]
GAMES = {
    "minatar": "asterix", "atari": "breakout", "cartpole": "v1", "recall": "cue", "minigrid": "memory_s7",
    "cliffwalk": "blind", "corridor": "dueling", "digits": "imbalanced", "random_mdp": "garnet", "mujoco": "hopper",
}  # fmt: skip

POLICIES = ("actor_critic", "trpo", "acer", "gaussian")  # that learn from unrolls, and sample

# Dotted key -> where changing it alone may change nothing, and why.
SILENT: dict[str, tuple[Callable[[Spec], bool], str]] = {
    "evaluation.noise": (
        lambda spec: isinstance(spec.network, Network) and spec.network.linear.kind == "plain",
        "there is no noise to keep or leave out",
    ),
    "memory.capacity_steps": (
        lambda spec: spec.memory.select.kind in ("fifo", "newest"),
        "what was just made is learned from, and a memory that is too short for it is refused",
    ),
    "environment.clip_reward": (
        lambda spec: spec.environment.game == "breakout",
        "the bricks that are hit so soon are worth 1",
    ),
    "executor": (lambda spec: True, "processes never give the same bits twice: trained in turns here"),
}

# Where an algorithm has them: clocks that come round within the budget, networks that take no time.
SMALL: dict[str, Any] = {
    "network.units": [8],
    "network.core.units": 8,
    "network.core.before": [8],
    "network.deter": 8,
    "network.hidden": 8,
    "network.latent.variables": 3,
    "network.latent.classes": 4,
    "network.heads": {"reward": [8], "discount": [8], "actor": [8], "critic": [8]},
    "agent.starts": 8,
    "agent.horizon": 3,
    "agent.unroll": 5,
    "memory.select.start_steps": 100,
    "agent.minibatch": 4,
    "agent.fisher_every": 2,
    "agent.slack": 0.5,
    "agent.sequence": 6,
    "agent.burn_in": 3,
    "agent.period": 3,
    "exploration.warmup_frames": 40,
    "exploration.end_frames": 200,
    "memory.capacity_steps": 128,
    "memory.select.weights.end_frames": 250,
    "learning.batch": 4,
    "network.policy": [8],
    "network.value": [8],
    "agent.value_passes": 3,
    "agent.step.optimizer.inverse_every": 3,
    "agent.step.fisher_every": 2,
    "optimizer.inverse_every": 3,
    "optimizer.cold.updates": 4,
    "learning.clock.start_frames": 100,
    "learning.clock.every_frames": 8,
    "learning.target_every_frames": 40,
    "learning.lr_decay_frames": 400,
    "environment.cap_frames": 60,
    "environment.reseed_every_steps": 70,
    "environment.streams": 2,
    "evaluation.every_frames": 400,  # at the end: a run that is seen to differ before stops before
    "evaluation.epsilon": 0.1,
    "evaluation.streams": 1,
    "evaluation.episodes": 3,
    "evaluation.frames": None,
    "evaluation.cap_frames": 150,
    "record.learning_every_frames": 50,
    "record.bins": 5,
}


def tree_of(project: Project, name: str) -> dict[str, Any]:
    """An algorithm's spec at a size that trains in half a second."""
    algorithm = project.algorithm(name)
    tree = merge(algorithm.spec, nested("environment.game", GAMES[algorithm.spec["environment"]["suite"]]))
    fixed = {"version": 1, "seed": 0, "budget_frames": 400, "device": "cpu", "threads": 1}
    tree = model_of(tree).model_validate(tree | fixed).model_dump(mode="json")
    if "learning" not in tree:
        return tree
    changes = {key: value for key, value in SMALL.items() if has(tree, key) and _set(tree, key)}
    agent, repeat = tree["agent"]["kind"], tree["environment"].get("repeat", 1)
    if repeat > 1:  # an emulator takes as long to start as for a thousand frames
        changes |= {"evaluation.episodes": 2, "evaluation.cap_frames": 300}
    if tree["network"].get("convolutions"):
        changes["network.convolutions"] = [[2, *each[1:]] for each in tree["network"]["convolutions"]]
    if tree["exploration"]["kind"] == "per_episode" or agent == "ac_lambda":
        changes["environment.streams"] = 1
    if tree["memory"]["select"]["kind"] == "newest":
        changes |= {
            "learning.batch": 1,
            "environment.streams": 1,
            "learning.clock.every_frames": 1,
            "learning.clock.start_frames": 4,
        }
    if agent in POLICIES:
        del changes["evaluation.epsilon"]
    corrects = agent == "actor_critic" and tree["agent"]["correction"]["kind"] not in ("none", "gae")
    lags = [1, 2] if corrects else [0]  # without, nothing is to be corrected
    changes["executor"] = {"kind": "inline", "lags_updates": lags}
    if agent == "gaussian" and tree["agent"]["step"]["kind"] == "searched":
        changes["agent.step.slack"] = 0.5
    if agent in POLICIES:
        changes["learning.batch"] = changes["environment.streams"]
    if agent == "dreamer":
        changes |= small_dreams(tree)
    for key, value in changes.items():
        frames = key.endswith("frames") and isinstance(value, int)
        tree = merge(tree, nested(key, value * repeat if frames else value), algorithm.alternatives)
    return tree | fixed | {"budget_frames": 400 * repeat}


def small_dreams(tree: dict[str, Any]) -> dict[str, Any]:
    """What makes the networks of a world model small, by the decoder that it has, and what makes each number count."""
    dense = tree["network"]["decoder"]["kind"] == "dense"
    decoder = {"units": [8]} if dense else {"channels": 8, "convolutions": [[2, 5, 2], [2, 5, 2], [2, 6, 2]]}
    free = {"agent.kl.free_nats": 0.01} if tree["agent"]["kl"]["free_nats"] else {}
    return {f"network.decoder.{key}": value for key, value in decoder.items()} | free


def _set(tree: dict[str, Any], dotted: str) -> bool:
    for name in dotted.split("."):
        tree = tree[name]
    return tree is not None or dotted.startswith("evaluation.")


def numbers(tree: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], bool | int | float]]:
    """(path, value) of every number of a run that its config gives, switches too."""
    if isinstance(tree, bool | int | float):
        yield at, tree
    elif isinstance(tree, dict | list):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            if at or key not in ("version", "seed", "budget_frames", "threads"):
                yield from numbers(value, (*at, key))


def others(value: bool | int | float) -> list[Any]:
    """What the number may be instead, the likeliest to be valid and to be noticed first."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [n for n in (value + 1, value - 1, 2 * value, value // 2, 1, 0, value + 40) if n != value]
    return [x for x in (value / 2, value * 2, value + 0.25, 0.5, value * 1e-3, 0.0, 1.0) if x != value]


def replaced(tree: Any, at: tuple[Any, ...], value: Any) -> Any:
    if not at:
        return value
    new = dict(tree) if isinstance(tree, dict) else list(tree)
    new[at[0]] = replaced(tree[at[0]], at[1:], value)
    return new


def parsed(tree: dict[str, Any]) -> Any:
    """The spec, or None where it is refused."""
    try:
        return model_of(tree).model_validate(tree)
    except ValidationError:
        return None


def trained(spec: Any, before: list[str] | None = None) -> list[str]:
    """SHA-256 of all that a run leaves, and of what it has come to on its way, every 50 questions whether to stop.

    A run that has left the way of another one, `before`, stops at that.
    """
    if not isinstance(spec, Spec):
        product = perform(spec, lambda done: None)
        return [digest(product.tables["summary"].to_pylist())]
    found: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        run = Run(spec, Checkpoints(Path(folder) / "checkpoints", {}, lambda text: None))
        run.evaluated = int(spec.environment.suite == "atari")  # for an untrained agent its emulators take longest
        asked = itertools.count()

        def stop() -> bool:
            if next(asked) % 50 == 0:
                found.append(digest(rows(run.recorder.tables()), acting_state(run.parts.learner.agent)))
            return before is not None and found != before[: len(found)]

        heartbeat = Heartbeat(Path(folder) / "heartbeat.json", "numbers", spec.budget_frames, 0)
        outcome = train(run, heartbeat, stop, lambda: None, 1e9)
        if outcome.status == "preempted":
            return found
        product = run.product(outcome)
    return [*found, digest(rows(product.tables), product.facts["parameters_sha256"])]


def rows(tables: dict[str, Any]) -> dict[str, list]:
    return {name: table.to_pylist() for name, table in tables.items() if name != "timing"}


def digest(*what: Any) -> str:
    return hashlib.sha256(json.dumps(what, default=lambda tensor: tensor.tolist()).encode()).hexdigest()


def dead(tree: dict[str, Any], wanted: list[tuple[Any, ...]] | None = None) -> list[str]:
    """The dotted keys of numbers (default: all) that change nothing and are not SILENT."""
    spec = model_of(tree).model_validate(tree)
    before, found = trained(spec), []
    for at, value in numbers(spec.model_dump(mode="json")):
        key = ".".join(map(str, at))
        quiet = (where for name, (where, _) in SILENT.items() if f"{key}.".startswith(f"{name}."))
        if (wanted is not None and at not in wanted) or any(isinstance(spec, Spec) and where(spec) for where in quiet):
            continue
        changed = [parsed(replaced(spec.model_dump(mode="json"), at, other)) for other in others(value)]
        valid = [other for other in changed if other is not None]
        if valid and all(trained(other, before) == before for other in valid):
            found.append(key)
    return found


def main() -> int:
    project = Project(ROOT)
    parser = argparse.ArgumentParser(prog="python -m tests.numbers", description=__doc__)
    parser.add_argument("algorithms", nargs="*")
    names = parser.parse_args().algorithms or project.algorithm_names
    settle(1)
    wrong = 0
    for name in names:
        found = dead(tree_of(project, name))
        wrong += len(found)
        print(f"{name}: {', '.join(found) or 'every number counts'}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
