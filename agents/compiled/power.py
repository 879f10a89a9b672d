"""Power iteration on matrices, and gradients through what is divided by their norms; optim/spectral.py says of what."""

import math

import numpy as np
from numba import njit


@njit(cache=True)
def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.float32(math.sqrt(np.dot(x, x)) + 1e-12)


@njit(cache=True)
def advance(weight: np.ndarray, u: np.ndarray, v: np.ndarray, steps: int) -> None:
    """`steps` power iterations on weight [H, K]; u [H] and v [K] are its singular vectors so far, changed in place."""
    for _ in range(steps):
        v[:] = _unit(np.dot(weight.T, _unit(np.dot(weight, v))))
    u[:] = _unit(np.dot(weight, v))


@njit(cache=True)
def rho(weight: np.ndarray, u: np.ndarray, v: np.ndarray) -> float:
    """u W v."""
    return np.dot(u, np.dot(weight, v))


@njit(cache=True, fastmath={"reassoc", "contract"})
def _dot(x: np.ndarray, y: np.ndarray) -> float:
    total = np.float32(0)
    for i in range(len(x)):
        total += x[i] * y[i]
    return total


@njit(cache=True)
def through(gradient: np.ndarray, weight: np.ndarray, scale: float, slope: float, u: np.ndarray, v: np.ndarray) -> None:
    """`gradient` [H, K] by scale W becomes the one by W, where d scale = slope * u (dW) v (0: scale is constant)."""
    share = np.float32(slope * _dot(gradient.ravel(), weight.ravel()))
    scale = np.float32(scale)
    for i in range(len(gradient)):
        row, step = gradient[i], share * u[i]
        for k in range(len(row)):
            row[k] = scale * row[k] + step * v[k]
