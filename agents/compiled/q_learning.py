"""Q-learning on MinAtar's network, compiled: its action values, and the loss with the gradients of all parameters.

The network is a convolution, one hidden layer, both with ReLU, and a linear output. MinAtar's screens are zero but for
one pixel in twelve or so, hence the convolution goes by pixels: each that is not zero adds one column of the kernel to
every output that sees it, and backwards the kernel's gradient collects from the same outputs. Which those are stands in
a `Sight`. Large matrix products are the BLAS's. `weights` and `gradients` are (kernel [O, taps], bias [O], hidden
weight [H, O * places], hidden bias [H], output weight [A, H], output bias [A]); observations are [B, pixels]. All is
float32.

Spectral normalisation divides weights by their norms, divOut the output: `scales` [4] are what kernel, hidden weight,
output weight and the output as a whole are multiplied by (1: as they are). `gradients` are then those by the weights
after that.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

LANES = 8  # output channels are handled by eights
ZERO, HALF, ONE, TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)


class Sight(NamedTuple):
    """Pixel n is seen by outputs `place[start[n] : start[n + 1]]`, through the kernel's columns `tap[…]`."""

    start: np.ndarray
    place: np.ndarray
    tap: np.ndarray


def sight(pixels: int, patches: np.ndarray) -> Sight:
    """patches [taps, places]: the pixel that an output sees through a tap."""
    order = np.argsort(patches.ravel(), kind="stable")
    start = np.searchsorted(patches.ravel()[order], np.arange(pixels + 1))
    tap, place = np.divmod(order, patches.shape[1])
    return Sight(*(part.astype(np.uint64) for part in (start, place, tap)))


@njit(inline="always")
def _add(y: np.ndarray, i: int, x: np.ndarray, j: int, scale: float) -> None:
    """y[i] += scale * x[j], rows of eight. All is read before anything is written: so it becomes one instruction."""
    a, b = y[i, 0] + scale * x[j, 0], y[i, 1] + scale * x[j, 1]
    c, d = y[i, 2] + scale * x[j, 2], y[i, 3] + scale * x[j, 3]
    e, f = y[i, 4] + scale * x[j, 4], y[i, 5] + scale * x[j, 5]
    g, h = y[i, 6] + scale * x[j, 6], y[i, 7] + scale * x[j, 7]
    y[i, 0], y[i, 1], y[i, 2], y[i, 3], y[i, 4], y[i, 5], y[i, 6], y[i, 7] = a, b, c, d, e, f, g, h


@njit(inline="always")
def _through(
    x: np.ndarray, start: np.ndarray, y: np.ndarray, at: np.ndarray, z: np.ndarray, of: np.ndarray, parts: int
) -> None:
    """y[at] += x z[of] along every way by which a pixel of x [pixels] that is not zero is seen."""
    for n in range(len(x)):
        pixel = x[n]
        if pixel != 0:
            for t in range(start[n], start[n + 1]):
                for part in range(parts):
                    _add(y, at[t] * parts + part, z, of[t] * parts + part, pixel)


