"""What a stream of environments is, and what every one does alike: count frames and keep the book of raw returns."""

from typing import Any, Protocol

import numpy as np

from agents.spec.base import load
from agents.spec.environment import Suite
from agents.step import Episode, Step


class Stream(Protocol):
    """B environments that step together; its length is B. agents/step.py says what their rows are.

    `obs`, `first` and `last` are the rows in view: what the next actions are chosen on.
    """

    obs: np.ndarray  # [B, *shape] of `dtype`
    first: np.ndarray  # [B] bool: an episode starts here
    last: np.ndarray  # [B] bool: an episode's final observation
    shape: tuple[int, int, int]  # of one observation, [C, H, W]
    dtype: type  # uint8, or float32 where observations are no pixels
    scale: float  # factor that brings observations to a size that suits a network
    actions: np.ndarray  # [A], the game's own numbers of the actions offered; agents name them by their place here
    statistics: "EpisodeStatistics"

    def step(self, actions: np.ndarray) -> Step:
        """Do `actions` [B] int64, from 0 to A - 1, and bring the next rows into view. -> the rows left behind.

        An environment whose last row is in view ignores its action and begins its next episode: no frame, reward 0,
        discount 1. Rewards are the training rewards (clipped, say); `statistics` books the game's own ones.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything that the future depends on, as arrays, lists and numbers: games, generators, rows in view."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`'s state, to the bit; made by the same spec, number of environments and version."""
        ...


class EpisodeStatistics:
    """Frames and finished episodes in all; raw score and length of the episode under way in each of B environments.

    A step of an environment takes `repeat` frames.
    """

    def __init__(self, streams: int, repeat: int):
        self.repeat = repeat
        self.frames = 0
        self.episodes = 0
        self.score = np.zeros(streams)
        self.length = np.zeros(streams, np.int64)  # frames
        self.finished: list[Episode] = []

    def add(self, reward: np.ndarray, moved: np.ndarray, ended: np.ndarray, truncated: np.ndarray) -> None:
        """Book raw rewards [B] of the environments that `moved` [B] bool; `ended` episodes [B] join `finished`."""
        # Number by number: for one environment, or a few, that takes less time than arrays do.
        for i, (gain, step, end) in enumerate(zip(reward.tolist(), moved.tolist(), ended.tolist(), strict=True)):
            self.score[i] += gain
            self.length[i] += self.repeat * step
            self.frames += self.repeat * step
            if end:
                self.finished.append(Episode(i, float(self.score[i]), int(self.length[i]), bool(truncated[i])))
                self.score[i] = self.length[i] = 0
                self.episodes += 1

    def take(self) -> list[Episode]:
        """The episodes finished since the last call, in the order in which they ended."""
        taken, self.finished = self.finished, []
        return taken

    def state_dict(self) -> dict[str, Any]:
        return {
            "frames": self.frames,
            "episodes": self.episodes,
            "score": self.score.copy(),
            "length": self.length.copy(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.frames, self.episodes = state["frames"], state["episodes"]
        self.score, self.length = state["score"], state["length"]


def make_streams(environment: Suite, streams: int, cap_frames: int | None, *where: Any) -> Any:
    """A `Stream` of `streams` environments of a spec's suite, as they may be seen; `where`: seed, random stream, index.

    `cap_frames`: frames after which an episode is truncated; None: as the suite has it.
    """
    made = environment.make(streams, cap_frames, *where)
    hides = environment.flicker or environment.hidden
    return load(environment.partial)(environment, made, *where) if hides else made
