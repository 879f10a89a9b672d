"""Runs on one frame axis: gaps, diverged runs, smoothing, one number per run."""

import numpy as np
import pandas as pd
import pytest

from analysis.curves import align, by_label, one_number
from analysis.errors import UserError


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


def test_a_game_with_a_short_budget_does_not_cut_the_others():
    long = rows(("a", {10: 1.0, 20: 2.0, 40: 8.0}), ("b", {10: 1.0, 20: 3.0}))  # of one game: b ends at 20
    short, none = rows(("c", {5: 4.0, 10: 6.0})), rows(("d", {10: np.nan}, "diverged"))
    table = pd.concat([short.assign(game="atari/qbert"), long, none.assign(game="atari/alien")])
    final = one_number(table, "final")
    assert (final.runs, final.numbers.tolist()) == (["a", "b", "c"], [2.0, 3.0, 6.0])
    assert (final.games, final.frames.tolist()) == (["atari/pong", "atari/pong", "atari/qbert"], [20])
    assert (final.empty, final.held, final.filled) == (["d"], [], 0)
    assert by_label(table, None, 1, "best")["DQN"].numbers.tolist() == [2.0, 3.0, 6.0]
    assert align(table[table.run != "d"]).frames.tolist() == [10]  # a curve over games needs all of them


def test_order_of_labels():
    table = rows(("a", {10: 1.0}))
    both = pd.concat([table, table.assign(variant="A2C", label="A2C", run="z")])
    assert list(by_label(both, None, 1)) == ["A2C", "DQN"]
    assert list(by_label(both, ["DQN", "A2C"], 1)) == ["DQN", "A2C"]
