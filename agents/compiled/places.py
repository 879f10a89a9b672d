"""Arrays handed to compiled code as places in memory: one table stands for dozens of them.

numba takes apart each array of a call, which costs more than small arithmetic does, and compiles anew for each number
of them. A place is a row (address, rows, columns) int64 of a table [n, 3]; a vector has one column, and what is not
there has none. Whoever hands over a table keeps the arrays.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import carray, njit, types
from numba.extending import intrinsic


def places(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """The table of float32 vectors and matrices that lie in one piece."""
    assert all(array.dtype == np.float32 and array.flags.c_contiguous for array in arrays)
    rows = [(array.ctypes.data, len(array), array.shape[1] if array.ndim > 1 else 1) for array in arrays]
    return np.array(rows, np.int64).reshape(-1, 3)


@intrinsic
def _pointer(context: Any, address: types.Integer) -> tuple:
    """An address as a pointer."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.int64), generate


@njit(inline="always")
def at(address: int, size: int) -> np.ndarray:
    """The float32 [size] that lie there."""
    return carray(_pointer(address), size, np.float32)


@njit(inline="always")
def vector(table: np.ndarray, k: int) -> np.ndarray:
    """All numbers at place k, one after the other."""
    return carray(_pointer(table[k, 0]), table[k, 1] * table[k, 2], np.float32)


@njit(inline="always")
def matrix(table: np.ndarray, k: int) -> np.ndarray:
    """The matrix [rows, columns] at place k."""
    return carray(_pointer(table[k, 0]), (table[k, 1], table[k, 2]), np.float32)
