"""K-FAC: steps along the natural gradient, no longer than a trust region allows (kronecker.py has the equations).

ACKTR (Wu et al. 2017, arXiv:1708.05144) is the actor-critic of agents/policy/actor_critic.py with these steps.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from agents.optim import kronecker
from agents.optim.kronecker import Eigen
from agents.optim.objective import Sampled
from agents.optim.step import GradientStep
from agents.spec.optimizer import KFAC as KFACSpec

DAMPINGS = {"plain": kronecker.plain_damping, "factored": kronecker.factored_damping}


class Block:
    """One layer: running averages of its factors, and the eigenbases that they were last seen in.

    Before the first ones, and where the likelihood does not reach the layer, its metric is the identity.
    """

    def __init__(self, layer: nn.Linear | nn.Conv2d, spec: KFACSpec):
        self.layer, self.spec = layer, spec
        self.parameters = list(layer.parameters())
        weight = layer.weight.detach().flatten(1)
        sizes = weight.shape[1] + len(self.parameters) - 1, weight.shape[0]
        self.averages = [weight.new_zeros(size, size) for size in sizes]  # A, G
        self.bases = [Eigen(weight.new_zeros(size), weight.new_zeros(size, size)) for size in sizes]
        self.observed = self.known = False  # whether there are averages, and bases
        self.passed: tuple[torch.Tensor, torch.Tensor] | None = None  # input and output of the watched pass

    def note(self, layer: nn.Module, given: tuple[torch.Tensor], output: torch.Tensor) -> None:
        """A hook: the layer's input and output in the pass that is watched."""
        self.passed = given[0].detach(), output

    def observe(self, g: torch.Tensor, rows: torch.Tensor) -> bool:
        """Move the averages by what a batch shows; False, and no move, where that is not finite."""
        assert self.passed is not None
        found = kronecker.factors(kronecker.inputs(self.layer, self.passed[0][rows]), kronecker.outputs(g[rows]))
        if not all(bool(factor.isfinite().all()) for factor in found):
            return False
        whole = self.spec.start == "first" and not self.observed
        torch._foreach_lerp_(self.averages, list(found), 1.0 if whole else 1 - self.spec.decay)
        self.observed = True
        return True

    def decompose(self) -> bool:
        """Take new bases; False, and the old ones stay, where a factor has none."""
        found = [kronecker.eigen(average) for average in self.averages]
        if None in found:
            return False
        for basis, new in zip(self.bases, found, strict=True):
            torch._foreach_copy_(list(basis), list(new))
        self.known = True
        return True

    def natural(self) -> list[torch.Tensor]:
        """F^-1 on the gradients of weight and bias, of their shapes."""
        grads = [parameter.grad for parameter in self.parameters]
        if not self.known:
            return grads
        joined = torch.cat([grad.flatten(1) if grad.ndim > 1 else grad[:, None] for grad in grads], 1)
        found = DAMPINGS[self.spec.damping.kind](joined, *self.bases, self.spec.damping.epsilon)
        parts = found.split([joined.shape[1] - len(grads) + 1] + [1] * (len(grads) - 1), 1)
        return [part.reshape(grad.shape) for part, grad in zip(parts, grads, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        flat = [*self.averages, *(tensor for basis in self.bases for tensor in basis)]
        return {"tensors": flat, "observed": self.observed, "known": self.known}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        torch._foreach_copy_(self.state_dict()["tensors"], state["tensors"])
        self.observed, self.known = state["observed"], state["known"]


class KFAC:
    """v = F^-1 g;  nu = min(1, sqrt(radius / (lr^2 <v, g>)));  b <- m b + nu v;  w <- w - lr (1 - m) b, b from 0.

    lr is the scheduled rate, m the momentum (openai/baselines@ea25b9e, acktr/kfac.py). <v, g> is v^T (F + damping) v:
    without momentum the quadratic model of the KL divergence, 1/2 lr^2 nu^2 v^T F v, stays below radius / 2. Statistics
    come from `watch` and `observe`, bases are new every `inverse_every` steps. A cold start is plain momentum, its
    gradients clipped together. What is no number or no metric falls back, layer by layer, to the bases before or to the
    identity, and is counted. Parameters of the network's own, beside its layers, have the identity as their metric.
    ValueError where one of its modules has parameters and is no linear layer or convolution.
    """

    def __init__(self, spec: KFACSpec, network: nn.Module):
        layers = [module for module in network.modules() if isinstance(module, nn.Linear | nn.Conv2d)]
        self.spec, self.blocks = spec, [Block(layer, spec) for layer in layers]
        self.own = list(network.parameters(recurse=False))
        self.parameters = [parameter for block in self.blocks for parameter in block.parameters] + self.own
        if {id(p) for p in self.parameters} != {id(p) for p in network.parameters()}:
            raise ValueError("K-FAC knows linear layers and convolutions, and this network has other parameters")
        self.rates, self.epsilons = [spec.lr] * len(self.parameters), [0.0] * len(self.parameters)
        self.momentum = [torch.zeros_like(p) for p in self.parameters]  # b
        self.steps = self.fallbacks = 0  # steps so far; layers that fell back since the last step began
        self.share: torch.Tensor | None = None  # nu of the last step; None while cold

    @contextmanager
    def watch(self) -> Iterator[None]:
        """A forward pass within it is the one that `observe` is told about; no other pass is looked at."""
        handles = [block.layer.register_forward_hook(block.note) for block in self.blocks]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def observe(self, likelihood: torch.Tensor, rows: torch.Tensor) -> None:
        """log p of a sample at each of the pass's rows, summed, scalar; the rows [N] bool that have one.

        Layers that it does not depend on keep the identity as their metric.
        """
        ends = [block.passed[1] for block in self.blocks]
        slopes = torch.autograd.grad(likelihood, ends, retain_graph=True, allow_unused=True)
        self.fallbacks = 0
        with torch.no_grad():
            for block, slope in zip(self.blocks, slopes, strict=True):
                if slope is not None and not block.observe(slope, rows):
                    self.fallbacks += 1
                block.passed = None

    @torch.no_grad()
    def step(self) -> None:
        """One step along the parameters' gradients."""
        spec, grads = self.spec, [p.grad for p in self.parameters]
        self.steps += 1
        cold = spec.cold.updates - self.steps
        if cold >= 0:
            self._cold(grads, last=cold == 0)
            return
        if (-1 - cold) % spec.inverse_every == 0:
            self.fallbacks += sum(block.observed and not block.decompose() for block in self.blocks)
        moves = [move for block in self.blocks for move in block.natural()] + [p.grad for p in self.own]
        rate = self.rates[0]
        size = rate**2 * _inner(moves, grads)
        if not bool(size.isfinite() & (size >= 0)):
            self.fallbacks += len(self.blocks)
            moves, size = grads, rate**2 * _inner(grads, grads)
        self.share = (spec.radius / size).sqrt().clamp(max=1.0)  # 1 where the gradient is 0
        torch._foreach_mul_(self.momentum, spec.momentum)
        torch._foreach_add_(self.momentum, torch._foreach_mul(moves, self.share))
        torch._foreach_add_(self.parameters, self.momentum, alpha=-rate * (1 - spec.momentum))

    def _cold(self, grads: list[torch.Tensor], last: bool) -> None:
        """Momentum from b = 0, which the first warm step begins with again."""
        torch._foreach_mul_(self.momentum, self.spec.momentum)
        if (bound := self.spec.cold.clip_norm) is not None:
            grads = torch._foreach_mul(grads, (bound / _inner(grads, grads).sqrt()).clamp(max=1.0))
        torch._foreach_add_(self.momentum, grads)
        torch._foreach_add_(self.parameters, self.momentum, alpha=-self.spec.cold.lr)
        if last:
            torch._foreach_zero_(self.momentum)

    def readings(self) -> dict[str, torch.Tensor | float]:
        """Metrics of the last step."""
        found: dict[str, torch.Tensor | float] = {"fallbacks": float(self.fallbacks)}
        return found if self.share is None else found | {"step_share": self.share}

    def state_dict(self) -> dict[str, Any]:
        blocks = [block.state_dict() for block in self.blocks]
        return {"momentum": self.momentum, "steps": self.steps, "blocks": blocks}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        torch._foreach_copy_(self.momentum, state["momentum"])
        self.steps = state["steps"]
        for block, saved in zip(self.blocks, state["blocks"], strict=True):
            block.load_state_dict(saved)


class NaturalStep(GradientStep):
    """A gradient step by K-FAC, whose objective also tells how likely its samples are."""

    optimizer: KFAC

    def descend(self, objective: Sampled) -> dict[str, torch.Tensor | float]:
        """As `GradientStep.descend`, with the optimizer's own metrics."""
        optimizer = self.optimizer
        with optimizer.watch():
            loss = objective.loss()
        optimizer.observe(*objective.likelihood(optimizer.spec.critic))
        found = {"grad_norm": self.down(loss), **optimizer.readings()}
        return found | ({"policy_kl": objective.divergence()} if optimizer.spec.measure_kl else {})


def _inner(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> torch.Tensor:
    """Sum of the products, scalar."""
    return torch.stack([(one * other).sum() for one, other in zip(ours, theirs, strict=True)]).sum()
