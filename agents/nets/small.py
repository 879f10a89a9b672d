"""Networks so small that calls cost more than arithmetic, in their compiled form: MinAtar's.

A convolution on small screens, one hidden layer, both with ReLU, a linear output, and nothing that changes weights or
output on the way. The network itself stays what it is; this is another way to compute with its parameters.
"""

from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from agents.compiled import q_learning
from agents.nets.heads import Plain
from agents.nets.layers import Conv2d, Linear
from agents.nets.network import Network
from agents.nets.torsos import Convolutional


def fits(network: Network) -> bool:
    """Whether `network` is one of those that have a compiled form."""
    torso, head = network.torso, network.head
    if not (isinstance(torso, Convolutional) and network.core is None and isinstance(head, Plain)):
        return False
    between = (*torso.norms, *head.features.norms, network.after)
    return (
        [type(layer) for layer in network.layers] == [Conv2d, Linear, Linear]  # a parametrised one has another type
        and torso.layers[0].gather
        and torso.layers[0].out_channels % q_learning.LANES == 0
        and all(type(module) is nn.Identity for module in between)
        and torso.activation is head.features.activation is F.relu
        and head.shared_bias is None
        and network.scale == 1
        and all(parameter.device.type == "cpu" for parameter in network.parameters())
    )


class Small:
    """The compiled form of a network that fits, on the same parameters. Observations are [B, C, H, W] on the CPU."""

    def __init__(self, network: Network):
        layer = network.torso.layers[0]
        patches = layer.patches.numpy().reshape(layer.weight[0].numel(), -1)
        self.parameters = list(network.parameters())
        self.seen = q_learning.sight(int(np.prod(layer.input_shape)), patches)
        self._where: list[int] = []
        self._arrays: tuple[np.ndarray, ...] = ()
        q_learning.prepare(self.seen, self.arrays())

    def arrays(self) -> tuple[np.ndarray, ...]:
        """The parameters as arrays on the same memory, wherever that lies now."""
        where = [parameter.data_ptr() for parameter in self.parameters]
        if where != self._where:
            self._where, self._arrays = where, views(self.parameters)
        return self._arrays

    def values(self, obs: torch.Tensor) -> np.ndarray:
        """Observations [B, C, H, W] of any type -> action values [B, A] float32."""
        return q_learning.action_values(flat(obs), self.seen, self.arrays())


_FORMS: "WeakKeyDictionary[Network, Small]" = WeakKeyDictionary()


def form(network: Network) -> Small:
    """The compiled form of a network that fits, made when it is first asked for."""
    if network not in _FORMS:
        _FORMS[network] = Small(network)
    return _FORMS[network]


def views(tensors: list[torch.Tensor]) -> tuple[np.ndarray, ...]:
    """Arrays on the memory of tensors, kernels as matrices [O, taps]."""
    return tuple(t.detach().flatten(1).numpy() if t.dim() > 1 else t.detach().numpy() for t in tensors)


def flat(obs: torch.Tensor) -> np.ndarray:
    """[…, C, H, W] of any type -> […, pixels] float32."""
    return obs.flatten(-3).numpy().astype(np.float32)
