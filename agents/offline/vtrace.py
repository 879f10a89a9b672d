"""The fixed point of V-trace on a small random MDP, exactly (Espeholt et al. 2018, section 4.1, arXiv:1802.01561).

The operator R replaces V by the expected V-trace targets of unrolls of n steps that mu acts in. Its fixed point is the
value of pi_rho-bar, which lies between mu and pi; c-bar changes how fast R gets there and how far single targets
scatter, not where it ends (Theorem 1 of appendix A). All of it is expectations: nothing is sampled but the MDP.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log10
from typing import NamedTuple

import numpy as np

from agents.rng import generator
from agents.run.summary import Row
from agents.spec.offline import OfflineVTrace, RandomMDP, VTraceOperator

NOTHING = 1e-12  # distances below this are rounding


class Problem(NamedTuple):
    """An MDP of S states and A actions with two policies, each row of which is a distribution."""

    chance: np.ndarray  # [S, A, S], of the next state
    reward: np.ndarray  # [S, A]
    mu: np.ndarray  # [S, A], acts
    pi: np.ndarray  # [S, A], is evaluated


def perform(spec: OfflineVTrace, say: Callable[[int], None]) -> tuple[list[Row], int]:
    """Rows of the summary, with applications of the operator as frames, and the applications in all.

    V starts at 0. At every application: log10 of the largest distance from V^{pi_rho-bar}, which is solved for. At the
    last: how far V itself has come from V^pi, and how far single targets scatter there.
    """
    agent, size = spec.agent, spec.environment.states
    problem = draw(spec.environment, agent.logits, generator(spec.seed, "environment"))
    end = value(problem, between(problem, agent.rho_bar), agent.discount)
    rows: list[Row] = []
    v = np.zeros(size)
    for application in range(spec.budget_frames + 1):
        gap = max(float(np.abs(v - end).max()), NOTHING)
        rows.append(("log10_value_distance", application, log10(gap), size))
        say(application)
        mean, square = moments(problem, agent, v)
        if application < spec.budget_frames:
            v = v + mean
    off = float(np.abs(v - value(problem, problem.pi, agent.discount)).max())
    scatter = float(np.sqrt((square - mean**2).mean()))
    rows.append(("policy_distance", spec.budget_frames, off, size))
    rows.append(("log10_target_deviation", spec.budget_frames, log10(max(scatter, NOTHING)), size))
    return rows, spec.budget_frames


def draw(spec: RandomMDP, logits: float, rng: np.random.Generator) -> Problem:
    """Each action leads to `successors` states, none twice, with chances uniform over the simplex; rewards N(0, 1).

    Both policies are softmax over Gaussian numbers of standard deviation `logits`, drawn independently.
    """
    s, a = spec.states, spec.actions
    chance = np.zeros((s, a, s))
    for state in range(s):
        for action in range(a):
            places = rng.choice(s, spec.successors, replace=False)
            chance[state, action, places] = rng.dirichlet(np.ones(spec.successors))
    weights = np.exp(rng.normal(0, logits, (2, s, a)))
    mu, pi = weights / weights.sum(-1, keepdims=True)
    return Problem(chance, rng.normal(0, 1, (s, a)), mu, pi)


def between(problem: Problem, rho_bar: float) -> np.ndarray:
    """pi_rho-bar [S, A], in proportion to min(rho-bar mu, pi): eq. 2."""
    least = np.minimum(rho_bar * problem.mu, problem.pi)
    return least / least.sum(-1, keepdims=True)


def value(problem: Problem, policy: np.ndarray, discount: float) -> np.ndarray:
    """V of a policy [S], from its Bellman equation."""
    steps = np.einsum("sa,sat->st", policy, problem.chance)
    return np.linalg.solve(np.eye(len(steps)) - discount * steps, (policy * problem.reward).sum(-1))


def moments(problem: Problem, agent: VTraceOperator, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and mean square [S] of v_s - V(x_s) over mu's unrolls of n steps: R V is V plus the mean.

    By the recursion of Remark 1: D_n = rho delta V + gamma c D_{n-1}(next state), D_0 = 0.
    """
    assert v.shape == problem.reward.shape[:1], (v.shape, problem.reward.shape)
    ratio = problem.pi / problem.mu
    rho, c = np.minimum(ratio, agent.rho_bar)[..., None], np.minimum(ratio, agent.c_bar)[..., None]
    weight = problem.mu[..., None] * problem.chance  # [S, A, S], of an action and what follows
    now = rho * (problem.reward[..., None] + agent.discount * v - v[:, None, None])
    later = agent.discount * c
    mean, square = np.zeros_like(v), np.zeros_like(v)
    for _ in range(agent.unroll):
        both = now**2 + 2 * now * later * mean + later**2 * square
        mean, square = ((weight * x).sum((1, 2)) for x in (now + later * mean, both))
    return mean, square
