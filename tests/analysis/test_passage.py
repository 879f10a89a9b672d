"""How long until a score is above a level: the table of it, the claim, and claims on printed scores."""

import json

import numpy as np
import pandas as pd
import pytest

from analysis.claims import check
from analysis.errors import UserError
from analysis.load import write_scores
from analysis.spec.items import claims_adapter, table_adapter
from analysis.table import make_table
from tests.analysis import fake

FRAMES = np.array([100, 200, 300, 400])
# variant -> mean of the last 100 episodes at the four checkpoints, of each seed; 100 episodes end before each
CURVES = {
    "ACKTR": [[3, 3, 3, 3], [1, 3, 3, 3]],
    "A2C": [[1, 2, 3, 4], [1, 1, 5, 5]],
    "TRPO": [[1, 1, 1, 1], [1, 1, 1, 1]],
}
LEVELS = {"minatar/breakout": 2.5}


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("passage")
    path = fake.experiment(folder, dict.fromkeys(CURVES, 1.0), seeds=2)
    for v, curves in enumerate(CURVES.values()):
        for seed, curve in enumerate(curves):
            run = fake.run_name("breakout", v, "minatar/breakout", seed)
            metrics = ("training_return", "training_return_100")
            fake.write_run(folder / "runs", run, FRAMES, np.array(curve, float), metrics=metrics, count=100)
    write_scores(path, folder / "runs", folder / "scores.parquet")
    return folder / "scores.parquet"


def table(scores, reference, out, **options):
    spec = {"id": "t", "kind": "milestones", "title": "T", "experiments": ["demo.breakout"], "levels": LEVELS}
    make_table(table_adapter.validate_python(spec | options), [scores], reference, out / "t")
    return pd.read_csv(out / "t.csv"), json.loads((out / "t.json").read_text())


def claims(scores, reference, out, *wanted):
    base = {"text": "T", "kind": "sooner", "experiments": ["demo.breakout"], "levels": LEVELS}
    listed = [base | {"id": f"c{i}"} | claim for i, claim in enumerate(wanted)]
    return check(claims_adapter.validate_python(listed), [scores], reference, out / "c.json")


def test_episodes_until_the_mean_of_the_last_100_is_above_the_level(scores, reference, tmp_path):
    data, caption = table(
        scores, reference, tmp_path, baseline="ACKTR", printed={"A2C / ACKTR": {"minatar/breakout": 3.5}}
    )
    assert caption["head"] == [
        "Game", "Level", "A2C (episodes)", "ACKTR (episodes)", "TRPO (episodes)", "A2C / ACKTR", "TRPO / ACKTR",
        "A2C / ACKTR (published)",
    ]  # fmt: skip
    # A2C: both seeds at the third checkpoint; ACKTR: at the first and the second
    assert caption["body"] == [
        ["Breakout (MinAtar)", "2.5", "300 (2 of 2)", "150 (2 of 2)", "– (0 of 2)", "2", "–", "3.5"]
    ]
    assert data.value.tolist() == [300, 150, np.inf, 2, np.inf, 3.5]
    counted, _ = table(scores, reference, tmp_path, count="updates", variants=["ACKTR", "A2C"])
    assert counted.label.tolist() == ["ACKTR", "A2C"] and counted.value.tolist() == [37.5, 75]


def test_a_mean_of_fewer_than_100_episodes_does_not_count(reference, tmp_path):
    path = fake.experiment(tmp_path, {"A2C": 1.0}, seeds=1)
    run = fake.run_name("breakout", 0, "minatar/breakout", 0)
    metrics = ("training_return", "training_return_100")
    fake.write_run(tmp_path / "runs", run, FRAMES, np.array([9.0, 9, 9, 9]), metrics=metrics, count=99)
    write_scores(path, tmp_path / "runs", tmp_path / "s.parquet")
    data, _ = table(tmp_path / "s.parquet", reference, tmp_path)
    assert data.value.tolist() == [np.inf]


