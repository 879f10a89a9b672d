"""The Blind Cliffwalk (Schaul et al. 2016, section 3.1): how many updates Q-learning needs, by how it replays.

Pairs of state and action are numbered: i < n the right action of state i, n + i the wrong one. The memory is filled
once, in random order, and holds pair i and pair n + i each 2^(n-1-i) times; a single transition of all has the reward.
The TD error stored with a transition is that of its last replay; unseen transitions come first.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable
from heapq import heapify, heapreplace
from math import inf, log10

import numpy as np

from agents.rng import generator
from agents.run.summary import Row
from agents.spec.offline import OfflineCliffwalk, QLearning

NOTHING = 1e-9  # TD errors below this are stored as 0: what is learned keeps errors of the last float digit for ever
BLOCK = 4096  # random numbers drawn at once


def perform(spec: OfflineCliffwalk, say: Callable[[int], None]) -> tuple[list[Row], int]:
    """Rows of the summary, with the transitions in memory as frames, and the updates in all."""
    rows: list[Row] = []
    total, n = 0, 2
    while transitions(n) <= spec.budget_frames:
        size = transitions(n)
        updates, learned = learn(spec.agent, n, generator(spec.seed, "memory", n))
        rows.append(("updates_to_learn", size, float(updates), 1))
        rows.append(("log10_updates_to_learn", size, log10(updates), 1))
        rows.append(("updates_to_learn_censored", size, float(not learned), 1))
        total, n = total + updates, n + 1
        say(size)
    return rows, total


def transitions(n: int) -> int:
    """Transitions of all 2^n sequences of actions, each up to its end."""
    return 2 ** (n + 1) - 2


def discount(n: int) -> float:
    """1 - 1/n: so that the value of the start depends little on n."""
    return 1 - 1 / n


def truth(n: int) -> list[float]:
    """Q of every pair: gamma^(n-1-i) for the right action of state i, 0 for the wrong one."""
    return [discount(n) ** (n - 1 - i) for i in range(n)] + [0.0] * n


def memory(n: int, rng: np.random.Generator) -> list[int]:
    """The pair of every transition, in random order."""
    copies = [2 ** (n - 1 - i) for i in range(n)] * 2
    return rng.permutation(np.repeat(np.arange(2 * n), copies)).tolist()


class Q:
    """Values of the pairs, and their squared error; `bias` is shared by all pairs where values are linear."""

    def __init__(self, spec: QLearning, n: int, rng: np.random.Generator):
        self.n, self.gamma, self.step = n, discount(n), spec.step_size
        self.linear = spec.values.kind == "linear"
        first = rng.normal(0, spec.values.initial, 2 * n + 1).tolist() if self.linear else [0.0] * (2 * n + 1)
        self.weight, self.bias = first[:-1], first[-1]
        self.true = truth(n)
        self.enough = spec.tolerance * 2 * n  # sum of squared errors
        self.wrong = self.error()
        self.off = sum(self.weight) + 2 * n * self.bias - sum(self.true)  # sum of errors, with signs

    def error(self) -> float:
        """Sum of squared errors over all pairs."""
        return sum((w + self.bias - t) ** 2 for w, t in zip(self.weight, self.true, strict=True))

    def delta(self, pair: int) -> float:
        """The TD error of a pair's transition."""
        value = self.weight[pair] + self.bias
        if pair >= self.n:
            return -value
        if pair == self.n - 1:
            return 1.0 - value
        return self.gamma * (max(self.weight[pair + 1], self.weight[self.n + pair + 1]) + self.bias) - value

    def update(self, pair: int) -> float:
        """One step of Q-learning; -> the TD error before it."""
        delta = self.delta(pair)
        change = self.step * delta
        self.wrong += self.growth(pair, change)
        self.weight[pair] += change
        if self.linear:
            self.bias += change
            self.off += (2 * self.n + 1) * change
        return delta

    def growth(self, pair: int, change: float) -> float:
        """How much the squared error grows when the weight of a pair, and with it the bias, changes."""
        off = self.weight[pair] + self.bias - self.true[pair]
        if self.linear:  # every error moves by `change`, the pair's own twice
            return change * (2 * self.off + 2 * off + (2 * self.n + 3) * change)
        return change * (2 * off + change)

    @property
    def learned(self) -> bool:
        # the running sum carries rounding errors: the exact one settles it
        return self.wrong < self.enough and self.error() < self.enough

    def best(self) -> int:
        """The pair whose update leaves the least error: what an oracle replays."""
        return min(range(2 * self.n), key=lambda pair: self.growth(pair, self.step * self.delta(pair)))


def learn(spec: QLearning, n: int, rng: np.random.Generator) -> tuple[int, bool]:
    """Updates until the mean squared error is below the tolerance, and whether that came before the cap."""
    q = Q(spec, n, rng)
    return SELECT[spec.select.kind](spec, q, rng)


def uniform(spec: QLearning, q: Q, rng: np.random.Generator) -> tuple[int, bool]:
    if q.linear:
        return replay(spec, q, Uniform(memory(q.n, rng), rng))
    return uniform_tabular(spec, q, rng)


def uniform_tabular(spec: QLearning, q: Q, rng: np.random.Generator) -> tuple[int, bool]:
    """Uniform draws without those that change nothing, which are counted: the same in distribution.

    Values start at 0, so only the right actions of states `low` to n - 1 can have a TD error, where low - 1 is the
    last state whose successor is still worth 0. The wait for one of their transitions is geometric.
    """
    n, updates = q.n, 0
    low = n - 1
    while True:
        copies = 2.0 ** np.arange(n - 1 - low, -1, -1)
        chance = copies.sum() / transitions(n)
        waits = rng.geometric(chance, BLOCK).tolist()
        pairs = rng.choice(np.arange(low, n), BLOCK, p=copies / copies.sum()).tolist()
        for wait, pair in zip(waits, pairs, strict=True):
            updates += wait
            if updates > spec.cap_updates:
                return spec.cap_updates, False
            q.update(pair)
            if q.learned:
                return updates, True
            if pair == low and low:
                low -= 1
                break


