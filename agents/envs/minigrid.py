"""MiniGrid (Chevalier-Boisvert et al. 2023, arXiv:2306.13831) through its package: B rooms, seen 7 x 7 squares far.

Observation [20, 7, 7] of 0 and 1: the kind (11), colour (6) and state (3) of what stands on each square in view; the
agent is in the middle of the last row and looks up. One agent step is one frame. An episode ends where the game ends
it, with a reward of 1 - 0.9 steps / limit for success, or at the game's own limit of steps, which truncates.

A room is a pure function of its seed and the actions since: every episode starts from a fresh seed, the actions of
the one under way are kept, and a resumed run plays them again.
"""

from typing import Any

import numpy as np

from agents.envs.stream import EpisodeStatistics
from agents.rng import generator, restore_rng, rng_state
from agents.spec.environment import MiniGrid as MiniGridSpec
from agents.step import Step

PLANES = (11, 6, 3)  # kinds of object, colours, states of a door
ACTIONS = {"full": 7, "movement": 3}


class MiniGrid:
    """B rooms: a `Stream` (envs/stream.py). Raises ImportError where the package `minigrid` is not installed."""

    dtype = np.uint8
    scale = 1.0

    def __init__(self, spec: MiniGridSpec, streams: int, cap_frames: int | None, seed: int, stream: str, *index: int):
        try:
            import gymnasium
            import minigrid  # noqa: F401 - makes its rooms known to gymnasium
        except ImportError as error:
            raise ImportError(f"{error}: the minigrid suite needs: pip install '.[minigrid]'") from error
        name = f"MiniGrid-{spec.game.title().replace('_', '')}-v0"  # memory_s7 is MemoryS7
        self._rooms = [gymnasium.make(name, disable_env_checker=True).unwrapped for _ in range(streams)]
        self.actions = np.arange(ACTIONS[spec.actions])
        self.shape = (sum(PLANES), 7, 7)
        self._cap = cap_frames
        self._seeds = generator(seed, stream, *index)
        self._seed = np.zeros(streams, np.int64)  # of each room's episode
        self._played: list[bytearray] = [bytearray() for _ in range(streams)]  # in that episode
        self.obs = np.stack([self._open(i) for i in range(streams)])
        self.first = np.ones(streams, bool)
        self.last = np.zeros(streams, bool)
        self.statistics = EpisodeStatistics(streams, repeat=1)

    def __len__(self) -> int:
        return len(self._rooms)

    def _open(self, i: int) -> np.ndarray:
        self._seed[i] = self._seeds.integers(2**31 - 1)
        self._played[i].clear()
        return planes(self._rooms[i].reset(seed=int(self._seed[i]))[0]["image"])

    def step(self, actions: np.ndarray) -> Step:
        """Do `actions` [B]; a room whose last row is in view opens anew instead."""
        size = len(self)
        reward, discount = np.zeros(size, np.float32), np.ones(size, np.float32)
        first, last, obs = self.last, np.zeros(size, bool), np.empty_like(self.obs)
        for i, room in enumerate(self._rooms):
            if self.last[i]:
                obs[i] = self._open(i)
                continue
            seen, reward[i], terminal, limit, _ = room.step(int(actions[i]))
            self._played[i].append(int(actions[i]))
            discount[i] = not terminal
            last[i] = terminal or limit or len(self._played[i]) == self._cap
            obs[i] = planes(seen["image"])
        step = Step(self.obs, actions, reward, discount, self.first, self.last)
        self.statistics.add(reward, ~self.last, ended=last, truncated=last & (discount > 0))
        self.obs, self.first, self.last = obs, first, last
        return step

    def state_dict(self) -> dict[str, Any]:
        return {
            "seeds": rng_state(self._seeds),
            "seed": self._seed.copy(),
            "played": [np.frombuffer(bytes(log), np.uint8) for log in self._played],
            "first": self.first.copy(),
            "last": self.last.copy(),
            "statistics": self.statistics.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        restore_rng(self._seeds, state["seeds"])
        self._seed, self.first, self.last = state["seed"], state["first"], state["last"]
        for i, (room, log) in enumerate(zip(self._rooms, state["played"], strict=True)):
            seen = room.reset(seed=int(self._seed[i]))[0]
            for action in log:
                seen = room.step(int(action))[0]
            self._played[i] = bytearray(log.tobytes())
            self.obs[i] = planes(seen["image"])
        self.statistics.load_state_dict(state["statistics"])


def planes(image: np.ndarray) -> np.ndarray:
    """The package's view [7, 7, 3] (column, row; kind, colour, state) -> one-hot planes [20, 7, 7] (row, column)."""
    squares = image.transpose(2, 1, 0)
    return np.concatenate([np.arange(n)[:, None, None] == part for n, part in zip(PLANES, squares, strict=True)]).view(
        np.uint8
    )
