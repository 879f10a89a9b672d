"""Colours, axes and number formats."""

import itertools

import pytest

from analysis import style, text


def test_a_label_has_one_colour_whatever_else_is_drawn():
    assert style.colour("DQN") == style.COLOURS["DQN"]
    assert style.colour("Random policy") == style.colour("random policy") == "#666666"
    new = style.colour("my algorithm")
    assert new == style.colour("my algorithm") and new != style.colour("my algorithm 2")
    for order in itertools.permutations(["DQN", "my algorithm", "Rainbow"]):
        assert {label: mark[0] for label, mark in style.marks(order).items()}["my algorithm"] == new


def test_labels_with_similar_colours_get_different_dashes():
    labels = [f"variant {i}" for i in range(8)] + ["DDQN", "Double DQN"]
    marks = list(style.marks(labels).values())
    for (a, dash_a), (b, dash_b) in itertools.combinations(marks, 2):
        assert style._distance(a, b) >= 0.18 or dash_a != dash_b


@pytest.mark.parametrize(
    ("frames", "shown"),
    [
        (0, "0"),
        (500, "500"),
        (50_000, "50k"),
        (1_500_000, "1.5M"),
        (2e8, "200M"),
        (1e10, "10G"),
        (62_500, "62.5k"),
    ],
)
def test_frames_are_readable(frames, shown):
    assert text.frames_text(frames) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (0.1234, "0.12"), (3.14159, "3.14"), (123.4, "123"), (1234.5, "1,234"), (12_345_678, "12.3M")],
)
def test_numbers_are_short(value, shown):
    assert text.number(value) == shown


def test_widths_and_titles():
    assert style.width("icml", "single") == 3.25 and style.width("icml", "double") == 6.75
    assert style.width("neurips", "double") == 5.5 and style.width("jmlr", "double") == 6.0
    assert text.game_title("minatar/space_invaders") == "Space Invaders (MinAtar)"
    assert text.game_title("atari/ms_pacman") == "Ms Pacman"
