"""Small complete specs for tests, built from the shipped algorithm file."""

import copy
import functools
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agents.agent import Given, Learned
from agents.build import build
from agents.nets.network import Network
from agents.optim.sgd import SGD
from agents.optim.step import GradientStep
from agents.spec import Spec
from agents.spec.optimizer import SGD as SGDSpec
from agents.step import ActorInput, Batch
from workflow.config import Project

ROOT = Path(__file__).resolve().parents[2]


def actor_input(obs: torch.Tensor) -> ActorInput:
    """What an agent sees at an episode's first rows."""
    size = len(obs)
    return ActorInput(obs, np.ones(size, bool), np.zeros(size, np.int64), np.zeros(size, np.float32), None)


def given(network: Network, actions: int, noise: torch.Generator | None = None, lr: float = 0.1) -> Given:
    """What an agent is made of, around a network of the test's own: plain gradient descent, copies at every update."""

    def step(net: torch.nn.Module) -> GradientStep:
        return GradientStep(SGD(net.parameters(), SGDSpec(kind="sgd", lr=lr, momentum=0.0)), None, [])

    return Given(network, actions, noise or torch.Generator(), step, 1)


def without_step(agent, batch: Batch) -> Learned:
    """What an update would give, from an agent that can say so without taking its step."""
    found = agent.loss(batch)
    return found if isinstance(found, Learned) else found[1]


def fields(algorithm: str = "dqn_minatar_sn") -> dict[str, Any]:
    """The `spec` section of a shipped algorithm file, with what it extends."""
    return copy.deepcopy(_shipped(algorithm))


@functools.cache
def _shipped(algorithm: str) -> dict[str, Any]:
    return Project(ROOT).algorithm(algorithm).spec


def spec(
    algorithm: str = "dqn_minatar_sn", game: str = "breakout", seed: int = 0, budget: int = 3_000, **changes
) -> Spec:
    """A run of a few seconds; `changes` are dotted keys with `__` for the dot."""
    tree = fields(algorithm)
    tree["environment"]["game"] = game
    tree |= {"version": 1, "seed": seed, "budget_frames": budget, "device": "cpu", "threads": 1}
    if tree["exploration"]["kind"] == "linear":
        tree["exploration"] |= {"warmup_frames": 200, "end_frames": 1_000}
    tree["learning"] |= {"start_frames": 200, "target_every_frames": 400}
    tree["memory"]["capacity_steps"] = 1_000
    tree["evaluation"] |= {
        "every_frames": 1_000,
        "episodes": 5,
        "frames": None,
        "streams": 2,
        "cap_frames": 500,
    }
    tree["record"] |= {"learning_every_frames": 100, "bins": 20}
    for dotted, value in changes.items():
        *path, leaf = dotted.split("__")
        branch = tree
        for name in path:
            branch = branch[name]
        branch[leaf] = value
    return Spec.model_validate(tree)


@functools.cache
def warm() -> None:
    """Import what runs on MinAtar need, and compile it unless that was done before: once in a process."""
    build(spec())
