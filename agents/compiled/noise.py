"""Factorised noise on weights, compiled: nets/noisy.py says what it is."""

import numpy as np
from numba import njit


@njit(cache=True)
def perturb(mu: np.ndarray, sigma: np.ndarray, eps_out: np.ndarray, eps_in: np.ndarray, out: np.ndarray) -> None:
    """out <- mu + sigma eps_out eps_in^T, all [H, K]; of a bias [H, 1], with eps_in 1."""
    for i in range(len(mu)):
        for k in range(len(eps_in)):
            out[i, k] = mu[i, k] + sigma[i, k] * (eps_out[i] * eps_in[k])


@njit(cache=True)
def to_sigma(gradient: np.ndarray, eps_out: np.ndarray, eps_in: np.ndarray, out: np.ndarray) -> None:
    """out <- the gradient by sigma, where `gradient` is that by the weights [H, K]."""
    for i in range(len(gradient)):
        for k in range(len(eps_in)):
            out[i, k] = gradient[i, k] * (eps_out[i] * eps_in[k])
