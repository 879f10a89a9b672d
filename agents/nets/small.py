"""Networks so small that calls cost more than arithmetic, in their compiled form: MinAtar's.

A convolution on small screens, one hidden layer, both with ReLU, and a linear output, plain or dueling. Weights and
output may be multiplied by a number (spectral normalisation); layers may be noisy. The network itself stays what it is;
this is another way to compute with its parameters.
"""

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from agents.compiled import noise, power, q_learning
from agents.compiled.conv import LANES, sight
from agents.compiled.draws import source
from agents.compiled.places import places
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
        self.weights_of = Places(self.parameters, ROWS)
        noisy = [layer for layer in self.layers if isinstance(layer, Factorised)]
        self.sigmas = [each for layer in noisy for each in (layer.weight_sigma, layer.bias_sigma)]
        self._sigmas_of, self._noisy = Places(self.sigmas), noisy
        draws = 2 if noisy else 0  # of noise, that are needed at the same time
        self._formed = [Places(list(map(torch.empty_like, self.parameters)), ROWS) for _ in range(draws)]
        self._eps = Places([each for layer in noisy for each in _draw(layer)]).table()
        self._scalings = [next(iter(scaling_of(layer)), None) for layer in self.layers]
        self._after = network.after if isinstance(network.after, Scaling) else None
        self._unscaled = self._after is None and not any(self._scalings)
        patches = first.patches.numpy().reshape(raw_weight(first)[0].numel(), -1)
        self.seen = sight(int(np.prod(first.input_shape)), patches)
        atoms = _streams(network.head)[-1].output.out_features if isinstance(network.head, Dueling) else 1
        q_learning.prepare(self.seen, self.weights(), atoms)
        self.to_plain([np.zeros_like(array) for array in self.weights_of.arrays()], self.scales())  # compiled now, too

    def weights(self, draw: int = 0) -> np.ndarray:
        """As agents/compiled/network.py wants them; noisy ones by the noise of now, until the next call for it."""
        table = self.weights_of.table()
        if not self._formed or not self.layers[-1].training:
            return table
        formed, end = self._formed[draw].table(), 2 + len(self.sigmas)
        formed[:2] = table[:2]
        noise.perturb(table[2:end], self._sigmas_of.table(), self._noise(), formed[2:end])
        return formed

    def to_sigmas(self, gradients: np.ndarray, sigma_gradients: np.ndarray) -> None:
        """Of gradients by the noisy weights make those by their sigmas; both as tables, in the parameters' order."""
        if self.sigmas:
            noise.to_sigma(gradients[2 : 2 + len(self.sigmas)], self._noise(), sigma_gradients)

    def _noise(self) -> np.ndarray:
        """As agents/compiled/noise.py wants it; each draw lies elsewhere."""
        self._eps[:, 0] = [each.data_ptr() for layer in self._noisy for each in _draw(layer)]
        return self._eps

    def scales(self) -> list[Scale]:
        """What the weights and the output are multiplied by."""
        if self._unscaled:
            return _UNSCALED
        pairs = zip(self._scalings, self.parameters[::2], strict=True)
        found = [scaling.scale(weight) if scaling else PLAIN for scaling, weight in pairs]
        return [*found, *[PLAIN] * (5 - len(found)), self._after.scale() if self._after else PLAIN]

    def act(
        self, obs: torch.Tensor, support: np.ndarray, epsilon: float | np.ndarray, rng: np.random.Generator, keep: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Observations [B, C, H, W] of any type -> actions [B], values [B, A] (compiled/q_learning.py).

        `support` [K] is what the K numbers of an action stand for.
        """
        weights, scales, chances = self.weights(), factors(self.scales()), np.array(epsilon, np.float64, ndmin=1)
        return q_learning.epsilon_greedy(flat(obs), self.seen, weights, scales, support, source(rng), chances, keep)

    def to_plain(self, gradients: Sequence[np.ndarray], scales: list[Scale]) -> None:
        """Turn gradients by the scaled weights into those by the plain ones, in place."""
        if scales is _UNSCALED:
            return
        for gradient, weight, scale in zip(gradients[::2], self.weights_of.arrays()[::2], scales, strict=False):
            if scale.u is not None and scale.v is not None:
                power.through(gradient, weight, scale.by, scale.slope, scale.u, scale.v)
            elif scale.by != 1:
                gradient *= np.float32(scale.by)


ROWS = 10  # of both streams' weights, or gradients, as agents/compiled/network.py wants them
PLAIN = Scale(1.0)
_UNSCALED = [PLAIN] * 6
_ONE, _ONES = torch.ones(1), np.ones(6, np.float32)


def factors(scales: list[Scale]) -> np.ndarray:
    """-> [6] float32."""
    return _ONES if scales is _UNSCALED else np.array([scale.by for scale in scales], np.float32)


def _draw(layer: Factorised) -> tuple[torch.Tensor, ...]:
    """Of a layer's weight for outputs and inputs, and of its bias, whose input is 1."""
    return layer.eps_out, layer.eps_in, layer.eps_out, _ONE


_FORMS: "WeakKeyDictionary[Network, Small]" = WeakKeyDictionary()


def form(network: Network) -> Small:
    """The compiled form of a network that fits, made when it is first asked for."""
    found = _FORMS.get(network)
    if found is None:
        found = _FORMS[network] = Small(network)
    return found


class Places:
    """Where tensors lie, and arrays on that memory, as of when they are asked for: share_memory moves all of them.

    A table (agents/compiled/places.py) has at least `rows` rows; those without a tensor are empty.
    """

    def __init__(self, tensors: Sequence[torch.Tensor], rows: int = 0):
        self._tensors, self._rows = list(tensors), rows
        self._where = 0  # of the first: it does not move alone
        self._arrays: tuple[np.ndarray, ...] = ()
        self._table = places(())

    def arrays(self) -> tuple[np.ndarray, ...]:
        """One matrix for each tensor, on its memory."""
        self._follow()
        return self._arrays

    def table(self) -> np.ndarray:
        """The places [rows, 3] int64 for compiled code."""
        self._follow()
        return self._table

    def _follow(self) -> None:
        if self._tensors and self._tensors[0].data_ptr() != self._where:
            self._where, self._arrays = self._tensors[0].data_ptr(), tuple(map(matrix, self._tensors))
            missing = max(0, self._rows - len(self._tensors))
            self._table = np.concatenate((places(self._arrays), np.zeros((missing, 3), np.int64)))


def matrix(tensor: torch.Tensor) -> np.ndarray:
    """An array on a tensor's memory, kernels as matrices [O, taps]."""
    return tensor.detach().flatten(1).numpy() if tensor.dim() > 1 else tensor.detach().numpy()


def flat(obs: torch.Tensor) -> np.ndarray:
    """[…, C, H, W] of any type -> […, pixels] float32."""
    array = obs.numpy()
    return array.reshape(*array.shape[:-3], -1).astype(np.float32)
