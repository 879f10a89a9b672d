"""Factorised noise on weights, compiled: nets/noisy.py says what it is.

All come as tables of places (places.py) with a row for each noisy weight [H, K] or bias [H]; those of noise hold for
each of them eps_out [H] and then eps_in [K], which is 1 for a bias.
"""

import numpy as np
from numba import njit

from agents.compiled.places import matrix, vector


@njit(cache=True)
def perturb(mu: np.ndarray, sigma: np.ndarray, eps: np.ndarray, out: np.ndarray) -> None:
    """out <- mu + sigma eps_out eps_in^T."""
    for k in range(len(mu)):
        m, s, w = matrix(mu, k), matrix(sigma, k), matrix(out, k)
        eps_out, eps_in = vector(eps, 2 * k), vector(eps, 2 * k + 1)
        for i in range(len(m)):
            for j in range(len(eps_in)):
                w[i, j] = m[i, j] + s[i, j] * (eps_out[i] * eps_in[j])


@njit(cache=True)
def to_sigma(gradient: np.ndarray, eps: np.ndarray, out: np.ndarray) -> None:
    """out <- the gradients by sigma, where `gradient` are those by the weights."""
    for k in range(len(gradient)):
        g, s, eps_out, eps_in = matrix(gradient, k), matrix(out, k), vector(eps, 2 * k), vector(eps, 2 * k + 1)
        for i in range(len(g)):
            for j in range(len(eps_in)):
                s[i, j] = g[i, j] * (eps_out[i] * eps_in[j])
