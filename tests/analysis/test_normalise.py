"""Normalisation conventions by hand and against the numbers that papers printed."""

import shutil

import numpy as np
import pandas as pd
import pytest

from analysis.errors import UserError
from analysis.metrics import one_scale
from analysis.normalise import SCALES, normalise, published_aggregate, without_reference
from analysis.published import values
from analysis.reference import Reference
from analysis.spec.claims import Greater
from analysis.spec.items import PublishedBar, PublishedScores


def test_what_has_no_unit_is_averaged_over_games_and_scores_are_not():
    sigma, score = (Greater(id="c", kind="greater", text="", experiments=["p.e"], a="A", b="B", metric=m)
                    for m in ("sigma[-1]", "training_return"))  # fmt: skip
    one_scale(sigma, ["atari/pong", "atari/alien"])
    one_scale(score, ["atari/pong", "atari/pong"])
    with pytest.raises(UserError, match="c: raw scores of 2 games cannot be averaged; set 'normalisation'"):
        one_scale(score, ["atari/pong", "atari/alien"])
    with pytest.raises(UserError, match="c: an optimality gap needs a normalised score"):
        one_scale(sigma, ["atari/pong"], ["optimality_gap"])


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


def test_a_random_policy_above_the_human_has_conventions_of_its_own(facts):
    """Video Pinball under human starts: random 20452, human 15641. As written, a better score would count for less."""
    score, games = np.array([100_000.0]), ["video_pinball"]
    for convention, wanted in {"abs": (1e5 - 20452) / (20452 - 15641.1), "vp0": 1e5 / 15641.1}.items():
        assert normalise(score, games, convention, facts, "human_starts")[0] == pytest.approx(wanted)
    with pytest.raises(UserError, match=r"'standard' cannot scale video_pinball: .* 20452 .* 15641.1"):
        normalise(score, games, "standard", facts, "human_starts")
    with pytest.raises(UserError, match="'record_dreamerv2' cannot scale journey_escape"):
        normalise(score, ["journey_escape"], "record_dreamerv2", facts)


COLUMNS = {  # convention -> columns of random and of what counts as 1
    "standard": ("random", "human"), "vp0": ("random", "human"), "abs": ("random", "human"),
    "mnih2015": ("random_mnih2015", "human_mnih2015"),
    "gamer_dreamerv2": ("random_dreamerv2_json", "gamer_dreamerv2"),
    "record_dreamerv2": ("random_dreamerv2_json", "human_record"),
    "clipped_record_dreamerv2": ("random_dreamerv2_json", "human_record"),
    "saber": ("random", "human_record"),
}  # fmt: skip


def changed(folder, tmp_path, file, change):
    """A copy of config/reference with one file changed."""
    copy = tmp_path / "reference"
    shutil.copytree(folder, copy)
    table = pd.read_csv(copy / file)
    change(table)
    table.to_csv(copy / file, index=False)
    return Reference(copy)


def test_every_convention_has_its_columns_here():
    assert set(COLUMNS) | {"raw", "minatar_dqn"} == set(SCALES)


@pytest.mark.parametrize("convention", COLUMNS)
@pytest.mark.parametrize("damage", ["equal", "missing", "below", "text", "infinite"])
def test_a_row_that_cannot_scale_names_game_file_and_convention(convention, damage, reference, tmp_path):
    low, high = COLUMNS[convention]

    def change(table):
        table[high] = table[high].astype(object)
        at = table.game == "pong"
        value = {"missing": None, "text": "14.6?", "infinite": "inf"}.get(damage, table.loc[at, low].item())
        table.loc[at, high] = value - 1 if damage == "below" else value

    broken = changed(reference, tmp_path, "atari_reference_scores.csv", change)
    if (convention, damage) == ("abs", "below"):
        assert normalise(np.array([-19.7]), ["atari/pong"], "abs", broken)[0] == pytest.approx(1)
        return
    with pytest.raises(UserError) as caught:
        normalise(np.array([1.0]), ["atari/pong"], convention, broken)
    assert "pong" in str(caught.value) and str(broken.folder / "atari_reference_scores.csv") in str(caught.value)
    assert convention in str(caught.value) or (damage in ("text", "infinite") and high in str(caught.value))
    scores = PublishedScores(paper="castro2018_dopamine", algorithm="DQN", regime="sticky_actions")
    with pytest.raises(UserError, match="pong"):  # in an average over games it would not be seen at all
        published_aggregate(
            broken.per_game(scores, "atari55_dreamerv2"), "median", convention, broken, game_set="atari55_dreamerv2"
        )
    if damage not in ("text", "infinite"):  # another game does not mind
        assert np.isfinite(normalise(np.array([1.0]), ["atari/breakout"], convention, broken)).all()


@pytest.mark.parametrize("score", [0.0, None, -3.0])
def test_minatar_needs_a_score_above_zero(score, reference, tmp_path):
    def change(table):
        table.loc[(table.game == "seaquest") & (table.algorithm == "DQN"), "score"] = score

    broken = changed(reference, tmp_path, "minatar_reference.csv", change)
    with pytest.raises(UserError, match=r"'minatar_dqn' cannot scale seaquest: .*minatar_reference\.csv"):
        normalise(np.array([1.0]), ["minatar/seaquest"], "minatar_dqn", broken)
    assert normalise(np.array([1.0]), ["minatar/breakout"], "minatar_dqn", broken)[0] > 0


def test_a_game_with_two_rows_is_refused(reference, tmp_path):
    def change(table):
        table.loc[table.game == "alien", "game"] = "pong"

    broken = changed(reference, tmp_path, "atari_reference_scores.csv", change)
    with pytest.raises(UserError, match=r"atari_reference_scores\.csv: pong has several rows"):
        normalise(np.array([1.0]), ["atari/qbert"], "standard", broken)


def test_games_without_references_are_left_out_of_an_average_by_name_and_never_of_a_named_set(facts):
    wanted = PublishedScores(paper="castro2018_dopamine", algorithm="DQN", regime="sticky_actions")
    scores = facts.per_game(wanted)
    lost = ["air_raid", "carnival", "elevator_action", "journey_escape", "pooyan"]
    assert without_reference(scores.index, "standard", facts) == lost and without_reference(lost, "raw", facts) == []
    assert published_aggregate(scores, "mean", "standard", facts)[1] == len(scores) - 5 == 55
    bar = PublishedBar(label="DQN", recomputed={"scores": wanted})
    text = values(bar, "percent", facts)["recomputed"][1]
    assert text.endswith(f"; left out, without a reference score: {', '.join(lost)}")
    with pytest.raises(UserError, match="'standard' has no reference score for air_raid, carnival"):
        published_aggregate(scores, "mean", "standard", facts, game_set="atari60_dopamine")
    with pytest.raises(UserError, match=r"published_scores\.csv: no finite score for pong"):
        published_aggregate(pd.Series({"pong": np.nan, "alien": 1.0}), "mean", "standard", facts)


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
