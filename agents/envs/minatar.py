"""MinAtar (Young & Tian 2019, arXiv:1903.03176): B games from the `minatar` package, stepped together.

Observation [C, 10, 10] of 0 and 1 (C = 4 to 10 by game), six actions, sticky actions inside the package.
One agent step is one frame. `last_action`, which sticky actions repeat, survives an episode's end.
"""

import copy
import logging
import sys
from typing import Any

import numpy as np

from agents.envs.stream import EpisodeStatistics
from agents.rng import integer_seed
from agents.spec.environment import MinAtar as MinAtarSpec
from agents.step import Step


def _environment() -> type:
    """minatar.Environment, without the plotting libraries its package imports (2 s of every process)."""
    hidden = {name: sys.modules.get(name) for name in ("matplotlib", "seaborn")}
    logging.disable(logging.WARNING)
    sys.modules.update(dict.fromkeys(hidden))
    try:
        from minatar import Environment
    finally:
        logging.disable(logging.NOTSET)
        for name, module in hidden.items():
            sys.modules.pop(name) if module is None else sys.modules.update({name: module})
    return Environment


class MinAtar:
    """B MinAtar games: a `Stream` (envs/stream.py). agents/step.py says what rows they give."""

    scale = 1.0  # observations are 0 or 1 already
    dtype = np.uint8

    def __init__(self, spec: MinAtarSpec, streams: int, cap_frames: int | None, seed: int, stream: str, *index: int):
        environment = _environment()
        self._games = [environment(spec.game, spec.sticky, spec.ramping) for _ in range(streams)]
        for i, game in enumerate(self._games):
            game.seed(integer_seed(seed, stream, *index, i))
            game.reset()  # the constructor reset it from an unseeded generator
        self.actions = np.array(
            self._games[0].minimal_action_set() if spec.actions == "minimal" else range(self._games[0].num_actions())
        )
        self._cap = cap_frames
        self.shape = (self._games[0].n_channels, 10, 10)
        self.obs = np.stack([game.state().transpose(2, 0, 1) for game in self._games]).astype(np.uint8)
        self.first = np.ones(streams, bool)
        self.last = np.zeros(streams, bool)
        self.statistics = EpisodeStatistics(streams, repeat=1)

    def __len__(self) -> int:
        return len(self._games)

    def step(self, actions: np.ndarray) -> Step:
        """Do `actions` [B] (indices into self.actions); at last rows the game is reset instead."""
        size = len(self._games)
        reward, discount = np.zeros(size, np.float32), np.ones(size, np.float32)
        first, last, obs = self.last, np.zeros(size, bool), np.empty_like(self.obs)
        for i, game in enumerate(self._games):
            if self.last[i]:
                game.reset()
            else:
                reward[i], terminal = game.act(self.actions[actions[i]])
                discount[i] = not terminal
                last[i] = terminal or self.statistics.length[i] + 1 == self._cap
            obs[i] = game.state().transpose(2, 0, 1)
        step = Step(self.obs, actions, reward, discount, self.first, self.last)
        self.statistics.add(reward, ~self.last, ended=last, truncated=last & (discount > 0))
        self.obs, self.first, self.last = obs, first, last
        return step

    def state_dict(self) -> dict[str, Any]:
        return {
            "games": [_pack(game) for game in self._games],
            "obs": self.obs.copy(),
            "first": self.first.copy(),
            "last": self.last.copy(),
            "statistics": self.statistics.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for game, saved in zip(self._games, state["games"], strict=True):
            _unpack(game, saved)
        self.obs, self.first, self.last = state["obs"], state["first"], state["last"]
        self.statistics.load_state_dict(state["statistics"])


def _pack(game: Any) -> dict[str, Any]:
    """A game's attributes as arrays and plain values: a checkpoint without pickle."""
    name, keys, position, has_gauss, gauss = game.random.get_state()
    inner = {k: v for k, v in vars(game.env).items() if k not in ("random", "channels", "action_map")}
    return {
        "last_action": int(game.last_action),
        "random": [name, keys.astype(np.int64), int(position), int(has_gauss), float(gauss)],
        "env": copy.deepcopy(inner),
    }


def _unpack(game: Any, saved: dict[str, Any]) -> None:
    game.last_action = saved["last_action"]
    name, keys, *rest = saved["random"]
    game.random.set_state((name, keys.astype(np.uint32), *rest))
    vars(game.env).update(saved["env"])
