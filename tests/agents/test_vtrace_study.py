"""V-trace's operator against the loss that agents learn from, over all unrolls of a small MDP, and its fixed point."""

from itertools import product

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from agents.losses.vtrace import vtrace
from agents.offline.vtrace import Problem, between, draw, moments, perform, value
from agents.spec.offline import OfflineVTrace
from tests.agents.test_studies import study


def spec(budget: int = 5, seed: int = 0, **agent) -> OfflineVTrace:
    found = study("vtrace_tabular", "garnet", budget, seed, **agent)
    assert isinstance(found, OfflineVTrace)
    return found


def drawn(given: OfflineVTrace, seed: int = 0) -> Problem:
    return draw(given.environment, given.agent.logits, np.random.default_rng(seed))


def small() -> Problem:
    """Two states, two actions; pi / mu is 0.25 or 3 in state 0, 2 or 0.5 in state 1."""
    return Problem(
        chance=np.array([[[0.5, 0.5], [1.0, 0.0]], [[0.2, 0.8], [0.0, 1.0]]]),
        reward=np.array([[1.0, -1.0], [0.5, 2.0]]),
        mu=np.array([[8 / 11, 3 / 11], [1 / 3, 2 / 3]]),
        pi=np.array([[2 / 11, 9 / 11], [2 / 3, 1 / 3]]),
    )


@pytest.mark.parametrize(("rho_bar", "c_bar"), [(1.0, 1.0), (2.5, 0.3), (10.0, 10.0), (0.5, 0.0)])
def test_the_operator_is_the_mean_of_the_losses_targets(rho_bar: float, c_bar: float):
    """All 4^3 unrolls of three steps from each state, each with mu's chance, through agents/losses/vtrace.py."""
    problem, v = small(), np.array([0.3, -1.2])
    agent = spec(rho_bar=rho_bar, c_bar=c_bar, unroll=3).agent
    found = np.zeros((2, 2))  # moment, state
    for start in range(2):
        for actions, states in product(product(range(2), repeat=3), product(range(2), repeat=3)):
            path = [start, *states]
            steps = list(zip(path, actions, path[1:], strict=False))
            chance = np.prod([problem.mu[s, a] * problem.chance[s, a, t] for s, a, t in steps])
            ratio = [[np.log(problem.pi[s, a] / problem.mu[s, a])] for s, a, _ in steps]
            reward = [[problem.reward[s, a]] for s, a, _ in steps]
            given = [torch.tensor(x, dtype=torch.float64) for x in ([[v[s]] for s in path], reward, ratio)]
            ones = torch.ones(3, 1, dtype=torch.float64)
            vs = vtrace(given[0], given[1], ones * agent.discount, given[2], ones, rho_bar, c_bar, "vs").vs
            moved = float(vs[0, 0]) - v[start]
            found[:, start] += chance * np.array([moved, moved**2])
    assert np.stack(moments(problem, agent, v)) == pytest.approx(found, abs=1e-12)


def test_the_policy_between_by_hand():
    """min(rho-bar mu, pi) of state 0 at 1: 2/11 and 3/11, so 0.4 and 0.6."""
    assert between(small(), 1.0)[0] == pytest.approx([0.4, 0.6])
    assert between(small(), 1e-9) == pytest.approx(small().mu) and between(small(), 10.0) == pytest.approx(small().pi)


def test_the_value_by_hand():
    """A policy that takes action 1 stays where it is: r / (1 - gamma)."""
    assert value(small(), np.array([[0.0, 1.0], [0.0, 1.0]]), 0.9) == pytest.approx([-10.0, 20.0])


@pytest.mark.parametrize("c_bar", [0.0, 0.3, 1.0])
def test_the_fixed_point_is_the_value_of_the_policy_between_whatever_c_bar(c_bar: float):
    given = spec(rho_bar=1.0, c_bar=c_bar)
    problem = drawn(given)
    end = value(problem, between(problem, 1.0), given.agent.discount)
    assert moments(problem, given.agent, end)[0] == pytest.approx(np.zeros(10), abs=1e-12)
    other = value(problem, problem.pi, given.agent.discount)
    assert np.abs(moments(problem, given.agent, other)[0]).max() > 0.01


def test_draws_are_distributions():
    problem = drawn(spec())
    assert problem.chance.shape == (10, 3, 10) and ((problem.chance > 0).sum(-1) == 3).all()
    for rows in (problem.chance, problem.mu, problem.pi):
        assert rows.sum(-1) == pytest.approx(np.ones(rows.shape[:-1]))


def test_a_study_comes_nearer_and_repeats_itself():
    rows, done = perform(spec(seed=3), lambda at: None)
    assert (rows, done) == perform(spec(seed=3), lambda at: None) and rows != perform(spec(seed=4), lambda at: None)[0]
    far = [mean for name, _, mean, _ in rows if name == "log10_value_distance"]
    assert len(far) == 6 and far == sorted(far, reverse=True) and done == 5
    assert [row[:2] for row in rows[-2:]] == [("policy_distance", 5), ("log10_target_deviation", 5)]


def test_longer_traces_are_faster_and_scatter_more():
    found = {
        c: dict((r[0], r[2]) for r in perform(spec(rho_bar=10.0, c_bar=c), lambda at: None)[0]) for c in (0.1, 3.0)
    }
    assert found[3.0]["log10_value_distance"] < found[0.1]["log10_value_distance"] - 0.5
    assert found[3.0]["log10_target_deviation"] > found[0.1]["log10_target_deviation"] + 0.5


def test_what_v_trace_cannot_be_is_refused():
    with pytest.raises(ValidationError, match="c_bar 2 is above rho_bar 1"):
        spec(c_bar=2.0)
    tree = spec().model_dump()
    tree["environment"]["successors"] = 11
    with pytest.raises(ValidationError, match="successors 11: there are 10 states"):
        OfflineVTrace.model_validate(tree)
