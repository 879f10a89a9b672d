"""Games won, tied and lost: by hand, with their interval by an oracle, and by printed scores."""

import json

import numpy as np
import pytest

from analysis.claims import check
from analysis.duels import lead, outcomes, tally
from analysis.errors import UserError
from analysis.load import write_scores
from analysis.spec.items import Interval, claims_adapter
from tests.analysis import fake


def test_a_tie_is_a_difference_of_at_most_the_share_of_the_larger_score():
    a = np.array([100.0, 95.0, 94.9, 106.0, -100.0, -94.0, 0.0, 3.0])
    b = np.array([95.0, 100.0, 100.0, 100.0, -95.0, -100.0, 0.0, -3.0])
    assert outcomes(a, b, 0.05).tolist() == [0, 0, -1, 1, 0, 1, 0, 1]
    assert outcomes(b, a, 0.05).tolist() == (-outcomes(a, b, 0.05)).tolist()
    assert tally(outcomes(a, b, 0.05)) == (3, 1, 4)


def test_games_count_by_their_mean_and_the_interval_is_that_of_resampled_means():
    games, other = ["x", "x", "y", "y"], ["y", "x", "x", "y"]
    a, b = [1.0, 3.0, 5.0, 5.0], [9.0, 1.0, 1.0, 9.0]
    counts, value = lead(a, games, b, other, 0.05, Interval(resamples=4000))
    assert counts == (1, 1, 0) and float(value.point) == 0 and value.n == (2, 2)
    # x is 1, 2 or 3 against 1: a tie in a quarter of all draws, else better; y is always worse
    assert (value.low, value.high) == (-1, 0)
    alone, value = lead(a[1:3], games[1:3], b[:2], other[:2], 0.05, Interval())
    assert alone == (1, 1, 0) and value.low is None


def claim(spec, scores, reference, out):
    (found,) = check(claims_adapter.validate_python([{"id": "c", "text": "So."} | spec]), scores, reference, out)
    return found


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("duels")
    games = ("minatar/breakout", "minatar/asterix", "minatar/freeway")
    path = fake.experiment(folder, {"DreamerV2": 40.0, "Gaussian": 20.0, "same": 20.0}, games, 3, "parts")
    write_scores(path, folder / "runs", folder / "scores.parquet")
    return [folder / "scores.parquet"]


@pytest.mark.parametrize(
    ("a", "b", "verdict", "ours", "value"),
    [
        ("DreamerV2", "Gaussian", "reproduced", "better on 3, worse on 0, tied on 0", 3),
        ("Gaussian", "DreamerV2", "not reproduced", "better on 0, worse on 3, tied on 0", -3),
        ("Gaussian", "same", "inconclusive", "better on 0, worse on 0, tied on 3", 0),
    ],
)
def test_more_games_won_than_lost(a, b, verdict, ours, value, scores, reference, tmp_path):
    spec = {"kind": "more_wins", "experiments": ["demo.parts"], "a": a, "b": b, "tie": 0.2}
    found = claim(spec, scores, reference, tmp_path / "c.json")
    assert (found["verdict"], found["ours"], found["value"]) == (verdict, ours, value), json.dumps(found, indent=1)


@pytest.mark.parametrize(
    ("b", "verdict", "ours"),
    [
        (0.0, "reproduced", "better on 3, worse on 0, tied on 0"),
        (100_000.0, "not reproduced", "better on 0, worse on 3, tied on 0"),
    ],
)
def test_games_above_a_number(b, verdict, ours, scores, reference, tmp_path):
    """`b` is on the scale of the scores: with the human's, 100 counts the games above the human."""
    spec = {"kind": "more_wins", "experiments": ["demo.parts"], "a": "DreamerV2", "b": b, "tie": 0.0}
    found = claim(spec | {"normalisation": "minatar_dqn", "margin": 2.0}, scores, reference, tmp_path / "c.json")
    assert (found["verdict"], found["ours"]) == (verdict, ours), json.dumps(found, indent=1)
    with pytest.raises(ValueError, match="raw scores of several games"):
        claims_adapter.validate_python([{"id": "c", "text": "So."} | spec])


def test_printed_scores_of_dreamerv2_against_rainbow(reference, tmp_path):
    spec = {
        "kind": "published_wins", "normalisation": "gamer_dreamerv2", "game_set": "atari55_dreamerv2",
        "a": {"paper": "hafner2021_dreamerv2", "algorithm": "DreamerV2", "regime": "sticky_actions"},
        "b": {"paper": "castro2018_dopamine", "algorithm": "Rainbow", "regime": "sticky_actions"},
    }  # fmt: skip
    found = claim(spec, [], reference, tmp_path / "c.json")
    assert (found["verdict"], found["ours"]) == ("recomputed", "better on 35, worse on 14, tied on 6")
    other = claim(spec | {"a": spec["b"], "b": spec["a"]}, [], reference, tmp_path / "c.json")
    assert (other["verdict"], other["ours"]) == ("not reproduced", "better on 14, worse on 35, tied on 6")


def test_agents_told_apart_by_printed_deviations(reference, tmp_path):
    """DRQN's Table 1 by hand: 8 points on Double Dunk are 2.96 standard errors of sqrt((3.5^2 + 7.8^2) / 10), p 0.011,
    the third of nine; Bowling's 10 are 2.53, p 0.024 above 0.05 * 4 / 9."""
    spec = {
        "kind": "published_apart", "episodes": 10, "better": ["frostbite", "double_dunk"], "worse": ["beam_rider"],
        "a": {"paper": "hausknecht2015_drqn", "algorithm": "DRQN", "regime": "standard_mdp"},
        "b": {"paper": "hausknecht2015_drqn", "algorithm": "DQN_ours", "regime": "standard_mdp"},
    }  # fmt: skip
    found = claim(spec, [], reference, tmp_path / "c.json")
    assert (found["verdict"], found["ours"]) == (
        "recomputed", "better on double_dunk, frostbite; worse on beam_rider",
    )  # fmt: skip
    assert found["why"] == "3 of 9 games at a level of 0.05, 10 episodes of each agent"
    few = claim(spec | {"episodes": 5}, [], reference, tmp_path / "c.json")
    assert (few["verdict"], few["ours"]) == ("not reproduced", "better on frostbite; worse on beam_rider")


def test_scores_without_deviations_are_refused(reference, tmp_path):
    side = {"paper": "horgan2018_apex", "algorithm": "Ape-X_DQN"}
    spec = {"kind": "published_apart", "episodes": 10, "better": [], "worse": [], "a": side, "b": side}
    with pytest.raises(UserError, match="no sd of Ape-X_DQN on alien"):
        claim(spec, [], reference, tmp_path / "c.json")


def test_a_printed_number_is_so_many_times_another(reference, tmp_path):
    """1304.9 / 434.1 = 3.006."""
    printed = {"metric": "median_hns"}
    spec = {
        "kind": "published_times", "times": 3.0,
        "a": {"label": "R2D2", "printed": printed | {"paper": "kapturowski2019_r2d2", "algorithm": "R2D2_submission"}},
        "b": {"label": "Ape-X", "printed": printed | {"paper": "horgan2018_apex", "algorithm": "Ape-X_DQN"}},
    }  # fmt: skip
    found = claim(spec, [], reference, tmp_path / "c.json")
    assert (found["verdict"], found["ours"]) == ("recomputed", "3.01 times")
    assert found["why"] == "R2D2 1305 % against Ape-X 434.1 %; stated are 3 times"
    assert claim(spec | {"times": 3.1}, [], reference, tmp_path / "c.json")["verdict"] == "not reproduced"
