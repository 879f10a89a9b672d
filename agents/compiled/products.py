"""Matrix products that leave out the zeros of their first factor.

Half and more of a hidden layer's units are off for a given screen, and with them what goes back through them.
"""

import numpy as np
from numba import njit

from agents.compiled.vectors import WIDE, combine


@njit(cache=True)
def sparse_dot(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """out [I, K] <- a [I, J] b [J, K]; what zeros of a meet in b does not matter. K is a multiple of WIDE."""
    size, columns = a.shape[1], b.shape[1]
    by, rows = np.empty((len(a), size + 1), np.float32), np.empty((len(a), size + 1), np.int64)
    counts, block = np.zeros(len(a), np.int64), np.empty((size, WIDE), np.float32)
    for i in range(len(a)):
        n = 0
        for j in range(size):
            by[i, n], rows[i, n] = a[i, j], j
            n += a[i, j] != 0
        counts[i] = n
    for k in range(0, columns, WIDE):
        for j in range(size):
            block[j] = b[j, k : k + WIDE]  # in one piece it stays in the nearest cache
        for i in range(len(a)):
            of = i * (size + 1)
            into = out.ctypes.data + 4 * (i * columns + k)
            combine(by.ctypes.data + 4 * of, rows.ctypes.data + 8 * of, counts[i], block.ctypes.data, into)
