"""Steps of optimizers in one pass over parameters, gradients and averages; agents/optim/ says what is computed.

Arrays are tuples of flat float32 ones, one for each parameter: `w` parameters, `g` gradients, `m` and `v` averages.
"""

import math

import numpy as np
from numba import njit


@njit(cache=True, fastmath={"reassoc", "contract"})  # sums in any order, or they go one by one; NaN stays NaN
def _squares(x: np.ndarray) -> float:
    total = np.float32(0)
    for i in range(len(x)):
        total += x[i] * x[i]
    return total


@njit(cache=True, error_model="numpy")  # division by 0 gives what floats give, and no branch
def norm(g: tuple) -> float:
    """The Euclidean norm of all gradients together."""
    total = 0.0
    for each in g:
        total += _squares(each)
    return math.sqrt(total)


@njit(cache=True, error_model="numpy")  # division by 0 gives what floats give, and no branch
def clip(g: tuple, size: float, bound: float) -> None:
    """Gradients of that norm, scaled to have at most norm `bound`, as torch.nn.utils.clip_grad_norm_ has it."""
    factor = np.float32(min(1.0, bound / (size + 1e-6)))
    if factor < 1:
        for each in g:
            for i in range(len(each)):
                each[i] *= factor


@njit(cache=True, error_model="numpy")  # division by 0 gives what floats give, and no branch
def adam(
    w: tuple, g: tuple, m: tuple, v: tuple, steps: tuple, rates: np.ndarray, epsilons: np.ndarray, b1: float, b2: float
) -> None:
    """`steps` [1] each, counted up here; rates and epsilons [parameters], float32."""
    one1, one2 = np.float32(1 - b1), np.float32(1 - b2)
    decay1, decay2 = np.float32(b1), np.float32(b2)
    for k in range(len(w)):
        steps[k][0] += 1
        rate = np.float32(rates[k] / (1 - b1 ** steps[k][0]))
        root = np.float32(1 / math.sqrt(1 - b2 ** steps[k][0]))
        epsilon = epsilons[k]
        x, gradient, mean, square = w[k], g[k], m[k], v[k]
        for i in range(len(x)):
            mean[i] = decay1 * mean[i] + one1 * gradient[i]
            square[i] = decay2 * square[i] + one2 * gradient[i] * gradient[i]
            x[i] -= rate * mean[i] / (np.sqrt(square[i]) * root + epsilon)


@njit(cache=True, error_model="numpy")  # division by 0 gives what floats give, and no branch
def rmsprop(
    w: tuple,
    g: tuple,
    m: tuple,
    v: tuple,
    rates: np.ndarray,
    epsilons: np.ndarray,
    decay: float,
    bias: float,
    centered: bool,
    outside: bool,
) -> None:
    """`bias`: what the averages are divided by; `outside`: epsilon is added to the root, not under it."""
    keep, rest, inverse = np.float32(decay), np.float32(1 - decay), np.float32(1 / bias)
    for k in range(len(w)):
        rate, inside, beside = rates[k], np.float32(0), epsilons[k]
        if not outside:
            inside, beside = epsilons[k], np.float32(0)
        x, gradient, mean, square = w[k], g[k], m[k], v[k]
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


def prepare(parameters: int) -> None:
    """Compile all of this for so many parameters, or load what was compiled before: now, and not in mid-training."""
    w, g, m, v, steps = (tuple(np.ones(1, np.float32) for _ in range(parameters)) for _ in range(5))
    numbers = np.ones(parameters, np.float32)
    clip(g, norm(g), 0.5)
    adam(w, g, m, v, steps, numbers, numbers, 0.9, 0.9)
    rmsprop(w, g, m, v, numbers, numbers, 0.9, 1.0, True, False)
