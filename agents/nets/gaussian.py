"""Networks of a policy whose actions are numbers: means that depend on the state, spreads that do not.

Wu et al. 2017, section 5 (arXiv:1708.05144); openai/baselines@3f676f7, acktr/policies.py and value_functions.py.
"""

from typing import NamedTuple

import torch
from torch import nn


class Running(nn.Module):
    """Mean and variance, per dimension, of all observations [N, D] that it was shown.

    By Chan, Golub & LeVeque (1979), in float64. Before the first ones observations are left as they are.
    """

    def __init__(self, size: int, clip: float):
        super().__init__()
        self.clip = clip
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("squares", torch.zeros(size, dtype=torch.float64))  # sum of squared distances to the mean

    @torch.no_grad()
    def show(self, obs: torch.Tensor) -> None:
        """Take observations [N, D] in; one of no dimension at all changes nothing."""
        count = len(obs)
        if not count:
            return
        mean = obs.mean(0, dtype=torch.float64)
        total, apart = self.count + count, mean - self.mean
        self.squares += (obs.double() - mean).square().sum(0) + apart.square() * self.count * count / total
        self.mean += apart * count / total
        self.count.copy_(total)

    def deviation(self) -> torch.Tensor:
        """[D] float64, of a sample; that of one observation is 1."""
        spread = (self.squares / (self.count - 1).clamp(min=1)).sqrt()
        return torch.where(spread > 0, spread, 1.0)

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        """[..., D] -> [..., D] in standard deviations from the mean, within the bounds."""
        assert obs.shape[-1] == len(self.mean), (obs.shape, self.mean.shape)
        z = (obs - self.mean.float()) / self.deviation().float()
        return z.clamp(-self.clip, self.clip)


class Normal(NamedTuple):
    """What the policy gives, for each row."""

    state: torch.Tensor  # [B, S * D], the observations as both networks see them
    mean: torch.Tensor  # [B, A]
    log_std: torch.Tensor  # [A]


class Policy(nn.Module):
    """S stacked observations [B, S, D, 1] -> Normal.

    An observation before the episode's first one, all zeros, stays so.
    """

    def __init__(self, size: int, stacked: int, units: list[int], actions: int, clip: float, gain: float):
        super().__init__()
        self.seen = Running(size, clip)
        self.hidden = _layers(stacked * size, units, nn.Tanh)
        self.mean = _linear(units[-1] if units else stacked * size, actions, gain)
        self.log_std = nn.Parameter(torch.zeros(actions))

    def forward(self, obs: torch.Tensor) -> Normal:
        each = obs.squeeze(-1)
        there = (each != 0).any(-1, keepdim=True)
        state = (self.seen(each) * there).flatten(1)
        return Normal(state, self.mean(self.hidden(state)), self.log_std)


class Value(nn.Module):
    """What is known at a row [B, F] -> value [B]."""

    def __init__(self, inputs: int, units: list[int]):
        super().__init__()
        self.hidden = _layers(inputs, units, nn.ELU)
        self.output = _linear(units[-1] if units else inputs, 1, 1.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.output(self.hidden(x)).squeeze(-1)


class Gaussians(nn.Module):
    """Both networks, for observations of `shape` = [S, D, 1]; the value also sees the policy and the time.

    `scale` is that of pixels and `outputs` the size of value heads: both say nothing here.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        scale: float,
        actions: int,
        outputs: int,
        policy: list[int],
        value: list[int],
        clip: float,
        gain: float,
    ):
        super().__init__()
        stacked, size, _ = shape
        self.policy = Policy(size, stacked, policy, actions, clip, gain)
        self.value = Value(stacked * size + 2 * actions + 2, value)


def value_inputs(normal: Normal, time: torch.Tensor) -> torch.Tensor:
    """[B, S * D + 2 A + 2]: state, means, standard deviations, t / 10 and 1, at t = time [B] steps of the episode."""
    assert time.shape == normal.mean.shape[:1], (time.shape, normal.mean.shape)
    spread = normal.log_std.exp().expand_as(normal.mean)
    tenth = (time / 10)[:, None].to(normal.mean.dtype)
    return torch.cat([normal.state, normal.mean, spread, tenth, torch.ones_like(tenth)], 1)


def _layers(inputs: int, units: list[int], activation: type[nn.Module]) -> nn.Sequential:
    sizes = [inputs, *units]
    parts = [part for i, o in zip(sizes, units, strict=False) for part in (_linear(i, o, 1.0), activation())]
    return nn.Sequential(*parts)


def _linear(inputs: int, outputs: int, norm: float) -> nn.Linear:
    """Weights that point anywhere, those to each output of Euclidean norm `norm`; biases 0 (baselines' normc)."""
    layer = nn.Linear(inputs, outputs)
    with torch.no_grad():
        layer.weight.normal_()
        layer.weight *= norm / layer.weight.norm(dim=1, keepdim=True)
        layer.bias.zero_()
    return layer
