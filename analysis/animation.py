"""A dream of a world model as an animated GIF: what was played, decoded and imagined, side by side."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from analysis import dreams
from analysis.files import write_atomic

SIDE = 150  # pixels of a picture, about
HEAD, GAP = 16, 6  # pixels of the line of names, and between pictures
STEP_MS = 250  # per agent step


def animate(path: Path, out: Path) -> None:
    """Write the GIF of a dream's file; what is decoded stands where nothing is imagined yet. UserError as in `read`."""
    found = dreams.read(path)
    pictures = dict(found.pictures)
    for name, each in pictures.items():
        pictures[name] = np.where(np.isnan(each), found.pictures["decoded"], each)
    frames = [_frame({name: each[step] for name, each in pictures.items()}) for step in range(len(pictures["seen"]))]
    first, *others = [frame.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE) for frame in frames]
    options = {"format": "GIF", "save_all": True, "append_images": others, "duration": STEP_MS, "loop": 0}
    write_atomic(out, partial(first.save, **options))


def _frame(pictures: dict[str, np.ndarray]) -> Image.Image:
    """One step: pictures [H, W, 3] from 0 to 1 by row, with their names above."""
    high, wide = next(iter(pictures.values())).shape[:2]
    scale = max(1, SIDE // max(high, wide))
    size = wide * scale, high * scale
    frame = Image.new("RGB", (len(pictures) * (size[0] + GAP) - GAP, size[1] + HEAD), "white")
    pen = ImageDraw.Draw(frame)
    for i, (name, picture) in enumerate(pictures.items()):
        left = i * (size[0] + GAP)
        tile = Image.fromarray(np.rint(255 * picture).astype(np.uint8))
        frame.paste(tile.resize(size, Image.Resampling.NEAREST), (left, HEAD))
        pen.text((left + 2, 2), dreams.NAMES[name], fill="black")
    return frame
