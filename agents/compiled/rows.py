"""From keys to transitions, compiled: what memory/store.py and losses/returns.py do in many calls."""

import numpy as np
from numba import njit

from agents.compiled.conv import Lit, dark, note


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
) -> tuple[Lit, np.ndarray, np.ndarray, np.ndarray, Lit]:
    """n-step transitions from the rows at keys [B] of a store whose fields are given by slot: frames [slots, pixels].

    The last observation is that n steps later, or of the episode's last row where that comes before.
    -> first observations, actions [B] int64, n-step rewards and discounts [B] float32, last observations.
    """
    slots, size = len(action), len(keys)
    lit_tm1, lit_t = dark(size, frames.shape[1]), dark(size, frames.shape[1])
    actions, total, product = np.empty(size, np.int64), np.empty(size, np.float32), np.empty(size, np.float32)
    for i in range(size):
        at = keys[i] % slots
        note(frames[at], i, lit_tm1)
        actions[i], total[i], product[i] = action[at], reward[at], discount[at]
        for _ in range(1, n):
            at = at if last[at] else (at + streams) % slots
            total[i] += product[i] * reward[at]
            product[i] *= discount[at]
        note(frames[at if last[at] else (at + streams) % slots], i, lit_t)
    return lit_tm1, actions, total, product, lit_t


def prepare() -> None:
    """Compile this, or load what was compiled before."""
    keys, number, frames = np.zeros(1, np.int64), np.zeros(1, np.float32), np.zeros((1, 1), np.uint8)
    transitions(keys, frames, keys, number, number, np.ones(1, np.bool_), 1, 1)
