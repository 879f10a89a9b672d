"""The chance of a random action, by frame and environment."""

from collections.abc import Callable

import numpy as np

from agents.clock import linear
from agents.spec.agent import Fixed, Ladder, Linear


def ladder(base: float, alpha: float, environments: int) -> np.ndarray:
    """epsilon_i = base^(1 + alpha i / (N - 1)), i = 0 … N - 1; `base` for a single one (Horgan et al. 2018)."""
    return base ** (1 + alpha * np.arange(environments) / max(1, environments - 1))


def schedule(spec: Linear | Ladder | Fixed, environments: int) -> Callable[[int], float | np.ndarray]:
    """-> epsilon as a function of the training frame: one number for all environments, or [environments]."""
    if spec.kind == "linear":
        return lambda frame: linear(frame, spec.start, spec.end, spec.warmup_frames, spec.end_frames)
    if spec.kind == "ladder":
        each = ladder(spec.base, spec.alpha, environments)
    else:
        each = np.resize(spec.values, environments)
    return lambda frame: each
