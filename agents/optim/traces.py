"""Eligibility traces: a gradient that remembers what led here (Sutton & Barto 2018, sections 12.2 and 13.5)."""

from typing import Any

import torch
from torch import nn

from agents.step import Loss


class Traces:
    """z <- keep z + grad(potential);  gradient = grad(sum of the terms) - delta z, for one stream of experience.

    The optimizer goes downhill, hence the sign. What is in the terms stays out of the trace.
    """

    def __init__(self, parameters: list[nn.Parameter]):
        self.parameters = parameters
        self.traces = [torch.zeros_like(p) for p in parameters]

    def __call__(self, loss: Loss) -> None:
        """Put the gradients to follow downhill into the parameters. The loss must bring a trace."""
        potential, delta, keep = loss.trace
        fresh = torch.autograd.grad(potential, self.parameters, retain_graph=True, materialize_grads=True)
        torch._foreach_mul_(self.traces, keep)
        torch._foreach_add_(self.traces, fresh)
        terms = sum(loss.terms.values())
        grads = torch.autograd.grad(terms, self.parameters, materialize_grads=True)
        for parameter, grad in zip(self.parameters, torch._foreach_add(grads, self.traces, alpha=-delta), strict=True):
            parameter.grad = grad

    def state_dict(self) -> dict[str, Any]:
        return {"traces": self.traces}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        torch._foreach_copy_(self.traces, state["traces"])
