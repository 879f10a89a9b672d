"""Adadelta (Zeiler 2012, arXiv:1212.5701, Algorithm 1)."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from agents.optim.groups import groups
from agents.spec.optimizer import Adadelta as AdadeltaSpec


class Adadelta:
    """s <- decay s + (1 - decay) g^2;  d = sqrt((u + epsilon) / (s + epsilon)) g;  u <- decay u + (1 - decay) d^2;
    w <- w - lr d. Both averages start at 0.
    """

    def __init__(self, spec: AdadeltaSpec, parameters: Iterable[nn.Parameter]):
        self.parameters, self.spec = list(parameters), spec
        self.rates, self.epsilons = [spec.lr] * len(self.parameters), [spec.epsilon] * len(self.parameters)
        self.square = [torch.zeros_like(p) for p in self.parameters]  # s
        self.moved = [torch.zeros_like(p) for p in self.parameters]  # u

    @torch.no_grad()
    def step(self) -> None:
        """One step along the parameters' gradients."""
        decay, grads = self.spec.decay, [p.grad for p in self.parameters]
        torch._foreach_mul_(self.square, decay)
        torch._foreach_addcmul_(self.square, grads, grads, value=1 - decay)
        for rate, epsilon, lists in groups(self, self.parameters, grads, self.square, self.moved):
            parameters, grad, square, moved = lists
            change = torch._foreach_add(moved, epsilon)
            torch._foreach_div_(change, torch._foreach_add(square, epsilon))
            torch._foreach_sqrt_(change)
            torch._foreach_mul_(change, grad)
            torch._foreach_mul_(moved, decay)
            torch._foreach_addcmul_(moved, change, change, value=1 - decay)
            torch._foreach_add_(parameters, change, alpha=-rate)

    def state_dict(self) -> dict[str, Any]:
        return {"square": self.square, "moved": self.moved}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, saved in state.items():
            torch._foreach_copy_(getattr(self, name), saved)
