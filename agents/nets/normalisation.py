"""What stands between a layer and its ReLU: `none`, or batch normalisation (Ioffe & Szegedy 2015, arXiv:1502.03167).

`make(width)` gives a module for the output [B, width, …] of one layer.
"""

import torch
from torch import nn
from torch.nn import functional as F


def none(width: int) -> nn.Module:
    """The layer's output as it is."""
    return nn.Identity()


class Batch(nn.Module):
    """y = weight (x - mean) / sqrt(variance + 1e-5) + bias, each channel by itself.

    Only a pass that will be learned from (training mode, gradients on) takes mean and variance from its batch and
    moves the running ones by 0.1 towards them. All other passes use the running ones: acting, where a batch is one
    observation per environment; both passes at s', since a target should not depend on which other transitions
    were drawn with it; evaluation; probes. The running ones are buffers: saved, and copied to the target network.
    """

    def __init__(self, width: int):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.register_buffer("running_mean", torch.zeros(width))
        self.register_buffer("running_var", torch.ones(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, width, …] -> the same shape."""
        learning = self.training and torch.is_grad_enabled()
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, learning)
