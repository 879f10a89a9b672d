"""The convolution on small screens, compiled: forwards, and back to its kernel.

MinAtar's screens are zero but for one pixel in twelve or so, hence it goes by pixels: each that is not zero adds one
column of the kernel to every output that sees it, and backwards the kernel's gradient collects from the same outputs.
Which those are stands in a `Sight`. Screens are `Lit`, kernels [O, taps] float32.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from agents.compiled.products import turned

LANES = 8  # output channels are handled by eights
ZERO, ONE = np.float32(0), np.float32(1)


class Sight(NamedTuple):
    """Pixel n is seen by outputs `place[start[n] : start[n + 1]]`, through the kernel's columns `tap[…]`."""

    start: np.ndarray
    place: np.ndarray
    tap: np.ndarray


class Lit(NamedTuple):
    """What is not zero of screens: of screen b the pixels `pixel[start[b] : start[b + 1]]` have these values."""

    start: np.ndarray  # [B + 1]
    pixel: np.ndarray
    value: np.ndarray  # float32


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
def dark(screens: int, pixels: int) -> Lit:
    """Room for screens of so many pixels, to be filled by `note` in order."""
    start, size = np.zeros(screens + 1, np.uint64), screens * pixels
    return Lit(start, np.empty(size, np.uint32), np.empty(size, np.float32))


@njit(inline="always")
def note(screen: np.ndarray, b: int, lit: Lit) -> None:
    """Screen b [pixels] joins, without a branch for each pixel."""
    end = lit.start[b]
    for n in range(len(screen)):
        lit.pixel[end], lit.value[end] = n, screen[n]
        end += np.uint64(screen[n] != 0)
    lit.start[b + 1] = end


@njit(cache=True)
def lit_of(x: np.ndarray) -> Lit:
    """Screens [B, pixels] float32."""
    lit = dark(x.shape[0], x.shape[1])
    for b in range(len(x)):
        note(x[b], b, lit)
    return lit


@njit(inline="always")
def _through(
    lit: Lit, b: int, start: np.ndarray, y: np.ndarray, at: np.ndarray, z: np.ndarray, of: np.ndarray, parts: int
) -> None:
    """y[at] += x z[of] along every way by which a pixel x of screen b that is not zero is seen."""
    for i in range(lit.start[b], lit.start[b + 1]):
        n, x = np.uint64(lit.pixel[i]), lit.value[i]
        for t in range(start[n], start[n + 1]):
            for part in range(parts):
                _add(y, at[t] * parts + part, z, of[t] * parts + part, x)


@njit(cache=True)
def convolve(lit: Lit, seen: Sight, kernel: np.ndarray, scale: float, bias: np.ndarray, y: np.ndarray) -> None:
    """y [B, O, places] <- the rectified convolution with scale * kernel."""
    channels = len(kernel)
    parts = np.uint64(channels // LANES)
    columns, sums = np.ascontiguousarray(kernel.T * scale), np.empty((y.shape[2], channels), np.float32)
    columns8, sums8, flat = columns.reshape(-1, LANES), sums.reshape(-1, LANES), sums.ravel()
    for b in range(len(y)):
        sums[:] = bias
        _through(lit, b, seen.start, sums8, seen.place, columns8, seen.tap, parts)
        for i in range(len(flat)):
            flat[i] = ZERO if flat[i] < 0 else flat[i]  # NaN stays NaN
        turned(sums, y[b])


@njit(cache=True)
def convolve_back(
    lit: Lit,
    seen: Sight,
    y: np.ndarray,
    y_gradient: np.ndarray,
    kernel_gradient: np.ndarray,
    bias_gradient: np.ndarray,
) -> None:
    """y_gradient [B, O, places] back through the rectifier (in place), to the scaled kernel and the bias."""
    channels, taps = kernel_gradient.shape
    parts = np.uint64(channels // LANES)
    columns, passed = np.zeros((taps, channels), np.float32), np.empty((y.shape[2], channels), np.float32)
    sums8 = np.zeros((parts, LANES), np.float32)
    columns8, passed8 = columns.reshape(-1, LANES), passed.reshape(-1, LANES)
    for b in range(len(y)):
        active, gradient = y[b].ravel(), y_gradient[b].ravel()
        for i in range(len(active)):
            gradient[i] = ZERO if active[i] <= 0 else gradient[i]
        turned(y_gradient[b], passed)
        for p in range(np.uint64(len(passed))):
            for part in range(parts):
                _add(sums8, part, passed8, p * parts + part, ONE)
        _through(lit, b, seen.start, columns8, seen.tap, passed8, seen.place, parts)
    bias_gradient[:] = sums8.ravel()
    kernel_gradient[:] = columns.T
