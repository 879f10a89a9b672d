"""From keys to transitions, compiled: what memory/store.py and losses/returns.py do in many calls."""

import numpy as np
from numba import njit


@njit(cache=True)
def transitions(
    keys: np.ndarray,
    frames: np.ndarray,
    action: np.ndarray,
    reward: np.ndarray,
    discount: np.ndarray,
    last: np.ndarray,
    streams: int,
    n: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """n-step transitions from the rows at keys [B] of a store whose fields are given by slot: frames [slots, pixels].

    The last observation is that n steps later, or of the episode's last row where that comes before.
    -> first observations [B, pixels], actions [B] int64, n-step rewards and discounts [B], last observations; float32.
    """
    slots, size = len(action), len(keys)
    x_tm1, x_t = np.empty((size, frames.shape[1]), np.float32), np.empty((size, frames.shape[1]), np.float32)
    actions, total, product = np.empty(size, np.int64), np.empty(size, np.float32), np.empty(size, np.float32)
    for i in range(size):
        at = keys[i] % slots
        x_tm1[i] = frames[at]
        actions[i], total[i], product[i] = action[at], reward[at], discount[at]
        for _ in range(1, n):
            at = at if last[at] else (at + streams) % slots
            total[i] += product[i] * reward[at]
            product[i] *= discount[at]
        x_t[i] = frames[at if last[at] else (at + streams) % slots]
    return x_tm1, actions, total, product, x_t


def prepare() -> None:
    """Compile this, or load what was compiled before."""
    keys, number, frames = np.zeros(1, np.int64), np.zeros(1, np.float32), np.zeros((1, 1), np.uint8)
    transitions(keys, frames, keys, number, number, np.ones(1, np.bool_), 1, 1)
