"""Ape-X on one process: the ladder of epsilons, priorities made by actors, copies of data, lost episodes."""

import numpy as np
import pytest
import torch

from agents.acting.exploration import Linear, fix, ladder
from agents.build import build
from agents.envs.stream import EpisodeStatistics
from agents.memory.replay import Replay
from agents.memory.select import Uniform
from agents.memory.store import FrameStore
from agents.nets import small
from agents.rng import generator
from agents.spec.exploration import FixedExploration, LinearExploration
from agents.spec.memory import ProportionalSelect, UniformSelect
from agents.step import SequenceSpec, Step
from tests.agents.specs import prioritized, spec

PRIORITY = prioritized("proportional", exponent=0.6, beta=(0.4, 0.4, 0), epsilon=1e-3, stratified=True, initial="actor")
APEX = {
    "exploration": {"kind": "ladder", "base": 0.4, "alpha": 7.0},
    "memory__select": PRIORITY,
    "environment__streams": 4,
    "agent__n_step": 3,
    "agent__selector": "online",
}


def test_the_ladder_by_hand():
    assert ladder(0.4, 7.0, 1) == pytest.approx([0.4])
    assert ladder(0.4, 7.0, 2) == pytest.approx([0.4, 0.4**8])
    assert ladder(0.4, 7.0, 8) == pytest.approx([0.4 ** (1 + i) for i in range(8)])
    assert ladder(0.5, 0.0, 3) == pytest.approx([0.5] * 3)


def test_fixed_epsilons_go_round_and_linear_ones_are_for_all():
    fixed = fix(FixedExploration(kind="fixed", values=[0.1, 0.2]), 5, generator(0, "epsilon"))
    assert fixed(EpisodeStatistics(5, 1)).tolist() == [0.1, 0.2, 0.1, 0.2, 0.1]
    line = LinearExploration(kind="linear", start=1.0, end=0.0, warmup_frames=0, end_frames=100)
    linear = Linear(line, 5, generator(0, "epsilon"))
    statistics = EpisodeStatistics(5, 1)
    statistics.frames = 50
    assert linear(statistics) == 0.5


def test_every_environment_explores_as_often_as_its_step_of_the_ladder():
    parts = build(spec(**APEX | {"exploration": {"kind": "ladder", "base": 1.0, "alpha": 0.0}}))
    assert parts.actor.epsilon(parts.actor.stream.statistics).tolist() == [1.0] * 4
    parts = build(spec(**APEX))
    assert parts.actor.epsilon(parts.actor.stream.statistics) == pytest.approx(
        [0.4 ** (1 + 7 * i / 3) for i in range(4)]
    )
    steps = [parts.actor.step() for _ in range(300)]
    explored = np.array([step.extras["q_taken"] < step.extras["q_best"] for step in steps]).mean(0)
    assert np.all(np.diff(explored) <= 0) and explored[0] > 0.2 and explored[3] == 0


def naive_errors(rows: list[Step], stream: int, window: int, gamma: float) -> dict[int, float]:
    """Row -> n-step TD error by the actor's values, for rows that are no episode's last and whose window is stored."""
    errors = {}
    for start in range(len(rows) - window):
        if rows[start].last[stream]:
            continue
        total, factor, at = 0.0, 1.0, start
        for _ in range(window):
            if rows[at].last[stream]:
                break
            total += factor * float(rows[at].reward[stream])
            factor *= gamma * float(rows[at].discount[stream])
            at += 1
        total += factor * float(rows[at].extras["q_best"][stream])
        errors[start] = total - float(rows[start].extras["q_taken"][stream])
    return errors


