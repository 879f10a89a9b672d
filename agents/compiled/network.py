"""MinAtar's network, compiled: from observations to K numbers for each action, and back.

A convolution (conv.py), then one hidden layer, both with ReLU, and a linear output [A * K]; in a dueling head a second
such stream gives V's K numbers beside the advantages, and K numbers of an action are V + A - mean_a A (Wang et al.
2016, eq. 9, arXiv:1511.06581). Large matrix products are the BLAS's. All is float32.

`weights` and `gradients` are (kernel [O, taps], bias [O], then of each stream hidden weight [H, O * places], hidden
bias [H], weight [A * K, H], bias [A * K]); the second stream is V's with K outputs, or all empty. `scales` [6] are what
kernel, the four weights of the streams and the output as a whole are multiplied by (1: as they are); `gradients` are
those by the weights after that. Both come as tables of their places (places.py), observations as what is lit of them.
"""

import numpy as np
from numba import njit

from agents.compiled.conv import ZERO, Lit, Sight, convolve, convolve_back
from agents.compiled.places import matrix, vector
from agents.compiled.products import sparse_dot, turned
from agents.compiled.vectors import WIDE


@njit(inline="always")
def arrays(table: np.ndarray) -> tuple:
    """The ten at these places."""
    return (
        matrix(table, 0),
        vector(table, 1),
        matrix(table, 2),
        vector(table, 3),
        matrix(table, 4),
        vector(table, 5),
        matrix(table, 6),
        vector(table, 7),
        matrix(table, 8),
        vector(table, 9),
    )


@njit(cache=True)
def _stream(
    y: np.ndarray, hidden: np.ndarray, hidden_bias: np.ndarray, weight: np.ndarray, bias: np.ndarray, s: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Features y [B, F] through a stream whose weights are multiplied by s [2]. -> h [B, H], output [B, N]."""
    units, h = np.dot(hidden, y.T), np.empty((len(y), len(hidden)), np.float32)  # in this order the BLAS is quicker
    for k in range(len(units)):
        row = units[k]
        for b in range(len(row)):
            value = s[0] * row[b] + hidden_bias[k]
            row[b] = ZERO if value < 0 else value  # NaN stays NaN
    turned(units, h)
    return h, np.dot(h, weight.T) * s[1] + bias


@njit(inline="always")
def _product(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """out <- a b, where a good part of a is 0."""
    if out.shape[1] % WIDE:
        np.dot(a, b, out)
    else:
        sparse_dot(a, b, out)


@njit(cache=True)
def _stream_back(
    y: np.ndarray,
    h: np.ndarray,
    gradient: np.ndarray,
    hidden: np.ndarray,
    weight: np.ndarray,
    s: np.ndarray,
    hidden_gradient: np.ndarray,
    hidden_bias_gradient: np.ndarray,
    weight_gradient: np.ndarray,
    bias_gradient: np.ndarray,
) -> np.ndarray:
    """gradient [B, N] of a stream's output back to its weights, which are written. -> by y [B, F]."""
    np.dot(gradient.T, h, weight_gradient)
    below = np.dot(gradient, weight)
    bias_gradient[:], hidden_bias_gradient[:] = 0, 0
    for b in range(len(h)):
        for n in range(len(bias_gradient)):
            bias_gradient[n] += gradient[b, n]
        active, row = h[b], below[b]
        for k in range(len(row)):
            row[k] = ZERO if active[k] <= 0 else s[1] * row[k]
            hidden_bias_gradient[k] += row[k]
    through = np.empty((len(h), hidden.shape[1]), np.float32)
    _product(np.ascontiguousarray(below.T), y, hidden_gradient)
    _product(below * s[0], hidden, through)
    return through


@njit(cache=True)
def forward(lit: Lit, seen: Sight, weights: np.ndarray, scales: np.ndarray) -> tuple:
    """-> features y [B, F], hidden units of both streams [B, H] and [B, G], K numbers for each action [B, A * K]."""
    kernel, bias, hidden, hidden_bias, weight, output_bias, v_hidden, v_hidden_bias, v_weight, v_bias = arrays(weights)
    size = len(lit.start) - 1
    y = np.empty((size, hidden.shape[1]), np.float32)
    convolve(lit, seen, kernel, scales[0], bias, y.reshape(size, len(kernel), -1))
    h, raw = _stream(y, hidden, hidden_bias, weight, output_bias, scales[1:3])
    g = np.empty((size, len(v_hidden_bias)), np.float32)
    if len(v_bias):
        g, v = _stream(y, v_hidden, v_hidden_bias, v_weight, v_bias, scales[3:5])
        for b in range(size):
            _shift(raw[b].reshape(-1, len(v_bias)), v[b])
    return y, h, g, raw * scales[5]


@njit(cache=True)
def _shift(raw: np.ndarray, v: np.ndarray) -> None:
    """Advantages [A, K] become v [K] + A - mean_a A."""
    for k in range(len(v)):
        total = ZERO
        for a in range(len(raw)):
            total += raw[a, k]
        for a in range(len(raw)):
            raw[a, k] += v[k] - total / np.float32(len(raw))


@njit(cache=True)
def _shift_back(gradient: np.ndarray, v_gradient: np.ndarray) -> None:
    """Gradient by what `_shift` made [A, K] becomes that by the advantages; v_gradient [K] is V's."""
    for k in range(len(v_gradient)):
        total = ZERO
        for a in range(len(gradient)):
            total += gradient[a, k]
        v_gradient[k] = total
        for a in range(len(gradient)):
            gradient[a, k] -= total / np.float32(len(gradient))


@njit(cache=True)
def backward(
    lit: Lit,
    seen: Sight,
    weights: np.ndarray,
    scales: np.ndarray,
    y: np.ndarray,
    h: np.ndarray,
    g: np.ndarray,
    gradient: np.ndarray,
    gradients: np.ndarray,
) -> None:
    """From gradient [B, A * K] by what `forward` gave (changed in here) to `gradients`."""
    _, _, hidden, _, weight, _, v_hidden, _, v_weight, v_bias = arrays(weights)
    of = arrays(gradients)
    gradient *= scales[5]
    v_gradient = np.empty((len(y), len(v_bias)), np.float32)
    if len(v_bias):
        for b in range(len(y)):
            _shift_back(gradient[b].reshape(-1, len(v_bias)), v_gradient[b])
    y_gradient = _stream_back(y, h, gradient, hidden, weight, scales[1:3], of[2], of[3], of[4], of[5])
    if len(v_bias):
        y_gradient += _stream_back(y, g, v_gradient, v_hidden, v_weight, scales[3:5], of[6], of[7], of[8], of[9])
    shape = (len(y), len(of[1]), -1)
    convolve_back(lit, seen, y.reshape(shape), y_gradient.reshape(shape), of[0], of[1])
