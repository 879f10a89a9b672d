"""MiniGrid's memory rooms: what is seen, what ends an episode, and that a resumed room is the same room."""

import numpy as np
import pytest

from agents.envs.minigrid import MiniGrid, planes
from agents.spec.environment import MiniGrid as MiniGridSpec
from tests.agents.specs import spec

BALL, KEY, WALL, GREEN = 6, 5, 2, 11 + 1


def rooms(streams: int = 1, game: str = "memory_s7", cap: int | None = None, seed: int = 7) -> MiniGrid:
    return MiniGrid(
        spec("r2d2_minigrid", game, learning__clock__start_frames=1_000).environment, streams, cap, seed, "environment"
    )


def test_a_view_is_one_hot_in_kind_colour_and_state():
    image = np.zeros((7, 7, 3), np.uint8)  # [column, row]
    image[2, 5] = (BALL, 1, 0)
    image[4, 0] = (4, 5, 2)  # a grey locked door
    seen = planes(image)
    assert (
        seen.shape == (MiniGridSpec.channels, 7, 7) == (20, 7, 7)
        and seen.dtype == np.uint8
        and (seen.sum(0) == 3).all()
    )
    assert seen[BALL, 5, 2] == seen[GREEN, 5, 2] == seen[17, 5, 2] == 1
    assert seen[4, 0, 4] == seen[11 + 5, 0, 4] == seen[17 + 2, 0, 4] == 1
    assert seen[BALL].sum() == 1 and seen[0].sum() == 47


def test_rooms_show_a_cue_and_end_at_success_failure_or_the_limit():
    stream, rng = rooms(32), np.random.default_rng(0)
    assert len(stream.actions) == 3 and stream.shape == (20, 7, 7)
    cues = stream.obs[:, [KEY, BALL]].sum((2, 3))
    assert (cues.sum(1) >= 1).all()  # the object to remember is in view at the start
    ends = {"success": 0, "failure": 0, "limit": 0}
    for _ in range(400):
        step = stream.step(rng.integers(3, size=32))
        paid, over = step.reward > 0, step.discount == 0
        assert (step.reward[~over] == 0).all() and not (paid & ~over).any() and not over[step.last].any()
        ends["success"] += paid.sum()
        ends["failure"] += (over & ~paid).sum()
    episodes = stream.statistics.take()
    ends["limit"] = sum(episode.truncated for episode in episodes)
    assert sum(ends.values()) == len(episodes) and min(ends.values()) > 0
    assert all(episode.length == 245 for episode in episodes if episode.truncated)
    won = [episode for episode in episodes if episode.score > 0]
    assert all(episode.score == pytest.approx(1 - 0.9 * episode.length / 245) for episode in won)


def test_an_episode_is_cut_at_its_cap():
    stream = rooms(cap=3)
    for _ in range(3):
        stream.step(np.zeros(1, np.int64))  # turning on the spot
    assert stream.last.all() and stream.statistics.take()[0][1:] == (0.0, 3, True)
    assert stream.step(np.zeros(1, np.int64)).last.all() and stream.first.all()


def test_a_resumed_room_goes_on_to_the_bit():
    one, other, rng = rooms(4), rooms(4, seed=99), np.random.default_rng(1)
    for _ in range(300):
        one.step(rng.integers(3, size=4))
    other.load_state_dict(one.state_dict())
    assert np.array_equal(one.obs, other.obs)
    for _ in range(300):
        actions = rng.integers(3, size=4)
        for a, b in zip(one.step(actions)[:6], other.step(actions)[:6], strict=True):
            assert np.array_equal(a, b)
    assert one.statistics.frames == other.statistics.frames and one.statistics.episodes == other.statistics.episodes