def oracle(spec: QLearning, q: Q, rng: np.random.Generator) -> tuple[int, bool]:
    for updates in range(1, spec.cap_updates + 1):
        q.update(q.best())
        if q.learned:
            return updates, True
    return spec.cap_updates, False


def replay(spec: QLearning, q: Q, choice: Uniform | Greedy | Rank | Proportional) -> tuple[int, bool]:
    """Draw a transition, learn, store its TD error; until Q is learned."""
    for updates in range(1, spec.cap_updates + 1):
        pair = choice.draw()
        choice.store(abs(q.update(pair)))
        if q.learned:
            return updates, True
    return spec.cap_updates, False


class Blocks:
    """Random numbers one at a time, drawn in blocks."""

    def __init__(self, draw: Callable[[int], np.ndarray]):
        self._draw, self._left = draw, iter(())

    def __call__(self):
        for value in self._left:
            return value
        self._left = iter(self._draw(BLOCK).tolist())
        return next(self._left)


class Uniform:
    """Every transition with the same probability."""

    def __init__(self, pairs: list[int], rng: np.random.Generator):
        self.pairs = pairs
        self.place = Blocks(lambda size: rng.integers(len(pairs), size=size))

    def draw(self) -> int:
        return self.pairs[self.place()]

    def store(self, size: float) -> None:
        pass


class Greedy:
    """The transition with the largest stored |TD error|; of equals the one not replayed the longest."""

    def __init__(self, pairs: list[int]):
        self.heap = [(-inf, i, pair) for i, pair in enumerate(pairs)]
        heapify(self.heap)
        self.count = len(pairs)

    def draw(self) -> int:
        return self.heap[0][2]

    def store(self, size: float) -> None:
        heapreplace(self.heap, (-size if size > NOTHING else 0.0, self.count, self.heap[0][2]))
        self.count += 1


class Rank:
    """P(i) ~ 1 / rank(i)^exponent by the stored |TD error|, ranks exact, equals in random order."""

    def __init__(self, pairs: list[int], exponent: float, rng: np.random.Generator):
        shares = np.cumsum(np.arange(1, len(pairs) + 1, dtype=float) ** -exponent)
        self.rank = Blocks(lambda size: np.searchsorted(shares, rng.random(size) * shares[-1], side="right"))
        self.place = Blocks(rng.random)
        self.unseen, self.sizes, self.nothing = pairs, [], []  # sizes: (-|TD error|, pair), the largest first
        self.drawn = 0

    def draw(self) -> int:
        rank = self.rank()
        if rank < len(self.unseen):
            self.drawn = self._any(self.unseen)
        elif rank < len(self.unseen) + len(self.sizes):
            self.drawn = self.sizes.pop(rank - len(self.unseen))[1]
        else:
            self.drawn = self._any(self.nothing)
        return self.drawn

    def _any(self, pairs: list[int]) -> int:
        place = int(self.place() * len(pairs))
        pairs[place], pairs[-1] = pairs[-1], pairs[place]
        return pairs.pop()

    def store(self, size: float) -> None:
        if size > NOTHING:
            insort(self.sizes, (-size, self.drawn))
        else:
            self.nothing.append(self.drawn)


class Proportional:
    """P(i) ~ (|TD error| + epsilon)^exponent; an unseen transition counts like a TD error of 1."""

    def __init__(self, pairs: list[int], exponent: float, epsilon: float, rng: np.random.Generator):
        self.pairs, self.exponent, self.epsilon = pairs, exponent, epsilon
        self.half = 1 << (len(pairs) - 1).bit_length()  # leaves of a binary tree of sums
        level = [(1.0 + epsilon) ** exponent] * len(pairs) + [0.0] * (self.half - len(pairs))
        levels = [level]
        while len(level) > 1:
            level = [a + b for a, b in zip(level[::2], level[1::2], strict=True)]
            levels.append(level)
        self.sums = [0.0] + [value for level in reversed(levels) for value in level]
        self.point = Blocks(rng.random)
        self.drawn = 0

    def draw(self) -> int:
        sums, at = self.sums, 1
        point = self.point() * sums[1]
        while at < self.half:
            at *= 2
            if point >= sums[at] and sums[at + 1] > 0:
                point -= sums[at]
                at += 1
        self.drawn = at
        return self.pairs[at - self.half]

    def store(self, size: float) -> None:
        sums, at = self.sums, self.drawn
        sums[at] = ((size if size > NOTHING else 0.0) + self.epsilon) ** self.exponent
        while at > 1:
            at //= 2
            sums[at] = sums[2 * at] + sums[2 * at + 1]


SELECT: dict[str, Callable[[QLearning, Q, np.random.Generator], tuple[int, bool]]] = {
    "uniform": uniform,
    "oracle": oracle,
    "greedy": lambda spec, q, rng: replay(spec, q, Greedy(memory(q.n, rng))),
    "rank": lambda spec, q, rng: replay(spec, q, Rank(memory(q.n, rng), spec.select.exponent, rng)),
    "proportional": lambda spec, q, rng: replay(
        spec, q, Proportional(memory(q.n, rng), spec.select.exponent, spec.select.epsilon, rng)
    ),
}
