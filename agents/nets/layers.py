"""Layers in torch's own shapes, and what they need to know."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F


def dsilu(x: torch.Tensor) -> torch.Tensor:
    """The derivative of SiLU, s(x) (1 + x (1 - s(x))), s the logistic function (Elfwing et al. 2018)."""
    s = torch.sigmoid(x)
    return torch.addcmul(s, s * (1 - s), x)


ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {"relu": F.relu, "silu": F.silu, "dsilu": dsilu}


class Linear(nn.Linear):
    """nn.Linear under the name that specs use."""


class Conv2d(nn.Conv2d):
    """nn.Conv2d without padding that remembers its input shape [C, H, W].

    `patches` are the pixels under each weight of the kernel at each position, for agents/nets/chain.py.
    """

    def __init__(self, input_shape: tuple[int, int, int], channels: int, kernel: int, stride: int):
        super().__init__(input_shape[0], channels, kernel, stride)
        self.input_shape = input_shape
        _, height, width = input_shape
        self.output_shape = (channels, (height - kernel) // stride + 1, (width - kernel) // stride + 1)
        if min(self.output_shape) < 1:
            raise ValueError(f"a {kernel}x{kernel} kernel does not fit into {height}x{width} pixels")
        pixels = torch.arange(input_shape[0] * height * width, dtype=torch.float64).view(1, *input_shape)
        patches = F.unfold(pixels, kernel, stride=stride)[0].long()  # [C * kernel * kernel, positions]
        self.register_buffer("patches", patches.flatten(), persistent=False)
