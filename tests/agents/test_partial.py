"""Broken screens, the recall task, trials after training, and lives that are forgotten."""

import numpy as np
import pytest
from scipy import stats

from agents.build import build
from agents.envs.atari import Atari
from agents.envs.minatar import MinAtar
from agents.envs.partial import Obscured, obscure
from agents.envs.recall import Recall
from agents.run.evaluate import trial
from agents.spec.evaluation import Flicker, Truncation
from tests.agents.specs import spec


def screen(flicker: float, hidden: list[int], streams: int = 4) -> Obscured:
    environment = spec(environment__flicker=flicker, environment__hidden=hidden).environment
    stream = MinAtar(environment, streams, None, 7, "environment")
    return obscure(environment, stream, 7, "environment")


def test_observations_are_blank_as_often_as_asked_and_otherwise_whole():
    seen, plain, rng = screen(0.3, []), screen(0.0, []), np.random.default_rng(0)
    assert isinstance(plain, MinAtar)
    blank = 0
    for _ in range(2_000):
        actions = rng.integers(6, size=4)
        one, two = seen.step(actions), plain.step(actions)
        assert np.array_equal(one.reward, two.reward) and np.array_equal(one.first, two.first)
        for a, b in zip(one.obs, two.obs, strict=True):
            assert b.any() and (np.array_equal(a, b) or not a.any())
            blank += not a.any()
    assert stats.binomtest(blank, 8_000, 0.3).pvalue > 1e-3


def test_hidden_channels_are_zero_and_the_others_as_they_were():
    seen, plain, rng = screen(0.0, [1, 2]), screen(0.0, []), np.random.default_rng(0)
    for _ in range(50):
        actions = rng.integers(6, size=4)
        one, two = seen.step(actions).obs, plain.step(actions).obs
        assert not one[:, [1, 2]].any() and np.array_equal(one[:, [0, 3]], two[:, [0, 3]])
    with pytest.raises(ValueError, match="has only 4"):
        Obscured(plain, 0.0, [4], rng)
    with pytest.raises(ValueError, match="game breakout has 4 channels"):
        screen(0.0, [4])


def test_an_obscured_stream_goes_on_from_its_state():
    one, two, rng = screen(0.5, [0]), screen(0.5, [0]), np.random.default_rng(1)
    for _ in range(70):
        one.step(rng.integers(6, size=4))
    two.load_state_dict(one.state_dict())
    for _ in range(50):
        actions = rng.integers(6, size=4)
        for a, b in zip(one.step(actions), two.step(actions), strict=True):
            assert np.array_equal(a, b)


def recall(streams: int = 1, cap: int | None = None, **changes) -> Recall:
    run = spec("r2d2_recall", "cue", environment__delay=2, environment__cues=3, **changes)
    return Recall(run.environment, streams, cap, 5, "environment")


def test_the_recall_task_by_hand():
    stream = recall()
    for wanted in (True, False, True):
        cue = int(stream._cue[0])
        rows = [stream.step(np.array([0])) for _ in range(3)]
        rows.append(stream.step(np.array([cue if wanted else (cue + 1) % 3])))
        rows.append(stream.step(np.array([0])))
        shown = [row.obs[0, :, 0, 0].tolist() for row in rows]
        assert shown[0] == [int(i == cue) for i in range(3)] + [0]
        assert shown[1:] == [[0] * 4, [0] * 4, [0, 0, 0, 1], [0] * 4]
        assert [row.reward[0] for row in rows] == [0, 0, 0, 1 if wanted else -1, 0]
        assert [row.discount[0] for row in rows] == [1, 1, 1, 0, 1]
        assert [row.first[0] for row in rows] == [True] + [False] * 4
        assert [row.last[0] for row in rows] == [False] * 4 + [True]
    assert [(e.score, e.length, e.truncated) for e in stream.statistics.take()] == [
        (1, 4, False),
        (-1, 4, False),
        (1, 4, False),
    ]
    assert stream.statistics.frames == 12


def test_recall_is_cut_at_its_cap_and_its_cues_are_even():
    cut = recall(cap=2)
    rows = [cut.step(np.array([0])) for _ in range(3)]
    assert [row.last[0] for row in rows] == [False, False, True] and all(row.discount[0] == 1 for row in rows)
    many = recall(3_000)
    assert stats.chisquare(np.bincount(many._cue)).pvalue > 1e-3


def test_a_truncated_memory_with_all_its_observations_is_the_whole_one():
    run = spec("r2d2_recall", "cue", evaluation__cap_frames=50)
    parts = build(run)
    agent = parts.learner.agent
    play = lambda k: trial(  # noqa: E731
        run, agent, parts.device, 0, Truncation(kind="memory", observations=k), lambda: True
    )
    whole, long, short = play(None), play(30), play(0)
    assert whole["agreement_memory_all"] == 1 and whole["value_gap_memory_all"] == 0
    assert long["agreement_memory_30"] == 1 and abs(long["value_gap_memory_30"]) < 1e-6
    assert long["return_memory_30"] == whole["return_memory_all"]
    assert short["value_gap_memory_0"] != 0


def test_a_trial_flickers_as_it_says():
    run = spec(environment__flicker=0.9)
    parts = build(run)
    play = lambda p: trial(  # noqa: E731
        run, parts.learner.agent, parts.device, 0, Flicker(kind="flicker", chance=p), lambda: True
    )
    assert list(play(0.25)) == ["return_flicker_0.25"]
    assert play(0.25) == play(0.25)


def test_a_life_that_resets_begins_like_an_episode():
    environment = spec("dqn_nature", "breakout", environment__life_loss="reset").environment
    stream, rng, firsts, cuts = Atari(environment, 1, None, 3, "environment"), np.random.default_rng(0), [], []
    while not stream.statistics.finished:
        step = stream.step(rng.integers(4, size=1))
        firsts.append(bool(step.first[0]))
        cuts.append(step.discount[0] == 0)
    assert sum(cuts) == 5 and sum(firsts) == 5  # five lives: the episode's start and four more
    assert firsts[1:] == cuts[:-1]


def test_a_life_that_is_an_episode_is_counted_as_one_and_begins_with_fire():
    """Five lives of one game: five scores whose sum is the game's. FIRE is the second of four buttons."""
    settings = {"environment__life_loss": "episode", "environment__fire_reset": "lives"}
    stream = Atari(spec("dqn_nature", "breakout", **settings).environment, 1, None, 3, "environment")
    total, fired, firsts, rng = 0.0, [], [], np.random.default_rng(1)
    while len(stream.statistics.finished) < 5:
        assert stream.statistics.length[0] % 4 == 0
        step = stream.step(rng.integers(2, 4, size=1))  # right or left
        total += step.reward[0]
        fired.append(step.action[0] == 1)
        firsts.append(bool(step.first[0]))
    assert fired == firsts and sum(firsts) == 5 and stream.last[0]
    lives = stream.statistics.take()
    assert sum(life.score for life in lives) == total > 0 and sum(life.length for life in lives) == 4 * len(firsts)
    assert [life.truncated for life in lives] == 5 * [False]
    other = Atari(spec("dqn_nature", "freeway", **settings).environment, 1, None, 3, "environment")
    assert other.step(np.array([2])).action[0] == 2  # a game without the button