def test_a_game_without_a_human_needs_a_level(scores, reference, tmp_path):
    with pytest.raises(UserError, match="no human score for minatar/breakout; give it a level"):
        table(scores, reference, tmp_path, levels={})
    with pytest.raises(UserError, match="unknown baseline 'ACKTRR'"):
        table(scores, reference, tmp_path, baseline="ACKTRR")


def test_sooner_by_a_factor(scores, reference, tmp_path):
    """Of two seeds a draw gives ACKTR 100, 150 or 200 episodes, A2C always 300: ratios 3, 2 or 1.5."""
    found = claims(
        scores, reference, tmp_path,
        {"a": "ACKTR", "b": "A2C"},
        {"a": "ACKTR", "b": "A2C", "margin": 2},
        {"a": "A2C", "b": "ACKTR"},
        {"a": "A2C", "b": "TRPO", "margin": 5},
        {"a": "ACKTR", "b": "A2C", "at_least": "paper"},
    )  # fmt: skip
    assert [each["verdict"] for each in found] == [
        "reproduced", "inconclusive", "not reproduced", "reproduced", "not run at this scale",
    ]  # fmt: skip
    assert [found[0][key] for key in ("value", "low", "high", "weak")] == [2, 1.5, 3, True]
    assert found[0]["ours"] == "2 times" and found[0]["unit"] == "times as many episodes" and len(found[0]["runs"]) == 4
    assert found[3]["value"] == 1000 and "2 of 2 run(s) of TRPO never reach it" in found[3]["why"]


def test_a_share_of_the_other_score(scores, reference, tmp_path):
    """ACKTR ends at 3, A2C at 4 and 5: above 0.5 times, not above 0.8 times."""
    base = {"kind": "greater", "metric": "training_return_100", "a": "ACKTR", "b": "A2C"}
    listed = [
        base | {"id": f"c{i}", "text": "T", "experiments": ["demo.breakout"], "times": t}
        for i, t in enumerate((0.5, 0.8))
    ]
    found = check(claims_adapter.validate_python(listed), [scores], reference, tmp_path / "c.json")
    assert [each["value"] for each in found] == pytest.approx([3 - 2.25, 3 - 3.6])
    assert [each["verdict"] for each in found] == ["reproduced", "not reproduced"]


def test_printed_gains_and_wins(reference, tmp_path):
    """Wu et al. 2017: Breakout 735.7 against 581.6."""
    sides = {
        "scores": {"paper": "wu2017_acktr", "algorithm": "ACKTR"},
        "over": {"paper": "wu2017_acktr", "algorithm": "A2C"},
    }
    base = {"text": "T"} | sides
    listed = [
        base | {"id": "a", "kind": "published_gain", "game": "breakout", "percent": 26, "tolerance": 1},
        base | {"id": "b", "kind": "published_gain", "game": "breakout", "percent": 28, "tolerance": 1},
        base | {"id": "c", "kind": "published_reach", "wins": 6},
        base | {"id": "d", "kind": "published_reach", "wins": 6, "share": 2.0},
    ]
    found = check(claims_adapter.validate_python(listed), [], reference, tmp_path / "c.json")
    assert [each["verdict"] for each in found] == ["recomputed", "not reproduced", "recomputed", "not reproduced"]
    assert found[0]["value"] == pytest.approx(26.496, abs=1e-3) and found[0]["ours"] == "+26.5 %"
    assert found[2]["ours"] == "6 of 6 games" and found[3]["ours"] == "1 of 6 games"
    with pytest.raises(UserError, match="unknown game 'alien'"):
        check(claims_adapter.validate_python([listed[0] | {"game": "alien"}]), [], reference, tmp_path / "c.json")


THREADS = ({"environment.streams": 1}, {"environment.streams": 4})
# variant -> checkpoint at which it passes, with one thread and with four, on breakout and on freeway
FIRST = {"A3C": [(4, 4), (2, 1)], "n-step Q": [(3, 4), (1, None)], "1-step Q": [(None, 2), (4, 4)]}


