"""An episode that a kept agent played (the file of `python -m agents.kept record`) as GIF or MP4.

The screen is on the left; on the right stand what the agent made of each action: its values, or the probabilities of
its policy. The action that it does is dark.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image, ImageDraw

from analysis.dreams import coloured
from analysis.errors import UserError
from analysis.files import write_atomic
from analysis.load import metadata_of, read_parquet

COLUMNS = ("step", "action", "reward", "values", "screen")
SIDE = 240  # pixels of the screen's longer side, about
HEAD, GAP, BAR, NAME = 30, 8, 120, 96  # pixels: line of text, gaps, longest bar, room for an action's name
LINE = 14  # pixels of an action's row, at most
STEP_MS = {"atari": 67}  # per agent step: Atari's four frames at 60 a second
OTHERS_MS = 100  # where steps are no time
DONE, OTHER = "#1b4f8a", "#a9c4e4"  # the bar of the action that is done, and of the others


def film(path: Path, out: Path) -> None:
    """Write the picture of an episode. UserError: the file is none, or nothing here can write `out`."""
    table = read_parquet(path, COLUMNS)
    about = metadata_of(table, path)
    if not {"shape", "actions", "values"} <= about.keys():
        raise UserError(f"{path} is no episode of a kept agent")
    milliseconds = STEP_MS.get(about["suite"], OTHERS_MS)
    if out.suffix == ".gif":
        first, *others = [frame.quantize(256, Image.Quantize.MEDIANCUT) for frame in frames(table, about)]
        options = {"format": "GIF", "save_all": True, "append_images": others, "duration": milliseconds, "loop": 0}
        write_atomic(out, partial(first.save, **options))
    elif out.suffix == ".mp4":
        _encode(frames(table, about), out, milliseconds)
    else:
        raise UserError(f"{out}: .gif and .mp4 are what can be written")


def frames(table: pa.Table, about: dict[str, Any]) -> Iterator[Image.Image]:
    """The pictures of all steps, one by one."""
    values = np.stack(table["values"].to_pylist())
    low, high = (0.0, 1.0) if about["values"] == "policy" else (min(0.0, float(values.min())), float(values.max()))
    score = np.cumsum(table["reward"].to_numpy())
    for step, action in enumerate(table["action"].to_pylist()):
        screen = np.frombuffer(table["screen"][step].as_py(), np.uint8).reshape(about["shape"])
        head = [f"{about['run']}", f"step {step}   score {score[step]:g}   {about['values']}"]
        yield frame(_rgb(screen), values[step], action, about["actions"], (low, high), head)


def frame(
    screen: np.ndarray,
    values: np.ndarray,
    action: int,
    names: list[str],
    limits: tuple[float, float],
    head: list[str],
) -> Image.Image:
    """One step: screen [H, W, 3] uint8 beside the values [A], of which `limits` are the lowest and highest at all."""
    high, wide = screen.shape[:2]
    scale = max(1, SIDE // max(high, wide))
    size = wide * scale, high * scale
    line = min(LINE, size[1] // len(names))
    width, height = size[0] + 2 * GAP + NAME + BAR + 60, size[1] + HEAD
    whole = Image.new("RGB", (width + width % 2, height + height % 2), "white")  # encoders want even sides
    whole.paste(Image.fromarray(screen).resize(size, Image.Resampling.NEAREST), (0, HEAD))
    pen = ImageDraw.Draw(whole)
    for i, words in enumerate(head):
        pen.text((2, 2 + 13 * i), words, fill="black")
    low, top = limits
    span = (top - low) or 1.0
    left = size[0] + GAP + NAME
    zero = left + round(BAR * (0 - low) / span) if low <= 0 <= top else left
    for i, (name, value) in enumerate(zip(names, values, strict=True)):
        y, end = HEAD + i * line, left + round(BAR * (float(value) - low) / span)
        pen.rectangle((min(zero, end), y + 2, max(zero, end), y + line - 2), fill=DONE if i == action else OTHER)
        pen.text((size[0] + GAP, y), f"{'>' if i == action else ' '} {name}", fill="black")
        pen.text((left + BAR + GAP, y), f"{value:.3g}", fill="black")
    return whole


def _rgb(screen: np.ndarray) -> np.ndarray:
    """[C, H, W] or [H, W, 3] -> [H, W, 3] uint8: a colour of its own for each channel where there are many."""
    if screen.shape[-1] == 3:
        return screen
    return np.rint(255 * coloured(screen[None] / 255.0)[0]).astype(np.uint8)


def _encode(pictures: Iterator[Image.Image], out: Path, milliseconds: int) -> None:
    """MP4 by ffmpeg. UserError where there is none, or it fails."""
    program = shutil.which("ffmpeg")
    if program is None:
        raise UserError(f"{out}: MP4 needs the program ffmpeg, which is not there; a GIF needs nothing")
    first = next(pictures)
    words = [program, "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s"]
    words += [f"{first.width}x{first.height}", "-r", f"{1000 / milliseconds:.4f}", "-i", "-", "-pix_fmt", "yuv420p"]

    def write(path: Path) -> None:
        with subprocess.Popen([*words, "-f", "mp4", str(path)], stdin=subprocess.PIPE) as child:
            assert child.stdin is not None
            for picture in (first, *pictures):
                child.stdin.write(picture.tobytes())
        if child.returncode:
            raise UserError(f"{out}: ffmpeg ended with code {child.returncode}")

    write_atomic(out, write)
