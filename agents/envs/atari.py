"""Atari 2600 through ale-py's vector environment: B games in C++ threads (Bellemare et al. 2013, arXiv:1207.4708).

Observation [1, screen, screen]: the last two of `repeat` frames in grey, their maximum, and that resized by area
averaging (INTER_AREA). All this is ale-py's doing. Mnih et al. 2015, dqn_zoo and baselines resize last too, but take
the maximum of the colours and make that grey, and dqn_zoo resizes bilinearly; snrl resizes each frame, by area, and
then takes the maximum. Stacks of frames are built by the memory and the actor, not here.

An episode starts with 0 to noop_max - 1 no-op frames, each number as likely: so does ale-py, and snrl, while dqn_zoo
and baselines do 1 to noop_max. With `fire_reset` one of these frames, or one if there is none, presses FIRE where the
game has it, or, with `lives`, the first action of a game and of each life is FIRE, for `repeat` frames. Baselines
press FIRE and then one more button for four frames each, after each lost life too.

The vector environment cannot save its state, but after a seeded reset its future is a pure function of the seed
and the actions. So each game starts from a fresh seed at its first episode end after `reseed_every_steps` agent
steps, the actions since then are kept (one byte each), and a resumed run plays them again.
"""

import os
from typing import Any

import numpy as np
from ale_py import Action, ALEInterface, LoggerMode
from ale_py.vector_env import AtariVectorEnv

from agents.envs.stream import EpisodeStatistics
from agents.rng import generator, restore_rng, rng_state
from agents.spec.environment import Atari as AtariSpec
from agents.step import Step


class Atari:
    """B Atari games: a `Stream` (envs/stream.py). agents/step.py says what rows they give."""

    scale = 1.0 / 255.0
    dtype = np.uint8

    def __init__(self, spec: AtariSpec, streams: int, cap_frames: int | None, seed: int, stream: str, *index: int):
        ALEInterface.setLoggerMode(LoggerMode.Error)
        self._spec = spec
        self._env = AtariVectorEnv(
            spec.game,
            streams,
            num_threads=min(streams, len(os.sched_getaffinity(0))),  # the threads do not change the results
            max_num_frames_per_episode=cap_frames or spec.cap_frames,
            repeat_action_probability=spec.sticky,
            full_action_space=spec.actions == "full",
            img_height=spec.screen,
            img_width=spec.screen,
            stack_num=1,
            frameskip=spec.repeat,
            noop_max=spec.noop_max,
            reward_clipping=False,
            use_fire_reset=spec.fire_reset is True,
        )
        buttons = self._env.ale.get_action_set()
        self._fire = buttons.index(Action.FIRE) if spec.fire_reset == "lives" and Action.FIRE in buttons else None
        self.actions = np.arange(self._env.single_action_space.n)
        self.shape = (1, spec.screen, spec.screen)
        self._seeds = generator(seed, stream, *index)
        self._seed = self._fresh_seeds(streams)
        self._played: list[bytearray] = [bytearray() for _ in range(streams)]  # since the last seeded reset
        self.obs, info = self._env.reset(seed=self._seed)
        self._lives = info["lives"]
        self.first = np.ones(streams, bool)
        self.last = np.zeros(streams, bool)
        self.statistics = EpisodeStatistics(streams, spec.repeat)

    def __len__(self) -> int:
        return len(self._played)

    def _fresh_seeds(self, count: int) -> np.ndarray:
        return self._seeds.integers(2**31 - 1, size=count)

    def step(self, actions: np.ndarray) -> Step:
        """Do `actions` [B]; a game whose last row is in view ignores its action and starts anew."""
        if self._fire is not None:
            actions = np.where(self.first, self._fire, actions)
        obs, raw, terminal, truncated, info = self._env.step(actions)
        for log, action in zip(self._played, actions, strict=True):
            log.append(int(action))
        due = self.last & np.array([len(log) >= self._spec.reseed_every_steps for log in self._played])
        if due.any():
            self._seed[due] = self._fresh_seeds(int(due.sum()))
            obs, info = self._env.reset(seed=self._seed[due], options={"reset_mask": due})
            for i in np.flatnonzero(due):
                self._played[i].clear()
        moved, ended = ~self.last, terminal | truncated
        reward = np.where(moved, raw, 0).astype(np.float32)
        lost = info["lives"] < self._lives
        over = terminal | lost if self._spec.life_loss in (True, "reset", "episode") else terminal
        training = np.clip(reward, -1, 1) if self._spec.clip_reward else reward
        if self._spec.life_loss == "penalty":
            training = np.where(lost & moved, np.float32(-1), training)
        step = Step(
            obs=self.obs,
            action=actions,
            reward=training,
            discount=(~(over & moved)).astype(np.float32),
            first=self.first,
            last=self.last,
        )
        reborn = lost & moved & ~ended & (self._spec.life_loss in ("reset", "episode"))
        counted = ended | reborn if self._spec.life_loss == "episode" else ended
        self.statistics.add(reward, moved, ended=counted, truncated=truncated & ~terminal)
        self.first, self.last, self.obs, self._lives = self.last | reborn, ended, obs, info["lives"]
        return step

    def state_dict(self) -> dict[str, Any]:
        return {
            "seeds": rng_state(self._seeds),
            "seed": self._seed.copy(),
            "played": [np.frombuffer(bytes(log), np.uint8).copy() for log in self._played],
            "obs": self.obs.copy(),
            "lives": np.array(self._lives, np.int64),
            "first": self.first.copy(),
            "last": self.last.copy(),
            "statistics": self.statistics.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore by playing the kept actions again; raises RuntimeError if the screens do not come out the same."""
        played = state["played"]
        turns = max(map(len, played))
        for turn in range(turns + 1):
            starts = np.array([turns - len(log) == turn for log in played])
            if starts.any():  # every game starts so that all of them end together
                obs, _ = self._env.reset(seed=state["seed"][starts], options={"reset_mask": starts})
            if turn < turns:
                waiting = [turns - len(log) for log in played]
                actions = [log[turn - w] if turn >= w else 0 for log, w in zip(played, waiting, strict=True)]
                obs, *_ = self._env.step(np.array(actions, np.int64))
        if not np.array_equal(obs, state["obs"]):
            raise RuntimeError(
                "the replayed actions lead to other screens: another ale-py or ROM than the checkpoint's?"
            )
        restore_rng(self._seeds, state["seeds"])
        self._seed, self._played = state["seed"], [bytearray(log.tobytes()) for log in played]
        self.obs, self._lives = state["obs"], state["lives"]
        self.first, self.last = state["first"], state["last"]
        self.statistics.load_state_dict(state["statistics"])
