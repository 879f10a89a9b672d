"""Small complete specs for tests, built from the shipped algorithm file."""

import copy
import functools
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agents.agent import Given, Learned
from agents.build import build
from agents.dqn_compiled import CompiledDQN
from agents.nets.network import Network
from agents.optim.step import GradientStep
from agents.spec.optimizer import SGD as SGDSpec
from agents.spec.run import Spec, model_of
from agents.step import ActorInput, Batch
from workflow.config import Algorithm, Project
from workflow.overlay import Alternatives, merge, nested

ROOT = Path(__file__).resolve().parents[2]
NORMAL = {  # changes that make runs with normal actions short
    "agent__unroll": 20,
    "agent__value_passes": 2,
    "network__policy": [8],
    "network__value": [8],
    "learning__target_every_frames": None,
}


def actor_input(obs: torch.Tensor) -> ActorInput:
    """What an agent sees at an episode's first rows."""
    size = len(obs)
    return ActorInput(obs, np.ones(size, bool), np.zeros(size, np.int64), np.zeros(size, np.float32), None)


def given(network: Network, actions: int, noise: torch.Generator | None = None, lr: float = 0.1) -> Given:
    """What an agent is made of, around a network of the test's own: plain gradient descent, copies at every update."""

    def step(net: torch.nn.Module) -> GradientStep:
        return GradientStep(SGDSpec(kind="sgd", lr=lr, momentum=0.0).make(net.parameters()), None, [])

    return Given(network, actions, noise or torch.Generator(), step, 1, 1, keep=(), frames=lambda: 0)


def without_step(agent, batch: Batch) -> Learned:
    """What an update would give, from an agent that can say so without taking its step."""
    found = agent.loss(batch)
    return found if isinstance(found, Learned) else found[1]


def fields(algorithm: str = "dqn_minatar_sn", **changes) -> dict[str, Any]:
    """The `spec` section of a shipped algorithm file, with what it extends; `changes` as in `spec`."""
    shipped = _shipped(algorithm)
    return _laid(copy.deepcopy(shipped.spec), changes, shipped.alternatives)


def has(tree: Any, dotted: str) -> bool:
    """Whether the tree has something at a dotted key. A part written as its kind alone has a `kind`."""
    for name in dotted.split("."):
        tree = {"kind": tree} if isinstance(tree, str) else tree
        if not isinstance(tree, dict) or name not in tree:
            return False
        tree = tree[name]
    return True


def _laid(tree: dict[str, Any], changes: dict[str, Any], alternatives: Alternatives) -> dict[str, Any]:
    """`changes`, dotted keys with `__` for the dot, laid on a tree; what chooses a part's kind comes first.

    A value of ... takes a key out of the changes.
    """
    wanted = {dotted.replace("__", "."): value for dotted, value in changes.items() if value is not ...}
    for dotted, value in sorted(wanted.items(), key=lambda item: item[0].removesuffix(".kind").count(".")):
        tree = merge(tree, nested(dotted, value), alternatives)
    return tree


@functools.cache
def _shipped(algorithm: str) -> Algorithm:
    return Project(ROOT).algorithm(algorithm)


def spec(
    algorithm: str = "dqn_minatar_sn", game: str = "breakout", seed: int = 0, budget: int = 3_000, **changes
) -> Spec:
    """A run of a few seconds; `changes` are dotted keys with `__` for the dot, and ... takes one out of them."""
    shipped = _shipped(algorithm)
    fixed = {"version": 1, "seed": seed, "budget_frames": budget, "device": "cpu", "threads": 1}
    small = {
        "exploration.warmup_frames": 200,
        "exploration.end_frames": 1_000,
        "learning.clock.start_frames": 200,
        "learning.target_every_frames": 400,
        "memory.capacity_steps": 1_000,
        "evaluation.every_frames": 1_000,
        "evaluation.episodes": 5,
        "evaluation.frames": None,
        "evaluation.streams": 2,
        "evaluation.cap_frames": 500,
        "record.learning_every_frames": 100,
        "record.bins": 20,
    }
    tree = copy.deepcopy(shipped.spec) | fixed
    tree["environment"]["game"] = game
    tree = _laid(tree, {dotted: value for dotted, value in small.items() if has(tree, dotted)}, shipped.alternatives)
    tree = _laid(tree, changes, shipped.alternatives)
    return model_of(tree).model_validate(tree)


@functools.cache
def warm() -> None:
    """Import what runs on MinAtar need, and compile it unless that was done before: once in a process."""
    build(spec())


def learned_from(agent: Any, batch: Batch) -> tuple[float, Learned, list[torch.Tensor]]:
    """The loss of a batch, what comes with it, and its gradients by the online parameters; no step is taken."""
    parameters = list(agent.online.parameters())
    if isinstance(agent, CompiledDQN):
        learned = agent.loss(batch)
        return learned.metrics["loss"], learned, [gradient.clone() for gradient in agent.gradients]
    loss, learned = agent.loss(batch)
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
    return loss.item(), learned, list(gradients)


def prioritized(kind: str, **changes: Any) -> dict[str, Any]:
    """`memory.select` of a prioritized memory; numbers of the other kind are left out.

    `beta` is (start, end, end_frames), a number where it stays the same, None: no weights.
    """
    shared = {"exponent": 1, "beta": (0.5, 0.5, 0), "normalise": "batch", "maximum": None, "stratified": False}
    own = {"proportional": {"epsilon": 0, "initial": "largest"}, "rank": {}}[kind]
    numbers = {key: changes.get(key, value) for key, value in (shared | own).items()}
    beta, normalise, weights = numbers.pop("beta"), numbers.pop("normalise"), {"kind": "none"}
    if isinstance(beta, tuple):
        weights = {
            "kind": "annealed",
            **dict(zip(("start", "end", "end_frames"), beta, strict=True)),
            "normalise": normalise,
        }
    elif beta is not None:
        weights = {"kind": "constant", "beta": beta, "normalise": normalise}
    return {"kind": kind, "weights": weights, **numbers}
