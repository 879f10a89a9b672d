"""Drawing actions from a policy."""

import numpy as np


def sample(probability: np.ndarray, dice: np.random.Generator) -> np.ndarray:
    """One draw from each row of [B, A] probabilities by inverting its distribution function -> [B] int64."""
    heights = probability.cumsum(-1, dtype=np.float64)
    marks = dice.random(len(heights)) * heights[:, -1]  # rounding may leave the sum beside 1
    return (heights[:, :-1] <= marks[:, None]).sum(-1)
