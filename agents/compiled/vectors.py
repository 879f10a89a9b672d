"""Two kernels in LLVM's own terms, where it does not find them in loops: both live on what stays in registers.

All arrays are given by address. A vector type wider than the processor's is taken apart by LLVM.
"""

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

LANES, WIDE, EDGE = 16, 64, 8  # numbers in a vector; columns that `combine` sums at a time; edge of what `turn` turns
SINGLE, INDEX = ir.FloatType(), ir.IntType(64)


def _whole(number: int) -> ir.Constant:
    return ir.Constant(INDEX, number)


def _mask(places: Sequence[int]) -> ir.Constant:
    return ir.Constant(ir.VectorType(ir.IntType(32), len(places)), list(places))


def _place(builder: Any, address: Any, offset: Any, size: int, kind: Any) -> Any:
    """A pointer to `offset` times `size` bytes behind the address."""
    return builder.inttoptr(builder.add(address, builder.mul(offset, _whole(size))), kind.as_pointer())


@intrinsic
def combine(
    context: Any, by: types.Integer, rows: types.Integer, count: types.Integer, block: types.Integer, out: types.Integer
) -> tuple:
    """out [WIDE] <- sum over n < count of by[n] * block[rows[n]].

    by float32 [count], rows int64 [count], block float32 [., WIDE].
    """
    vector = ir.VectorType(SINGLE, LANES)
    nothing = ir.Constant(vector, [0.0] * LANES)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        by, rows, count, block, out = arguments
        before, loop = builder.block, builder.append_basic_block("loop")
        after = builder.append_basic_block("after")
        builder.cbranch(builder.icmp_signed(">", count, _whole(0)), loop, after)

        builder.position_at_end(loop)
        n, sums = builder.phi(INDEX), [builder.phi(vector) for _ in range(WIDE // LANES)]
        weight = builder.load(_place(builder, by, n, 4, SINGLE))
        first = builder.insert_element(nothing, weight, ir.Constant(ir.IntType(32), 0))
        weight = builder.shuffle_vector(first, nothing, _mask([0] * LANES))
        row = _place(builder, block, builder.load(_place(builder, rows, n, 8, INDEX)), 4 * WIDE, vector)
        grown = []
        for i, total in enumerate(sums):
            x = builder.load(builder.gep(row, [_whole(i)], source_etype=vector), align=4, typ=vector)
            product = builder.fmul(weight, x, flags=("contract",))
            grown.append(builder.fadd(total, product, flags=("contract",)))
        following = builder.add(n, _whole(1))
        for phi, start, new in zip((n, *sums), (_whole(0), *[nothing] * len(sums)), (following, *grown), strict=True):
            phi.add_incoming(start, before)
            phi.add_incoming(new, loop)
        builder.cbranch(builder.icmp_signed("<", following, count), loop, after)

        builder.position_at_end(after)
        totals = [builder.phi(vector) for _ in grown]
        for total, new in zip(totals, grown, strict=True):
            total.add_incoming(nothing, before)
            total.add_incoming(new, loop)
        for i, total in enumerate(totals):
            builder.store(total, _place(builder, out, _whole(i), 4 * LANES, vector), align=4)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 5), generate


@intrinsic
def turn(context: Any, x: types.Integer, x_row: types.Integer, y: types.Integer, y_row: types.Integer) -> tuple:
    """y [EDGE, EDGE] <- x^T, float32; x_row and y_row are the bytes from one row to the next."""
    vector = ir.VectorType(SINGLE, EDGE)
    # Pairs of neighbouring rows interleave, then pairs of pairs, then halves.
    near, pairs, halves = (0, 8, 1, 9, 4, 12, 5, 13), (0, 1, 8, 9, 4, 5, 12, 13), (0, 1, 2, 3, 8, 9, 10, 11)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, x_row, y, y_row = arguments

        def at(address: Any, row: Any, i: int) -> Any:
            return _place(builder, builder.add(address, builder.mul(row, _whole(i))), _whole(0), 1, vector)

        def both(a: Any, b: Any, low: tuple[int, ...], step: int) -> list[Any]:
            masks = (_mask(low), _mask([place + step for place in low]))
            return [builder.shuffle_vector(a, b, mask) for mask in masks]

        rows = [builder.load(at(x, x_row, i), align=4) for i in range(EDGE)]
        a = [both(rows[i], rows[i + 1], near, 2) for i in (0, 2, 4, 6)]  # of two rows, columns 0 1 4 5 and 2 3 6 7
        b = [
            [both(a[i][k], a[i + 1][k], pairs, 2) for k in (0, 1)] for i in (0, 2)
        ]  # of four rows, columns k and k + 4
        low, high = ([b[i][k][m] for k in (0, 1) for m in (0, 1)] for i in (0, 1))
        turned = [both(low[k], high[k], halves, 4) for k in range(4)]  # columns k and k + 4
        for k in range(4):
            for half in (0, 1):
                builder.store(turned[k][half], at(y, y_row, k + 4 * half), align=4)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 4), generate
