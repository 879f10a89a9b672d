"""Runs on one frame axis: gaps, diverged runs, smoothing, one number per run."""

import numpy as np
import pandas as pd
import pytest

from analysis.curves import align, by_label, one_number, some
from analysis.errors import NoData, UserError


def rows(*runs, status="finished"):
    """(run, {frame: mean}[, status]) -> the rows of a scores file."""
    data = []
    for seed, (run, points, *state) in enumerate(runs):
        for frame, mean in points.items():
            data.append((run, "DQN", "DQN", "atari/pong", seed, state[0] if state else status, frame, mean))
    names = ["run", "label", "variant", "game", "seed", "status", "frame", "mean"]
    return pd.DataFrame(data, columns=names)


def test_common_frames_only_and_gaps_are_counted():
    curves = align(rows(("a", {10: 1.0, 20: 2.0, 30: 3.0, 40: 4.0}), ("b", {20: 5.0, 40: 7.0, 50: 8.0})))
    assert curves.frames.tolist() == [20, 30, 40]  # b begins at 20, a ends at 40
    assert curves.values.tolist() == [[2.0, 3.0, 4.0], [5.0, 6.0, 7.0]]
    assert (curves.filled, curves.held, curves.seeds) == (1, [], [0, 1])


def test_a_diverged_run_keeps_its_last_score_and_shortens_nobody():
    curves = align(rows(("a", {10: 1.0, 20: 2.0, 30: 3.0}), ("b", {10: 5.0, 20: np.nan}, "diverged")))
    assert curves.frames.tolist() == [10, 20, 30]
    assert curves.values.tolist() == [[1.0, 2.0, 3.0], [5.0, 5.0, 5.0]]
    assert curves.held == ["b"]


def test_runs_without_any_score_are_reported():
    curves = align(rows(("a", {10: 1.0}), ("b", {10: np.nan}, "diverged")))
    assert curves.empty == ["b"] and curves.runs == ["a"]
    with pytest.raises(UserError, match="none of the runs has a score: b"):
        align(rows(("b", {10: np.nan})))
    with pytest.raises(UserError, match="no frames in common"):
        align(rows(("a", {10: 1.0}), ("b", {20: 1.0})))


def test_window_is_a_trailing_mean_over_the_runs_own_checkpoints():
    curves = align(rows(("a", {10: 1.0, 20: 3.0, 30: 8.0})), window=2)
    assert curves.values.tolist() == [[1.0, 2.0, 5.5]]


def test_one_number_per_run():
    table = rows(("a", {0: 0.0, 10: 4.0, 30: 2.0}))
    assert one_number(table, "final").numbers.tolist() == [2.0]
    assert one_number(table, "best").numbers.tolist() == [4.0]
    assert one_number(table, "average").numbers == pytest.approx([(20 + 60) / 30])
    with pytest.raises(UserError, match="none of the runs has a score: b"):
        one_number(rows(("b", {10: np.nan})), "final")


def test_a_run_that_ends_early_cuts_no_other():
    long = rows(("a", {10: 1.0, 20: 2.0, 40: 8.0}), ("b", {10: 1.0, 20: 3.0}))  # of one game: b ends at 20
    short, none = rows(("c", {5: 4.0, 10: 6.0})), rows(("d", {10: np.nan}, "diverged"))
    table = pd.concat([short.assign(game="atari/qbert"), long, none.assign(game="atari/alien")])
    final = one_number(table, "final")
    assert (final.runs, final.numbers.tolist()) == (["a", "b", "c"], [8.0, 3.0, 6.0])
    assert (final.games, final.frames.tolist()) == (["atari/pong", "atari/pong", "atari/qbert"], [40])
    assert (final.empty, final.held, final.filled, final.cut) == (["d"], [], 0, [])
    assert final.spans == {"a": (10, 40), "b": (10, 20), "c": (5, 10)}
    assert by_label(table, None, 1, "best")["DQN"].numbers.tolist() == [8.0, 3.0, 6.0]
    assert one_number(table, "average").numbers.tolist() == [(15 + 100) / 30, 2.0, 5.0]
    curve = align(table[table.run != "d"])
    assert curve.frames.tolist() == [10]  # a curve over games needs all of them
    assert curve.cut == ["a", "b", "c"] and curve.spans == final.spans


def test_the_mean_of_a_diverged_run_goes_on_with_its_last_score():
    """a: 4 over 30 frames; b: from 2 to 6 over 10 frames, then 6 for 20 more."""
    table = rows(("a", {10: 4.0, 40: 4.0}), ("b", {10: 2.0, 20: 6.0}, "diverged"))
    assert one_number(table, "average").numbers.tolist() == [4.0, (40 + 120) / 30]
    assert one_number(table, "final").numbers.tolist() == [4.0, 6.0]
    assert one_number(table, "best", window=2).numbers.tolist() == [4.0, 4.0]


def test_a_curve_tells_which_runs_it_cuts():
    table = rows(("a", {10: 1.0, 30: 2.0}), ("b", {20: 5.0, 30: 7.0, 50: 8.0}), ("c", {20: 1.0}, "diverged"))
    curves = align(table)
    assert curves.frames.tolist() == [20, 30] and curves.cut == ["a", "b"] and curves.held == ["c"]
    assert curves.spans == {"a": (10, 30), "b": (20, 50), "c": (20, 20)}
    assert align(rows(("a", {10: 1.0, 20: 2.0}), ("b", {10: 1.0, 20: 2.0}))).cut == []


def test_a_label_without_a_score_takes_no_other_along():
    table = pd.concat([rows(("a", {10: 1.0})), rows(("z", {10: np.nan})).assign(variant="A2C", label="A2C")])
    assert list(by_label(table, None, 1)) == list(by_label(table, None, 1, "final")) == ["DQN"]
    apart = rows(("y", {10: 1.0}), ("z", {20: 1.0})).assign(variant="A2C", label="A2C")
    assert list(by_label(pd.concat([table[table.run == "a"], apart]), None, 1)) == ["DQN"]
    assert by_label(table[table.run == "z"], None, 1) == {}
    with pytest.raises(NoData, match="f: no variant has runs with a score"):
        some({}, "f")


def test_order_of_labels():
    table = rows(("a", {10: 1.0}))
    both = pd.concat([table, table.assign(variant="A2C", label="A2C", run="z")])
    assert list(by_label(both, None, 1)) == ["A2C", "DQN"]
    assert list(by_label(both, ["DQN", "A2C"], 1)) == ["DQN", "A2C"]
