"""From keys to transitions, compiled: what memory/store.py and losses/returns.py do in many calls."""

import numpy as np
from numba import njit


@njit(cache=True)
def transitions(
    keys: np.ndarray,
    action: np.ndarray,
    reward: np.ndarray,
    discount: np.ndarray,
    last: np.ndarray,
    streams: int,
    n: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """n-step transitions from the rows at keys [B] of a store whose fields are given, flat [slots].

    -> keys of the rows n steps later, or of the episode's last row where that comes before [B]; actions [B] int64,
    n-step rewards and discounts [B] float32.
    """
    slots, size = len(action), len(keys)
    ends, actions = np.empty_like(keys), np.empty_like(keys)
    total, product = np.empty(size, np.float32), np.empty(size, np.float32)
    for i in range(size):
        key = keys[i]
        actions[i], total[i], product[i] = action[key % slots], reward[key % slots], discount[key % slots]
        for _ in range(1, n):
            key += 0 if last[key % slots] else streams
            total[i] += product[i] * reward[key % slots]
            product[i] *= discount[key % slots]
        ends[i] = key if last[key % slots] else key + streams
    return ends, actions, total, product


def prepare() -> None:
    """Compile this, or load what was compiled before."""
    keys, number = np.zeros(1, np.int64), np.zeros(1, np.float32)
    transitions(keys, keys, number, number, np.ones(1, np.bool_), 1, 1)
