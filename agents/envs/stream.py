"""What every stream of environments does alike: count frames and keep the book of raw returns.

A stream has `obs` [B, *shape] of `dtype` (uint8, or float32 where observations are no pixels), `first` [B], `last` [B]
(the rows now in view), `actions` (the game's own numbers of the actions offered), `shape`, `scale` (factor that brings
observations to a size that suits a network), `statistics`, and `step(actions [B]) -> Step`, `state_dict()`,
`load_state_dict(state)`.
"""

from typing import Any

import numpy as np

from agents.spec.base import load
from agents.spec.environment import Suite
from agents.step import Episode


class EpisodeStatistics:
    """Frames and finished episodes in all; raw score and length of the episode under way in each environment."""

    def __init__(self, streams: int, repeat: int):
        self.repeat = repeat
        self.frames = 0
        self.episodes = 0
        self.score = np.zeros(streams)
        self.length = np.zeros(streams, np.int64)  # frames
        self.finished: list[Episode] = []

    def add(self, reward: np.ndarray, moved: np.ndarray, ended: np.ndarray, truncated: np.ndarray) -> None:
        """Book raw rewards [B] of the environments that `moved`; `ended` episodes join `finished`."""
        self.score += reward
        self.length += self.repeat * moved
        self.frames += self.repeat * int(moved.sum())
        for i in np.flatnonzero(ended):
            self.finished.append(Episode(int(i), float(self.score[i]), int(self.length[i]), bool(truncated[i])))
            self.score[i] = self.length[i] = 0
            self.episodes += 1

    def take(self) -> list[Episode]:
        """The episodes finished since the last call."""
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
    """`streams` environments of a spec's suite, as they may be seen; `where`: seed, random stream, index."""
    made = environment.make(streams, cap_frames, *where)
    hides = environment.flicker or environment.hidden
    return load(environment.partial)(environment, made, *where) if hides else made
