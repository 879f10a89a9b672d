"""The picture of an episode: its screens, its bars, its frames, and what it refuses."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from analysis.__main__ import main
from analysis.errors import UserError
from analysis.film import BAR, DONE, GAP, HEAD, NAME, OTHER, film, frame

DARK, LIGHT = (tuple(bytes.fromhex(colour[1:])) for colour in (DONE, OTHER))


@pytest.fixture
def episode(tmp_path):
    """Three steps of a game of 4 channels; action 1 is done, then 0, then 1."""
    rows = [
        {"step": i, "action": action, "reward": 1.0, "values": [0.5, -0.5 * i],
         "screen": np.full((4, 10, 10), 255 * (i == 0), np.uint8).tobytes()}
        for i, action in enumerate((1, 0, 1))
    ]  # fmt: skip
    about = {"run": "dqn.x", "shape": [4, 10, 10], "actions": ["stay", "go"], "values": "action values",
             "suite": "minatar"}  # fmt: skip
    path = tmp_path / "episode.parquet"
    pq.write_table(pa.Table.from_pylist(rows).replace_schema_metadata({"paper_arcade": json.dumps(about)}), path)
    return path


def test_bars_stand_beside_the_screen_and_the_action_done_is_dark():
    screen = np.zeros((10, 10, 3), np.uint8)
    screen[2, 3] = (255, 0, 0)
    shown = frame(screen, np.array([1.0, -1.0]), 1, ["stay", "go"], (-1.0, 3.0), ["run", "step"])
    left = 240 + GAP + NAME
    assert shown.getpixel((3 * 24 + 12, HEAD + 2 * 24 + 12)) == (255, 0, 0)
    row = [shown.getpixel((x, HEAD + 7)) for x in range(left, left + BAR)]
    assert [x for x, pixel in enumerate(row) if pixel == LIGHT] == list(range(30, 61))  # from 0 to 1 of -1 to 3
    row = [shown.getpixel((x, HEAD + 14 + 7)) for x in range(left, left + BAR)]
    assert [x for x, pixel in enumerate(row) if pixel == DARK] == list(range(31))  # from -1 to 0


def test_an_episode_is_a_gif_of_all_its_steps(episode, tmp_path):
    out = tmp_path / "deep" / "episode.gif"
    assert main(["film", "--episode", str(episode), "--out", str(out)]) == 0
    with Image.open(out) as image:
        assert (image.n_frames, image.info["duration"]) == (3, 100)
        assert all(side % 2 == 0 for side in image.size)
        assert image.convert("RGB").getpixel((120, HEAD + 120)) != (0, 0, 0)
        image.seek(2)
        assert image.convert("RGB").getpixel((120, HEAD + 120)) == (0, 0, 0)


def test_mp4_needs_an_encoder_and_says_so(episode, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"MP4 needs the program ffmpeg, which is not there; a GIF needs nothing"):
        film(episode, tmp_path / "x.mp4")
    encoder = tmp_path / "ffmpeg"  # takes all pictures and leaves what it took
    encoder.write_text('#!/bin/sh\nfor out; do :; done\n/bin/cat > "$out"\n')
    encoder.chmod(0o755)
    film(episode, tmp_path / "x.mp4")
    with Image.open(_gif(episode, tmp_path)) as image:
        assert (tmp_path / "x.mp4").stat().st_size == 3 * 3 * image.width * image.height


def test_what_is_no_episode_is_refused(episode, tmp_path):
    with pytest.raises(UserError, match=r"\.gif and \.mp4 are what can be written"):
        film(episode, tmp_path / "x.avi")
    table = pq.read_table(episode)
    pq.write_table(table.replace_schema_metadata({"paper_arcade": "{}"}), tmp_path / "other.parquet")
    with pytest.raises(UserError, match="no episode of a kept agent"):
        film(tmp_path / "other.parquet", tmp_path / "x.gif")


def _gif(episode, folder):
    film(episode, folder / "same.gif")
    return folder / "same.gif"
