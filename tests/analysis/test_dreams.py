"""Strips and animations of what a world model imagines, from a file as `python -m agents.dream` writes it."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from analysis import dreams
from analysis.animation import animate
from analysis.errors import UserError
from analysis.figure import make_figure
from analysis.report import make_report
from analysis.spec.items import figure_adapter
from tests.analysis import fake

SPEC = {"id": "d", "kind": "dreams", "title": "Dreams", "experiments": ["demo.breakout"], "variants": ["DQN"],
        "steps": 4, "context": 2}  # fmt: skip
ROWS = [("seen", 0), ("decoded", 0), ("mean", 2), ("sample 1", 2), ("sample 2", 2)]


@pytest.fixture(scope="module")
def dreamt(tmp_path_factory):
    """Four steps of 2 x 3 pixels in two channels; row k has rewards k, k + 0.1, …"""
    path = tmp_path_factory.mktemp("dreams") / "d.parquet"
    rows = []
    for k, (name, start) in enumerate(ROWS):
        for step in range(start, 4):
            image = np.zeros((2, 2, 3), np.float32)
            image[k % 2, step % 2, 0] = 0.5
            rows.append({"row": name, "step": step, "reward": k + step / 10, "discount": 0.9, "image": image.flatten()})
    about = {
        "run": fake.run_name("breakout", 1, "minatar/breakout", 0),
        "shape": [2, 2, 3],
        "context": 2,
        "played": 500,
    }
    table = pa.Table.from_pylist(rows)
    pq.write_table(table.replace_schema_metadata({"paper_arcade": json.dumps(about)}), path)
    return path


def test_pictures_have_a_colour_for_each_channel_and_are_missing_before_imagination(dreamt):
    found = dreams.read(dreamt)
    blue, orange = (0.00392156862745098, 0.45098039, 0.69803922), (0.87058824, 0.56078431, 0.01960784)
    assert found.pictures["seen"].shape == (4, 2, 3, 3)
    assert found.pictures["seen"][0, 0, 0] == pytest.approx(np.multiply(0.5, blue))
    assert found.pictures["decoded"][1, 1, 0] == pytest.approx(np.multiply(0.5, orange))
    assert found.pictures["seen"][0, 1].max() == 0
    assert np.isnan(found.pictures["mean"][:2]).all() and not np.isnan(found.pictures["mean"][2:]).any()
    assert found.reward["sample 1"][2:].tolist() == pytest.approx([3.2, 3.3])
    assert np.isnan(found.reward["sample 1"][:2]).all()
    assert dreams.coloured(np.full((1, 1, 2, 2), 0.25)).tolist() == [[[[0.25] * 3] * 2] * 2]


def test_the_strip_says_which_run_it_is_of_and_holds_its_numbers(dreamt, house, reference, tmp_path):
    spec = figure_adapter.validate_python(SPEC)
    for folder in ("a", "b"):
        make_figure(spec, house.scores, reference, tmp_path / folder / "d", [dreamt])
    assert (tmp_path / "a/d.svg").read_bytes() == (tmp_path / "b/d.svg").read_bytes()
    data, caption = pd.read_csv(tmp_path / "a/d.csv"), json.loads((tmp_path / "a/d.json").read_text())
    assert len(data) == 2 * (4 + 4 + 3 * 2)
    mean = data[(data.panel == "Reward") & (data.label == "imagined, mean")]
    assert mean.frame.tolist() == [2, 3] and mean.value.tolist() == pytest.approx([2.2, 2.3])
    assert "DQN on Breakout (MinAtar), seed 0, after training." in caption["text"]
    assert "of 500 agent steps the 4 of one episode" in caption["text"] and len(caption["runs"]) == 1


def test_the_animation_has_a_frame_for_each_step(dreamt, tmp_path):
    for name in ("a.gif", "b.gif"):
        animate(dreamt, tmp_path / name)
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()
    moving = Image.open(tmp_path / "a.gif")
    assert (moving.n_frames, moving.info["duration"], moving.size) == (4, 250, (5 * 150 + 4 * 6, 100 + 16))
    moving.seek(1)  # its lower left pixel is half lit, blue as played and orange as decoded; no imagination yet
    seen = [moving.convert("RGB").getpixel((156 * i + 10, 110)) for i in range(3)]
    assert seen == [(0, 58, 89), (111, 72, 2), (111, 72, 2)]


def test_the_report_embeds_strip_and_animation(dreamt, house, reference, tmp_path):
    make_figure(figure_adapter.validate_python(SPEC), house.scores, reference, tmp_path / "demo/d", [dreamt])
    animate(dreamt, tmp_path / "demo/d.gif")
    papers = [{"paper": "demo", "figures": [{"id": "d", "title": "Dreams"}]}]
    make_report(papers, tmp_path, [], house.experiments, house.runs, tmp_path / "index.html")
    page = (tmp_path / "index.html").read_text()
    assert page.count("data:image/gif;base64,") == 1 and '<a href="demo/d.gif" aria-label="GIF of' in page


def test_without_a_run_there_is_a_placeholder(house, reference, tmp_path):
    make_figure(figure_adapter.validate_python(SPEC), house.scores, reference, tmp_path / "d")
    assert "no finished run of DQN" in json.loads((tmp_path / "d.json").read_text())["no_data"]


def test_mistakes_are_explained(house, tmp_path):
    with pytest.raises(UserError, match="no column row, step, reward, discount, image"):
        dreams.read(house.scores[0])
    with pytest.raises(ValueError, match="context 4 leaves nothing of 4 steps to imagine"):
        figure_adapter.validate_python(SPEC | {"context": 4})
