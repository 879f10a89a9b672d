"""The published facts: counts, sources, and aggregates recomputed with code of this test's own."""

import pandas as pd
import pytest

from analysis.errors import UserError
from analysis.reference import Reference
from analysis.spec.items import PublishedNumber, PublishedScores


@pytest.fixture(scope="module")
def tables(reference):
    names = (
        "atari_reference_scores",
        "published_scores",
        "published_aggregates",
        "game_sets",
        "minatar_reference",
    )
    return {name: pd.read_csv(reference / f"{name}.csv") for name in names}


def test_counts_names_and_sources(tables):
    scores, published = tables["atari_reference_scores"], tables["published_scores"]
    assert len(scores) == 62 and scores.game.is_unique
    assert scores.random.notna().sum() == scores.human.notna().sum() == 57
    known = scores.dropna(subset=["human"])
    assert (known.human > known.random).all()
    assert len(published) == 4036
    assert not published.duplicated(["paper", "algorithm", "regime", "game"]).any()
    assert published.score.notna().all() and published.source.notna().all()
    assert set(published.game) <= set(scores.game)
    sets = tables["game_sets"]
    assert not sets.duplicated(["game_set", "game"]).any()
    size = sets.groupby("game_set").size()
    wanted = {
        "atari57": 57,
        "atari55_dreamerv2": 55,
        "atari54_sn": 54,
        "atari49_mnih2015": 49,
        "sn10_ablation": 10,
    }
    assert {name: size[name] for name in wanted} == wanted
    aggregates = tables["published_aggregates"]
    assert not aggregates.duplicated(["paper", "algorithm", "regime", "metric"]).any()
    assert set(aggregates.confidence) == {"source", "digitised", "unverified"}
    games = {"asterix", "breakout", "freeway", "seaquest", "space_invaders"}
    assert set(tables["minatar_reference"].game) == games


def test_every_file_is_small_and_every_curve_file_has_the_documented_columns(reference):
    assert all(path.stat().st_size < 1_000_000 for path in reference.rglob("*") if path.is_file())
    for path in sorted((reference / "curves").glob("*.csv")):
        table = pd.read_csv(path)
        assert list(table.columns) == ["game", "algorithm", "frames", "mean", "sd", "n_seeds"], path.name
        assert not table.duplicated(["game", "algorithm", "frames"]).any()


def _recompute(tables, row):
    """Straight from the rows, without the project's normalisation code."""
    paper, algorithm = row.recompute_from.split("/", 1)
    rows = tables["published_scores"]
    rows = rows[(rows.paper == paper) & (rows.algorithm == algorithm) & (rows.regime == row.regime)]
    if isinstance(row.game_set, str):
        sets = tables["game_sets"]
        rows = rows[rows.game.isin(sets[sets.game_set == row.game_set].game)]
    facts = tables["atari_reference_scores"].set_index("game")
    low, high = {
        "mnih2015": ("random_mnih2015", "human_mnih2015"),
        "record_dreamerv2": ("random_dreamerv2_json", "human_record"),
        "clipped_record_dreamerv2": ("random_dreamerv2_json", "human_record"),
        "gamer_dreamerv2": ("random_dreamerv2_json", "gamer_dreamerv2"),
    }.get(row.convention, ("random", "human"))
    if row.regime == "human_starts":
        low, high = "random_human_starts", "human_human_starts"
    ratios = []
    for game, score in zip(rows.game, rows.score, strict=True):
        bottom, top = facts[low][game], facts[high][game]
        if row.convention == "vp0" and game == "video_pinball":
            bottom = 0.0
        if pd.isna(bottom) or pd.isna(top):
            continue
        span = abs(top - bottom) if row.convention == "abs" else top - bottom
        ratio = (score - bottom) / span
        ratios.append(min(ratio, 1.0) if row.convention.startswith("clipped") else ratio)
    series = pd.Series(ratios)
    value = series.median() if "median" in row.metric else series.mean()
    return value * (100 if row.unit == "percent" else 1)


def test_published_aggregates_follow_from_published_scores(tables):
    rows = tables["published_aggregates"]
    rows = rows[rows.recomputed.notna()]
    assert len(rows) >= 100 and (rows.agrees == "yes").sum() >= 95
    for row in rows.itertuples():
        value = _recompute(tables, row)
        digits = 0.0061 if row.unit == "percent" else 0.00061
        assert value == pytest.approx(row.recomputed, abs=digits), (row.paper, row.algorithm, row.metric)
        if row.agrees == "yes":
            limit = max(0.012 * abs(row.value), 0.6 if row.unit == "percent" else 0.006)
            assert abs(value - row.value) <= limit, (row.paper, row.algorithm, row.metric)


