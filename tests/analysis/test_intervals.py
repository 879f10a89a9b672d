"""Aggregates and bootstrap: by hand, against scipy on explicit resamples, coverage and speed."""

import itertools
import time

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, trim_mean

from analysis.aggregate import aggregate
from analysis.intervals import (
    difference,
    draw_counts,
    estimate,
    probability_of_improvement,
    replicates,
)
from analysis.spec.items import Interval

TWO = ["a", "a", "b", "b"]


def test_aggregates_by_hand():
    values = np.array([0.0, 2.0, 4.0, 10.0])  # game means 1 and 7
    assert aggregate(values, TWO, "mean") == 4.0
    assert aggregate(values, TWO, "median") == 4.0
    assert aggregate(values, TWO, "iqm") == 3.0  # one of four dropped at each end
    assert aggregate(values, TWO, "optimality_gap") == 0.25  # min(v, 1): 0, 1 | 1, 1
    # ragged: each game counts once in the mean, each run once in the IQM
    ragged, games = np.array([1.0, 2.0, 3.0, 10.0]), ["a", "a", "a", "b"]
    assert aggregate(ragged, games, "mean") == 6.0
    assert aggregate(ragged, games, "iqm") == 2.5


def test_labels_decide_not_positions():
    values = np.array([0.0, 4.0, 2.0, 10.0])
    for order in itertools.permutations(range(4)):
        games = ["a", "b", "a", "b"]
        shuffled = [games[i] for i in order]
        assert aggregate(values[list(order)], shuffled, "median") == 4.0
        assert aggregate(values[list(order)], shuffled, "optimality_gap") == 0.25


@pytest.mark.parametrize("method", ["rliable", "rescaled"])
@pytest.mark.parametrize("sizes", [(5, 5, 5, 5), (2, 5, 3, 1, 4)])
def test_replicates_equal_explicit_resamples(method, sizes):
    games = [f"g{i}" for i, n in enumerate(sizes) for _ in range(n)]
    rng = np.random.default_rng(3)
    values = rng.lognormal(size=(len(games), 6)) * 10
    counts = draw_counts(games, 300, method, rng)
    names = np.asarray(games)
    for game, n in zip(np.unique(names), sizes, strict=True):
        drawn = counts[:, names == game].sum(axis=1)
        assert (drawn == (max(n - 1, 1) if method == "rescaled" else n)).all()
    found = {s: replicates(values, games, counts, s) for s in ("iqm", "mean", "median", "optimality_gap")}
    for b in range(0, 300, 17):
        chosen = np.repeat(np.arange(len(games)), counts[b])
        means = np.stack([values[[i for i in chosen if games[i] == g]].mean(axis=0) for g in np.unique(names)])
        short = np.minimum(values, 1)
        gaps = np.stack([short[[i for i in chosen if games[i] == g]].mean(axis=0) for g in np.unique(names)])
        assert found["iqm"][b] == pytest.approx(trim_mean(values[chosen], 0.25, axis=0), abs=1e-12)
        assert found["mean"][b] == pytest.approx(means.mean(axis=0), abs=1e-12)
        assert found["median"][b] == pytest.approx(np.median(means, axis=0), abs=1e-12)
        assert found["optimality_gap"][b] == pytest.approx(1 - gaps.mean(axis=0), abs=1e-12)


def test_the_bootstrap_of_two_runs_is_exact():
    # mean of two of {0, 1}: 0, 1/2, 1 with weights 1/4, 1/2, 1/4
    interval = Interval(resamples=20_000, level=0.6)
    counts = draw_counts(["a", "a"], 20_000, "rliable", np.random.default_rng(0))
    means, weights = np.unique(replicates(np.array([[0.0], [1.0]]), ["a", "a"], counts, "mean"), return_counts=True)
    assert means.tolist() == [0.0, 0.5, 1.0]
    assert weights / 20_000 == pytest.approx([0.25, 0.5, 0.25], abs=0.012)
    value = estimate(np.array([0.0, 1.0]), ["a", "a"], "mean", interval)
    assert (value.point, value.low, value.high, value.n) == (0.5, 0.0, 1.0, (2, 2))


