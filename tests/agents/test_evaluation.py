"""Which episodes an evaluation counts, and that their mean is that of all episodes."""

import itertools

import numpy as np
import pytest

from agents.build import build
from agents.envs.stream import EpisodeStatistics
from agents.run import evaluate as module
from agents.run.evaluate import evaluate
from agents.step import Step
from tests.agents.specs import fields, spec

CAP = 10_000  # frames
LENGTHS = {  # of episodes -> their mean, frames
    "300": lambda rng, n: np.minimum(np.ceil(rng.exponential(300, n)), CAP),
    "1,000": lambda rng, n: np.minimum(np.ceil(rng.exponential(1_000, n)), CAP),
    "2,900": lambda rng, n: np.minimum(np.ceil(rng.exponential(3_000, n)), CAP),
    "4,900": lambda rng, n: np.minimum(np.ceil(rng.exponential(6_000, n)), CAP),
    "500 or 10,000": lambda rng, n: np.where(rng.random(n) < 0.5, 500, CAP),
}


class Scripted:
    """Environments whose episodes have the given lengths, in steps of `repeat` frames, and those lengths as scores."""

    scale, shape, dtype, actions = 1.0, (4, 10, 10), np.uint8, np.arange(6)

    def __init__(self, lengths: list[list[int]], repeat: int):
        self.queues = [itertools.chain(each, itertools.repeat(repeat)) for each in lengths]
        size = len(lengths)
        self.obs = np.zeros((size, *self.shape), np.uint8)
        self.first, self.last = np.ones(size, bool), np.zeros(size, bool)
        self.left = np.array([next(queue) for queue in self.queues])
        self.statistics = EpisodeStatistics(size, repeat)

    def __len__(self) -> int:
        return len(self.queues)

    def step(self, actions: np.ndarray) -> Step:
        moved = ~self.last
        self.left = np.where(moved, self.left - self.statistics.repeat, self.left)
        ended = moved & (self.left <= 0)
        for i in np.flatnonzero(self.last):
            self.left[i] = next(self.queues[i])
        reward = np.where(moved, self.statistics.repeat, 0).astype(np.float32)
        step = Step(self.obs, actions, reward, np.ones(len(self), np.float32), self.first, self.last)
        self.statistics.add(reward, moved, ended=ended, truncated=ended & False)
        self.first, self.last = self.last, ended
        return step


@pytest.fixture(scope="module")
def agent():
    return build(spec()).learner.agent


