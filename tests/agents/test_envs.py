"""Streams against the environments they wrap, stepped by hand."""

import numpy as np
import pytest
from ale_py import ALEInterface, LoggerMode, roms
from pydantic import ValidationError

from agents.acting.actor import Stacker
from agents.envs.atari import Atari
from agents.envs.changing import chance
from agents.envs.minatar import MinAtar, _environment
from agents.envs.stream import make_streams
from agents.rng import integer_seed
from tests.agents.specs import spec

GAMES = ["asterix", "breakout", "freeway", "seaquest", "space_invaders"]


def minatar(game: str, streams: int = 2, cap: int | None = None) -> MinAtar:
    return MinAtar(spec(game=game).environment, streams, cap, 7, "environment")


@pytest.mark.parametrize("game", GAMES)
def test_minatar_rows_are_those_of_the_package(game):
    stream, rng = minatar(game), np.random.default_rng(0)
    games = [_environment()(game, 0.1, True) for _ in range(2)]
    for i, each in enumerate(games):
        each.seed(integer_seed(7, "environment", i))
        each.reset()
    fresh, scores, episodes, frames = [False, False], [0.0, 0.0], [], 0
    for _ in range(3_000):
        actions = rng.integers(6, size=2)
        step = stream.step(actions)
        for i, each in enumerate(games):
            assert np.array_equal(step.obs[i], each.state().transpose(2, 0, 1))
            assert step.last[i] == fresh[i]
            if fresh[i]:  # the last row: nothing is done, the game starts anew
                each.reset()
                fresh[i] = False
                assert step.reward[i] == 0 and step.discount[i] == 1
                continue
            reward, terminal = each.act(actions[i])
            frames += 1
            scores[i] += reward
            assert step.reward[i] == reward and step.discount[i] == (not terminal)
            if terminal:
                episodes.append((i, scores[i]))
                fresh[i], scores[i] = True, 0.0
    assert [(e.env, e.score) for e in stream.statistics.take()] == episodes
    assert stream.statistics.frames == frames
    assert episodes or game == "freeway"


STEPS = [(0, 0.0), (100, 1.0), (250, 0.1)]


def test_stickiness_follows_the_frames_of_training_and_evaluations_keep_the_first():
    assert [chance(STEPS, frame) for frame in (0, 99, 100, 249, 250, 9**9)] == [0.0, 0.0, 1.0, 1.0, 0.1, 0.1]
    environment = spec(environment__sticky=STEPS).environment
    streams = {name: make_streams(environment, 2, None, 7, name) for name in ("environment", "evaluation")}
    for name, stream in streams.items():
        rng, games = np.random.default_rng(0), [_environment()("breakout", 0.0, True) for _ in range(2)]
        for i, game in enumerate(games):
            game.seed(integer_seed(7, name, i))
            game.reset()
        frame, over = 0, [False, False]
        for _ in range(200):  # two games: frames 100 and 250 are at rows 50 and 125, later by their last rows
            actions = rng.integers(6, size=2)
            step, now = stream.step(actions), chance(STEPS, frame) if name == "environment" else 0.0
            for i, game in enumerate(games):
                assert np.array_equal(step.obs[i], game.state().transpose(2, 0, 1))
                if over[i]:
                    game.reset()
                    over[i] = False
                else:
                    game.sticky_action_prob = now
                    reward, over[i] = game.act(actions[i])
                    assert step.reward[i] == reward
                    frame += 1
        assert stream.statistics.frames == frame > 300


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"environment__sticky": [[1, 0.5]]}, r"frames must begin at 0 and rise, not \[1\]"),
        ({"environment__sticky": [[0, 0.5], [0, 0.1]]}, r"frames must begin at 0 and rise, not \[0, 0\]"),
        ({"environment__sticky": [[0, 1.5]]}, "less than or equal to 1"),
        ({"environment__sticky": []}, "at least 1 item"),
    ],
)
def test_a_table_of_stickiness_that_makes_no_sense_is_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        spec(**changes)


def test_stickiness_that_changes_needs_one_process():
    processes = {"kind": "processes", "actors": 2, "slots": 2, "chunk_steps": 10, "pull_every_steps": 10}
    with pytest.raises(ValueError, match=r"environment\.sticky changes .*: executor inline, not processes"):
        spec("apex_minatar", environment__sticky=STEPS, executor=processes)


def test_minatar_cap_truncates_without_ending_the_return():
    stream = minatar("freeway", streams=1, cap=50)
    rows = [stream.step(np.array([0])) for _ in range(51)]
    assert [row.last[0] for row in rows] == [False] * 50 + [True]
    assert all(row.discount[0] == 1 for row in rows)
    (episode,) = stream.statistics.take()
    assert (episode.length, episode.truncated) == (50, True)


def area(size: int, parts: int) -> np.ndarray:
    """Averages over equal shares of a line of pixels, which may begin and end within one. [parts, size]"""
    edges, pixel = np.linspace(0, size, parts + 1), np.arange(size)
    overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return overlap.clip(0) * parts / size


def shrink(screen: np.ndarray) -> np.ndarray:
    """[210, 160] -> [84, 84], by area."""
    return area(210, 84) @ screen.astype(float) @ area(160, 84).T