@pytest.mark.parametrize("window", [1, 3])
def test_initial_priorities_are_the_actors_td_errors(window):
    rng, streams = np.random.default_rng(0), 2
    sequence_spec = SequenceSpec(window, (0, window), extras={"q_taken": ((), np.float32), "q_best": ((), np.float32)})
    store = FrameStore(24 * streams, streams, (1, 1, 1), np.uint8, 1, sequence_spec, 0.9)
    select = ProportionalSelect(**PRIORITY).make(store)
    rows, first = [], np.ones(streams, bool)
    for _ in range(60):
        last = rng.random(streams) < 0.2
        row = Step(
            np.zeros((streams, 1, 1, 1), np.uint8),
            np.zeros(streams, np.int64),
            np.where(last, 0, rng.normal(size=streams)).astype(np.float32),
            np.where(last, 1, rng.random(streams) < 0.9).astype(np.float32),
            first,
            last,
            {name: rng.normal(size=streams).astype(np.float32) for name in ("q_taken", "q_best")},
        )
        first = last
        rows.append(row)
        store.add(row)
        values = np.zeros(store.rows * streams)
        for stream in range(streams):
            for start, error in naive_errors(rows, stream, window, 0.9).items():
                if start >= store.count - store.rows:
                    values[start % store.rows * streams + stream] = (abs(error) + 1e-3) ** 0.6
        if values.any():
            select.draw(generator(0, "memory"), 2, 0)
            assert select.tree.leaves() == pytest.approx(values, rel=1e-5)


def test_values_kept_with_a_row_are_those_it_was_acted_on():
    parts = build(spec(**APEX))
    assert set(parts.learner.agent.sequence_spec.extras) == {"q_taken", "q_best"}
    step = parts.actor.step()
    form, rng = small.form(parts.learner.agent.online), generator(0, "exploration")
    _, q = form.act(torch.from_numpy(step.obs), np.zeros(1, np.float32), 0.0, rng, True)
    assert np.array_equal(step.extras["q_best"], q.max(1))
    assert np.array_equal(step.extras["q_taken"], q[np.arange(4), step.action])


def test_copies_lie_side_by_side():
    parts = build(spec(environment__streams=2, memory__copies=3))
    step = parts.actor.step()
    parts.memory.add(step)
    assert parts.memory.store.streams == 6
    saved = parts.memory.store.extract(0, 1)
    assert np.array_equal(saved["action"][0], np.tile(step.action, 3))
    assert np.array_equal(saved["obs"][0], np.tile(step.obs.reshape(2, -1), (3, 1)))


def test_a_closed_episode_is_never_linked_to_what_follows():
    sequence_spec = SequenceSpec(2, (0, 2))

    def fresh() -> Replay:
        store = FrameStore(40, 4, (1, 1, 1), np.uint8, 1, sequence_spec, 0.9)
        select = Uniform(UniformSelect(kind="uniform"), store)
        return Replay(store, select, generator(0, "memory"), 4, torch.device("cpu"), copies=2)

    def row(number: int, first: bool) -> Step:
        ones = np.ones(2, np.float32)
        obs = np.full((2, 1, 1, 1), number, np.uint8)
        return Step(obs, np.zeros(2, np.int64), ones * number, ones, np.array([number == 1, first]), np.zeros(2, bool))

    memory = fresh()
    memory.close(np.array([1]))  # nothing to close yet
    memory.add(row(1, True))
    memory.add(row(2, False))
    saved = memory.store.extract(0, 2)  # before the actor of stream 1 dies
    memory.close(np.array([1]))
    for number in (3, 4, 5):
        memory.add(row(number, number == 3))

    def check(store: FrameStore) -> None:
        batch = store.gather(np.array([0, 1, 2, 3]), np.ones(4, np.float32))
        assert batch.obs[1].flatten().tolist() == [3, 2, 3, 2]  # stream 1 ends at its second row
        assert batch.reward.tolist() == [[1, 1, 1, 1], [2, 0, 2, 0]]
        assert batch.discount[1].tolist() == pytest.approx([0.9, 1, 0.9, 1])
        assert store.valid(np.arange(12)).reshape(3, 4).tolist() == [[True] * 4, [True, False, True, False], [True] * 4]

    check(memory.store)
    state, later = memory.state_dict(), memory.store.extract(2, 5)
    again = fresh()
    again.store.insert(0, saved)
    again.store.insert(2, later)
    again.load_state_dict(state)
    check(again.store)