def lengths_of(plan, agent, script: list[list[int]], repeat: int) -> list[tuple[int, int]]:
    """(environment, length) of the episodes that an evaluation counts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "make_streams", lambda environment, streams, *rest: Scripted(script[:streams], repeat))
        return [(e.env, e.length) for e in evaluate(plan, agent, "cpu", 0, lambda: True)]


def counted(lengths: np.ndarray, frames: int) -> np.ndarray:
    """The oracle: those that end within the budget when played one after the other."""
    return lengths[np.cumsum(lengths) <= frames]


@pytest.mark.parametrize("kind", LENGTHS)
def test_a_budget_counts_what_ends_within_it(agent, kind):
    plan = spec(evaluation__episodes=None, evaluation__frames=125_000, evaluation__streams=1)
    lengths = 500 * np.ceil(LENGTHS[kind](np.random.default_rng(5), 600) / 500)
    played = lengths_of(plan, agent, [lengths.astype(int).tolist()], repeat=500)
    assert played == [(0, length) for length in counted(lengths, 125_000)] and len(played) > 10


@pytest.mark.parametrize("kind", LENGTHS)
def test_the_mean_of_a_budget_is_that_of_all_episodes(kind):
    """By the oracle, over so many evaluations that chance leaves less than the percent that is allowed."""
    rng, means = np.random.default_rng(0), []
    every = LENGTHS[kind](rng, 1_000_000)
    size = int(3 * 125_000 / every.mean()) + 50
    for _ in range(20_000 if size < 200 else 4_000):
        played = counted(LENGTHS[kind](rng, size), 125_000)
        means.append((played.mean(), (2 * CAP - played).mean()))  # scores that grow with length, and that fall
    rising, falling = np.mean(means, 0)
    assert rising == pytest.approx(every.mean(), rel=0.01)
    assert falling == pytest.approx(2 * CAP - every.mean(), rel=0.01)


def test_what_is_longer_than_the_budget_never_counts(agent):
    plan = spec(evaluation__episodes=None, evaluation__frames=1_000, evaluation__streams=1)
    assert lengths_of(plan, agent, [[200, 300, 500, 100]], 100) == [(0, 200), (0, 300), (0, 500)]  # to the last frame
    assert lengths_of(plan, agent, [[200, 300, 600, 100]], 100) == [(0, 200), (0, 300)]
    assert lengths_of(plan, agent, [[1_100, 100]], 100) == []
    rules = plan.evaluation
    caps = [rules.model_copy(update={"cap_frames": cap}).certain for cap in (999, 1_000, 1_001)]
    assert caps == [True, True, False] and spec(evaluation__cap_frames=10**9).evaluation.certain


def test_several_environments_play_numbers_of_episodes_fixed_beforehand(agent):
    """However long each takes: short episodes are not favoured."""
    plan = spec(evaluation__episodes=5, evaluation__streams=2)
    assert lengths_of(plan, agent, [[900, 100, 100], [100, 100, 100]], 100) == [
        (0, 900), (0, 100), (0, 100), (1, 100), (1, 100),
    ]  # fmt: skip
    both = spec(evaluation__episodes=2, evaluation__frames=1_000, evaluation__streams=1)
    assert lengths_of(both, agent, [[200, 300, 400]], 100) == [(0, 200), (0, 300)]


def test_a_budget_shared_by_environments_is_refused():
    with pytest.raises(ValueError, match="a budget of frames is played in one environment, not 8"):
        spec(evaluation__episodes=None, evaluation__frames=125_000, evaluation__streams=8)
    with pytest.raises(ValueError, match="episodes and frames null"):
        spec(evaluation__episodes=8, evaluation__frames=125_000, evaluation__streams=2)


SOURCES = {  # algorithm -> (environments, episodes, frames, epsilon, period in frames) of its source's evaluation
    "dqn_minatar_sn": (1, None, 125_000, 0.001, 100_000),  # snrl: validate(), one environment
    "c51_sn": (1, None, 4 * 125_000, 0.001, 4 * 250_000),
    "dqn_adam_sn": (1, None, 4 * 125_000, 0.001, 4 * 250_000),
    "dqn_nature": (1, None, 500_000, 0.05, 1_000_000),  # dqn_zoo: run_loop in one environment
    "double_dqn_tuned": (1, None, 500_000, 0.01, 1_000_000),
    "prioritized_rank": (1, None, 500_000, 0.01, 1_000_000),
    "prioritized_proportional": (1, None, 500_000, 0.01, 1_000_000),
    "c51": (1, None, 500_000, 0.001, 1_000_000),
    "qr_dqn": (1, None, 500_000, 0.001, 1_000_000),
    "rainbow": (1, None, 500_000, 0.001, 1_000_000),  # Hessel et al. 2018, section on evaluation
    "apex": (1, None, 500_000, 0.001, 100_000_000),
    "drqn": (10, 10, None, 0.05, 200_000),  # ten games
    "r2d2": (10, 10, None, 0.001, 100_000_000),
    "impala_shallow": (32, 200, None, 0.0, 20_000_000),  # the mean of 200 episodes
    "impala_deep": (32, 200, None, 0.0, 20_000_000),
}


@pytest.mark.parametrize("name", SOURCES)
def test_algorithms_are_evaluated_as_their_sources_do(name):
    rules = fields(name)["evaluation"]
    found = tuple(rules[key] for key in ("streams", "episodes", "frames", "epsilon", "every_frames"))
    assert found == SOURCES[name]
