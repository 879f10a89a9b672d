"""numpy's generators, asked by compiled code: the same draws as by their own methods, to the bit, and the same state.

A generator comes as three addresses (`source`): its state, and numpy's functions for 32 random bits and for a number in
[0, 1).
"""

import ctypes
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

Source = tuple[int, int, int]
_functions: dict[type, tuple[int, int]] = {}  # of each kind of generator


def source(rng: np.random.Generator) -> Source:
    """Whoever uses it keeps the generator."""
    bits = rng.bit_generator
    calls, kind = bits.ctypes, type(bits)
    if kind not in _functions:
        both = (calls.next_uint32, calls.next_double)
        _functions[kind] = tuple(ctypes.cast(each, ctypes.c_void_p).value for each in both)
    return calls.state_address, *_functions[kind]


def _caller(returned: types.Type, result: ir.Type) -> Any:
    @intrinsic
    def call(context: Any, function: types.Integer, state: types.Integer) -> tuple:
        """What the function at that address says of the state at the other."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = ir.IntType(8).as_pointer()
            kind = ir.FunctionType(result, [pointer])
            function, state = arguments
            return builder.call(builder.inttoptr(function, kind.as_pointer()), [builder.inttoptr(state, pointer)])

        return returned(types.int64, types.int64), generate

    return call


_bits = _caller(types.uint32, ir.IntType(32))
_number = _caller(types.float64, ir.DoubleType())


@njit(inline="always")
def uniform(rng: Source) -> float:
    """As Generator.random()."""
    return _number(rng[2], rng[0])


@njit(inline="always")
def below(rng: Source, end: int) -> int:
    """As Generator.integers(end), for ends up to 2^32 - 1: Lemire 2019 (arXiv:1805.10941), numpy's default."""
    if end == 1:
        return 0
    product = np.uint64(_bits(rng[1], rng[0])) * np.uint64(end)
    if np.uint32(product) < end:
        least = np.uint32(np.uint64(0x100000000 - end) % np.uint64(end))
        while np.uint32(product) < least:
            product = np.uint64(_bits(rng[1], rng[0])) * np.uint64(end)
    return np.int64(product >> np.uint64(32))


@njit(cache=True)
def valid_keys(
    rng: Source,
    low: int,
    high: int,
    size: int,
    last: np.ndarray,
    age: np.ndarray,
    streams: int,
    stack: int,
    tries: int,
) -> np.ndarray:
    """As `Uniform` draws them (memory/select.py) of a store's keys [low, high); `last` and `age` are by slot.

    -> keys [size], the first one -1 where some were not found.
    """
    slots, keys, missing = len(last), np.empty(size, np.int64), np.arange(size)
    for _ in range(tries + 1):
        for i in missing:
            keys[i] = low + below(rng, high - low)
        n = 0
        for i in missing:
            slot = keys[i] % slots
            if last[slot] or keys[i] < low + min(np.int64(age[slot]), stack - 1) * streams:
                missing[n] = i
                n += 1
        if n == 0:
            return keys
        missing = missing[:n]
    keys[0] = -1
    return keys
