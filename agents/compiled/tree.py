"""Search and change of a sum tree, compiled: memory/sumtree.py says what is done. The same numbers, to the bit.

All levels lie in one array of nodes, the slots first: level k is nodes[starts[k] : starts[k + 1]].
"""

import numpy as np
from numba import njit

FAN, SHIFT = 16, 4


@njit(cache=True)
def find(nodes: np.ndarray, starts: np.ndarray, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """sums [N] -> slots [N], rests [N]."""
    levels, top = len(starts) - 1, nodes[starts[-2] : starts[-1]]
    edges, running = np.zeros(len(top) + 1), np.zeros(FAN + 1)
    for i in range(len(top)):
        edges[i + 1] = edges[i] + top[i]
    slots, rests = np.empty(len(sums), np.int64), np.empty(len(sums))
    for i in range(len(sums)):
        point = min(sums[i], np.nextafter(edges[-1], 0.0))
        node = np.searchsorted(edges, point, "right") - 1
        rest = point - edges[node]
        for level in range(levels - 2, -1, -1):
            first = starts[level] + FAN * node
            for j in range(FAN):
                running[j + 1] = running[j] + nodes[first + j]
            rest = min(rest, np.nextafter(running[FAN], 0.0))
            child = 0
            for j in range(FAN):
                child += running[j + 1] <= rest
            rest -= running[child]
            node = node * FAN + child
        slots[i], rests[i] = node, rest
    return slots, rests


@njit(cache=True)
def _total(nodes: np.ndarray, first: int) -> float:
    """The sum of a family, in the order in which numpy adds."""
    a = nodes[first : first + FAN]
    b, c = (a[0] + a[8]) + (a[1] + a[9]), (a[2] + a[10]) + (a[3] + a[11])
    d, e = (a[4] + a[12]) + (a[5] + a[13]), (a[6] + a[14]) + (a[7] + a[15])
    return (b + c) + (d + e)


@njit(cache=True)
def put(nodes: np.ndarray, least: np.ndarray, starts: np.ndarray, slots: np.ndarray, values: np.ndarray) -> None:
    """Slots [N] take values [N]; of equal ones the last counts. `least` has as many nodes, or none."""
    for i in range(len(slots)):
        nodes[slots[i]] = values[i]
        if len(least):
            least[slots[i]] = values[i] if values[i] > 0 else np.inf
    for level in range(1, len(starts) - 1):
        for slot in slots:
            parent = slot >> (SHIFT * level)
            first = starts[level - 1] + FAN * parent
            nodes[starts[level] + parent] = _total(nodes, first)
            if len(least):
                least[starts[level] + parent] = least[first : first + FAN].min()
