"""The step of TRPO (Schulman et al. 2015, arXiv:1502.05477, appendix C; openai/baselines@ea25b9e, trpo_mpi)."""

from collections.abc import Callable

import torch
from torch import nn

from agents.optim.conjugate import Fisher, conjugate_gradients, flat, unflat
from agents.optim.objective import Backtracked, Objective, backtrack

SOLVED = 1e-10  # squared norm of conjugate gradients' residual (openai/baselines, common/cg.py)
SHRINK = 0.5  # each try of the line search is half as long (ibid.)


def trust_region_step(
    objective: Objective,
    parameters: list[nn.Parameter],
    fisher_of: Callable[[], Fisher],
    radius: float,
    slack: float,
    iterations: int,
    tries: int,
) -> tuple[Backtracked, torch.Tensor]:
    """Along the natural gradient, as far as a KL divergence of `radius` nats reaches, and shortened until it helps.

    `fisher_of()` is the Fisher matrix at the policy of the loss that was evaluated last. -> how it ended, and the
    gradient's norm, scalar. A step is taken up to slack x radius.
    """
    gradient = flat(torch.autograd.grad(objective.loss(), parameters, retain_graph=True))
    fisher = fisher_of()
    direction = conjugate_gradients(fisher, -gradient, iterations, SOLVED)
    size = direction @ fisher(direction)
    scale = torch.where(size > 0, (2 * radius / size).sqrt(), 0.0)  # no gradient, no step
    step = unflat(scale * direction, parameters)
    return backtrack(objective, parameters, step, SHRINK, tries, slack * radius), gradient.norm()
