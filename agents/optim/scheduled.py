"""Using spectral norms without normalising: divOut, divGrad, mulEps, divLR (Gogianu et al. 2021, arXiv:2105.05246).

With rho_i the norms of the chosen layers' plain weights and P their product: divOut divides the network's output by
P (P carries no gradient); divGrad divides gradients before the optimizer's step, mulEps multiplies its epsilon,
divLR divides its learning rate. `scope: layer` treats each chosen weight by its own rho_i, `product` every parameter
by P. With only_shrink, rho_i counts as at least 1 (the authors' public code).
"""

import math

import numpy as np
import torch
from torch import nn

from agents.nets.network import Network
from agents.nets.scaling import Scale, Scaling
from agents.optim.spectral import Meter, attached, meter_layers
from agents.optim.step import Optimizer
from agents.spec.spectral import SpectralOutput, SpectralSchedule


class Divide(Scaling):
    """Divides by the product of the layers' norms, taken as constant."""

    def __init__(self, layers: list[nn.Module], meters: list[Meter], only_shrink: bool):
        super().__init__()
        self._members, self._least = list(zip(layers, meters, strict=True)), 1.0 if only_shrink else 0.0

    def forward(self, raw: torch.Tensor) -> torch.Tensor:
        for layer, meter in self._members:
            raw = raw / meter.rho(layer.weight.detach()).clamp(min=self._least)
        return raw

    def scale(self, weight: torch.Tensor | None = None) -> Scale:
        """Of the output; `weight` does not matter."""
        by = 1.0
        for layer, meter in self._members:
            by /= max(meter.value(layer.weight), self._least)
        return Scale(by)


def divide_output(spec: SpectralOutput, network: Network, rng: np.random.Generator) -> None:
    """divOut: Q <- Q / P; for a categorical value its logits / P. Any copy of the network uses its own norms."""
    meters = meter_layers(spec, network, rng)
    network.after = Divide([network.layers[i] for i in spec.layers], meters, spec.only_shrink)


class Schedule:
    """Called between the backward pass and the optimizer's step; changes gradients, epsilons or learning rates.

    The network's meters have to travel with it (`meter_layers`); spec.kind says which of the three is changed.
    """

    def __init__(self, spec: SpectralSchedule, network: Network, optimizer: Optimizer):
        self._gauge, self._spec, self._optimizer = attached(network), spec, optimizer
        place = {id(p): k for k, p in enumerate(optimizer.parameters)}
        self._weights = {f"rho[{i}]": place[id(layer.weight)] for i, (layer, _) in self._gauge.members.items()}
        self._base = (list(optimizer.rates), list(optimizer.epsilons))

    def __call__(self) -> None:
        norms = self._gauge.rho()
        if self._spec.only_shrink:
            norms = {name: max(rho, 1.0) for name, rho in norms.items()}
        if self._spec.scope == "product":
            factors = dict.fromkeys(range(len(self._base[0])), math.prod(norms.values()))
        else:
            factors = {self._weights[name]: rho for name, rho in norms.items()}
        rates, epsilons = self._base
        for k, factor in factors.items():
            if self._spec.kind == "gradient":
                self._optimizer.parameters[k].grad.div_(factor)
            elif self._spec.kind == "epsilon":
                self._optimizer.epsilons[k] = epsilons[k] * factor
            else:
                self._optimizer.rates[k] = rates[k] / factor
