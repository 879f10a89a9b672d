"""What an agent's values say while it plays an evaluation: against the returns that follow, and as distributions.

A watcher is shown every row (`see`, agents/run/evaluate.py) of an evaluation that its `agent` plays, and says what it
found (`measured`).
"""

import copy
from typing import Any

import numpy as np

from agents.spec.evaluation import Returns as ReturnsSpec
from agents.spec.evaluation import Snapshots as SnapshotsSpec
from agents.step import ActorInput, ActorOutput, Step


class Returns:
    """Mean of max_a Q(S, a), and of the discounted returns from S on, over the states of all finished episodes.

    Without a bias of the values the two are alike where the policy is greedy (van Hasselt et al. 2016, Figure 3,
    arXiv:1509.06461). Rewards and discounts are those that are learned from: clipped ones, and 0 where a return ends.
    What a truncated episode would have given after its end is missing.
    """

    def __init__(self, spec: ReturnsSpec, agent: Any, discount: float):
        self.agent, self.discount = copy.copy(agent), discount
        self.agent.keep = ("q_taken", "q_best")
        self.open: list[list[tuple[float, float, float]]] = []  # of each environment: max Q, reward, discount
        self.predicted, self.discounted, self.states = 0.0, 0.0, 0

    def see(self, step: Step, ended: np.ndarray) -> None:
        """A row of each environment, and in which of them [B] an episode ended with it."""
        self.open = self.open or [[] for _ in ended]
        columns = step.extras["q_best"], step.reward, step.discount, step.last, ended
        for rows, q, r, d, last, over in zip(self.open, *columns, strict=True):
            if not last:
                rows.append((float(q), float(r), float(d)))
            if over:
                self._close(rows)
                rows.clear()

    def _close(self, rows: list[tuple[float, float, float]]) -> None:
        """A finished episode's rows join the means."""
        following = 0.0
        for q, r, d in reversed(rows):
            following = r + self.discount * d * following
            self.predicted += q
            self.discounted += following
        self.states += len(rows)

    def measured(self) -> dict[str, float]:
        """Both means, in training rewards; nothing where no episode ended."""
        if not self.states:
            return {}
        means = {"predicted_returns": self.predicted, "discounted_returns": self.discounted}
        return {name: total / self.states for name, total in means.items()}


class Snapshots:
    """The probability of each return, for each action, at single steps of the first environment.

    Bellemare et al. 2017, Figures 4 and 5 (arXiv:1707.06887).
    """

    def __init__(self, spec: SnapshotsSpec, agent: Any, discount: float):
        self.watched, self.agent, self.steps = agent, self, set(spec.steps)
        self.networks, self.acting = agent.networks, agent.acting
        self.count, self.found = 0, {}

    def act(self, inputs: ActorInput, epsilon: float | np.ndarray, rng: np.random.Generator) -> ActorOutput:
        """As the agent that is watched."""
        self.count += 1
        if self.count in self.steps:
            raw = self.watched.online(inputs.obs[:1]).detach()[0]  # [A, K]
            chances, support = raw.softmax(-1).tolist(), self.watched.value.support.tolist()
            for action, row in enumerate(chances):
                for z, chance in zip(support, row, strict=True):
                    self.found[f"return_probability[{self.count},{action},{z:.4g}]"] = chance
        return self.watched.act(inputs, epsilon, rng)

    def see(self, step: Step, ended: np.ndarray) -> None:
        pass

    def measured(self) -> dict[str, float]:
        """`return_probability[step,action,return]` of the steps that were played."""
        return self.found
