"""Noisy linear layers (Fortunato et al. 2018, arXiv:1706.10295): y = (mu + sigma * eps) x + (mu_b + sigma_b * eps_b).

Noise is drawn only by `resample`, never by a forward pass, and stays for every input until the next draw. In
evaluation mode (`module.eval()`) a layer uses its means.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

FORM = 16  # inputs


class Factorised(nn.Module):
    """eps = f(b) f(a)^T with f(x) = sign(x) sqrt|x|, a [inputs], b [outputs] standard normal (eq. 10-11).

    mu ~ U(+-1 / sqrt(inputs)), sigma = `sigma` / sqrt(inputs). A few inputs, as in acting, are multiplied with mu and
    sigma one after the other, so that no noisy matrix need be formed; from `FORM` inputs on, forming it costs less.
    """

    def __init__(self, inputs: int, outputs: int, bias: bool, sigma: float):
        super().__init__()
        self.in_features, self.out_features = inputs, outputs
        bound = 1 / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.empty(outputs, inputs).uniform_(-bound, bound))
        self.weight_sigma = nn.Parameter(torch.full((outputs, inputs), sigma * bound))
        self.bias = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound)) if bias else None
        self.bias_sigma = nn.Parameter(torch.full((outputs,), sigma * bound)) if bias else None
        self.register_buffer("eps_in", torch.zeros(inputs))
        self.register_buffer("eps_out", torch.zeros(outputs))

    def resample(self, rng: torch.Generator) -> None:
        """Draw new noise. New tensors, since a pending backward pass may still need the old ones."""
        x = torch.randn(self.in_features + self.out_features, generator=rng, device=self.weight.device)
        f = x.abs().sqrt_().copysign_(x)
        self.eps_in, self.eps_out = f.split((self.in_features, self.out_features))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, inputs] -> [B, outputs]."""
        if self.training and x.shape[0] >= FORM:
            weight = torch.addcmul(self.weight, self.weight_sigma, torch.outer(self.eps_out, self.eps_in))
            bias = None if self.bias is None else torch.addcmul(self.bias, self.bias_sigma, self.eps_out)
            return F.linear(x, weight, bias)
        y = F.linear(x, self.weight, self.bias)
        if not self.training:
            return y
        noise = F.linear(x * self.eps_in, self.weight_sigma, self.bias_sigma)
        return y + self.eps_out * noise


class Independent(nn.Module):
    """One normal draw per weight and bias (eq. 9). mu ~ U(+-sqrt(3 / inputs)), sigma = `sigma` (0.017 for A3C)."""

    def __init__(self, inputs: int, outputs: int, bias: bool, sigma: float):
        super().__init__()
        self.in_features, self.out_features = inputs, outputs
        bound = math.sqrt(3 / inputs)
        self.weight = nn.Parameter(torch.empty(outputs, inputs).uniform_(-bound, bound))
        self.weight_sigma = nn.Parameter(torch.full((outputs, inputs), sigma))
        self.bias = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound)) if bias else None
        self.bias_sigma = nn.Parameter(torch.full((outputs,), sigma)) if bias else None
        self.register_buffer("eps", torch.zeros(outputs, inputs + 1))  # the last column is the bias's

    def resample(self, rng: torch.Generator) -> None:
        """Draw new noise."""
        self.eps = torch.randn(self.eps.shape, generator=rng, device=self.weight.device)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, inputs] -> [B, outputs]."""
        if not self.training:
            return F.linear(x, self.weight, self.bias)
        weight = self.weight + self.weight_sigma * self.eps[:, :-1]
        bias = None if self.bias is None else self.bias + self.bias_sigma * self.eps[:, -1]
        return F.linear(x, weight, bias)
