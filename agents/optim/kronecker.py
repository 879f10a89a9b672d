"""Kronecker factors of a layer's Fisher matrix, and what its inverse makes of a gradient.

K-FAC (Martens & Grosse 2015, arXiv:1503.05671) for linear layers, KFC (Grosse & Martens 2016, arXiv:1602.01407) for
convolutions, as ACKTR uses them (Wu et al. 2017, arXiv:1708.05144, section 3).

A layer's weight and bias are one matrix W [O, I + 1] that acts on a = [input; 1]; a convolution's acts on the patch at
each of T positions. With g the gradient of log p(sample) by what W gives there, the layer's block of the Fisher matrix
is taken for A (x) G, and the natural gradient is F^-1 vec(D) = vec(G^-1 D A^-1), D the gradient by W.
"""

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

SMALL = 1e-6  # eigenvalues up to here are taken for 0 (openai/baselines@ea25b9e, acktr/kfac.py)
ROUNDING = 1e-3  # of the largest eigenvalue: below minus this, a factor is no second moment any more


class Eigen(NamedTuple):
    """A symmetric matrix M = vectors diag(values) vectors^T."""

    values: torch.Tensor  # [K], at least 0
    vectors: torch.Tensor  # [K, K], one in each column


def inputs(layer: nn.Linear | nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
    """What the layer's matrix acts on, with a 1 at the end where it has a bias: x, the layer's input -> [N, T, I]."""
    if isinstance(layer, nn.Conv2d):
        a = F.unfold(x, layer.kernel_size, padding=layer.padding, stride=layer.stride).transpose(1, 2)
    else:
        a = x[:, None]
    return a if layer.bias is None else torch.cat([a, a.new_ones(*a.shape[:2], 1)], 2)


def outputs(g: torch.Tensor) -> torch.Tensor:
    """Gradients by a layer's output, [N, O] or [N, O, H, W] -> [N, T, O]."""
    return g.flatten(2).transpose(1, 2) if g.ndim == 4 else g[:, None]


def factors(a: torch.Tensor, g: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """a [N, T, I], g [N, T, O], of each of N samples by itself -> A [I, I], G [O, O].

    A = 1/N sum_{n,t} a a^T and G = 1/(N T) sum_{n,t} g g^T (KFC, eq. 31 and 32: spatially uncorrelated derivatives);
    T is 1 for linear layers.
    """
    assert a.ndim == g.ndim == 3 and a.shape[:2] == g.shape[:2], (a.shape, g.shape)
    samples, places = a.shape[:2]
    a, g = a.flatten(0, 1), g.flatten(0, 1)
    return a.t() @ a / samples, g.t() @ g / (samples * places)


def eigen(factor: torch.Tensor) -> Eigen | None:
    """Of a symmetric [K, K]; None where it is no second moment: numbers that are not finite, or clearly below 0."""
    if not bool(factor.isfinite().all()):
        return None
    try:
        values, vectors = torch.linalg.eigh(factor)
    except torch.linalg.LinAlgError:
        return None
    if not bool(vectors.isfinite().all()) or bool(values[0] < -ROUNDING * values[-1].abs()):
        return None
    return Eigen(torch.where(values > SMALL, values, 0.0), vectors)


def _through(gradient: torch.Tensor, a: Eigen, g: Eigen, eigenvalues: torch.Tensor) -> torch.Tensor:
    inside = g.vectors.t() @ gradient @ a.vectors / eigenvalues
    return g.vectors @ inside @ a.vectors.t()


def plain_damping(gradient: torch.Tensor, a: Eigen, g: Eigen, damping: float) -> torch.Tensor:
    """(A (x) G + damping I)^-1 on a gradient [O, I], exact in the factors' eigenbases -> [O, I].

    What ACKTR's authors ran, whatever their text says (openai/baselines, issue 130).
    """
    return _through(gradient, a, g, torch.outer(g.values, a.values) + damping)


def factored_damping(gradient: torch.Tensor, a: Eigen, g: Eigen, damping: float) -> torch.Tensor:
    """((A + pi sqrt(damping) I) (x) (G + sqrt(damping) / pi I))^-1 on a gradient [O, I] -> [O, I].

    pi = sqrt(mean eigenvalue of A / mean eigenvalue of G), 1 where either is 0 (arXiv:1503.05671, section 6.3).
    """
    ratio, root = a.values.mean() / g.values.mean(), damping**0.5
    pi = torch.where(ratio.isfinite() & (ratio > 0), ratio, 1.0).sqrt()
    return _through(gradient, a, g, torch.outer(g.values + root / pi, a.values + root * pi))
