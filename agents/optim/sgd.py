"""Stochastic gradient descent with momentum (Polyak 1964)."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from agents.optim.groups import groups
from agents.spec.optimizer import SGD as SGDSpec
from agents.spec.optimizer import Momentum


class SGD:
    """b <- momentum b + g;  w <- w - lr b. b starts at 0."""

    def __init__(self, spec: SGDSpec, parameters: Iterable[nn.Parameter]):
        self.parameters, self.spec = list(parameters), spec
        self.rates, self.epsilons = [spec.lr] * len(self.parameters), [0.0] * len(self.parameters)
        self.momentum = [torch.zeros_like(p) for p in self.parameters]

    @torch.no_grad()
    def step(self) -> None:
        """One step along the parameters' gradients."""
        torch._foreach_mul_(self.momentum, self.spec.momentum)
        torch._foreach_add_(self.momentum, [p.grad for p in self.parameters])
        for rate, _, (parameters, momentum) in groups(self, self.parameters, self.momentum):
            torch._foreach_add_(parameters, momentum, alpha=-rate)

    def state_dict(self) -> dict[str, Any]:
        return {"momentum": self.momentum}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        torch._foreach_copy_(self.momentum, state["momentum"])


def averaged(spec: Momentum, parameters: Iterable[nn.Parameter]) -> SGD:
    """m <- decay m + (1 - decay) g;  w <- w - lr m: SGD whose rate is 1 - decay times as large.

    Mnih et al. 2016 (arXiv:1602.01783), section 4.
    """
    rate = spec.lr * (1 - spec.decay)
    return SGD(SGDSpec(kind="sgd", lr=rate, momentum=spec.decay), parameters)
