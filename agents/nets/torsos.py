"""From observations to features."""

import torch
from torch import nn
from torch.nn import functional as F

from agents.nets.chain import Chain
from agents.nets.layers import Conv2d
from agents.spec.network import Network as NetworkSpec

WIDE = 32  # pixels: from this side on channels-last convolutions are the faster ones; below it gathered patches,
# since library convolutions of small images spend most of their time on set-up


class Convolutional(nn.Module):
    """Convolutions with ReLU, flattened (Mnih et al. 2015; Young & Tian 2019).

    `straight`: at most one, and that one of gathered patches, as agents/nets/chain.py wants it.
    """

    def __init__(self, spec: NetworkSpec, shape: tuple[int, int, int]):
        super().__init__()
        self.layers = nn.ModuleList()
        small = shape[-1] < WIDE
        for channels, kernel, stride in spec.convolutions:
            self.layers.append(Conv2d(shape, channels, kernel, stride))
            shape = self.layers[-1].output_shape
        self._steps = list(self.layers)
        if small and self._steps:
            self._steps[0] = Chain(self.layers[:1], 1.0, self.layers[0].output_shape)
        self.straight = small and len(self.layers) <= 1
        self.size = shape[0] * shape[1] * shape[2]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, C, H, W] float -> [B, size]."""
        if x.shape[-1] >= WIDE:
            x = x.contiguous(memory_format=torch.channels_last)
        for step in self._steps:
            x = F.relu(step(x))
        return x.flatten(1)
