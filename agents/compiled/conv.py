"""The convolution on small screens, compiled: forwards, and back to its kernel.

MinAtar's screens are zero but for one pixel in twelve or so, hence it goes by pixels: each that is not zero adds one
column of the kernel to every output that sees it, and backwards the kernel's gradient collects from the same outputs.
Which those are stands in a `Sight`. All is float32; observations are [B, pixels], kernels [O, taps].
"""

from typing import NamedTuple

import numpy as np
from numba import njit

LANES = 8  # output channels are handled by eights
ZERO, ONE = np.float32(0), np.float32(1)


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
def convolve(x: np.ndarray, seen: Sight, kernel: np.ndarray, scale: float, bias: np.ndarray, y: np.ndarray) -> None:
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
def convolve_back(
    x: np.ndarray,
    seen: Sight,
    y: np.ndarray,
    y_gradient: np.ndarray,
    kernel_gradient: np.ndarray,
    bias_gradient: np.ndarray,
) -> None:
    """y_gradient [B, O, places] back through the rectifier, to the scaled kernel and the bias."""
    channels, taps = kernel_gradient.shape
    parts = np.uint64(channels // LANES)
    columns, passed = np.zeros((taps, channels), np.float32), np.empty((y.shape[2], channels), np.float32)
    sums8 = np.zeros((parts, LANES), np.float32)
    columns8, passed8 = columns.reshape(-1, LANES), passed.reshape(-1, LANES)
    for b in range(len(x)):
        for o in range(channels):
            for p in range(len(passed)):
                passed[p, o] = ZERO if y[b, o, p] <= 0 else y_gradient[b, o, p]
        for p in range(np.uint64(len(passed))):
            for part in range(parts):
                _add(sums8, part, passed8, p * parts + part, ONE)
        _through(x[b], seen.start, columns8, seen.tap, passed8, seen.place, parts)
    bias_gradient[:] = sums8.ravel()
    kernel_gradient[:] = columns.T
