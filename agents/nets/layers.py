"""Layers in torch's own shapes, and what they need to know."""

import torch
from torch import nn
from torch.nn import functional as F


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