@njit(cache=True)
def _convolve(x: np.ndarray, seen: Sight, kernel: np.ndarray, scale: float, bias: np.ndarray, y: np.ndarray) -> None:
    """y [B, O, places] <- the rectified convolution with scale * kernel."""
    channels = len(kernel)
    parts = np.uint64(channels // LANES)
    columns, sums = np.ascontiguousarray(kernel.T * scale), np.empty((y.shape[2], channels), np.float32)
    columns8, sums8 = columns.reshape(-1, LANES), sums.reshape(-1, LANES)
    for b in range(len(x)):
        sums[:] = bias
        _through(x[b], seen.start, sums8, seen.place, columns8, seen.tap, parts)
        for o in range(channels):
            for p in range(len(sums)):
                y[b, o, p] = ZERO if sums[p, o] < 0 else sums[p, o]  # NaN stays NaN


@njit(cache=True)
def _convolve_back(
    x: np.ndarray,
    seen: Sight,
    y: np.ndarray,
    y_gradient: np.ndarray,
    scale: float,
    kernel_gradient: np.ndarray,
    bias_gradient: np.ndarray,
) -> None:
    """`scale` times y_gradient [B, O, places] back through the rectifier, to the scaled kernel and the bias."""
    channels, taps = kernel_gradient.shape
    parts = np.uint64(channels // LANES)
    columns, passed = np.zeros((taps, channels), np.float32), np.empty((y.shape[2], channels), np.float32)
    sums8 = np.zeros((parts, LANES), np.float32)
    columns8, passed8 = columns.reshape(-1, LANES), passed.reshape(-1, LANES)
    for b in range(len(x)):
        for o in range(channels):
            for p in range(len(passed)):
                passed[p, o] = ZERO if y[b, o, p] <= 0 else scale * y_gradient[b, o, p]
        for p in range(np.uint64(len(passed))):
            for part in range(parts):
                _add(sums8, part, passed8, p * parts + part, ONE)
        _through(x[b], seen.start, columns8, seen.tap, passed8, seen.place, parts)
    bias_gradient[:] = sums8.ravel()
    kernel_gradient[:] = columns.T


@njit(cache=True)
def _layers(x: np.ndarray, seen: Sight, weights: tuple, scales: np.ndarray) -> tuple:
    """-> rectified outputs of the convolution y [B, O * places] and of the hidden layer h [B, H], values q [B, A]."""
    kernel, bias, hidden_weight, hidden_bias, weight, output_bias = weights
    y = np.empty((len(x), hidden_weight.shape[1]), np.float32)
    _convolve(x, seen, kernel, scales[0], bias, y.reshape(len(x), len(kernel), -1))
    h = np.dot(y, hidden_weight.T)
    for b in range(len(h)):
        row = h[b]
        for k in range(len(row)):
            value = scales[1] * row[k] + hidden_bias[k]
            row[k] = ZERO if value < 0 else value
    return y, h, (np.dot(h, weight.T) * scales[2] + output_bias) * scales[3]


@njit(cache=True)
def action_values(x: np.ndarray, seen: Sight, weights: tuple, scales: np.ndarray) -> np.ndarray:
    """-> [B, A]."""
    return _layers(x, seen, weights, scales)[2]


@njit(cache=True)
def q_learning(
    x_tm1: np.ndarray,
    a_tm1: np.ndarray,
    r_t: np.ndarray,
    discount_t: np.ndarray,
    x_t: np.ndarray,
    weight: np.ndarray,
    seen: Sight,
    online: tuple,
    target: tuple,
    online_scales: np.ndarray,
    target_scales: np.ndarray,
    double: bool,
    huber: bool,
    gradients: tuple,
) -> tuple[np.ndarray, float, float]:
    """The mean of weight x loss of the TD error; its gradients by the online weights are written to `gradients`.

    a_tm1, r_t, discount_t and weight [B]; losses/value.py says what is computed. -> |TD error| [B], loss, mean of Q(s)
    """
    batch, share = len(x_tm1), ONE / np.float32(len(x_tm1))
    q_t = action_values(x_t, seen, target, target_scales)
    selector = action_values(x_t, seen, online, online_scales) if double else q_t
    y, h, q = _layers(x_tm1, seen, online, online_scales)

    kernel_gradient, bias_gradient, hidden_gradient, hidden_bias_gradient, output_gradient, output_bias_gradient = (
        gradients
    )
    hidden_bias_gradient[:], output_gradient[:], output_bias_gradient[:] = 0, 0, 0
    h_gradient, error = np.empty_like(h), np.empty(batch, np.float32)
    loss = ZERO
    for b in range(batch):
        a = a_tm1[b]
        e = q[b, a] - (r_t[b] + discount_t[b] * q_t[b, selector[b].argmax()])
        size = error[b] = abs(e)
        if huber and not size < 1:
            loss += weight[b] * (size - HALF)
            gradient = weight[b] * share * np.sign(e)
        else:
            loss += weight[b] * e * e * (HALF if huber else ONE)
            gradient = weight[b] * share * e * (ONE if huber else TWO)
        gradient *= online_scales[3]
        output_bias_gradient[a] += gradient
        through = gradient * online_scales[2]
        active, below, row, row_gradient = h[b], h_gradient[b], online[4][a], output_gradient[a]
        for k in range(len(row)):
            row_gradient[k] += gradient * active[k]
            below[k] = ZERO if active[k] <= 0 else through * row[k]
            hidden_bias_gradient[k] += below[k]
    np.dot(h_gradient.T, y, hidden_gradient)
    y_gradient = np.dot(h_gradient, online[2])
    shape = (batch, len(bias_gradient), -1)
    back = y_gradient.reshape(shape)
    _convolve_back(x_tm1, seen, y.reshape(shape), back, online_scales[1], kernel_gradient, bias_gradient)
    return error, loss * share, q.mean()


def prepare(seen: Sight, weights: tuple) -> None:
    """Compile all of this, or load what was compiled before: now, and not in the midst of a training."""
    blank, nothing = np.zeros((1, len(seen.start) - 1), np.float32), np.zeros(1, np.float32)
    plain = np.ones(4, np.float32)
    gradients = tuple(np.empty_like(array) for array in weights)
    q_learning(
        blank,
        np.zeros(1, np.int64),
        nothing,
        nothing,
        blank,
        nothing,
        seen,
        weights,
        weights,
        plain,
        plain,
        False,
        False,
        gradients,
    )
