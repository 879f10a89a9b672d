"""What a game's player would see, beside what the agent sees: Atari's screen in its colours."""

from typing import Any

import numpy as np
from ale_py import ALEInterface, LoggerMode, roms
from ale_py.vector_env import AtariVectorEnv

from agents.rng import generator
from agents.spec.environment import Atari, Suite

MINATAR = ("noop", "left", "up", "right", "down", "fire")  # minatar's own numbers (minatar/environment.py)
HIGH, WIDE = 210, 160  # pixels of an Atari screen


class Screens:
    """The screens [C, H, W] uint8, from 0 to 255, of the one environment of a stream, as it goes on."""

    def __init__(self, stream: Any):
        self.stream = stream

    def seen(self) -> np.ndarray:
        """The screen in view."""
        obs = self.stream.obs[0].astype(np.float32)
        return np.clip(np.rint(255 * self.stream.scale * obs), 0, 255).astype(np.uint8)

    def follow(self, action: int) -> None:
        """The stream did this action."""


class Coloured:
    """Atari's screens [210, 160, 3] uint8. The vector environment gives grey pictures of the wanted size alone: so the
    colours are those of another one, which begins from the same seed (agents/envs/atari.py) and does the same."""

    def __init__(self, spec: Atari, cap_frames: int | None, seed: int, name: str, *index: int):
        self._env = AtariVectorEnv(
            spec.game,
            1,
            max_num_frames_per_episode=cap_frames or spec.cap_frames,
            repeat_action_probability=spec.sticky,
            full_action_space=spec.actions == "full",
            img_height=HIGH,
            img_width=WIDE,
            grayscale=False,
            stack_num=1,
            frameskip=spec.repeat,
            noop_max=spec.noop_max,
            reward_clipping=False,
            use_fire_reset=spec.fire_reset,
        )
        self._obs, _ = self._env.reset(seed=generator(seed, name, *index).integers(2**31 - 1, size=1))

    def seen(self) -> np.ndarray:
        """The screen in view."""
        return np.ascontiguousarray(self._obs[0, 0])

    def follow(self, action: int) -> None:
        """The stream did this action."""
        self._obs, *_ = self._env.step(np.array([action]))


def screens(spec: Suite, stream: Any, *where: Any) -> Screens | Coloured:
    """What to show of the one environment of a stream; `where`: its cap on frames, seed and random stream."""
    return Coloured(spec, *where) if isinstance(spec, Atari) else Screens(stream)


def action_names(spec: Suite, actions: np.ndarray) -> list[str]:
    """What the actions of a stream are called; their numbers where nobody named them."""
    if spec.suite == "minatar":
        return [MINATAR[number] for number in actions]
    if isinstance(spec, Atari):
        ALEInterface.setLoggerMode(LoggerMode.Error)
        game = ALEInterface()
        game.loadROM(roms.get_rom_path(spec.game))
        known = game.getLegalActionSet() if spec.actions == "full" else game.getMinimalActionSet()
        return [action.name.lower() for action in known]
    return [str(number) for number in actions]
