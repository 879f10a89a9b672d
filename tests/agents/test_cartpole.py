"""CartPole against gymnasium and hand values; epsilon by episode; the count of episodes until it is solved."""

from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest

from agents.acting.exploration import PerEpisode
from agents.envs.cartpole import CartPole
from agents.rng import generator
from agents.run.checkpoint import Checkpoints
from agents.run.loop import Run
from agents.run.summary import episodes_to_solve
from agents.spec.exploration import PerEpisodeExploration
from agents.spec.run import Spec
from tests.agents.specs import fields, prioritized


def spec(game: str = "v0", reward: str = "goal", budget: int = 1_000, **changes) -> Spec:
    tree = fields("cartpole_dueling_double")
    tree["environment"] |= {"game": game, "reward": reward}
    tree["exploration"]["warmup_frames"] = tree["learning"]["clock"]["start_frames"] = 200
    tree["memory"]["capacity_steps"] = 500
    tree["evaluation"] |= {"every_frames": 400, "episodes": 2, "streams": 2}
    tree["record"] |= {"learning_every_frames": 100, "bins": 10}
    fixed = {"version": 1, "seed": 0, "budget_frames": budget, "device": "cpu", "threads": 1}
    return Spec.model_validate(tree | fixed | changes)


def pole(game: str = "v0", reward: str = "goal", streams: int = 1, cap: int | None = None) -> CartPole:
    return CartPole(spec(game, reward).environment, streams, cap, 3, "environment")


def test_the_rows_are_those_of_gymnasium():
    """gymnasium.make's CartPole-v1 with our generator and actions: same observations, rewards and ends."""
    stream, rng = pole("v1", "standard", streams=2), np.random.default_rng(0)
    games = [gymnasium.make("CartPole-v1") for _ in range(2)]
    views = []
    for i, game in enumerate(games):
        game.unwrapped.np_random = generator(3, "environment", i)
        views.append(game.reset()[0])
    over = [False, False]
    ends = 0
    for _ in range(400):
        actions = rng.integers(2, size=2)
        step = stream.step(actions)
        assert step.obs.dtype == np.float32 and step.obs.shape == (2, 4, 1, 1)
        for i, game in enumerate(games):
            assert np.array_equal(step.obs[i, :, 0, 0], views[i]) and step.last[i] == over[i]
            if over[i]:
                views[i], over[i] = game.reset()[0], False
                assert (step.reward[i], step.discount[i]) == (0, 1)
                continue
            views[i], reward, fallen, cut, _ = game.step(actions[i])
            over[i] = fallen or cut
            assert (step.reward[i], step.discount[i]) == (reward, not fallen)
            ends += over[i]
    assert ends == len(stream.statistics.take()) == stream.statistics.episodes > 20


def test_one_push_by_hand():
    """From rest with force 10: x'' = F/M - m l theta''/M, theta'' = -(F/M) / (l (4/3 - m/M)); M 1.1, m .1, l .5"""
    stream = pole()
    stream._poles[0].state = np.zeros(4)
    stream.step(np.array([1]))
    turn = -(10 / 1.1) / (0.5 * (4 / 3 - 0.1 / 1.1))
    push = 10 / 1.1 - 0.05 * turn / 1.1
    assert stream.obs[0, :, 0, 0] == pytest.approx([0, 0.02 * push, 0, 0.02 * turn], rel=1e-6)


@pytest.mark.parametrize(("game", "limit"), [("v0", 200), ("v1", 500)])
@pytest.mark.parametrize("reward", ["standard", "goal"])
def test_limits_and_rewards_at_them(game, limit, reward):
    """A pole held upright by hand lives to the limit."""
    stream = pole(game, reward)
    rows = []
    while not stream.last[0]:
        stream._poles[0].state = np.zeros(4)
        rows.append(stream.step(np.array([len(rows) % 2])))
    (episode,) = stream.statistics.take()
    assert (episode.length, episode.score, episode.truncated) == (limit, limit, True)
    end = (1, 1) if reward == "standard" else (1, 0)
    assert {(float(r.reward[0]), float(r.discount[0])) for r in rows[:-1]} == {(float(reward == "standard"), 1.0)}
    assert (rows[-1].reward[0], rows[-1].discount[0]) == end


