"""Normalisation conventions by hand and against the numbers that papers printed."""

import numpy as np
import pytest

from analysis.errors import UserError
from analysis.normalise import normalise, published_aggregate
from analysis.reference import Reference
from analysis.spec import PublishedScores


@pytest.fixture(scope="module")
def facts(reference):
    return Reference(reference)


def test_values_by_hand(facts):
    # breakout: random 1.7, human 30.5; pong: -20.7, 14.6
    values = normalise(np.array([[30.5, 1.7], [14.6, -3.05]]), ["atari/breakout", "atari/pong"], "standard", facts)
    assert values == pytest.approx(np.array([[1.0, 0.0], [1.0, 0.5]]))
    assert normalise(np.array([5.0]), ["minatar/seaquest"], "raw", facts) == pytest.approx([5.0])


def test_conventions_differ_on_video_pinball_only(facts):
    games = ["video_pinball", "alien"]
    score = np.array([100_000.0, 5_000.0])
    by_hand = {"standard": (1e5 - 16256.9) / (17667.9 - 16256.9), "vp0": 1e5 / 17667.9}
    for convention, wanted in by_hand.items():
        values = normalise(score, games, convention, facts)
        assert values[0] == pytest.approx(wanted)
        assert values[1] == pytest.approx((5000 - 227.8) / (7127.7 - 227.8))
    # human starts: random 20452 beats human 15641
    standard = normalise(score, games, "standard", facts, "human_starts")
    positive = normalise(score, games, "abs", facts, "human_starts")
    assert standard[0] < 0 and positive[0] == pytest.approx(-standard[0])


def test_clipped_record_is_cut_at_one(facts):
    ratio = normalise(np.array([1e9]), ["atari/breakout"], "record_dreamerv2", facts)
    assert ratio[0] > 1e6
    assert normalise(np.array([1e9]), ["atari/breakout"], "clipped_record_dreamerv2", facts)[0] == 1.0


def test_a_suite_without_references_is_an_error_that_names_the_game(facts):
    # 'breakout' exists in both suites: the suite decides
    with pytest.raises(UserError, match="'standard' has no reference score for minatar/breakout; use 'raw'"):
        normalise(np.array([1.0]), ["minatar/breakout"], "standard", facts)
    with pytest.raises(UserError, match="atari/pong"):
        normalise(np.array([1.0]), ["atari/pong"], "minatar_dqn", facts)
    with pytest.raises(UserError, match="atari/pongg"):
        normalise(np.array([1.0]), ["atari/pongg"], "standard", facts)


@pytest.mark.parametrize(
    ("paper", "algorithm", "game_set", "statistic", "convention", "percent"),
    [
        ("bellemare2017_c51", "C51", None, "mean", "vp0", 701.06),
        ("bellemare2017_c51", "C51", None, "mean", "standard", 1767.26),
        ("bellemare2017_c51", "C51", None, "median", "standard", 177.71),
        ("bellemare2017_c51", "DQN", "atari54_sn", "mean", "standard", 216.84),
        ("hessel2018_rainbow", "Rainbow", "atari54_sn", "mean", "standard", 858.30),
        ("hessel2018_rainbow", "Rainbow", "atari54_sn", "median", "standard", 227.05),
        ("kapturowski2019_r2d2", "R2D2", None, "mean", "vp0", 4024.9),
        ("kapturowski2019_r2d2", "R2D2", None, "median", "standard", 1922.73),
    ],
)
def test_headlines(facts, paper, algorithm, game_set, statistic, convention, percent):
    scores = facts.per_game(PublishedScores(paper=paper, algorithm=algorithm), game_set)
    value, games = published_aggregate(scores, statistic, convention, facts)
    assert 100 * value == pytest.approx(percent, abs=0.06)
    assert games == (54 if game_set else 57)
