"""Colours, axes and number formats."""

import itertools
import math

import pytest
from matplotlib.colors import to_rgb

from analysis import style, text
from analysis.figures import common

KNOWN = ["DQN", "Double DQN", "Rainbow", "DQN SN[-2]", "random policy"]


def test_a_known_label_has_one_colour_and_no_order_matters():
    assert style.colour("DQN") == style.COLOURS["DQN"]
    assert style.colour("Random policy") == style.colour("random policy") == "#666666"
    alone = style.colour("my algorithm")
    assert alone in style.BASE and alone not in (style.COLOURS["DQN"], style.COLOURS["Rainbow"])
    for order in itertools.permutations(["DQN", "my algorithm", "Rainbow"]):
        marks = style.marks(order)
        assert list(marks) == list(order)
        assert [marks[label].colour for label in ("DQN", "my algorithm", "Rainbow")] == [
            style.COLOURS["DQN"], alone, style.COLOURS["Rainbow"]]  # fmt: skip


@pytest.mark.parametrize("known", [[], KNOWN[:2], KNOWN])
@pytest.mark.parametrize("unknown", range(2, 13))
def test_unknown_labels_are_told_apart_by_colour_and_pattern(known, unknown):
    for names in ("variant {}", "lr {}", "tau=0.{}"):
        labels = [names.format(i) for i in range(unknown)]
        marks = style.marks([*labels, *known])
        assert all(marks[label].colour == style.COLOURS[label] for label in known)
        pairs = [(a, b) for a, b in itertools.combinations(marks, 2) if {a, b} - set(known)]
        smallest = min(style.distance(marks[a].colour, marks[b].colour) for a, b in pairs)
        assert smallest >= (style.APART if unknown + len(known) <= 8 else 0.09)
        plain = min(math.dist(to_rgb(marks[a].colour), to_rgb(marks[b].colour)) for a, b in pairs)
        assert plain > 0.19  # of at most 1.73
        # as many labels as there are patterns have dashes, markers and hatches of their own
        own = [marks[label][1:] for label in labels[: len(style.PATTERNS) - len(known)]]
        assert len(set(own)) == len(own)
        for a, b in pairs:
            assert marks[a] != marks[b]


def test_labels_with_similar_colours_get_different_dashes():
    labels = [f"variant {i}" for i in range(8)] + ["DDQN", "Double DQN", "A2C", "Vanilla", "IMPALA, one process"]
    for a, b in itertools.combinations(style.marks(labels).values(), 2):
        assert style.distance(a.colour, b.colour) >= style.APART or (a.dash != b.dash and a.hatch != b.hatch)


def test_distances_of_colours():
    assert style.distance("#000000", "#ffffff") == pytest.approx(1, abs=1e-6)
    assert style.distance("#123456", "#123456") == 0
    assert style.distance(style.GREEN, style.BROWN) < 0.07  # alike to those who do not tell red from green
    assert style.distance(style.BLUE, style.RED) > 0.2


def test_ticks_of_a_logarithmic_axis_are_plain_text():
    with style.context():
        figure, axes = style.plt.subplots()
        axes.plot([1e-4, 5e-4], [1, 10_000])
        style.logarithmic(axes.xaxis)
        style.logarithmic(axes.yaxis)
        figure.draw_without_rendering()
        x = [t.get_text() for t in [*axes.get_xticklabels(), *axes.get_xticklabels(minor=True)]]
        y = [t.get_text() for t in axes.get_yticklabels()]
        style.plt.close(figure)
    assert {"10⁻⁴", "2×10⁻⁴", "4×10⁻⁴"} <= set(x) and {"10⁰", "10²", "10⁴"} <= set(y)
    assert not any("$" in text or "\\" in text for text in x + y)


@pytest.mark.parametrize(
    ("last", "ticks"),
    [
        (60_000, [0, 20_000, 40_000, 60_000]),
        (500_000, [0, 100_000, 200_000, 300_000, 400_000, 500_000]),
        (200_000_000, [0, 50_000_000, 100_000_000, 150_000_000, 200_000_000]),
        (29_850, [0, 10_000, 20_000, 29_850]),
    ],
)
def test_an_axis_of_frames_ends_with_a_tick(last, ticks):
    with style.context():
        figure, axes = style.plt.subplots()
        style.frame_axis(axes, last=last)
        assert list(axes.get_xticks()) == pytest.approx(ticks) and axes.get_xlim() == (0, last)
        style.plt.close(figure)


def test_a_narrow_axis_has_fewer_ticks():
    with style.context():
        figure, axes = style.plt.subplots(figsize=(1.3, 1))
        style.frame_axis(axes, last=200_000_000)
        assert list(axes.get_xticks()) == [0, 100_000_000, 200_000_000]
        style.plt.close(figure)


def test_panels_that_are_low_or_narrow_name_their_axes_briefly():
    with style.context():
        figure, axes = style.plt.subplots(4, 2, figsize=(3, 3), squeeze=False)
        common.name_axes(list(axes.flat), 2, "Wall-clock time (hours)", "Evaluation return")
        assert figure.get_supylabel() == "Evaluation return" and axes[0, 0].get_ylabel() == ""
        assert [panel.get_xlabel() for panel in axes.flat] == [""] * 6 + ["Wall-clock time\n(hours)"] * 2
        style.plt.close(figure)
        figure, axes = style.plt.subplots(1, 2, figsize=(6, 3), squeeze=False)
        common.name_axes(list(axes.flat), 2, "Wall-clock time (hours)", "Evaluation return")
        assert [panel.get_ylabel() for panel in axes.flat] == ["Evaluation return", ""]
        assert {panel.get_xlabel() for panel in axes.flat} == {"Wall-clock time (hours)"}
        style.plt.close(figure)


def test_known_labels_have_markers_and_hatches_too():
    marks = style.marks(KNOWN)
    assert [marks[label].dash for label in KNOWN[:3]] == ["-"] * 3
    for part in ("marker", "hatch"):
        assert len({getattr(mark, part) for mark in marks.values()}) == len(KNOWN)
    assert "o" not in {mark.marker for mark in marks.values()}  # left for points without another one


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([12.34, 1.5, None], ["12.3", "1.5", "–"]),
        ([1234.5, 7.0], ["1,234", "7"]),
        ([0.5, 0.25], ["0.50", "0.25"]),
        ([0.012, 0.0034], ["0.012", "0.003"]),
        ([2_500_000, 40_000], ["2.50M", "0.04M"]),
        ([1.0, math.inf], ["1.00", "–"]),
    ],
)
def test_numbers_side_by_side_have_as_many_decimals(values, shown):
    print_ = text.numbers(values)
    assert [print_(value) for value in values] == shown


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
    titles = [text.game_title(game) for game in ("atari/ms_pacman", "qbert", "atari/up_n_down", "atari/road_runner")]
    assert titles == ["Ms. Pac-Man", "Q*bert", "Up'n Down", "Road Runner"]


@pytest.mark.parametrize(
    ("paper", "shown"),
    [
        ("mnih2015", "Mnih et al. 2015"),
        ("nair2015_gorila", "Nair et al. 2015"),
        ("vanhasselt2016_ddqn", "van Hasselt et al. 2016"),
        ("hausknecht2015_drqn", "Hausknecht & Stone 2015"),
        ("openai_baselines_cbd21ef", "openai baselines cbd21ef"),
    ],
)
def test_papers_are_cited_as_readers_know_them(paper, shown):
    assert text.citation(paper) == shown
