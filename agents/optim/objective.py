"""Objectives that may be evaluated again: for steps that look back at what they did.

Gradient descent asks for a loss once. A line search asks whether a step helped, a trust region how far it went; both
after the parameters have moved, on the batch that the step was made for.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import torch
from torch import nn


class Objective(Protocol):
    """What is to be made smaller on one batch, by whatever parameters the networks have when it is asked.

    Both are scalars that may be differentiated. At the same parameters they are the same: noise is drawn beforehand.
    """

    def loss(self) -> torch.Tensor:
        """What is to be made smaller."""
        ...

    def divergence(self) -> torch.Tensor:
        """How far the networks' outputs are from what they were when this objective was made; 0 there, else above."""
        ...


class Sampled(Objective, Protocol):
    """An objective whose networks' outputs are distributions, of which the batch holds samples."""

    def likelihood(self, critic: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """log p of the samples, summed, scalar, on the outputs that the last `loss` was made of.

        Its gradients by what comes before are those of which the Fisher matrix is the second moment. With it the rows
        [N] bool of that forward pass that have a sample. `critic` (agents/spec/optimizer.py): what a value counts as.
        """
        ...


def minibatches(count: int, size: int, generator: torch.Generator) -> Iterator[torch.Tensor]:
    """The rows 0 to count - 1 in a new order, `size` [size] at a time, without the rest that fills no minibatch.

    Where there is none that is full, all rows are one.
    """
    size = min(size, count)
    order = torch.randperm(count, generator=generator, device=generator.device)
    yield from order[: count // size * size].split(size)


class Backtracked(NamedTuple):
    """How a line search ended; of the parameters that it left."""

    share: float  # of the step; 0: no share of it would do
    loss: torch.Tensor  # scalar
    divergence: torch.Tensor  # scalar


@torch.no_grad()
def backtrack(
    objective: Objective,
    parameters: list[nn.Parameter],
    step: list[torch.Tensor],
    shrink: float,
    tries: int,
    bound: float,
) -> Backtracked:
    """Go the largest of the shares 1, shrink, shrink^2 … of a step that makes the loss smaller within the bound.

    `step` has one tensor for each parameter, and is added; `bound` is on the divergence (infinity: none). After `tries`
    shares in vain the parameters are what they were, to the bit. Losses that are no numbers are never smaller.
    TRPO's line search (Schulman et al. 2015, arXiv:1502.05477, appendix C).
    """
    start = [parameter.clone() for parameter in parameters]
    before = objective.loss()
    for k in range(tries):
        torch._foreach_copy_(parameters, torch._foreach_add(start, step, alpha=shrink**k))
        found = Backtracked(shrink**k, objective.loss(), objective.divergence())
        if found.loss < before and found.divergence <= bound:
            return found
    torch._foreach_copy_(parameters, start)
    return Backtracked(0.0, before, objective.divergence())
