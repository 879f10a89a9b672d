"""Executors stand between actor and agent: they say which parameters act, and count how old those are.

`Inline` is the deterministic form of what distributed actors do by accident: their parameters are those of some
updates ago, fetched when an unroll starts (Espeholt et al. 2018, sections 3 and E.1).
"""

import copy
from typing import Any, NamedTuple

import numpy as np
import torch

from agents.acting.actor import Actor
from agents.learner import Agent
from agents.rng import generator
from agents.spec import Spec
from agents.spec.components import component
from agents.spec.executor import Inline as InlineSpec
from agents.step import ActorInput, ActorOutput


class Group(NamedTuple):
    """Streams that act with parameters of the same age."""

    lag: int  # updates
    streams: np.ndarray  # their numbers
    agent: Agent  # acts with its own copy of the network


class Inline:
    """Acts for the streams in this process; `updated` is to be called after every update.

    Without lags the agent itself acts, to the bit as if nothing stood in between. With them a ring of the newest
    parameters is kept, and each stream acts with those of its lag, from the first row of an unroll to its last one;
    before there are so many updates, with the initial ones. Agents that ask for the extra `version` get the number of
    updates behind the parameters that acted.
    """

    def __init__(self, spec: InlineSpec, agent: Agent, streams: int):
        self.agent, self.unroll = agent, agent.sequence_spec.window
        self.updates = self.rows = 0
        lags = np.resize(spec.lags_updates, streams)
        self._versioned = "version" in agent.sequence_spec.extras
        self.groups = [Group(int(lag), np.flatnonzero(lags == lag), _acting(agent)) for lag in np.unique(lags)]
        if not lags.any():
            self.groups = []
        self._versions = [0] * len(self.groups)  # of the parameters that act now
        self._longest = int(lags.max())
        self._ring = [_parameters(agent)] if self.groups else []  # of the updates up to self.updates, oldest first

    def ready(self, seconds: float) -> bool:
        """Whether a row can be had now; distributed executors wait up to `seconds` for one."""
        return True

    def readings(self) -> dict[str, float]:
        """Metrics since the last call."""
        return {}

    def facts(self) -> dict[str, Any]:
        """What was measured by the wall clock, for run.json."""
        return {}

    def close(self) -> None:
        """End what runs beside this process."""

    @property
    def online(self) -> torch.nn.Module:
        return self.agent.online

    def updated(self) -> None:
        """Note the parameters after an update."""
        self.updates += 1
        if self.groups:
            self._ring.append(_parameters(self.agent))
            del self._ring[: max(0, len(self._ring) - self._longest - 1)]

    def act(self, inputs: ActorInput, epsilon: float | np.ndarray, rng: np.random.Generator) -> ActorOutput:
        """As the agent's own `act`; the state is a list, one for each group, where parameters lag."""
        begins = self.rows % self.unroll == 0
        self.rows += 1
        if not self.groups:
            return self._mark(self.agent.act(inputs, epsilon, rng), np.full(len(inputs.obs), self.updates))
        if begins:
            self._fetch()
        states = inputs.state or [None] * len(self.groups)
        outputs = []
        for group, state in zip(self.groups, states, strict=True):
            part = ActorInput(*(field[group.streams] for field in inputs[:-1]), state)
            chance = epsilon[group.streams] if np.ndim(epsilon) else epsilon
            outputs.append(group.agent.act(part, chance, rng))
        order = np.argsort(np.concatenate([group.streams for group in self.groups]))
        action = np.concatenate([each.action for each in outputs])[order]
        extras = {name: np.concatenate([each.extras[name] for each in outputs])[order] for name in outputs[0].extras}
        version = np.repeat(self._versions, [len(group.streams) for group in self.groups])[order]
        return self._mark(ActorOutput(action, extras, [each.state for each in outputs]), version)

    def _fetch(self) -> None:
        for i, group in enumerate(self.groups):
            age = min(group.lag, self.updates)
            self._versions[i] = self.updates - age
            group.agent.online.load_state_dict(self._ring[-1 - age])

    def _mark(self, output: ActorOutput, version: np.ndarray) -> ActorOutput:
        return output._replace(extras={**output.extras, "version": version}) if self._versioned else output

    def state_dict(self) -> dict[str, Any]:
        return {
            "updates": self.updates,
            "rows": self.rows,
            "versions": list(self._versions),
            "ring": list(self._ring),
            "acting": [group.agent.online.state_dict() for group in self.groups],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.updates, self.rows = state["updates"], state["rows"]
        self._versions, self._ring = state["versions"], state["ring"]
        for group, saved in zip(self.groups, state["acting"], strict=True):
            group.agent.online.load_state_dict(saved)


def _acting(agent: Agent) -> Agent:
    """The same agent on a network of its own."""
    twin = copy.copy(agent)
    twin.online = copy.deepcopy(agent.online).requires_grad_(False)
    return twin


def _parameters(agent: Agent) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in agent.online.state_dict().items()}


def collect(spec: Spec, agent: Agent, stream: Any, device: torch.device, *index: int) -> tuple[Inline, Actor]:
    """The executor, and what its rows come from; `index` as for agents/build.py."""
    executor = Inline(spec.executor, agent, len(stream))
    epsilon = component("exploration", spec.exploration.kind)(spec.exploration, len(stream))
    rng = generator(spec.seed, "exploration", *index)
    return executor, Actor(executor, stream, spec.environment.stack, epsilon, rng, device)
