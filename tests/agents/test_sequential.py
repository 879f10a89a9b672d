"""DRQN's sequential updates: which sequences are drawn, and the states that go from one to the next."""

from collections import Counter

import numpy as np
import pytest
import torch

from agents.build import build
from agents.memory.sequential import Sequential
from agents.memory.store import FrameStore
from agents.spec.memory import SequentialSelect
from agents.step import SequenceSpec
from tests.agents.specs import spec
from tests.agents.test_memory import SHAPE, history

CHUNK = 3
SEQUENTIAL = {
    "agent__state": "carried",
    "agent__sequence": 4,
    "agent__period": 4,
    "memory__select": {"kind": "sequential"},
    "network__convolutions": [[2, 3, 2]],
    "network__core": {"kind": "lstm", "before": [], "units": 5, "inputs": True},
    "environment__streams": 2,
    "learning__batch": 6,
}


def memory(rows: int, streams: int, seed: int = 0, capacity: int = 400):
    """A selector whose memory has seen `rows` rows, and the steps that it saw."""
    sequence_spec = SequenceSpec(CHUNK, tuple(range(CHUNK + 1)), stride=CHUNK)
    store = FrameStore(capacity, streams, SHAPE, np.uint8, 1, sequence_spec, 0.9)
    select, steps = Sequential(SequentialSelect(kind="sequential"), store), history(rows, streams, seed)
    for t, step in enumerate(steps):
        store.add(step)
        select.add(np.arange(streams) + t * streams)
    return select, steps


def episodes(steps, streams: int) -> dict[int, list[int]]:
    """Key of an episode's first row -> keys of its sequences; finished episodes only."""
    found = {}
    for b in range(streams):
        begin = 0
        for t, step in enumerate(steps):
            if step.first[b]:
                begin = t
            if step.last[b]:
                found[begin * streams + b] = [row * streams + b for row in range(begin, t, CHUNK)]
    return found


@pytest.mark.parametrize("streams", [1, 3])
def test_every_place_goes_through_whole_episodes_in_order(streams):
    select, steps = memory(60, streams)
    whole, rng = episodes(steps, streams), np.random.default_rng(1)
    drawn = np.stack([select.draw(rng, 5, 0)[0].copy() for _ in range(200)])
    begun = Counter()
    for place in drawn.T:
        left = []
        for key in place:
            if not left:
                assert key in whole  # an episode begins with its first row
                left, begun = list(whole[key]), begun + Counter([int(key)])
            assert key == left.pop(0)
    assert set(begun) == set(whole)  # and each gets its turn
    expected = sum(begun.values()) / len(whole)
    assert all(0.3 * expected < n < 2 * expected for n in begun.values())


def test_nothing_is_learned_before_an_episode_has_ended_and_an_endless_memory_of_none_is_refused():
    select, steps = memory(60, 1)
    length = next(t for t, step in enumerate(steps) if step.last[0])
    assert memory(length, 1)[0].due(3, 5) == 0 and memory(length + 1, 1)[0].due(3, 5) == 3
    select.episodes = [-1]  # as if all had been overwritten
    with pytest.raises(LookupError, match="no whole episode"):
        select.draw(np.random.default_rng(0), 2, 0)


def test_places_leave_episodes_that_make_room():
    """While new rows come in, every sequence drawn is still there, and goes on or begins an episode."""
    capacity, streams = 40, 2
    sequence_spec = SequenceSpec(CHUNK, tuple(range(CHUNK + 1)), stride=CHUNK)
    store = FrameStore(capacity, streams, SHAPE, np.uint8, 1, sequence_spec, 0.9)
    select, steps = Sequential(SequentialSelect(kind="sequential"), store), history(500, streams, 3)
    whole, rng, before, left = episodes(steps, streams), np.random.default_rng(1), None, 0
    for t, step in enumerate(steps):
        store.add(step)
        select.add(np.arange(streams) + t * streams)
        if t < 30 or t % 4:
            continue
        keys = select.draw(rng, 4, 0)[0].copy()
        assert (keys // streams >= store.count - store.rows).all() and (keys < store.count * streams).all()
        begins = np.isin(keys, list(whole))
        if before is not None:
            assert (begins | (keys == before + CHUNK * streams)).all()
            goes_on = [
                key + CHUNK * streams in sequences for key in before for sequences in whole.values() if key in sequences
            ]
            left += int((begins & np.array(goes_on)).sum())
        before = keys
    assert left > 0  # some had to leave before the end


def test_states_are_those_of_one_unroll_over_the_whole_episode():
    parts = build(spec("drqn_minatar", "asterix", **SEQUENTIAL))
    agent, store = parts.learner.agent, parts.memory.store
    while len(parts.memory.select.episodes) < 8:
        parts.memory.add(parts.actor.step())
    with torch.no_grad():
        for parameter in agent.target.parameters():
            parameter.mul_(1.3)
    seen = 0
    for _ in range(12):  # parameters stay, so a sequence's values are those of the episode in one piece
        batch = parts.memory.draw(0)
        picked = agent.picked(batch)
        with torch.no_grad():
            found = {net: agent.replayed(net, batch, picked) for net in (agent.online, agent.target)}
        for place, (key, age) in enumerate(zip(batch.key, store.read("age", batch.key), strict=True)):
            rows = key + (np.arange(age + 4) - int(age)) * store.streams  # up to the sequence's last row to learn from
            rows = rows[: age + 1 + int((~picked["last"][:4, place]).sum())]
            extras = [torch.from_numpy(store.read(n, rows[:, None])) for n in ("previous_action", "previous_reward")]
            for net, q in found.items():
                with torch.no_grad():
                    whole, _ = net.unroll(store.stacks(rows[:, None]), *extras, net.initial(1))
                learned = whole[age:, 0, :, 0]
                assert torch.allclose(q[: len(learned), place], learned, atol=1e-5)
            seen += age > 0
    assert seen > 20
    assert not any(state.requires_grad for state in agent.carried.values())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"memory__select": {"kind": "uniform"}}, "agent.state carried with memory.select uniform: carried needs"),
        ({"agent__state": "zero"}, "agent.state zero with memory.select sequential: carried needs sequential"),
        ({"agent__period": 2}, "period is sequence"),
        ({"agent__burn_in": 2}, "burn_in 0"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        spec("drqn_minatar", **{**SEQUENTIAL, **changes})
