"""What is true of learning whatever the agent: counts of updates, gauges beside the networks, means of metrics."""

import math
from collections.abc import Callable
from typing import Any, Protocol

import torch

from agents.agent import Agent
from agents.step import Batch, Stored


class Gauge(Protocol):
    """Follows a quantity of the networks between updates (spectral norms, agents/optim/spectral.py)."""

    def advance(self, steps: int) -> None: ...
    def rho(self) -> dict[str, float]: ...
    def state_dict(self) -> dict[Any, Any]: ...
    def load_state_dict(self, state: dict[Any, Any]) -> None: ...


class Learner:
    """Lets an agent learn, and keeps the books.

    `gauges` advance by their steps at every update, `tracked` ones by theirs when they are read; `readers` are read
    with them. `listeners` are called after every update.
    """

    def __init__(
        self,
        agent: Agent,
        gauges: list[tuple[Gauge, int]],
        tracked: list[tuple[Gauge, int]],
        readers: list[Callable[[], dict[str, float]]],
        version: Callable[[], int] | None = None,
    ):
        self.agent, self.gauges, self.tracked = agent, gauges, tracked
        self.readers, self.listeners = readers, []
        self.updates = 0
        # Updates of the parameters, whoever made them: what the `version` of a step counts.
        self.version = version or (lambda: self.updates)
        self._sums: dict[str, torch.Tensor] = {}  # of the metrics since the last reading
        self._counts: dict[str, int] = {}  # updates that gave each of them

    def learn(self, batch: Batch | Stored) -> torch.Tensor:
        """One update; -> priorities [B]."""
        for gauge, steps in self.gauges:
            gauge.advance(steps)
        version = self.version()
        priorities, metrics = self.agent.learn(batch)
        self.updates += 1
        for listener in self.listeners:
            listener()
        if "version" in batch.extras:  # updates between the parameters that acted and those that now learn
            metrics = metrics | {"policy_lag": version - batch.extras["version"][:-1].double().mean()}
        self.note(metrics, dict.fromkeys(metrics, 1))
        return priorities

    def note(self, sums: dict[str, Any], counts: dict[str, int]) -> None:
        """Add to what the next reading is made of: sums of metrics, and the number of updates that gave each."""
        for name, total in sums.items():
            self._sums[name] = self._sums[name] + total if name in self._sums else total
            self._counts[name] = self._counts.get(name, 0) + counts[name]

    def totals(self) -> tuple[dict[str, float], dict[str, int]]:
        """All that was noted since the last call."""
        sums, counts = {name: float(total) for name, total in self._sums.items()}, self._counts
        self._sums, self._counts = {}, {}
        return sums, counts

    def read(self) -> dict[str, float]:
        """Means of the metrics since the last reading (gradient norms before clipping), every rho and sigma."""
        sums, counts = self.totals()
        found = {name: total / counts[name] for name, total in sums.items()}
        for gauge, steps in self.tracked:
            gauge.advance(steps)
            found |= gauge.rho()
        for reader in self.readers:
            found |= reader()
        return found

    def sound(self) -> bool:
        """Whether all that was noted since the last reading is finite."""
        return all(math.isfinite(total) for total in self._sums.values())

    @torch.no_grad()
    def finite(self, obs: torch.Tensor) -> bool:
        """Whether all that the networks hold is finite, and what the acting ones make of obs [B, S * C, H, W]."""
        held = [tensor for network in self.agent.networks.values() for tensor in network.state_dict().values()]
        return all(bool(tensor.isfinite().all()) for tensor in (*held, *self.agent.outputs(obs)))

    def state_dict(self) -> dict[str, Any]:
        return {
            "agent": self.agent.state_dict(),
            "tracked": [gauge.state_dict() for gauge, _ in self.tracked],
            "updates": self.updates,
            "sums": dict(self._sums),
            "counts": dict(self._counts),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.agent.load_state_dict(state["agent"])
        for (gauge, _), saved in zip(self.tracked, state["tracked"], strict=True):
            gauge.load_state_dict(saved)
        self.updates, self._sums, self._counts = state["updates"], state["sums"], state["counts"]
