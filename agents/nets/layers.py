"""Layers in torch's own shapes, computed the way that is fast for small networks."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F


def dsilu(x: torch.Tensor) -> torch.Tensor:
    """The derivative of SiLU, s(x) (1 + x (1 - s(x))), s the logistic function; elementwise.

    Elfwing et al. 2018, arXiv:1702.03118.
    """
    s = torch.sigmoid(x)
    return torch.addcmul(s, s * (1 - s), x)


def same(x: torch.Tensor) -> torch.Tensor:
    """No activation: layers follow each other directly."""
    return x


ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu": F.relu, "silu": F.silu, "dsilu": dsilu, "elu": F.elu, "none": same
}  # fmt: skip


class Linear(nn.Linear):
    """nn.Linear under the name that specs use."""


class Conv2d(nn.Conv2d):
    """nn.Conv2d without padding that remembers its input shape [C, H, W]. ValueError where the kernel does not fit in.

    With `gather`, patches are gathered by index, the batch innermost, and multiplied as one matrix: on small images
    library convolutions spend most of their time on set-up. It pays where the input needs no gradient, in the first
    layer.
    """

    def __init__(self, input_shape: tuple[int, int, int], channels: int, kernel: int, stride: int, gather: bool):
        super().__init__(input_shape[0], channels, kernel, stride)
        self.input_shape, self.gather = input_shape, gather
        _, height, width = input_shape
        self.output_shape = (channels, (height - kernel) // stride + 1, (width - kernel) // stride + 1)
        if min(self.output_shape) < 1:
            raise ValueError(f"a {kernel}x{kernel} kernel does not fit into {height}x{width} pixels")
        pixels = torch.arange(input_shape[0] * height * width, dtype=torch.float64).view(1, *input_shape)
        patches = F.unfold(pixels, kernel, stride=stride)[0].long()  # [C * kernel * kernel, positions]
        self.register_buffer("patches", patches.flatten(), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, C, H, W] -> [B, channels, H', W']."""
        if self.kernel_size == self.input_shape[1:]:  # the kernel covers all there is: a fully connected layer
            return F.linear(x.flatten(1), self.weight.flatten(1), self.bias)[..., None, None]
        if not self.gather:
            return super().forward(x)
        batch, channels = x.shape[0], self.out_channels
        weight = self.weight.view(channels, -1)
        columns = x.reshape(batch, -1).t().contiguous().index_select(0, self.patches).view(weight.shape[1], -1)
        y = torch.addmm(self.bias.unsqueeze(1), weight, columns)
        return y.view(-1, batch).t().unflatten(1, self.output_shape)
