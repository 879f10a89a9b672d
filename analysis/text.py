"""Numbers, frames and games as short readable text."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable
from typing import Any

TITLES = {
    "cartpole/v0": "CartPole-v0",
    "cartpole/v1": "CartPole-v1",
    "cliffwalk/blind": "Blind Cliffwalk",
    "corridor/dueling": "Corridor",
    "digits/imbalanced": "Digits",
    "mujoco/ant": "Ant-v4",
    "mujoco/half_cheetah": "HalfCheetah-v4",
    "mujoco/hopper": "Hopper-v4",
    "mujoco/inverted_double_pendulum": "InvertedDoublePendulum-v4",
    "mujoco/inverted_pendulum": "InvertedPendulum-v4",
    "mujoco/reacher": "Reacher-v4",
    "mujoco/swimmer": "Swimmer-v4",
    "mujoco/walker2d": "Walker2d-v4",
    "random_mdp/garnet": "Random MDP",
}
# Atari games whose names on the box are not their ROM's with capitals
BOXES = {
    "hero": "H.E.R.O.",
    "jamesbond": "James Bond",
    "kung_fu_master": "Kung-Fu Master",
    "montezuma_revenge": "Montezuma's Revenge",
    "ms_pacman": "Ms. Pac-Man",
    "pitfall": "Pitfall!",
    "qbert": "Q*bert",
    "riverraid": "River Raid",
    "up_n_down": "Up'n Down",
    "wizard_of_wor": "Wizard of Wor",
    "yars_revenge": "Yars' Revenge",
}
# authors of keys such as `nair2015_gorila` that are not one capital and `et al.`
AUTHORS = {"hausknecht": "Hausknecht & Stone", "vanhasselt": "van Hasselt et al."}


def frames_text(frames: float, _position: object = None) -> str:
    """50000 -> '50k', 1500000 -> '1.5M'."""
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(frames) >= limit:
            return f"{frames / limit:.4g}{suffix}"
    return f"{frames:.4g}"


def natural(text: str) -> list[tuple[int, int | str]]:
    """A key to sort by: '2 workers' before '16 workers'."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", text) if part]


def number(value: float) -> str:
    """A score in at most four characters or so: 1234.5 -> '1,234', 3.14159 -> '3.14', 12345678 -> '12.3M'."""
    size = abs(value)
    if not math.isfinite(value):
        return "–"
    if size >= 1e6:
        return f"{value / 1e6:.3g}M"
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}" if size >= 1 or size == 0 else f"{value:.2g}"


def numbers(values: Iterable[float | None]) -> Callable[[float | None], str]:
    """How to print numbers that stand side by side: all with the decimals of the largest, a dash for none.

    As `number` does it with the largest: 123, 12.3, 1.23, 0.12; millions as 1.23M.
    """
    largest = max((abs(value) for value in values if value is not None and math.isfinite(value)), default=0.0)
    million, decimals = largest >= 1e6, 2 if largest < 10 else 1 if largest < 100 else 0
    if 0 < largest < 0.1:
        decimals = 1 - math.floor(math.log10(largest))

    def text(value: float | None) -> str:
        if value is None or not math.isfinite(value):
            return "–"
        return f"{value / 1e6:.2f}M" if million else f"{value:,.{decimals}f}"

    return text


def game_title(game: str) -> str:
    """'minatar/space_invaders' -> 'Space Invaders (MinAtar)'; Atari games go without their suite."""
    if game in TITLES:
        return TITLES[game]
    suite, _, name = game.rpartition("/")
    title = BOXES.get(name) or name.replace("_", " ").title()
    return f"{title} (MinAtar)" if suite == "minatar" else title


def algorithm_name(algorithm: str) -> str:
    """An algorithm of config/reference as a label, whose colour it has: 'Dueling_DDQN' -> 'Dueling DDQN'."""
    return algorithm.replace("_", " ")


def citation(paper: str) -> str:
    """A paper's key in config/reference as readers know it: 'nair2015_gorila' -> 'Nair et al. 2015'."""
    if not (found := re.match(r"([a-z]+)(\d{4})(_|$)", paper)):
        return paper.replace("_", " ")
    return f"{AUTHORS.get(found[1], f'{found[1].capitalize()} et al.')} {found[2]}"


def canonical(value: Any) -> str:
    """JSON text that is equal for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
