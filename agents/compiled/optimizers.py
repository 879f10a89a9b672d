"""Steps of optimizers in one pass over parameters, gradients and averages; agents/optim/ says what is computed.

`places` [parameters, 4] int64 are where in memory they lie (places.py says why), `sizes` [parameters] how many float32
each has: columns of `places` are parameters W, gradients G, averages M and V; Adam's has a fifth, counts of steps N.
"""

import math

import numpy as np
from numba import njit

from agents.compiled.places import at

W, G, M, V, N = range(5)


@njit(cache=True, fastmath={"reassoc", "contract"})  # sums in any order, or they go one by one; NaN stays NaN
def _squares(x: np.ndarray) -> float:
    total = np.float32(0)
    for i in range(len(x)):
        total += x[i] * x[i]
    return total


@njit(cache=True, error_model="numpy")  # division by 0 gives what floats give, and no branch
def norm(places: np.ndarray, sizes: np.ndarray) -> float:
    """The Euclidean norm of all gradients together."""
    total = 0.0
    for k in range(len(sizes)):
        total += _squares(at(places[k, G], sizes[k]))
    return math.sqrt(total)


@njit(cache=True, error_model="numpy")  # division by 0 gives what floats give, and no branch
def clip(places: np.ndarray, sizes: np.ndarray, size: float, bound: float) -> None:
    """Gradients of that norm, scaled to have at most norm `bound`, as torch.nn.utils.clip_grad_norm_ has it."""
    factor = np.float32(min(1.0, bound / (size + 1e-6)))
    if factor < 1:
        for k in range(len(sizes)):
            each = at(places[k, G], sizes[k])
            for i in range(len(each)):
                each[i] *= factor


@njit(cache=True, error_model="numpy")  # division by 0 gives what floats give, and no branch
def adam(places: np.ndarray, sizes: np.ndarray, rates: np.ndarray, epsilons: np.ndarray, b1: float, b2: float) -> None:
    """The next step, which is counted; rates and epsilons [parameters], float32."""
    one1, one2 = np.float32(1 - b1), np.float32(1 - b2)
    decay1, decay2 = np.float32(b1), np.float32(b2)
    for k in range(len(sizes)):
        count = at(places[k, N], 1)
        count[0] += np.float32(1)
        step = np.int64(count[0])
        root = np.float32(1 / math.sqrt(1 - b2**step))
        rate, epsilon = np.float32(rates[k] / (1 - b1**step)), epsilons[k]
        x, gradient = at(places[k, W], sizes[k]), at(places[k, G], sizes[k])
        mean, square = at(places[k, M], sizes[k]), at(places[k, V], sizes[k])
        for i in range(len(x)):
            mean[i] = decay1 * mean[i] + one1 * gradient[i]
            square[i] = decay2 * square[i] + one2 * gradient[i] * gradient[i]
            x[i] -= rate * mean[i] / (np.sqrt(square[i]) * root + epsilon)


@njit(cache=True, error_model="numpy")  # division by 0 gives what floats give, and no branch
def rmsprop(
    places: np.ndarray,
    sizes: np.ndarray,
    rates: np.ndarray,
    epsilons: np.ndarray,
    decay: float,
    bias: float,
    centered: bool,
    outside: bool,
) -> None:
    """`bias`: what the averages are divided by; `outside`: epsilon is added to the root, not under it."""
    keep, rest, inverse = np.float32(decay), np.float32(1 - decay), np.float32(1 / bias)
    for k in range(len(sizes)):
        rate, inside, beside = rates[k], np.float32(0), epsilons[k]
        if not outside:
            inside, beside = epsilons[k], np.float32(0)
        x, gradient = at(places[k, W], sizes[k]), at(places[k, G], sizes[k])
        mean, square = at(places[k, M], sizes[k]), at(places[k, V], sizes[k])
        if centered:
            for i in range(len(x)):
                mean[i] = keep * mean[i] + rest * gradient[i]
                square[i] = keep * square[i] + rest * gradient[i] * gradient[i]
                spread = (square[i] - mean[i] * mean[i] * inverse) * inverse
                spread = np.float32(0) if spread < 0 else spread  # rounding may leave less; NaN stays NaN
                x[i] -= rate * gradient[i] / (np.sqrt(spread + inside) + beside)
        else:
            for i in range(len(x)):
                square[i] = keep * square[i] + rest * gradient[i] * gradient[i]
                x[i] -= rate * gradient[i] / (np.sqrt(square[i] * inverse + inside) + beside)


def prepare() -> None:
    """Compile all of this, or load what was compiled before: now, and not in mid-training."""
    arrays, numbers = [np.ones(1, np.float32) for _ in range(5)], np.ones(1, np.float32)
    places, sizes = np.array([[array.ctypes.data for array in arrays]]), np.ones(1, np.int64)
    clip(places, sizes, norm(places, sizes), 0.5)
    adam(places, sizes, numbers, numbers, 0.9, 0.9)
    rmsprop(places, sizes, numbers, numbers, 0.9, 1.0, True, False)
