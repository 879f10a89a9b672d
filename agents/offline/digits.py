"""Class imbalance and replay (Schaul et al. 2016, Figure 5), on scikit-learn's 8x8 digits in place of MNIST.

The memory is the training set, from which most of the digits 0 to 4 were taken; the test set has all ten alike. Three
ways to replay: uniform, uniform with the gradient of rare digits scaled up, and in proportion to the last seen loss.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

from agents.arithmetic import settle
from agents.rng import generator, integer_seed
from agents.run.summary import Row
from agents.spec.offline import Classifier, OfflineDigits

RARE = 5  # digits below this one are rare in training


def perform(spec: OfflineDigits, say: Callable[[int], None]) -> tuple[list[Row], int]:
    """Rows of the summary, with updates as frames, and the updates in all."""
    settle(spec.threads)
    agent = spec.agent
    train, test = split(spec.environment.kept, generator(spec.seed, "environment"))
    net = network(agent.units, integer_seed(spec.seed, "initialisation"))
    optimizer = torch.optim.SGD(net.parameters(), agent.step_size)
    weights = torch.where(train[1] < RARE, agent.rare_weight, 1.0)
    memory = Memory(agent, len(train[1]), generator(spec.seed, "memory"))
    rows: list[Row] = []
    for update in range(spec.budget_frames + 1):
        if update % agent.test_every_updates == 0:
            error, loss = judge(net, test)
            rows += [("test_error", update, error, len(test[1])), ("test_loss", update, loss, len(test[1]))]
            say(update)
        if update < spec.budget_frames:
            places = memory.draw(agent.batch)
            losses = F.cross_entropy(net(train[0][places]), train[1][places], reduction="none")
            optimizer.zero_grad(set_to_none=True)
            (weights[places] * losses).mean().backward()
            optimizer.step()
            memory.store(places, losses.detach().numpy())
    return rows, spec.budget_frames


def split(kept: float, rng: np.random.Generator) -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
    """(images [N, 64] in [0, 1], digits [N]) for training and for the test.

    A third of each digit, rounded down, is for the test; of the rest of the digits 0 to 4 `kept` stays, at least one.
    """
    digits = load_digits()
    train, test = [], []
    for digit in range(10):
        places = rng.permutation(np.flatnonzero(digits.target == digit))
        third = len(places) // 3
        test.append(places[:third])
        stay = len(places) - third
        if digit < RARE:
            stay = max(1, round(kept * stay))
        train.append(places[third : third + stay])
    images, targets = torch.from_numpy(digits.data / 16).float(), torch.from_numpy(digits.target)
    sides = [torch.from_numpy(np.concatenate(places)) for places in (train, test)]
    return tuple((images[side], targets[side]) for side in sides)


def network(units: list[int], seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise([64, *units]):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear([64, *units][-1], 10))


def judge(net: nn.Module, test: tuple[torch.Tensor, torch.Tensor]) -> tuple[float, float]:
    """(share of wrong answers in percent, mean negative log-likelihood)."""
    with torch.inference_mode():
        scores = net(test[0])
        wrong = (scores.argmax(1) != test[1]).double().mean()
        return 100 * float(wrong), float(F.cross_entropy(scores, test[1]))


class Memory:
    """Draws places of the training set; P(i) ~ (last seen loss + epsilon)^exponent, unseen ones like the largest."""

    def __init__(self, spec: Classifier, size: int, rng: np.random.Generator):
        self.select, self.rng = spec.select, rng
        self.shares = np.ones(size)
        self.unseen = np.ones(size, bool)

    def draw(self, count: int) -> np.ndarray:
        """Places [count], with replacement."""
        if self.select.kind == "uniform":
            return self.rng.integers(len(self.shares), size=count)
        sums = np.cumsum(self.shares)
        places = np.searchsorted(sums, self.rng.random(count) * sums[-1], side="right")
        return np.minimum(places, len(sums) - 1)

    def store(self, places: np.ndarray, losses: np.ndarray) -> None:
        if self.select.kind == "uniform":
            return
        self.shares[places] = (losses.astype(np.float64) + self.select.epsilon) ** self.select.exponent
        self.unseen[places] = False
        if self.unseen.any():  # at first all alike, later as the largest share so far
            self.shares[self.unseen] = max(1.0, self.shares.max())