def emulator(game: str) -> ALEInterface:
    ALEInterface.setLoggerMode(LoggerMode.Error)
    ale = ALEInterface()
    ale.setFloat("repeat_action_probability", 0.0)
    ale.loadROM(roms.get_rom_path(game))
    ale.reset_game()
    return ale


def pong(streams: int = 2, game: str = "pong", **changes) -> Atari:
    return Atari(spec("dqn_nature", game, **changes).environment, streams, None, 3, "environment")


def test_atari_counts_the_emulators_frames_and_raw_scores():
    """One game stepped by hand through ALE, from the same seed, without no-ops."""
    stream, ale = pong(1, environment__noop_max=0, environment__clip_reward=True), emulator("pong")
    actions, rng, total = ale.getMinimalActionSet(), np.random.default_rng(1), 0.0
    for moved in range(1_500):
        action = int(rng.integers(len(actions)))
        step = stream.step(np.array([action]))
        reward = sum(ale.act(actions[action]) for _ in range(4))
        total += reward
        assert step.reward[0] == np.clip(reward, -1, 1)
        assert stream.statistics.frames == ale.getFrameNumber() == 4 * (moved + 1)
        if ale.game_over():
            break
    (episode,) = stream.statistics.take()
    assert episode.score == total and episode.length == stream.statistics.frames
    assert step.discount[0] == 0 and stream.last[0]


def test_a_lost_life_ends_the_return_but_not_the_episode():
    stream, rng = pong(1, "breakout"), np.random.default_rng(0)
    cut = finished = 0
    while not stream.statistics.finished:
        step = stream.step(rng.integers(4, size=1))
        cut += step.discount[0] == 0
        finished += stream.last[0]
    assert (cut, finished) == (5, 1)
    plain, rng = pong(1, "breakout", environment__life_loss=False), np.random.default_rng(0)
    cut = 0
    while not plain.statistics.finished:
        cut += plain.step(rng.integers(4, size=1)).discount[0] == 0
    assert cut == 1


def test_a_penalty_for_a_lost_life_is_a_reward_and_ends_nothing():
    """mhauskn/dqn, branch recurrent: sign of the score, -1 in its place when a life is lost; the game goes on."""
    stream, rng = pong(1, "breakout", environment__life_loss="penalty"), np.random.default_rng(0)
    lives, rewards, ends = stream._lives[0], [], []
    while not stream.statistics.finished:
        step = stream.step(rng.integers(4, size=1))
        rewards.append(step.reward[0] if stream._lives[0] == lives else f"lost {step.reward[0]:+.0f}")
        ends.append(step.discount[0] == 0)
        lives = stream._lives[0]
    (episode,) = stream.statistics.finished
    assert rewards.count("lost -1") == 5 and {r for r in rewards if r != "lost -1"} == {0.0, 1.0}
    assert ends.count(True) == 1 and ends[-1] and not step.last[0] and stream.last[0]
    assert episode.score == rewards.count(1.0) > 0  # raw scores hold no penalty (bricks of the lowest rows give 1)


def test_screens_are_the_maximum_of_two_frames_shrunk_by_area():
    stream, ale = pong(1, "breakout", environment__noop_max=0), emulator("breakout")
    actions, rng, apart = ale.getMinimalActionSet(), np.random.default_rng(1), []
    for _ in range(40):
        action = int(rng.integers(len(actions)))
        stream.step(np.array([action]))
        frames = []
        for _ in range(4):
            ale.act(actions[action])
            frames.append(ale.getScreenGrayscale())
        seen = stream.obs[0, 0].astype(float)
        apart.append(
            (
                abs(shrink(np.maximum(*frames[2:])) - seen).max(),
                abs(np.maximum(*map(shrink, frames[2:])) - seen).max(),  # as snrl does it
                abs(shrink(frames[3]) - seen).max(),
            )
        )
    ours, resized_first, last_frame = np.max(apart, 0)
    assert ours <= 1 and resized_first > 20 and last_frame > 20  # of 255; rounding leaves at most one


@pytest.mark.parametrize(("fire", "counts"), [(False, {0, 1, 2}), (True, {1, 2})])
def test_episodes_start_after_fewer_frames_than_noop_max(fire, counts):
    stream = pong(10, "breakout", environment__noop_max=3, environment__fire_reset=fire)
    *_, info = stream._env.step(np.zeros(10, np.int64))  # of 4 frames
    assert set((info["episode_frame_number"] - 4).tolist()) == counts


@pytest.mark.parametrize("fire", [False, True])
def test_fire_is_pressed_for_one_frame_where_it_is_asked_for(fire):
    stream, ale = pong(1, "breakout", environment__noop_max=1, environment__fire_reset=fire), emulator("breakout")
    if fire:
        ale.act(ale.getMinimalActionSet()[1])
    for _ in range(5):
        stream.step(np.array([0]))
        frames = [(ale.act(0), ale.getScreenGrayscale())[1] for _ in range(4)]
        assert abs(shrink(np.maximum(*frames[2:])) - stream.obs[0, 0]).max() <= 1
    ball = (stream.obs[0, 0, 40:70, 8:76] > 0).any()  # between bricks and paddle
    assert ball == fire


