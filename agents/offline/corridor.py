"""Policy evaluation in a corridor (Wang et al. 2016, section 4.1, arXiv:1511.06581): one stream against two.

The states are a line. In the lower and in the upper corridor `up` leads on and `down` back, in the middle one `right`
and `left`; whatever else one does, one stays. Where a corridor ends, the way on is the next one's.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from agents.arithmetic import settle
from agents.rng import generator, integer_seed
from agents.run.summary import Row
from agents.spec.offline import Corridor as CorridorSpec
from agents.spec.offline import Evaluator, OfflineCorridor

UP, DOWN, LEFT, RIGHT = range(4)


def perform(spec: OfflineCorridor, say: Callable[[int], None]) -> tuple[list[Row], int]:
    """Rows of the summary, with updates as frames, and the updates in all."""
    settle(spec.threads)
    agent, following = spec.agent, successors(spec.environment)
    policy = epsilon_greedy_policy(following, agent.epsilon)
    true = torch.from_numpy(values_of(policy, following, agent.discount)).float()
    states, actions = following.shape
    net = network(agent.head, states, agent.units, actions, integer_seed(spec.seed, "initialisation"))
    optimizer = torch.optim.SGD(net.parameters(), agent.step_size)
    rng, chances = generator(spec.seed, "environment"), torch.from_numpy(policy).float()
    every, walkers, rows = torch.eye(states), np.zeros(agent.batch, np.int64), []
    for update in range(spec.budget_frames + 1):
        if update % agent.test_every_updates == 0:
            with torch.no_grad():
                error = float((net(every) - true).square().sum())
            rows += [("squared_error", update, error, 1), ("log10_squared_error", update, float(np.log10(error)), 1)]
            say(update)
        if update < spec.budget_frames:
            acted = (policy[walkers].cumsum(1) < rng.random((agent.batch, 1))).sum(1).clip(max=actions - 1)
            ahead = following[walkers, acted]
            _step(agent, net, optimizer, every, chances, walkers, acted, ahead)
            walkers = np.where(ahead == states, 0, ahead)
    return rows, spec.budget_frames


def _step(
    agent: Evaluator,
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    every: torch.Tensor,
    chances: torch.Tensor,
    now: np.ndarray,
    acted: np.ndarray,
    ahead: np.ndarray,
) -> None:
    """One step down the mean of half the squared TD errors: r + gamma sum_a pi(a | s') Q(s', a) - Q(s, a)."""
    goal = torch.from_numpy(ahead == len(every))
    there = torch.from_numpy(np.minimum(ahead, len(every) - 1))
    with torch.no_grad():
        after = (chances[there] * net(every[there])).sum(1)
    target = torch.where(goal, 1.0, agent.discount * after)
    q = net(every[now])[torch.arange(len(now)), torch.from_numpy(acted)]
    optimizer.zero_grad(set_to_none=True)
    ((target - q).square().mean() / 2).backward()
    optimizer.step()


def successors(corridor: CorridorSpec) -> np.ndarray:
    """The next state of each state and action [S, A]; S stands for the goal."""
    lower, middle, _ = corridor.lengths
    states = sum(corridor.lengths)
    following = np.repeat(np.arange(states)[:, None], corridor.actions, 1)
    for state in range(states):
        to_the_side = lower - 1 <= state < lower + middle - 1  # the way on from here leads along the middle corridor
        following[state, RIGHT if to_the_side else UP] = state + 1
        if state:
            from_the_side = lower <= state < lower + middle
            following[state, LEFT if from_the_side else DOWN] = state - 1
    return following


def epsilon_greedy_policy(following: np.ndarray, epsilon: float) -> np.ndarray:
    """Chances [S, A] of the actions: the way on, but for epsilon, at which any action is as likely."""
    states, actions = following.shape
    policy = np.full((states, actions), epsilon / actions)
    policy[np.arange(states), (following == np.arange(1, states + 1)[:, None]).argmax(1)] += 1 - epsilon
    return policy


def values_of(policy: np.ndarray, following: np.ndarray, discount: float) -> np.ndarray:
    """Q of the policy [S, A], exactly: V = sum_a pi(a | s) (r + gamma V(s')) is linear in V."""
    states = len(policy)
    moves = np.zeros((states, states + 1))
    np.add.at(moves, (np.arange(states)[:, None], following), policy)
    value = np.linalg.solve(np.eye(states) - discount * moves[:, :states], moves[:, states])
    return np.append(discount * value, 1.0)[following]  # arriving at the goal gives 1


class Dueling(nn.Module):
    """A shared first layer, then V and A in streams of half the width each; Q = V + A - mean_a A."""

    def __init__(self, inputs: int, units: list[int], actions: int):
        super().__init__()
        self.shared = layers([inputs, units[0]])
        halves = [units[0], *(width // 2 for width in units[1:])]
        self.value = nn.Sequential(layers(halves), nn.Linear(halves[-1], 1))
        self.advantage = nn.Sequential(layers(halves), nn.Linear(halves[-1], actions))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, inputs] -> [B, actions]."""
        x = self.shared(x)
        advantage = self.advantage(x)
        return self.value(x) + advantage - advantage.mean(1, keepdim=True)


def layers(widths: list[int]) -> nn.Sequential:
    """Fully connected layers with ReLU."""
    return nn.Sequential(*(part for a, b in pairwise(widths) for part in (nn.Linear(a, b), nn.ReLU())))


def network(head: str, inputs: int, units: list[int], actions: int, seed: int) -> nn.Module:
    """[B, inputs] one-hot states -> [B, actions]."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if head == "dueling":
            return Dueling(inputs, units, actions)
        return nn.Sequential(layers([inputs, *units]), nn.Linear(units[-1], actions))
