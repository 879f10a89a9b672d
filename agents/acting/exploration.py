"""How often an agent acts at random: a schedule is called with the stream's statistics and gives epsilon.

One number for all environments, or one for each: [environments]. All are made of their spec, the number of environments
and a generator, which draws what lasts for the whole run: the same for each process that asks.
"""

from typing import Any

import numpy as np

from agents.clock import linear
from agents.envs.stream import EpisodeStatistics
from agents.spec.exploration import (
    FixedExploration,
    LadderExploration,
    LinearExploration,
    NoExploration,
    PerEpisodeExploration,
    SampledExploration,
)


class Constant:
    """The same epsilon at all times: in evaluations, and where each environment keeps its own."""

    def __init__(self, epsilon: float | np.ndarray):
        self.epsilon = epsilon

    def __call__(self, statistics: EpisodeStatistics) -> float | np.ndarray:
        return self.epsilon

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


class Linear:
    """A straight line over training frames (Mnih et al. 2015)."""

    def __init__(self, spec: LinearExploration, environments: int, rng: np.random.Generator):
        self.spec = spec

    def __call__(self, statistics: EpisodeStatistics) -> float:
        spec = self.spec
        return linear(statistics.frames, spec.start, spec.end, spec.warmup_frames, spec.end_frames)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


class PerEpisode:
    """scale / (episode + offset) for the episodes 0, 1, … that begin after the warm-up; in it every action is random.

    The warm-up ends with the first episode that ends at or after `warmup_frames`.
    """

    def __init__(self, spec: PerEpisodeExploration, environments: int, rng: np.random.Generator):
        self.spec = spec
        self.before: int | None = None  # episodes of the warm-up; None while it lasts

    def __call__(self, statistics: EpisodeStatistics) -> float:
        if self.before is None and statistics.frames >= self.spec.warmup_frames and not statistics.length[0]:
            self.before = statistics.episodes
        if self.before is None:
            return 1.0
        return min(1.0, self.spec.scale / (statistics.episodes - self.before + self.spec.offset))

    def state_dict(self) -> dict[str, Any]:
        return {"before": self.before}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.before = state["before"]


def never(spec: NoExploration, environments: int, rng: np.random.Generator) -> Constant:
    """The agent's own actions only."""
    return Constant(0.0)


def ladder(base: float, alpha: float, environments: int) -> np.ndarray:
    """epsilon_i = base^(1 + alpha i / (N - 1)), i = 0 … N - 1; `base` for a single one (Horgan et al. 2018)."""
    return base ** (1 + alpha * np.arange(environments) / max(1, environments - 1))


def climb(spec: LadderExploration, environments: int, rng: np.random.Generator) -> Constant:
    """Ape-X: each environment keeps its rung."""
    return Constant(ladder(spec.base, spec.alpha, environments))


def fix(spec: FixedExploration, environments: int, rng: np.random.Generator) -> Constant:
    """A few epsilons, in turn over the environments."""
    return Constant(np.resize(spec.values, environments))


class Sampled:
    """Each environment anneals to a final epsilon of its own, drawn once (Mnih et al. 2016, arXiv:1602.01783)."""

    def __init__(self, spec: SampledExploration, environments: int, rng: np.random.Generator):
        self.spec, self.ends = spec, rng.choice(spec.ends, size=environments, p=spec.chances)

    def __call__(self, statistics: EpisodeStatistics) -> np.ndarray:
        share = min(1.0, statistics.frames / self.spec.end_frames)
        return (1 - share) * self.spec.start + share * self.ends

    def state_dict(self) -> dict[str, Any]:
        return {"ends": self.ends}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.ends = state["ends"]


def share(epsilon: float | np.ndarray, mine: slice) -> float | np.ndarray:
    """What of the epsilons of all environments is that of `mine`; one number is everybody's."""
    return epsilon[mine] if np.ndim(epsilon) else epsilon