def test_one_run_has_no_interval_and_equal_runs_have_width_zero():
    value = estimate(np.array([1.0, 2.0]), ["a", "b"], "iqm", Interval())
    assert value.low is None and value.high is None and value.n == (1, 1)
    same = estimate(np.full(6, 3.0), ["a"] * 3 + ["b"] * 3, "median", Interval())
    assert (same.low, same.high) == (3.0, 3.0)
    arms = (np.array([1.0]), ["a"], np.array([0.0, 0.5]), ["a", "a"])
    assert difference(*arms, "mean", Interval()).low is None
    assert probability_of_improvement(*arms, Interval()).low is None


def test_intervals_are_reproducible_and_do_not_touch_the_global_generator():
    values, games = np.random.default_rng(1).normal(size=(12, 4)), ["a", "b", "c"] * 4
    np.random.seed(5)
    first = estimate(values, games, "iqm", Interval())
    state = np.random.get_state()[1].copy()
    np.random.seed(6)
    second = estimate(values, games, "iqm", Interval())
    assert (first.low == second.low).all() and (first.high == second.high).all()
    np.random.seed(5)
    assert (np.random.get_state()[1] == state).all()


def test_whole_runs_are_kept_together_over_checkpoints():
    # two checkpoints with the same values must have the same replicates
    values = np.random.default_rng(2).normal(size=(10, 1)).repeat(2, axis=1)
    games = ["a"] * 5 + ["b"] * 5
    drawn = replicates(values, games, draw_counts(games, 500, "rliable", np.random.default_rng(0)), "iqm")
    assert (drawn[:, 0] == drawn[:, 1]).all()


def test_difference_and_probability_of_improvement():
    rng = np.random.default_rng(4)
    a, b = rng.normal(1.0, 1, 20), rng.normal(0.0, 1, 20)
    games = ["x"] * 10 + ["y"] * 10
    value = difference(a, games, b, games, "mean", Interval(resamples=4000))
    assert value.point == pytest.approx(a.mean() - b.mean())
    assert value.low < value.point < value.high
    back = difference(b, games, a, games, "mean", Interval(resamples=4000))
    assert back.point == pytest.approx(-value.point)
    wins = probability_of_improvement(a, games, b, games, Interval())
    halves = [mannwhitneyu(a[s], b[s]).statistic / 100 for s in (slice(0, 10), slice(10, 20))]
    assert wins.point == pytest.approx(np.mean(halves))
    assert 0 <= wins.low <= wins.point <= wins.high <= 1
    ties = probability_of_improvement(np.ones(3), ["x"] * 3, np.ones(4), ["x"] * 4, Interval())
    assert (ties.point, ties.low, ties.high) == (0.5, 0.5, 0.5)
    with pytest.raises(ValueError, match="no game in common"):
        probability_of_improvement(np.ones(2), ["x"] * 2, np.ones(2), ["y"] * 2, Interval())


def test_coverage_with_three_seeds():
    """Drawing n - 1 of n mends most of the undercoverage of n of n (simulation with known truth)."""
    games = [f"g{i}" for i in range(20) for _ in range(3)]
    effects = np.repeat(np.random.default_rng(10).lognormal(0, 1, 20), 3)
    truth = effects[::3].mean()
    rng, hits, sets = np.random.default_rng(11), {"rliable": 0, "rescaled": 0}, 400
    # many data sets at once: each is a column, as checkpoints are
    values = effects[:, None] * (1 + 0.5 * rng.normal(size=(60, sets)))
    for method in hits:
        value = estimate(values, games, "mean", Interval(method=method, resamples=500))
        hits[method] = int(((value.low <= truth) & (truth <= value.high)).sum())
    share = {method: count / sets for method, count in hits.items()}
    assert 0.78 < share["rliable"] < 0.92  # nominal 0.95; variance (n - 1) / n of the truth
    assert 0.89 < share["rescaled"] < 0.98
    assert share["rescaled"] > share["rliable"] + 0.02


def test_speed_of_the_full_atari_case():
    games = [f"g{i}" for i in range(57) for _ in range(5)]
    values = np.random.default_rng(0).lognormal(size=(285, 200))
    begin = time.perf_counter()
    estimate(values, games, "iqm", Interval(resamples=2000))
    seconds = time.perf_counter() - begin
    print(f"IQM, 5 seeds x 57 games x 200 checkpoints x 2,000 resamples: {seconds:.2f} s")
    assert seconds < 10  # about 1 s on an idle core
