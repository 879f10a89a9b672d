"""What a world model made of a stretch of play (the file that `python -m agents.dream` writes), as pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis import style
from analysis.errors import UserError
from analysis.load import metadata_of, read_parquet

COLUMNS = ("row", "step", "reward", "discount", "image")
NAMES = {  # row of the file -> how it is named; in this order
    "seen": "played", "decoded": "decoded", "mean": "imagined, mean", "sample 1": "imagined, sample 1",
    "sample 2": "imagined, sample 2",
}  # fmt: skip


@dataclass(frozen=True)
class Dream:
    """By row of NAMES: pictures [T, H, W, 3] from 0 to 1, rewards and discounts [T], NaN where it has none.

    Those that are imagined begin at step `context`.
    """

    pictures: dict[str, np.ndarray]
    reward: dict[str, np.ndarray]
    discount: dict[str, np.ndarray]
    context: int
    about: dict[str, Any]


def read(path: Path) -> Dream:
    """UserError for a file that is missing, damaged or not of this kind."""
    table = read_parquet(path, COLUMNS)
    about = metadata_of(table, path)
    if "shape" not in about or "context" not in about:
        raise UserError(f"{path} is no dream of a world model")
    rows = table.to_pandas(use_threads=False)
    steps, shape = int(rows.step.max()) + 1, tuple(about["shape"])
    pictures, reward, discount = {}, {}, {}
    for name in NAMES:
        mine = rows[rows["row"] == name]
        at = mine.step.to_numpy()
        images = np.full((steps, *shape), np.nan)
        if len(mine):
            images[at] = np.stack(mine.image.to_list()).reshape(-1, *shape)
        pictures[name] = coloured(images)
        for column, into in (("reward", reward), ("discount", discount)):
            into[name] = np.full(steps, np.nan)
            into[name][at] = mine[column].to_numpy()
    return Dream(pictures, reward, discount, int(about["context"]), about)


def coloured(images: np.ndarray) -> np.ndarray:
    """Images [T, C, H, W] from 0 to 1 -> [T, H, W, 3]: grey, red-green-blue, or a colour of light for each channel."""
    channels = images.shape[1]
    if channels == 1:
        return np.repeat(images.transpose(0, 2, 3, 1), 3, axis=-1)
    if channels == 3:
        return images.transpose(0, 2, 3, 1)
    shades = np.array([style.rgb(style.BASE[c % len(style.BASE)]) for c in range(channels)])
    return np.minimum(np.einsum("tchw,ck->thwk", images, shades), 1.0)
