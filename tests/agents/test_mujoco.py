"""MuJoCo's tasks against Gymnasium's own, and their state: it goes on to the bit in another process' engine."""

from pathlib import Path

import gymnasium
import numpy as np
import pytest

from agents.envs.mujoco import LIMIT, LIMITS, TASKS
from agents.envs.stream import make_streams
from agents.rng import generator
from agents.spec.run import ControlSpec, model_of
from tests.agents.specs import NORMAL, fields, spec

NAMES = {game: code.partition(":")[2].removesuffix("Env") for game, code in TASKS.items()}


def stream(game: str, streams: int = 2, cap: int | None = None):
    environment = spec("acktr_mujoco", game=game, **NORMAL).environment
    return make_streams(environment, streams, cap, 3, "environment")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("game", TASKS)
def test_the_rows_are_those_of_gymnasium(game, tmp_path, monkeypatch):
    """gymnasium.make's task with our generator: same observations, rewards and ends; no file is left behind."""
    monkeypatch.chdir(tmp_path)
    ours, rng = stream(game), np.random.default_rng(0)
    games = [gymnasium.make(f"{NAMES[game]}-v4") for _ in range(2)]
    views, over = [], [False, False]
    for i, each in enumerate(games):
        each.unwrapped.np_random = generator(3, "environment", i)
        views.append(each.reset()[0])
    low, high = games[0].action_space.low, games[0].action_space.high
    size = len(low)
    assert len(ours.actions) == size and ours.shape == (1, *games[0].observation_space.shape, 1)
    for _ in range(70):
        actions = rng.normal(0, 1, (2, size)).astype(np.float32)
        step = ours.step(actions)
        assert step.obs.dtype == np.float32 and np.array_equal(step.action, actions)
        for i, each in enumerate(games):
            assert np.array_equal(step.obs[i, 0, :, 0], views[i].astype(np.float32)) and step.last[i] == over[i]
            if over[i]:
                views[i], over[i] = each.reset()[0], False
                assert (step.reward[i], step.discount[i]) == (0, 1)
                continue
            force = np.clip(low + (actions[i] + 1) / 2 * (high - low), low, high)
            views[i], reward, fallen, cut, _ = each.step(force)
            over[i] = fallen or cut
            assert step.reward[i] == pytest.approx(reward, rel=1e-4, abs=1e-4) and step.discount[i] == (not fallen)
    limit = games[0].spec.max_episode_steps
    assert LIMITS.get(game, LIMIT) == limit
    assert [path.name for path in Path.cwd().iterdir()] == []


@pytest.mark.parametrize("game", TASKS)
def test_it_goes_on_from_its_state_to_the_bit(game):
    one, two = stream(game), stream(game)
    rng = np.random.default_rng(1)
    actions = rng.uniform(-1.2, 1.2, (90, 2, len(one.actions))).astype(np.float32)
    for each in actions[:40]:
        one.step(each)
    two.step(actions[0])  # somewhere else
    two.load_state_dict(one.state_dict())
    for each in actions[40:]:
        first, second = one.step(each), two.step(each)
        assert all(np.array_equal(a, b) for a, b in zip(first[:-1], second[:-1], strict=True))
    assert one.statistics.state_dict()["frames"] == two.statistics.state_dict()["frames"]


def test_a_lower_limit_truncates():
    task = stream("half_cheetah", 1, cap=5)
    for _ in range(7):
        task.step(np.zeros((1, 6), np.float32))
    (episode,) = task.statistics.take()
    assert (episode.length, episode.truncated) == (5, True)


BAD = {
    "environment.suite mujoco has numbers as actions: agent gaussian, not dqn": (
        "dqn_minatar", {"environment": {"suite": "mujoco", "game": "hopper", "streams": 1, "stack": 1, "flicker": 0.0,
                                        "hidden": [], "cap_frames": None}},
    ),
    "agent gaussian does numbers: environment.suite mujoco, whose actions they are, not minatar": (
        "acktr_mujoco", {"environment": {"suite": "minatar", "game": "breakout", "streams": 1, "stack": 1,
                                         "flicker": 0.0, "hidden": [], "sticky": 0.1, "ramping": True,
                                         "actions": "full", "cap_frames": None}},
    ),
    "agent gaussian needs another kind of network: one with network.policy": (
        "acktr_mujoco", {"network": fields("dqn_minatar")["network"]},
    ),
    "agent dqn needs another kind of network: one without network.policy": (
        "dqn_minatar", {"network": fields("acktr_mujoco")["network"]},
    ),
    "optimizer kfac of agent gaussian measures a value: critic gauss_newton or adaptive, not euclidean": (
        "acktr_mujoco", {"optimizer__critic": "euclidean"},
    ),
    "agent.step.optimizer.critic adaptive says nothing of a policy alone": (
        "acktr_mujoco", {"agent__step__optimizer__critic": "adaptive"},
    ),
    "agent gaussian samples its policy: exploration none and evaluation.epsilon 0": (
        "acktr_mujoco", {"evaluation__epsilon": 0.1},
    ),
    "agent gaussian takes actions for draws from the policy that learns: executor inline without lags_updates": (
        "acktr_mujoco", {"executor__lags_updates": [1]},
    ),
    "agent gaussian learns from unrolls in order: memory.select fifo, not uniform": (
        "acktr_mujoco", {"memory__select": "uniform"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", BAD)
def test_what_does_not_fit_is_refused_by_name(sentence):
    algorithm, changes = BAD[sentence][0], dict(BAD[sentence][1])
    network = changes.pop("network", None)  # as a whole, not key by key
    tree = fields(algorithm, **changes)
    tree["network"] = network or tree["network"]
    tree["environment"].setdefault("game", "hopper")
    tree |= {"version": 1, "seed": 0, "budget_frames": 100, "device": "cpu", "threads": 1}
    with pytest.raises(ValueError) as error:
        model_of(tree).model_validate(tree)
    assert sentence in str(error.value)


def test_its_specs_are_of_their_own_kind():
    assert isinstance(spec("trpo_mujoco", game="ant", **NORMAL), ControlSpec)
