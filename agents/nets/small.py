"""Networks so small that calls cost more than arithmetic, in their compiled form: MinAtar's.

A convolution on small screens, one hidden layer, both with ReLU, a linear output; weights and output may be multiplied
by a number (spectral normalisation). The network itself stays what it is; this is another way to compute with its
parameters.
"""

from collections.abc import Callable, Sequence
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from agents.compiled import power, q_learning
from agents.nets.heads import Plain
from agents.nets.layers import Conv2d, Linear
from agents.nets.network import Network
from agents.nets.scaling import Scale, Scaling, raw_weight, scaling_of
from agents.nets.torsos import Convolutional


def fits(network: Network) -> bool:
    """Whether `network` is one of those that have a compiled form."""
    torso, head = network.torso, network.head
    if not (isinstance(torso, Convolutional) and network.core is None and isinstance(head, Plain)):
        return False
    between = (*torso.norms, *head.features.norms)
    return (
        [_kind(layer) for layer in network.layers] == [Conv2d, Linear, Linear]
        and torso.layers[0].gather
        and torso.layers[0].out_channels % q_learning.LANES == 0
        and all(type(module) is nn.Identity for module in between)
        and torso.activation is head.features.activation is F.relu
        and head.shared_bias is None
        and network.scale == 1
        and all(parameter.device.type == "cpu" for parameter in network.parameters())
        and all(_scales(scaling_of(layer), raw_weight(layer)) for layer in network.layers)
        and (type(network.after) is nn.Identity or _scales([network.after], None))
    )


def _kind(layer: nn.Module) -> type:
    """The layer's own class: torch gives a parametrised one a class derived from it."""
    return type(layer).__bases__[0] if scaling_of(layer) else type(layer)


def _scales(modules: list[nn.Module], weight: torch.Tensor | None) -> bool:
    """Whether all that is done with a weight, or the output, is to multiply it once by a number."""
    return not modules or (
        len(modules) == 1 and isinstance(modules[0], Scaling) and modules[0].scale(weight) is not None
    )


class Small:
    """The compiled form of a network that fits, on the same parameters. Observations are [B, C, H, W] on the CPU."""

    def __init__(self, network: Network):
        layer = network.torso.layers[0]
        patches = layer.patches.numpy().reshape(raw_weight(layer)[0].numel(), -1)
        self.weights = [raw_weight(layer) for layer in network.layers]
        self.parameters = [each for layer in network.layers for each in (raw_weight(layer), layer.bias)]
        self.arrays = Views(self.parameters, matrix)
        self._scalings = [next(iter(scaling_of(layer)), None) for layer in network.layers]
        self._after = network.after if isinstance(network.after, Scaling) else None
        self.seen = q_learning.sight(int(np.prod(layer.input_shape)), patches)
        q_learning.prepare(self.seen, self.arrays())
        self.to_plain(tuple(np.zeros_like(array) for array in self.arrays()), self.scales())  # compiled now, too

    def scales(self) -> list[Scale]:
        """What the three weights and the output are multiplied by."""
        pairs = zip(self._scalings, self.weights, strict=True)
        found = [scaling.scale(weight) if scaling else PLAIN for scaling, weight in pairs]
        return [*found, self._after.scale() if self._after else PLAIN]

    def values(self, obs: torch.Tensor) -> np.ndarray:
        """Observations [B, C, H, W] of any type -> action values [B, A] float32."""
        return q_learning.action_values(flat(obs), self.seen, self.arrays(), factors(self.scales()))

    def to_plain(self, gradients: tuple[np.ndarray, ...], scales: list[Scale]) -> None:
        """Turn gradients by the scaled weights into those by the plain ones, in place."""
        for gradient, weight, scale in zip(gradients[::2], self.arrays()[::2], scales, strict=False):
            if scale.u is not None and scale.v is not None:
                power.through(gradient, weight, scale.by, scale.slope, scale.u, scale.v)
            elif scale.by != 1:
                gradient *= np.float32(scale.by)


PLAIN = Scale(1.0)


def factors(scales: list[Scale]) -> np.ndarray:
    """-> [4] float32."""
    return np.array([scale.by for scale in scales], np.float32)


_FORMS: "WeakKeyDictionary[Network, Small]" = WeakKeyDictionary()


def form(network: Network) -> Small:
    """The compiled form of a network that fits, made when it is first asked for."""
    if network not in _FORMS:
        _FORMS[network] = Small(network)
    return _FORMS[network]


class Views:
    """Arrays on the memory of tensors, wherever that lies when they are asked for: share_memory moves it."""

    def __init__(self, tensors: Sequence[torch.Tensor], view: Callable[[torch.Tensor], np.ndarray]):
        self._tensors, self._view = list(tensors), view
        self._where: list[int] = []
        self._arrays: tuple[np.ndarray, ...] = ()

    def __call__(self) -> tuple[np.ndarray, ...]:
        where = [tensor.data_ptr() for tensor in self._tensors]
        if where != self._where:
            self._where, self._arrays = where, tuple(map(self._view, self._tensors))
        return self._arrays


def matrix(tensor: torch.Tensor) -> np.ndarray:
    """An array on a tensor's memory, kernels as matrices [O, taps]."""
    return tensor.detach().flatten(1).numpy() if tensor.dim() > 1 else tensor.detach().numpy()


def flat(obs: torch.Tensor) -> np.ndarray:
    """[…, C, H, W] of any type -> […, pixels] float32."""
    return obs.flatten(-3).numpy().astype(np.float32)