@pytest.fixture(scope="module")
def threads(tmp_path_factory):
    folder = tmp_path_factory.mktemp("threads")
    games = ("minatar/breakout", "minatar/freeway")
    path = fake.experiment(folder, dict.fromkeys(FIRST, 1.0), games, seeds=1, vary=THREADS)
    for v, settings in enumerate(FIRST.values()):
        for k, firsts in enumerate(settings):
            for game, first in zip(games, firsts, strict=True):
                values = np.where(np.arange(1, 5) >= (first or 9), 3.0, 1.0)
                run = fake.run_name("breakout", v, game, 0, k)
                fake.write_run(folder / "runs", run, FRAMES, values, metrics=("training_return_100",), count=100)
    write_scores(path, folder / "runs", folder / "scores.parquet")
    return folder / "scores.parquet"


def speedups(threads, reference, out, **options):
    options = {"x": "environment.streams", "axis": "threads", "count": "updates"} | options
    return table(threads, reference, out, kind="speedups", levels=LEVELS | {"minatar/freeway": 2.5}, **options)


def test_speedups_are_means_over_the_games_on_which_both_get_there(threads, reference, tmp_path):
    """A3C: 4/2 and 4/1; n-step Q: 3/1 and never; 1-step Q: never with one thread, and 2/4 on the other game."""
    data, caption = speedups(
        threads, reference, tmp_path, variants=["1-step Q", "n-step Q", "A3C"], printed={"A3C": {"1": 1.0, "4": 3.7}}
    )
    assert caption["head"] == ["Method", "threads: 1", "threads: 4", "threads: 1 (published)", "threads: 4 (published)"]
    assert caption["body"] == [
        ["1-step Q", "1.00 (1 of 2)", "0.50 (1 of 2)", "–", "–"],
        ["n-step Q", "1.00 (2 of 2)", "3.00 (1 of 2)", "–", "–"],
        ["A3C", "1.00 (2 of 2)", "3.00 (2 of 2)", "1", "3.7"],
    ]
    assert data[(data.variant == "A3C") & (data.role == "ours")].value.tolist() == [1, 3]
    assert "Breakout (MinAtar) 2.5, Freeway (MinAtar) 2.5" in caption["text"]


def test_one_variant_is_compared_with_itself_at_other_settings(threads, reference, tmp_path):
    """A3C with four threads against one: 4/2 updates on breakout and 4/1 on freeway, in the median 3 times."""
    spec = {"id": "c", "text": "T", "kind": "sooner", "experiments": ["demo.breakout"], "a": "A3C", "b": "A3C",
            "count": "updates", "levels": LEVELS | {"minatar/freeway": 2.5}, "where": THREADS[1]}  # fmt: skip
    scores = {"id": "d", "text": "T", "kind": "greater", "experiments": ["demo.breakout"], "a": "A3C", "b": "A3C",
              "metric": "training_return_100", "score": "average", "games": ["minatar/freeway"],
              "where": THREADS[1]}  # fmt: skip
    wanted = claims_adapter.validate_python([spec | {"b_where": THREADS[0]}, scores | {"b_where": THREADS[0]}])
    found, other = check(wanted, [threads], reference, tmp_path / "c.json")
    assert (found["value"], found["ours"], found["verdict"]) == (3, "3 times", "inconclusive")  # of one seed
    assert other["value"] == pytest.approx(3.0 - (1.0 + 1.0 + 2.0) / 3)  # trapezoids of 3, 3, 3, 3 and of 1, 1, 1, 3
    alone = claims_adapter.validate_python([spec])
    assert check(alone, [threads], reference, tmp_path / "c.json")[0]["value"] == 1


def test_speedups_by_a_key_that_nothing_varies_are_refused(threads, reference, tmp_path):
    with pytest.raises(UserError, match="varied key"):
        speedups(threads, reference, tmp_path, x="executor.actors")
