"""All of a paper in one picture: where its tiles stand, what of tables is shown, and what is refused."""

import json

import pytest
from PIL import Image

from analysis.__main__ import main
from analysis.contact_sheet import GAP, MANY, MOST, NAME, TEXT, WIDE, columns, contact_sheet
from analysis.errors import UserError


def picture(folder, name, size, colour):
    path = folder / f"{name}.png"
    Image.new("RGB", size, colour).save(path)
    return path


def test_tiles_go_to_the_shortest_column():
    assert columns([100], 100) == [[0]]
    assert columns([100] * 4, 100) == [[0, 2], [1, 3]]
    assert columns([300, 100, 100, 100], 100) == [[0], [1, 2, 3]]


def test_figures_are_made_as_wide_as_a_tile_and_tables_are_shown_from_their_top(tmp_path):
    red, blue = picture(tmp_path, "red", (840, 1600), (255, 0, 0)), picture(tmp_path, "blue", (100, 50), (0, 0, 255))
    table = tmp_path / "scores.json"
    table.write_text(json.dumps({"head": ["Game", "DQN"], "body": [[f"game {i}", str(i)] for i in range(MOST + 3)]}))
    out = tmp_path / "deep" / "sheet.png"
    words = ["sheet", "--figures", str(red), str(blue), "--tables", str(table), "--out", str(out)]
    assert main(words) == 0
    with Image.open(out) as shown:
        sheet = shown.convert("RGB")
    wide, top, high = WIDE[0], GAP + NAME, round(1600 * WIDE[0] / 840)
    assert sheet.width == 2 * (wide + GAP) + GAP
    assert sheet.getpixel((GAP + 1, top + 1)) == sheet.getpixel((GAP + wide - 1, top + high - 1)) == (255, 0, 0)
    assert sheet.getpixel((GAP + 1, top + high + 4)) == (255, 255, 255)
    left = GAP + wide + GAP
    assert sheet.getpixel((left + 50, top + 25)) == (0, 0, 255)  # not made wider than it is
    assert sheet.getpixel((left + 150, top + 25)) == (255, 255, 255)


def test_a_long_head_of_a_table_stands_on_several_lines(tmp_path):
    tall = []
    for name in ("Score", "Score of the agent with memory"):
        table = tmp_path / "table.json"
        table.write_text(json.dumps({"head": ["Game", name], "body": [["Pong", "21"]]}))
        contact_sheet([], [table], tmp_path / "sheet.png")
        with Image.open(tmp_path / "sheet.png") as sheet:
            tall.append(sheet.height)
    assert tall[1] - tall[0] == 2 * (TEXT + 6)  # three lines: "Score of", "the agent", "with memory"


def test_many_tiles_are_smaller(tmp_path):
    paths = [picture(tmp_path, f"figure{i}", (400, 100), (9, 9, 9)) for i in range(MANY + 1)]
    contact_sheet(paths, [], tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert (sheet.width - GAP) % (WIDE[1] + GAP) == 0


def test_what_is_no_figure_or_table_is_refused(tmp_path):
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{}")
    with pytest.raises(UserError, match="there is no figure and no table to show"):
        contact_sheet([], [], tmp_path / "sheet.png")
    with pytest.raises(UserError, match=r"wrong\.json is no figure's PNG"):
        contact_sheet([wrong], [], tmp_path / "sheet.png")
    with pytest.raises(UserError, match=r"wrong\.json is no table's JSON: KeyError"):
        contact_sheet([], [wrong], tmp_path / "sheet.png")
