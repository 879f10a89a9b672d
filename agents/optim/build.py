"""Optimizers by name. Where libraries disagree on a formula, the spec says which one is meant."""

from collections.abc import Iterable

import torch
from torch import nn

from agents.spec import Adam as AdamSpec
from agents.spec import RMSprop as RMSpropSpec


def adam(parameters: Iterable[nn.Parameter], spec: AdamSpec) -> torch.optim.Optimizer:
    """Kingma & Ba 2015; epsilon is added to the root after bias correction (TF1's "epsilon hat" is another)."""
    betas = (spec.beta1, spec.beta2)
    return torch.optim.Adam(parameters, lr=spec.lr, betas=betas, eps=spec.epsilon, fused=True)


def rmsprop(parameters: Iterable[nn.Parameter], spec: RMSpropSpec) -> torch.optim.Optimizer:
    if spec.form == "nature":
        return NatureRMSprop(parameters, spec)
    return torch.optim.RMSprop(
        parameters, lr=spec.lr, alpha=spec.decay, eps=spec.epsilon, centered=spec.centered, foreach=True
    )


class NatureRMSprop(torch.optim.Optimizer):
    """RMSprop as DQN's authors wrote it: epsilon under the root, averages from 0 (Mnih et al. 2015).

    g <- decay g + (1 - decay) d;  s <- decay s + (1 - decay) d^2;  w <- w - lr d / sqrt(s - g^2 + epsilon)
    with g = 0 throughout when not centered.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], spec: RMSpropSpec):
        super().__init__(
            parameters,
            {"lr": spec.lr, "decay": spec.decay, "epsilon": spec.epsilon, "centered": spec.centered},
        )

    @torch.no_grad()
    def step(self, closure=None) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state, grad = self.state[parameter], parameter.grad
                if not state:
                    state["square"] = torch.zeros_like(parameter)
                    state["mean"] = torch.zeros_like(parameter)
                state["square"].mul_(group["decay"]).addcmul_(grad, grad, value=1 - group["decay"])
                spread = state["square"]
                if group["centered"]:
                    state["mean"].mul_(group["decay"]).add_(grad, alpha=1 - group["decay"])
                    spread = torch.addcmul(spread, state["mean"], state["mean"], value=-1)
                parameter.addcdiv_(grad, (spread + group["epsilon"]).sqrt_(), value=-group["lr"])
