"""What an agent is to all that stands around it: something that acts, and learns from batches by itself.

An agent owns its update. `learn` takes as many gradient steps as its paper says, by as many optimizers, and moves its
own target networks; nothing outside its file reads its networks, but by these names.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import nn

from agents.optim.step import GradientStep
from agents.step import ActorInput, ActorOutput, Batch, SequenceSpec


class Learned(NamedTuple):
    """What comes of one update."""

    priorities: torch.Tensor  # [B], without importance weights
    metrics: dict[str, torch.Tensor | float]  # scalars to record


class Agent(Protocol):
    """Its state is all that it remembers: networks, optimizers, noise, and whatever it carries between updates.

    `act` reaches networks by way of `networks` alone: where parameters lag, a copy of the agent acts with others.
    """

    sequence_spec: SequenceSpec  # what `learn` wants to draw from the memory
    networks: Mapping[str, nn.Module]  # all that it learns and follows, by name
    steps: Mapping[str, GradientStep]  # what moves their parameters
    noise: torch.Generator  # of noisy layers and quantile levels
    acting: tuple[str, ...]  # names of those that `act` needs: what actors fetch, and what a finished run leaves

    def act(self, inputs: ActorInput, epsilon: float | np.ndarray, rng: np.random.Generator) -> ActorOutput: ...
    def learn(self, batch: Batch) -> Learned: ...
    def outputs(self, obs: torch.Tensor) -> tuple[torch.Tensor, ...]: ...  # of [B, S * C, H, W] at episodes' first rows
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Given(NamedTuple):
    """What agents are made of, beside their spec."""

    online: Any  # the networks as the spec describes them, mostly a Network; initialised, on their device
    actions: int
    noise: torch.Generator  # of noisy layers and quantile levels
    step: Callable[..., GradientStep]  # of a network (and a rate, else the optimizer's): what moves its parameters
    target_every: int | None  # updates between copies to a target network; None: there is none, or by frames
    target_every_frames: int | None  # the same in frames
    keep: tuple[str, ...]  # extras that the memory wants to be kept with each step
    frames: Callable[[], int]  # of training so far, which schedules go by


def acting_networks(agent: Agent) -> dict[str, nn.Module]:
    """Those that it acts with, by name."""
    return {name: agent.networks[name] for name in agent.acting}


def acting_copy(agent: Agent) -> Any:
    """The same agent on copies of the networks that it acts with; it is only to act."""
    twin = copy.copy(agent)
    copies = {name: copy.deepcopy(net).requires_grad_(False) for name, net in acting_networks(agent).items()}
    twin.networks = {**agent.networks, **copies}
    return twin


def acting_state(agent: Agent) -> dict[str, torch.Tensor]:
    """All tensors of the networks that it acts with: under their own names where it is one network."""
    networks = acting_networks(agent)
    if len(networks) == 1:
        return next(iter(networks.values())).state_dict()
    return {f"{name}.{key}": tensor for name, net in networks.items() for key, tensor in net.state_dict().items()}


def load_acting(agent: Agent, state: Mapping[str, torch.Tensor]) -> None:
    """Copy what `acting_state` gave into the networks that it acts with."""
    with torch.no_grad():
        for name, tensor in acting_state(agent).items():
            tensor.copy_(state[name])


def saved(agent: Agent) -> dict[str, Any]:
    """The state that most agents consist of."""
    return {
        "networks": {name: net.state_dict() for name, net in agent.networks.items()},
        "steps": {name: step.state_dict() for name, step in agent.steps.items()},
        "noise": agent.noise.get_state(),
    }


def restore(agent: Agent, state: dict[str, Any]) -> None:
    """Put back what `saved` gave."""
    for name, net in agent.networks.items():
        net.load_state_dict(state["networks"][name])
    for name, step in agent.steps.items():
        step.load_state_dict(state["steps"][name])
    agent.noise.set_state(state["noise"])
