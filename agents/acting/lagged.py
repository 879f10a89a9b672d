"""Acting with parameters of some updates ago, repeatably.

The deterministic form of what distributed actors do by accident: their parameters are as old as the last fetch, which
comes when an unroll starts (Espeholt et al. 2018, arXiv:1802.01561, sections 3 and E.1).
"""

from typing import Any, NamedTuple

import numpy as np
import torch

from agents.agent import Agent, acting_copy, acting_state, load_acting
from agents.step import ActorInput, ActorOutput


class Group(NamedTuple):
    """Streams that act with parameters of the same age."""

    lag: int  # updates
    streams: np.ndarray  # their numbers
    agent: Agent  # acts with its own copy of the networks


class Lagged:
    """Acts for `streams` environments; `updated` is to be called after every update.

    Stream i acts with the parameters of lags_updates[i mod length] updates ago. Without lags the agent itself acts, to
    the bit as if nothing stood in between. With them a ring of the newest parameters is kept, and each stream acts with
    those of its lag, from the first step of an unroll to its last one; before there are so many updates, with the
    initial ones. Agents that ask for the extra `version` get the number of updates behind the parameters that acted.
    """

    def __init__(self, agent: Agent, lags_updates: list[int], streams: int):
        self.agent, self.unroll = agent, agent.sequence_spec.window
        self.updates = self.steps = 0
        lags = np.resize(lags_updates, streams)
        self._versioned = "version" in agent.sequence_spec.extras
        self.groups = [Group(int(lag), np.flatnonzero(lags == lag), acting_copy(agent)) for lag in np.unique(lags)]
        if not lags.any():
            self.groups = []
        self._versions = [0] * len(self.groups)  # of the parameters that act now
        self._longest = int(lags.max())
        self._ring = [_copied(agent)] if self.groups else []  # of the updates up to self.updates, oldest first

    def updated(self) -> None:
        """Note the parameters after an update."""
        self.updates += 1
        if self.groups:
            self._ring.append(_copied(self.agent))
            del self._ring[: max(0, len(self._ring) - self._longest - 1)]

    def at(self, version: int) -> None:
        """The agent's parameters are those after so many updates, some of which others made."""
        self.updates = version

    def act(self, inputs: ActorInput, epsilon: float | np.ndarray, rng: np.random.Generator) -> ActorOutput:
        """As the agent's own `act`; the state is a list, one for each group, where parameters lag."""
        begins = self.steps % self.unroll == 0
        self.steps += 1
        if not self.groups:
            output = self.agent.act(inputs, epsilon, rng)
            return _marked(output, np.full(len(inputs.obs), self.updates)) if self._versioned else output
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
        output = ActorOutput(action, extras, [each.state for each in outputs])
        version = np.repeat(self._versions, [len(group.streams) for group in self.groups])[order]
        return _marked(output, version) if self._versioned else output

    def _fetch(self) -> None:
        for i, group in enumerate(self.groups):
            age = min(group.lag, self.updates)
            self._versions[i] = self.updates - age
            load_acting(group.agent, self._ring[-1 - age])

    def state_dict(self) -> dict[str, Any]:
        return {
            "updates": self.updates,
            "steps": self.steps,
            "versions": list(self._versions),
            "ring": list(self._ring),
            "acting": [acting_state(group.agent) for group in self.groups],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.updates, self.steps = state["updates"], state["steps"]
        self._versions, self._ring = state["versions"], state["ring"]
        for group, saved in zip(self.groups, state["acting"], strict=True):
            load_acting(group.agent, saved)


def _marked(output: ActorOutput, version: np.ndarray) -> ActorOutput:
    return output._replace(extras={**output.extras, "version": version})


def _copied(agent: Agent) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in acting_state(agent).items()}