@pytest.mark.parametrize(
    ("paper", "algorithm", "regime", "metric", "value"),
    [
        ("schaul2016_per", "DDQN_tuned", "human_starts", "median_hns", 111.0),  # Table 1
        ("schaul2016_per", "DDQN_tuned", "human_starts", "mean_hns", 418.0),
        ("hessel2018_rainbow", "Distributional_DQN", "noop_starts", "median_hns", 164.0),  # Table 2, arXiv
        ("hessel2018_rainbow", "Distributional_DQN_published", "noop_starts", "median_hns", 185.0),
        ("kapturowski2019_r2d2", "R2D2_submission", "noop_starts", "median_hns", 1304.9),
        ("kapturowski2019_r2d2", "R2D2_submission", "noop_starts", "mean_hns", 3525.4),
        ("kapturowski2019_r2d2", "R2D2", "dmlab30", "median_hns", 96.9),  # Table 1
        ("kapturowski2019_r2d2", "R2D2", "dmlab30", "mean_capped_hns", 78.3),
        ("kapturowski2019_r2d2", "R2D2+", "dmlab30", "median_hns", 99.5),
        ("kapturowski2019_r2d2", "R2D2+", "dmlab30", "mean_capped_hns", 85.7),
        ("espeholt2018_impala", "A3C_deep_DMLab30", "dmlab30_test", "mean_capped_hns", 23.8),  # Table 3
        ("espeholt2018_impala", "IMPALA_shallow_DMLab30", "dmlab30_test", "mean_capped_hns", 37.1),
        ("espeholt2018_impala", "IMPALA_deep_experts_DMLab30", "dmlab30_test", "mean_capped_hns", 44.5),
        ("espeholt2018_impala", "IMPALA_deep_DMLab30", "dmlab30_test", "mean_capped_hns", 46.5),
        ("espeholt2018_impala", "IMPALA_deep_PBT_DMLab30", "dmlab30_test", "mean_capped_hns", 49.4),
    ],
)
def test_printed_headlines(reference, paper, algorithm, regime, metric, value):
    wanted = PublishedNumber(paper=paper, algorithm=algorithm, regime=regime, metric=metric)
    found = Reference(reference).number(wanted)
    assert (found["value"], found["unit"]) == (value, "percent") and found["source"]


def test_lookups_and_their_errors(reference, tmp_path):
    facts = Reference(reference)
    rainbow = facts.per_game(PublishedScores(paper="hessel2018_rainbow", algorithm="Rainbow"), "atari54_sn")
    assert len(rainbow) == 54 and "video_pinball" not in rainbow.index
    number = facts.number(PublishedNumber(paper="gogianu2021_sn", algorithm="C51_SN[-2]", metric="max_mean_hns"))
    assert (number["value"], number["confidence"]) == (1072.0, "digitised")
    with pytest.raises(UserError, match=r"unknown algorithm 'Rainbw' in .*did you mean 'Rainbow'"):
        facts.per_game(PublishedScores(paper="hessel2018_rainbow", algorithm="Rainbw"))
    with pytest.raises(UserError, match="did you mean 'atari57'"):
        facts.game_set("atari_57")
    with pytest.raises(UserError, match=r"did you mean 'dqn_zoo_median_hns\.csv'"):
        facts.curve("dqn_zoo_median.csv", "DQN")
    (tmp_path / "curves").mkdir()
    (tmp_path / "curves" / "mine.csv").write_text("game,algorithm,frames,mean\npong,DQN,1,2\n")
    with pytest.raises(UserError, match=r"mine.csv: no column sd, n_seeds"):
        Reference(tmp_path).curve("mine.csv", "DQN")


def test_a_users_own_curve_is_read(tmp_path):
    (tmp_path / "curves").mkdir()
    text = "game,algorithm,frames,mean,sd,n_seeds\npong,DQN,200,3,,\npong,DQN,100,2,,\nqbert,DQN,100,9,,\n"
    (tmp_path / "curves" / "mine.csv").write_text(text)
    curve = Reference(tmp_path).curve("mine.csv", "DQN", "atari/pong")
    assert curve.frames.tolist() == [100, 200] and curve["mean"].tolist() == [2, 3]
