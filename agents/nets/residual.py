"""The deep residual torso of IMPALA (Espeholt et al. 2018, arXiv:1802.01561)."""

import torch
from torch import nn
from torch.nn import functional as F

from agents.nets.heads import Norm
from agents.spec.network import Network as NetworkSpec


class Section(nn.Module):
    """Convolution, max-pooling 3x3, two residual blocks x + conv(relu(conv(relu(x)))). All padded to keep the size."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int):
        super().__init__()
        pad = kernel // 2
        self.entry = nn.Conv2d(channels, out, kernel, padding=pad)
        self.blocks = nn.ModuleList(nn.Conv2d(out, out, kernel, padding=pad) for _ in range(4))
        self.stride = stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, C, H, W] -> [B, out, ceil(H / stride), ceil(W / stride)]."""
        x = F.max_pool2d(self.entry(x), 3, self.stride, padding=1)
        for one, two in zip(self.blocks[::2], self.blocks[1::2], strict=True):
            x = x + two(F.relu(one(F.relu(x))))
        return x


class Residual(nn.Module):
    """Sections, then ReLU, flattened: 15 convolutions with the sections [16, 32, 32] (Espeholt et al. 2018, Fig 3)."""

    def __init__(self, spec: NetworkSpec, shape: tuple[int, int, int], norm: Norm):  # norm: none, as in the paper
        super().__init__()
        self.sections = nn.ModuleList()
        channels, height, width = shape
        for out, kernel, stride in spec.convolutions:
            self.sections.append(Section(channels, out, kernel, stride))
            channels, height, width = out, -(-height // stride), -(-width // stride)
        self.size = channels * height * width

    @property
    def layers(self) -> list[nn.Module]:
        return [layer for section in self.sections for layer in (section.entry, *section.blocks)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, C, H, W] float -> [B, size]."""
        x = x.contiguous(memory_format=torch.channels_last)
        for section in self.sections:
            x = section(x)
        return F.relu(x).flatten(1)
