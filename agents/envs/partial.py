"""A stream seen through a broken screen: hidden channels, and observations that are blank by chance.

Blanking is flicker as Hausknecht & Stone (2015, arXiv:1507.06527) have it: with a fixed chance, and independently at
every step, the whole observation is zero. What is kept and acted on is the blanked observation.
"""

from typing import Any

import numpy as np

from agents.rng import STREAMS, generator, restore_rng, rng_state
from agents.step import Step


class Obscured:
    """A `Stream` (envs/stream.py) whose observations are zero in `hidden` channels, and all over with chance `flicker`.

    Raises ValueError for a hidden channel that the stream does not have.
    """

    def __init__(self, stream: Any, flicker: float, hidden: list[int], rng: np.random.Generator):
        if any(channel >= stream.shape[0] for channel in hidden):
            raise ValueError(f"hidden channels {hidden}: an observation has only {stream.shape[0]}")
        self.stream, self.flicker, self.hidden, self.rng = stream, flicker, hidden, rng
        self.actions, self.shape, self.dtype = stream.actions, stream.shape, stream.dtype
        self.scale, self.statistics = stream.scale, stream.statistics
        self.obs = self._obscure(stream.obs)

    def __len__(self) -> int:
        return len(self.stream)

    @property
    def first(self) -> np.ndarray:
        return self.stream.first

    @property
    def last(self) -> np.ndarray:
        return self.stream.last

    def _obscure(self, obs: np.ndarray) -> np.ndarray:
        seen = obs * (self.rng.random(len(obs)) >= self.flicker)[:, None, None, None].astype(obs.dtype)
        seen[:, self.hidden] = 0
        return seen

    def step(self, actions: np.ndarray) -> Step:
        """Do `actions` [B]; the row shows what was seen when they were chosen."""
        step = self.stream.step(actions)._replace(obs=self.obs)
        self.obs = self._obscure(self.stream.obs)
        return step

    def state_dict(self) -> dict[str, Any]:
        return {"stream": self.stream.state_dict(), "obs": self.obs.copy(), "rng": rng_state(self.rng)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.stream.load_state_dict(state["stream"])
        self.obs = state["obs"]
        restore_rng(self.rng, state["rng"])


def obscure(spec: Any, stream: Any, seed: int, name: str, *index: int) -> Any:
    """The `Stream` as its environment's spec lets it be seen; seed, random stream and index as the suite's own."""
    if not spec.flicker and not spec.hidden:
        return stream
    rng = generator(seed, "observation", STREAMS.index(name), *index)
    return Obscured(stream, spec.flicker, spec.hidden, rng)