def patience(frames: int, unrewarded: int) -> dict:
    return {"kind": "patience", "frames": frames, "unrewarded_frames": unrewarded}


def test_patience_that_never_counts_is_refused():
    for unrewarded in (9, 10):
        with pytest.raises(ValidationError, match=f"unrewarded_frames {unrewarded} never counts: frames is 9"):
            spec("dqn_nature", environment__cap_frames=patience(9, unrewarded))


def test_a_patient_game_ends_after_so_many_frames_without_a_reward():
    """Nobody serves in Breakout: nothing is ever scored. Each episode is cut after 25 steps of 4 frames."""
    cap = {"environment__cap_frames": patience(10_000, 100), "environment__life_loss": False}
    environment = spec("dqn_nature", **cap, environment__noop_max=0).environment
    stream = make_streams(environment, 2, environment.cap_frames, 3, "environment")
    rows = [stream.step(np.zeros(2, np.int64)) for _ in range(53)]
    assert [i for i, row in enumerate(rows) if row.last.all()] == [25, 51]
    assert [i for i, row in enumerate(rows) if row.first.any()] == [0, 26, 52]
    assert all((row.discount == 1).all() for row in rows)
    found = stream.statistics.take()
    assert [(each.length, each.truncated, each.score) for each in found] == [(100, True, 0.0)] * 4
    assert np.array_equal(rows[26].obs, rows[0].obs)  # anew from the start
    assert list(environment.codes()) == ["agents.envs.atari:Atari", "agents.envs.patient:Patient"]
    assert list(spec("dqn_nature").environment.codes()) == ["agents.envs.atari:Atari"]


def test_rewards_keep_a_patient_game_going_and_its_cap_still_holds():
    """In Pong a point is lost every 70 steps or so: sooner than after 600 frames, later than after 160."""
    for unrewarded, given, lengths in ((600, None, {1_600}), (600, 800, {800}), (160, None, {160})):
        cap = {"environment__cap_frames": patience(1_600, unrewarded), "environment__noop_max": 0}
        environment = spec("dqn_nature", "pong", **cap).environment
        stream = make_streams(environment, 1, given or environment.cap_frames, 3, "environment")
        for _ in range(410):
            stream.step(np.array([0]))
        assert {each.length for each in stream.statistics.take()} == lengths


@pytest.mark.parametrize("kind", ["minatar", "atari", "patient"])
def test_a_stream_goes_on_from_its_state(kind):
    def make():
        if kind == "minatar":
            return minatar("seaquest", 3)
        changes = {
            "environment__reseed_every_steps": 40,
            "environment__cap_frames": 200 if kind == "atari" else patience(300, 80),
            "environment__sticky": 0.25,
        }
        if kind == "atari":
            return pong(3, "breakout", **changes)
        environment = spec("dqn_nature", "breakout", **changes).environment
        return make_streams(environment, 3, environment.cap_frames, 3, "environment")

    one, two, rng = make(), make(), np.random.default_rng(2)
    for _ in range(130):
        one.step(rng.integers(4, size=3))
    two.load_state_dict(one.state_dict())
    for _ in range(110):
        actions = rng.integers(4, size=3)
        for a, b in zip(one.step(actions), two.step(actions), strict=True):
            assert np.array_equal(a, b)
    assert one.statistics.take()[-3:] == two.statistics.take()[-3:] and one.statistics.frames == two.statistics.frames


def test_streams_differ_from_each_other_and_equal_themselves():
    a, b = minatar("asterix", 4), minatar("asterix", 4)
    for _ in range(100):
        actions = np.zeros(4, np.int64)
        x, y = a.step(actions), b.step(actions)
        assert np.array_equal(x.obs, y.obs)
    assert len({row.tobytes() for row in x.obs}) > 1


def test_stacks_hold_zeros_before_an_episode_and_the_newest_frame_last():
    stacker = Stacker(2, 3, (1, 1, 1), np.uint8)
    seen = [[(1, 11), (1, 1)], [(2, 12), (0, 0)], [(3, 13), (0, 1)], [(4, 14), (0, 0)]]
    stacks = [
        stacker(np.array(obs, np.uint8).reshape(2, 1, 1, 1), np.array(first, bool)).reshape(2, 3).tolist()
        for obs, first in seen
    ]
    assert stacks == [
        [[0, 0, 1], [0, 0, 11]],
        [[0, 1, 2], [0, 11, 12]],
        [[1, 2, 3], [0, 0, 13]],
        [[2, 3, 4], [0, 13, 14]],
    ]


def test_specs_know_the_channels_of_their_games():
    """Which of them can be hidden is said before anything is played."""
    for algorithm, games in (
        ("dqn_minatar", GAMES),
        ("cartpole_dueling_double", ("v0", "v1")),
        ("r2d2_recall", ("cue",)),
        ("dqn_nature", ("pong",)),
    ):
        for game in games:
            environment = spec(algorithm, game).environment
            assert make_streams(environment, 1, None, 0, "environment").shape[0] == environment.channels, game
