"""How a policy moves on a batch: down a gradient, or as far as a line search finds."""

from typing import Any, Protocol

import torch
from torch import nn

from agents.optim.conjugate import Fisher
from agents.optim.objective import Sampled
from agents.optim.step import GradientStep
from agents.optim.trust_region import trust_region_step
from agents.spec.base import load
from agents.spec.control import Fixed, Steered
from agents.spec.control import Searched as SearchedSpec

Metrics = dict[str, torch.Tensor | float]


class Climb(Sampled, Protocol):
    """What a policy moves on."""

    def fisher(self, every: int, parameters: list[nn.Parameter], damping: float) -> Fisher:
        """The policy's own Fisher matrix, of every such state."""
        ...


class Descent:
    """A step of an optimizer, at a rate that may follow from how far the steps before it went."""

    def __init__(self, spec: Fixed | Steered, policy: nn.Module):
        self.spec, self.rate = spec, spec.optimizer.lr
        step: GradientStep = load(spec.optimizer.step)(spec.optimizer.on(policy), None, [])
        self.steps = {"policy": step}

    def __call__(self, climb: Climb) -> Metrics:
        """Move on the objective; -> metrics."""
        step = self.steps["policy"]
        step.optimizer.rates[:] = [self.rate] * len(step.optimizer.rates)
        moved = step.descend(climb)
        divergence = climb.divergence()
        self.rate = self.spec.rate_after(self.rate, float(divergence))
        return {**moved, "policy_kl": divergence}

    def state_dict(self) -> dict[str, Any]:
        return {"rate": self.rate}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rate = state["rate"]


class Searched:
    """TRPO's step."""

    def __init__(self, spec: SearchedSpec, policy: nn.Module):
        self.spec, self.parameters = spec, list(policy.parameters())
        self.steps: dict[str, GradientStep] = {}

    def __call__(self, climb: Climb) -> Metrics:
        """Move on the objective; -> metrics."""
        spec, parameters = self.spec, self.parameters
        moved, norm = trust_region_step(
            climb,
            parameters,
            lambda: climb.fisher(spec.fisher_every, parameters, spec.damping),
            spec.radius,
            spec.slack,
            spec.iterations,
            spec.tries,
        )
        return {"grad_norm": norm, "policy_kl": moved.divergence, "step_share": moved.share}

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass
