"""RMSprop in the forms that the papers' codes use; they differ in where epsilon stands and the averages start.

All go back to Tieleman & Hinton 2012 (a lecture, no paper); the centered ones are Graves' (2013, arXiv:1308.0850).
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from agents.optim.groups import groups
from agents.spec.optimizer import RMSprop as RMSpropSpec

TINY = 1e-30  # its root lies far below every epsilon in use


class RMSprop:
    """s <- decay s + (1 - decay) g^2, and centered: m <- decay m + (1 - decay) g, else m = 0; both from 0.

    form `nature` (Mnih et al. 2015; arXiv:1602.01783, not centered): w <- w - lr g / sqrt(s - m^2 + epsilon)
    form `torch`: w <- w - lr g / (sqrt(s - m^2) + epsilon)
    form `tensorflow`: as nature, with s from 1, so that first steps are small
    form `debiased` (Young & Tian 2019, arXiv:1903.03176, AC_lambda.py): as nature, with s and m divided by
    1 - decay^(k + 1) at update k = 1, 2, … (k + 1: their code counts frames, and the first frame makes no update)
    """

    def __init__(self, spec: RMSpropSpec, parameters: Iterable[nn.Parameter]):
        self.parameters, self.spec = list(parameters), spec
        self.rates, self.epsilons = [spec.lr] * len(self.parameters), [spec.epsilon] * len(self.parameters)
        self.mean = [torch.zeros_like(p) for p in self.parameters]
        first = torch.ones_like if spec.form == "tensorflow" else torch.zeros_like
        self.square = [first(p) for p in self.parameters]
        self.steps = 0

    @torch.no_grad()
    def step(self) -> None:
        """One step along the parameters' gradients."""
        spec, grads = self.spec, [p.grad for p in self.parameters]
        torch._foreach_mul_(self.square, spec.decay)
        torch._foreach_addcmul_(self.square, grads, grads, value=1 - spec.decay)
        bias = self.count()
        if spec.centered:
            torch._foreach_mul_(self.mean, spec.decay)
            torch._foreach_add_(self.mean, grads, alpha=1 - spec.decay)
            spread = torch._foreach_addcmul(self.square, self.mean, self.mean, value=-1 / bias)
            torch._foreach_clamp_min_(spread, 0.0)  # rounding may leave less, by more than epsilon
        else:
            spread = torch._foreach_clone(self.square)
        if bias != 1:
            torch._foreach_div_(spread, bias)
        for rate, epsilon, lists in groups(self, self.parameters, grads, spread):
            parameters, grad, root = lists
            if isinstance(rate, torch.Tensor):  # one that changes under a captured step (decay.py)
                grad, rate = torch._foreach_mul(grad, rate), 1.0
            if spec.form == "torch":
                # sqrt(x) as x / sqrt(x): the library's root is slow on zeros, which weights without gradients have, and
                # not a number where rounding left less than zero
                inverse = torch._foreach_clamp_min(root, TINY)
                torch._foreach_rsqrt_(inverse)
                torch._foreach_mul_(root, inverse)
                torch._foreach_add_(root, epsilon)
                torch._foreach_addcdiv_(parameters, grad, root, value=-rate)
            else:
                torch._foreach_add_(root, epsilon)
                torch._foreach_rsqrt_(root)
                torch._foreach_addcmul_(parameters, grad, root, value=-rate)

    def count(self) -> float:
        """-> what the averages of a step are divided by; steps are counted where that follows from their number."""
        if self.spec.form != "debiased":
            return 1.0
        self.steps += 1
        return 1 - self.spec.decay ** (self.steps + 1)

    def state_dict(self) -> dict[str, Any]:
        return {"mean": self.mean, "square": self.square, "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        torch._foreach_copy_(self.mean, state["mean"])
        torch._foreach_copy_(self.square, state["square"])
        self.steps = state["steps"]
