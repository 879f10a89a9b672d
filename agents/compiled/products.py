"""What is done with matrices beside the BLAS."""

import numpy as np
from numba import njit

from agents.compiled.vectors import EDGE, WIDE, combine, turn


@njit(cache=True)
def sparse_dot(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """out [I, K] <- a [I, J] b [J, K], where zeros of a are left out, whatever they meet in b. K: multiple of WIDE."""
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


@njit(inline="always")
def turned(x: np.ndarray, y: np.ndarray) -> None:
    """y <- x^T, by squares as far as they go."""
    rows, columns = x.shape
    row_end, column_end = rows - rows % EDGE, columns - columns % EDGE
    for i in range(0, row_end, EDGE):
        for j in range(0, column_end, EDGE):
            turn(x.ctypes.data + 4 * (i * columns + j), 4 * columns, y.ctypes.data + 4 * (j * rows + i), 4 * rows)
    for i in range(rows):
        for j in range(column_end if i < row_end else 0, columns):
            y[j, i] = x[i, j]
