"""Layers and outputs that are multiplied by one number, which follows from weights: spectral norms, say."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrize


class Scale(NamedTuple):
    """A factor. With the weight W it changes by slope * u (dW) v; slope 0: it counts as constant."""

    by: float
    slope: float = 0.0
    u: np.ndarray | None = None  # [H]
    v: np.ndarray | None = None  # [K]


class Scaling(nn.Module, ABC):
    """What multiplies by a number: a parametrization of a layer's weight, or what becomes of a network's output."""

    @abstractmethod
    def scale(self, weight: torch.Tensor | None = None) -> Scale | None:
        """The factor of a layer's plain weight, or of the output; None where its gradient is not as Scale says."""


def raw_weight(layer: nn.Module) -> torch.Tensor:
    """The parameter behind a layer's weight, before any scaling."""
    return layer.parametrizations.weight.original if parametrize.is_parametrized(layer, "weight") else layer.weight


def scaling_of(layer: nn.Module) -> list[nn.Module]:
    """What is made of a layer's weight before it is used, in order."""
    return list(layer.parametrizations.weight) if parametrize.is_parametrized(layer, "weight") else []
