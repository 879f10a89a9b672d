"""MinAtar's network, compiled: from observations to K numbers for each action, and back.

A convolution (conv.py), then one hidden layer, both with ReLU, and a linear output [A * K]; in a dueling head a second
such stream gives V's K numbers beside the advantages, and K numbers of an action are V + A - mean_a A (Wang et al.
2016, eq. 9, arXiv:1511.06581). Large matrix products are the BLAS's. All is float32.

`weights` and `gradients` are (kernel [O, taps], bias [O], then of each stream hidden weight [H, O * places], hidden
bias [H], weight [A * K, H], bias [A * K]); the second stream is V's with K outputs, or all empty. `scales` [6] are what
kernel, the four weights of the streams and the output as a whole are multiplied by (1: as they are); `gradients` are
those by the weights after that. Observations are [B, pixels].
"""

import numpy as np
from numba import njit

from agents.compiled.conv import ZERO, Sight, convolve, convolve_back


@njit(cache=True)
def _stream(
    y: np.ndarray, hidden: np.ndarray, hidden_bias: np.ndarray, weight: np.ndarray, bias: np.ndarray, s: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Features y [B, F] through a stream whose weights are multiplied by s [2]. -> h [B, H], output [B, N]."""
    h = np.dot(y, hidden.T)
    for b in range(len(h)):
        row = h[b]
        for k in range(len(row)):
            value = s[0] * row[k] + hidden_bias[k]
            row[k] = ZERO if value < 0 else value  # NaN stays NaN
    return h, np.dot(h, weight.T) * s[1] + bias


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
    np.dot(below.T, y, hidden_gradient)
    return np.dot(below * s[0], hidden)


@njit(cache=True)
def forward(x: np.ndarray, seen: Sight, weights: tuple, scales: np.ndarray) -> tuple:
    """-> features y [B, F], hidden units of both streams [B, H] and [B, G], K numbers for each action [B, A * K]."""
    kernel, bias, hidden, hidden_bias, weight, output_bias, v_hidden, v_hidden_bias, v_weight, v_bias = weights
    y = np.empty((len(x), hidden.shape[1]), np.float32)
    convolve(x, seen, kernel, scales[0], bias, y.reshape(len(x), len(kernel), -1))
    h, raw = _stream(y, hidden, hidden_bias, weight, output_bias, scales[1:3])
    g = np.empty((len(x), len(v_hidden_bias)), np.float32)
    if len(v_bias):
        g, v = _stream(y, v_hidden, v_hidden_bias, v_weight, v_bias, scales[3:5])
        for b in range(len(x)):
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
    x: np.ndarray,
    seen: Sight,
    weights: tuple,
    scales: np.ndarray,
    y: np.ndarray,
    h: np.ndarray,
    g: np.ndarray,
    gradient: np.ndarray,
    gradients: tuple,
) -> None:
    """From gradient [B, A * K] by what `forward` gave (changed in here) to `gradients`."""
    gradient *= scales[5]
    v_gradient = np.empty((len(x), len(weights[9])), np.float32)
    if len(weights[9]):
        for b in range(len(x)):
            _shift_back(gradient[b].reshape(-1, len(weights[9])), v_gradient[b])
    y_gradient = _stream_back(
        y,
        h,
        gradient,
        weights[2],
        weights[4],
        scales[1:3],
        gradients[2],
        gradients[3],
        gradients[4],
        gradients[5],
    )
    if len(weights[9]):
        y_gradient += _stream_back(
            y,
            g,
            v_gradient,
            weights[6],
            weights[8],
            scales[3:5],
            gradients[6],
            gradients[7],
            gradients[8],
            gradients[9],
        )
    shape = (len(x), len(gradients[1]), -1)
    convolve_back(x, seen, y.reshape(shape), y_gradient.reshape(shape), gradients[0], gradients[1])
