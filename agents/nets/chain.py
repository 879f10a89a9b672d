"""A straight stack of layers as one step of autograd: perhaps a small convolution, then linear layers, ReLU in between.

On small networks most of an update goes into the bookkeeping around each layer and into the layouts that generic
kernels choose. Here the whole stack is one node whose gradients are written out, and activations are matrices
[features, B]: with the batch innermost neither products nor gathered patches need a transposed copy. Weights keep
torch's native shapes, and tests/agents/test_chain.py holds values and gradients to those of the plain layers.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable


class Chain:
    """[B, …] -> [B, *shape] through `layers`, of which only the first may be a convolution (agents/nets/layers.py).

    There is no ReLU after the last layer, and no gradient for the input.
    """

    def __init__(self, layers: Sequence[nn.Module], scale: float, shape: tuple[int, ...]):
        self._layers, self._scale, self._shape = list(layers), scale, shape

    def __call__(self, obs: torch.Tensor) -> torch.Tensor:
        patches = getattr(self._layers[0], "patches", None)
        weights = [part for layer in self._layers for part in (layer.weight, layer.bias)]
        if torch.is_grad_enabled():
            y = Node.apply(obs, self._scale, patches, *weights)
        else:
            y = _values(obs, self._scale, patches, weights)[-1].t()
        return y.view(-1, *self._shape)


def _values(obs: torch.Tensor, scale: float, patches: torch.Tensor | None, weights: Sequence) -> list[torch.Tensor]:
    """The input of every layer, then the output, all [features, B]; a convolution's input are its patches.

    `weights` alternates W and b (None: no bias). Row k * positions + p of the patches is the pixel under weight k of
    the kernel at position p, so that one product convolves the batch and its result lies as the next layer reads it.
    """
    size, last = obs.shape[0], len(weights) - 2
    x = obs.flatten(1).t().to(weights[0].dtype, memory_format=torch.contiguous_format)
    if scale != 1:
        x = x * scale
    kept = [x if patches is None else x.index_select(0, patches)]
    for i in range(0, len(weights), 2):
        weight, bias = weights[i].flatten(1), weights[i + 1]
        x = kept[-1].view(weight.shape[1], -1)
        y = weight @ x if bias is None else torch.addmm(bias.unsqueeze(1), weight, x)
        y = y.view(-1, size)
        kept.append(y if i == last else y.relu_())
    return kept


class Node(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, obs: torch.Tensor, scale: float, patches: torch.Tensor | None, *weights: Any) -> torch.Tensor:
        kept = _values(obs, scale, patches, weights)
        ctx.save_for_backward(*kept[:-1], *weights)
        return kept[-1].t()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: torch.Tensor) -> tuple:
        """slope [B, outputs] -> the gradient of every weight and bias."""
        saved = ctx.saved_tensors
        depth = len(saved) // 3
        kept, weights = saved[:depth], saved[depth:]
        grads: list[torch.Tensor | None] = [None] * (2 * depth)
        slope = slope.t()
        for i in reversed(range(depth)):
            weight, bias = weights[2 * i], weights[2 * i + 1]
            slope = slope.reshape(weight.shape[0], -1)
            grads[2 * i] = (slope @ kept[i].view(-1, slope.shape[1]).t()).view(weight.shape)
            if bias is not None:
                grads[2 * i + 1] = slope.sum(1)
            if i:  # slope^T W and then its transpose: the product W^T slope takes longer than both
                below = (slope.t() @ weight).t().contiguous()
                slope = torch.ops.aten.threshold_backward(below, kept[i], 0)
        return None, None, None, *grads
