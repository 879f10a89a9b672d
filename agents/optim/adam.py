"""Adam (Kingma & Ba 2015, arXiv:1412.6980, Algorithm 1) on torch's fused kernel.

torch.optim.Adam calls the same kernel; on small networks its bookkeeping takes as long again, and its import
costs every process two seconds. Epsilon is added to the root after bias correction (torch's form; TF1's
"epsilon hat" is another).
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from agents.optim.groups import groups
from agents.spec.optimizer import Adam as AdamSpec


class Adam:
    """m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;  w <- w - lr m^ / (sqrt(v^) + epsilon).

    m^ = m / (1 - b1^k) and v^ = v / (1 - b2^k) at step k = 1, 2, ...; both averages start at 0.
    """

    def __init__(self, spec: AdamSpec, parameters: Iterable[nn.Parameter]):
        self.parameters, self.spec = list(parameters), spec
        self.mean = [torch.zeros_like(p) for p in self.parameters]
        self.square = [torch.zeros_like(p) for p in self.parameters]
        self.rates, self.epsilons = [spec.lr] * len(self.parameters), [spec.epsilon] * len(self.parameters)
        self.steps = [torch.zeros((), device=p.device) for p in self.parameters]

    @torch.no_grad()
    def step(self) -> None:
        """One step along the parameters' gradients."""
        torch._foreach_add_(self.steps, 1)
        grads = [p.grad for p in self.parameters]
        for rate, epsilon, lists in groups(self, self.parameters, grads, self.mean, self.square, self.steps):
            parameters, grads, mean, square, steps = lists
            torch._fused_adam_(
                parameters,
                grads,
                mean,
                square,
                [],
                steps,
                lr=rate,
                beta1=self.spec.beta1,
                beta2=self.spec.beta2,
                weight_decay=0.0,
                eps=epsilon,
                amsgrad=False,
                maximize=False,
            )

    def state_dict(self) -> dict[str, Any]:
        return {"mean": self.mean, "square": self.square, "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, saved in state.items():
            torch._foreach_copy_(getattr(self, name), saved)
