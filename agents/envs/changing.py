"""MinAtar whose sticky actions change while an agent trains: a task that does not stay the same.

Gogianu et al. 2021 (arXiv:2105.05246) train so with and without spectral normalisation; the authors' code takes the
chance of a sticky action from a table of epochs. Here it is a function of the frames of training, so that a resumed run
has no state of it to restore. Evaluations keep the first chance: they tell what is left of the first task.
"""

from bisect import bisect_right

import numpy as np

from agents.envs.minatar import MinAtar
from agents.spec.environment import MinAtar as MinAtarSpec
from agents.step import Step


def chance(steps: list[tuple[int, float]], frame: int) -> float:
    """The value that holds at a frame, of [(frame from which it holds, value), …], frames ascending from 0."""
    return steps[bisect_right([first for first, _ in steps], frame) - 1][1]


class Changing(MinAtar):
    """B MinAtar games whose stickiness follows `spec.sticky`, a list, by the frames of all of them together."""

    def __init__(self, spec: MinAtarSpec, streams: int, cap_frames: int | None, seed: int, stream: str, *index: int):
        self._steps = spec.sticky if stream == "environment" else spec.sticky[:1]
        plain = spec.model_copy(update={"sticky": spec.sticky[0][1]})
        super().__init__(plain, streams, cap_frames, seed, stream, *index)

    def step(self, actions: np.ndarray) -> Step:
        """As MinAtar's, with the chance that holds at the frame in view."""
        now = chance(self._steps, self.statistics.frames)
        for game in self._games:
            game.sticky_action_prob = now
        return super().step(actions)
