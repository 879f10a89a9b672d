"""Networks so small that calls cost more than arithmetic, in their compiled form: MinAtar's.

A convolution on small screens, one hidden layer, both with ReLU, and a linear output, plain or dueling. Weights and
output may be multiplied by a number (spectral normalisation); layers may be noisy. The network itself stays what it is;
this is another way to compute with its parameters.
"""

from collections.abc import Callable, Sequence
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from agents.compiled import noise, power, q_learning
from agents.compiled.conv import LANES, sight
from agents.nets.heads import Dueling, Plain
from agents.nets.layers import Conv2d, Linear
from agents.nets.network import Network
from agents.nets.noisy import Factorised
from agents.nets.scaling import Scale, Scaling, raw_weight, scaling_of
from agents.nets.torsos import Convolutional


def fits(network: Network) -> bool:
    """Whether `network` is one of those that have a compiled form."""
    torso, head = network.torso, network.head
    if not (isinstance(torso, Convolutional) and network.core is None and isinstance(head, Plain | Dueling)):
        return False
    plain = _streams(head)
    norms = (*torso.norms, *(norm for stream in plain for norm in stream.features.norms))
    return (
        [_kind(layer) for layer in torso.layers] == [Conv2d]
        and torso.layers[0].gather
        and torso.layers[0].out_channels % LANES == 0
        and all([_kind(layer) for layer in stream.layers] in ([Linear] * 2, [Factorised] * 2) for stream in plain)
        and all(type(norm) is nn.Identity for norm in norms)
        and all(activation is F.relu for activation in (torso.activation, *(s.features.activation for s in plain)))
        and all(stream.shared_bias is None for stream in plain)
        and network.scale == 1
        and all(parameter.device.type == "cpu" for parameter in network.parameters())
        and all(_scales(scaling_of(layer), raw_weight(layer)) for layer in network.layers)
        # Of noisy layers mu alone would be scaled, and not what noise makes of it.
        and not any(isinstance(layer, Factorised) and scaling_of(layer) for layer in network.layers)
        and (type(network.after) is nn.Identity or _scales([network.after], None))
    )


def _streams(head: Plain | Dueling) -> list[Plain]:
    """What gives numbers for each action, and V's part where there is one."""
    return [head] if isinstance(head, Plain) else [head.advantage, head.value]


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
        first = network.torso.layers[0]
        self.layers = [first, *(layer for stream in _streams(network.head) for layer in stream.layers)]
        self.parameters = [each for layer in self.layers for each in (raw_weight(layer), layer.bias)]
        self.arrays = Views(self.parameters, matrix)
        noisy = [layer for layer in self.layers if isinstance(layer, Factorised)]
        self.sigmas = [each for layer in noisy for each in (layer.weight_sigma, layer.bias_sigma)]
        self._sigma_arrays = Views(self.sigmas, matrix)
        draws = 2 if noisy else 0  # of noise, that are needed at the same time
        self._formed = [tuple(map(np.empty_like, self.arrays()[2:])) for _ in range(draws)]
        self._scalings = [next(iter(scaling_of(layer)), None) for layer in self.layers]
        self._after = network.after if isinstance(network.after, Scaling) else None
        self._unscaled = self._after is None and not any(self._scalings)
        patches = first.patches.numpy().reshape(raw_weight(first)[0].numel(), -1)
        self.seen = sight(int(np.prod(first.input_shape)), patches)
        q_learning.prepare(self.seen, self.weights())
        self.to_plain(tuple(np.zeros_like(array) for array in self.arrays()), self.scales())  # compiled now, too

    def weights(self, draw: int = 0) -> tuple[np.ndarray, ...]:
        """As agents/compiled/network.py wants them; noisy ones by the noise of now, until the next call for it."""
        arrays = self.arrays()
        if self._formed and self.layers[-1].training:
            formed = self._formed[draw]
            for k, (mu, sigma) in enumerate(zip(arrays[2:], self._sigma_arrays(), strict=True)):
                noise.perturb(*_matrices(mu, sigma), *self._noise(k), *_matrices(formed[k]))
            arrays = (*arrays[:2], *formed)
        return both_streams(arrays)

    def to_sigmas(self, gradients: tuple[np.ndarray, ...], sigma_gradients: tuple[np.ndarray, ...]) -> None:
        """Of gradients by the noisy weights, in the order of `parameters`, make those by their sigmas."""
        for k, (gradient, out) in enumerate(zip(gradients[2:], sigma_gradients, strict=False)):
            noise.to_sigma(*_matrices(gradient), *self._noise(k), *_matrices(out))

    def _noise(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Of the k-th noisy parameter, for outputs and inputs."""
        layer = self.layers[1 + k // 2]
        return layer.eps_out.numpy(), _ONE if k % 2 else layer.eps_in.numpy()

    def scales(self) -> list[Scale]:
        """What the weights and the output are multiplied by."""
        if self._unscaled:
            return _UNSCALED
        pairs = zip(self._scalings, self.parameters[::2], strict=True)
        found = [scaling.scale(weight) if scaling else PLAIN for scaling, weight in pairs]
        return [*found, *[PLAIN] * (5 - len(found)), self._after.scale() if self._after else PLAIN]

    def values(self, obs: torch.Tensor, support: np.ndarray) -> np.ndarray:
        """Observations [B, C, H, W] of any type -> action values [B, A].

        `support` [K] is what the K numbers of an action stand for (agents/compiled/q_learning.py).
        """
        return q_learning.action_values(flat(obs), self.seen, self.weights(), factors(self.scales()), support)

    def to_plain(self, gradients: tuple[np.ndarray, ...], scales: list[Scale]) -> None:
        """Turn gradients by the scaled weights into those by the plain ones, in place."""
        if scales is _UNSCALED:
            return
        for gradient, weight, scale in zip(gradients[::2], self.arrays()[::2], scales, strict=False):
            if scale.u is not None and scale.v is not None:
                power.through(gradient, weight, scale.by, scale.slope, scale.u, scale.v)
            elif scale.by != 1:
                gradient *= np.float32(scale.by)


PLAIN = Scale(1.0)
_UNSCALED = [PLAIN] * 6
_ONE, _ONES = np.ones(1, np.float32), np.ones(6, np.float32)
_NO_STREAM = tuple(np.empty(shape, np.float32) for shape in ((0, 0), (0,), (0, 0), (0,)))


def both_streams(arrays: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    """Weights or gradients as agents/compiled/network.py wants them, where V's stream may be missing."""
    return arrays if len(arrays) == 10 else (*arrays, *_NO_STREAM)


def factors(scales: list[Scale]) -> np.ndarray:
    """-> [6] float32."""
    return _ONES if scales is _UNSCALED else np.array([scale.by for scale in scales], np.float32)


def _matrices(*arrays: np.ndarray) -> list[np.ndarray]:
    """Biases [H] as [H, 1]; weights as they are."""
    return [array if array.ndim == 2 else array[:, None] for array in arrays]


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