def test_a_fall_costs_one_up_to_195_steps_and_gains_one_after_more():
    """The blog's code asks for step number 195, counted from 0: the episode then has 196 steps."""
    for steps, wanted in ((1, -1.0), (195, -1.0), (196, 1.0)):
        stream = pole()
        for _ in range(steps - 1):
            stream._poles[0].state = np.zeros(4)
            stream.step(np.array([0]))
        stream._poles[0].state = np.array([0, 0, 0.2, 5.0])  # falls within this step
        step = stream.step(np.array([1]))
        assert stream.last[0] and (step.reward[0], step.discount[0]) == (wanted, 0)


def test_a_lower_cap_cuts_episodes():
    stream = pole(cap=7)
    for _ in range(7):
        assert not stream.last[0]
        stream.step(np.array([0]))
    assert stream.last[0]


def test_epsilon_falls_by_episode_after_whole_random_ones():
    explore = PerEpisode(
        PerEpisodeExploration(kind="per_episode", scale=0.5, offset=1.001, warmup_frames=100),
        1,
        generator(0, "epsilon"),
    )

    def at(frames: int, episodes: int, length: int) -> float:
        return explore(SimpleNamespace(frames=frames, episodes=episodes, length=np.array([length])))

    assert at(0, 0, 0) == at(90, 4, 10) == at(105, 4, 25) == 1
    assert at(110, 5, 0) == at(130, 5, 20) == pytest.approx(0.5 / 1.001)
    assert at(140, 6, 0) == pytest.approx(0.5 / 2.001)
    explore.load_state_dict(explore.state_dict())
    assert at(150, 14, 3) == pytest.approx(0.5 / 10.001)


def test_episodes_to_solve_by_hand():
    """With 100 zeros before them, k episodes of 200 have a mean of 2 k: 75 of them reach 150."""
    length = np.full(90, 200)
    frame = np.cumsum(length)
    assert episodes_to_solve(frame, length, 0, 150, 500) == (75, True)
    assert episodes_to_solve(frame, length, 0, 181, 500) == (90, False)
    # the warm-up ends with the episode that ends at or after frame 1,000: the fifth; it is in the mean, but not counted
    assert episodes_to_solve(frame, length, 1_000, 150, 500) == (70, True)
    assert episodes_to_solve(frame, length, 3_100, 181, 500) == (74, False)
    assert episodes_to_solve(frame, length, 20_000, 150, 500) == (0, False)  # all of it was warm-up
    # the window forgets what is older than 100 episodes
    mixed = np.r_[np.full(100, 100), np.full(100, 200)]
    assert episodes_to_solve(np.cumsum(mixed), mixed, 0, 150, 500) == (150, True)
    assert episodes_to_solve(np.empty(0), np.empty(0), 0, 150, 500) == (0, False)


@pytest.mark.parametrize(("limit", "wanted"), [(149, (149, False)), (150, (150, True)), (120, (120, False))])
def test_a_run_gives_up_after_its_limit_whatever_comes_later(limit, wanted):
    length = np.r_[np.full(10, 20), np.full(100, 100), np.full(500, 200)]  # the first ten are the warm-up
    assert episodes_to_solve(np.cumsum(length), length, 200, 150, limit) == wanted


def test_a_dropped_run_ends_like_an_undisturbed_one(tmp_path):
    """Float observations, epsilon by episode and prioritized replay through checkpoints."""
    from tests.agents.test_resume import assert_same
    from tests.agents.test_resume_kinds import PRIORITY, drive

    select = prioritized("proportional", **PRIORITY)
    plan = spec(memory={"select": select, "copies": 1, "capacity_steps": 500})

    def begin(folder: str) -> Run:
        return Run(plan, Checkpoints(tmp_path / folder, {}, print))

    calm = begin("calm")
    drive(calm, 1_000)
    for cut in (150, 420, 777):
        run = begin("dropped")
        drive(run, cut)
        run.save()
        drive(run, cut + 30)
    run = begin("dropped")
    drive(run, 1_000)
    assert_same(calm.parts.state_dict(), run.parts.state_dict())
    one, two = (each.parts.memory.store for each in (calm, run))
    assert one._frames.dtype == np.float32 and one._frames.any()
    assert_same(one.extract(one.count - one.rows, one.count), two.extract(two.count - two.rows, two.count))
    assert calm.parts.actor.epsilon.before == run.parts.actor.epsilon.before > 0
