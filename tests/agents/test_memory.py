"""The frame store against a naive list of episodes, and the uniform selector's frequencies."""

import numpy as np
import pytest
import torch
from scipy import stats

from agents.memory import store as store_module
from agents.memory.replay import Replay
from agents.memory.select import Newest, Uniform
from agents.memory.store import FrameStore
from agents.rng import generator
from agents.spec.memory import NewestSelect, UniformSelect
from agents.step import SequenceSpec, Step

SHAPE = (2, 1, 1)


def uniform(store: FrameStore) -> Uniform:
    return Uniform(UniformSelect(kind="uniform"), store)


def history(rows: int, streams: int, seed: int) -> list[Step]:
    """Random episodes of 1 to 9 transitions, ended by termination or truncation; every frame is unique."""
    rng, steps = np.random.default_rng(seed), []
    left = rng.integers(1, 10, streams)
    first = np.ones(streams, bool)
    for t in range(rows):
        last = left == 0
        ends = rng.random(streams) < 0.5
        discount = np.where((left == 1) & ends, 0.0, 1.0).astype(np.float32)
        frame = np.array([[[[1 + t % 250]], [[1 + b]]] for b in range(streams)], np.uint8)
        reward = np.where(last, 0.0, rng.normal(size=streams)).astype(np.float32)
        steps.append(Step(frame, rng.integers(0, 6, streams), reward, discount, first, last))
        first = last
        left = np.where(last, rng.integers(1, 10, streams), left - 1)
    return steps


def naive(steps: list[Step], key: int, stack: int, window: int, moments: tuple[int, ...], streams: int):
    """One sequence, put together row by row."""
    t, b = divmod(key, streams)

    def stacked(at: int) -> np.ndarray:
        begin = at
        while not steps[begin].first[b]:
            begin -= 1
        frames = [steps[i].obs[b] if i >= begin else np.zeros(SHAPE) for i in range(at - stack + 1, at + 1)]
        return np.concatenate(frames)

    rows, at = [t], t
    for _ in range(window):
        at = at if steps[at].last[b] else at + 1
        rows.append(at)
    parts = [[getattr(steps[i], name)[b] for i in rows[:-1]] for name in ("action", "reward", "discount", "last")]
    action, reward, discount, last = map(np.array, parts)
    discount = np.where(last, 1.0, 0.9 * discount).astype(np.float32)  # a last row is its own successor
    return np.stack([stacked(rows[m]) for m in moments]), action, reward, discount


@pytest.mark.parametrize("streams", [1, 3])
@pytest.mark.parametrize(
    ("stack", "window", "moments"), [(1, 1, (0, 1)), (4, 1, (0, 1)), (4, 3, (0, 3)), (2, 5, (0, 2, 5))]
)
def test_sequences_equal_the_naive_ones_also_after_the_ring_has_wrapped(streams, stack, window, moments):
    steps, capacity = history(700, streams, seed=streams), 100 * streams
    store = FrameStore(capacity, streams, SHAPE, np.uint8, stack, SequenceSpec(window, moments), 0.9)
    for t, step in enumerate(steps):
        store.add(step)
        if t not in (30, 99, 100, 101, 350, 699):
            continue
        low, high = store.span()
        keys = np.arange(low, high)
        oldest = max(0, t + 1 - 100)
        expected = []
        for key in keys:  # valid: a transition starts there and its history is still stored
            row, b = divmod(int(key), streams)
            begin = row
            while not steps[begin].first[b]:
                begin -= 1
            expected.append(not steps[row].last[b] and max(begin, row - stack + 1) >= oldest)
        assert store.valid(keys).tolist() == expected
        assert high == (t + 1 - window) * streams and low == oldest * streams
        keys = keys[np.array(expected)]
        batch = store.gather(keys, np.ones(len(keys), np.float32))
        for i, key in enumerate(keys):
            obs, action, reward, discount = naive(steps, int(key), stack, window, moments, streams)
            assert np.array_equal(batch.obs[:, i].numpy(), obs)
            assert np.array_equal(batch.action[:, i].numpy(), action)
            assert np.array_equal(batch.reward[:, i].numpy(), reward)
            assert np.array_equal(batch.discount[:, i].numpy(), discount)


def test_a_truncated_episode_bootstraps_from_its_final_observation():
    store = FrameStore(50, 1, (1, 1, 1), np.uint8, 1, SequenceSpec(3, (0, 3)), discount=0.9)
    for t in range(10):  # rows 0 to 3 are one episode, row 3 its final observation; nothing terminated
        obs = np.full((1, 1, 1, 1), t, np.uint8)
        is_last = t in (3, 7)
        one = np.array([0.0 if is_last else 1.0], np.float32)
        store.add(Step(obs, np.array([0]), one, np.ones(1, np.float32), np.array([t in (0, 4)]), np.array([is_last])))
    batch = store.gather(np.array([1, 2]), np.ones(2, np.float32))
    assert batch.obs[:, :, 0, 0, 0].tolist() == [[1, 2], [3, 3]]  # seen first, seen at the end
    assert batch.reward.tolist() == [[1, 1], [1, 0], [0, 0]]  # nothing of the next episode
    assert batch.discount.numpy() == pytest.approx(np.array([[0.9, 0.9], [0.9, 1.0], [1.0, 1.0]]))


def test_uniform_draws_are_uniform_over_valid_rows():
    steps = history(120, 2, seed=5)
    store = FrameStore(160, 2, SHAPE, np.uint8, 3, SequenceSpec(2, (0, 2)), 0.9)
    for step in steps:
        store.add(step)
    keys, weights = uniform(store).draw(generator(0, "memory"), 200_000, 0)
    low, high = store.span()
    valid = np.arange(low, high)[store.valid(np.arange(low, high))]
    drawn, counts = np.unique(keys, return_counts=True)
    assert drawn.tolist() == valid.tolist() and (weights == 1).all()
    assert stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("window", [1, 3])
@pytest.mark.parametrize("streams", [1, 2])
def test_without_replay_every_transition_is_used_once_and_in_order(streams, window):
    """Windows cut from each stream's episodes by hand, against draws of one now and several then."""
    steps, rng = history(300, streams, seed=7), np.random.default_rng(1)
    expected, start = [], [0] * streams
    for t, step in enumerate(steps):
        for b in range(streams):
            if t > start[b] and (t - start[b] == window or step.last[b]):
                expected.append(start[b] * streams + b)
                start[b] = t
            if step.last[b]:
                start[b] = t + 1
    store = FrameStore(40 * streams, streams, SHAPE, np.uint8, 2, SequenceSpec(window, (0, window)), 0.9)
    newest, drawn = Newest(NewestSelect(kind="newest"), store), []
    replay = Replay(store, newest, generator(0, "memory"), 1, torch.device("cpu"))
    for t, step in enumerate(steps):
        replay.add(step)
        while newest.ready and (t == len(steps) - 1 or rng.random() < 0.8):
            batch = replay.draw(t)
            assert (batch.weight == 1).all()
            key = int(batch.key[0])
            obs, action, reward, discount = naive(steps, key, 2, window, (0, window), streams)
            assert np.array_equal(batch.obs[:, 0].numpy(), obs) and np.array_equal(batch.action[:, 0].numpy(), action)
            assert np.array_equal(batch.reward[:, 0].numpy(), reward)
            assert np.array_equal(batch.discount[:, 0].numpy(), discount)
            assert batch.first[0, 0].item() == steps[key // streams].first[key % streams]
            assert not batch.first[1:].any()
            drawn.append(key)
    assert drawn == expected
    covered = []
    for key in drawn:
        t, b = divmod(key, streams)
        for row in range(t, t + window):
            if steps[row].last[b]:
                break
            covered.append((row, b))
    ends = [max(t for t, c in covered if c == b) for b in range(streams)]
    made = [(t, b) for t, step in enumerate(steps) for b in range(streams) if not step.last[b] and t <= ends[b]]
    assert sorted(covered) == sorted(made) and min(ends) >= len(steps) - window - 2


def test_without_replay_learning_that_is_out_of_step_is_an_error():
    steps = history(60, 2, seed=7)
    store = FrameStore(20, 2, SHAPE, np.uint8, 1, SequenceSpec(1, (0, 1)), 0.9)
    newest = Newest(NewestSelect(kind="newest"), store)
    replay = Replay(store, newest, generator(0, "memory"), 2, torch.device("cpu"))
    replay.add(steps[0])
    with pytest.raises(LookupError, match="0 of 2 windows are complete"):
        replay.draw(0)
    for step in steps[1:]:
        replay.add(step)
    with pytest.raises(LookupError, match="falls behind"):
        replay.draw(0)


def test_nothing_to_draw_is_an_error_and_not_a_hang():
    store = FrameStore(20, 1, SHAPE, np.uint8, 1, SequenceSpec(1, (0, 1)), 0.9)
    with pytest.raises(LookupError, match="before the memory holds one window"):
        uniform(store).draw(generator(0, "memory"), 4, 0)


def test_a_memory_comes_back_from_its_saved_rows(monkeypatch):
    monkeypatch.setattr(store_module, "PIECE", 1_000)  # bytes
    steps = history(300, 2, seed=3)

    def memory() -> Replay:
        store = FrameStore(120, 2, SHAPE, np.uint8, 4, SequenceSpec(1, (0, 1)), 0.9)
        return Replay(store, uniform(store), generator(1, "memory"), 16, torch.device("cpu"))

    one = memory()
    for step in steps[:250]:
        one.add(step)
    one.draw(0)
    two = memory()
    pieces = [*one.store.pieces(190, 250)]
    sizes = [sum(array.nbytes for array in arrays.values()) for _, arrays in pieces]
    assert len(pieces) > 2 and max(sizes) <= 1_000
    assert [first for first, _ in pieces] == [190 + i * len(pieces[0][1]["obs"]) for i in range(len(pieces))]
    for first, arrays in pieces:
        two.store.insert(first, arrays)
    two.load_state_dict(one.state_dict())
    for step in steps[250:]:
        one.add(step), two.add(step)
        for a, b in zip(one.draw(0), two.draw(0), strict=True):
            assert np.array_equal(a, b)


def test_a_memory_shorter_than_its_windows_is_refused():
    with pytest.raises(ValueError, match="too short for windows of 3 and stacks of 4"):
        FrameStore(14, 2, SHAPE, np.uint8, 4, SequenceSpec(3, (0, 3)), 0.9)


@pytest.mark.parametrize(("stride", "least", "window"), [(2, 0, 3), (3, 2, 5), (1, 4, 6)])
def test_sequences_start_on_their_stride_and_never_cross_an_episodes_end(stride, least, window):
    steps, streams = history(400, 2, seed=9), 2
    sequence_spec = SequenceSpec(window, tuple(range(window + 1)), stride, least, extras={"kept": ((2,), np.float32)})
    store = FrameStore(120 * streams, streams, SHAPE, np.uint8, 1, sequence_spec, 0.9)
    for t, step in enumerate(steps):
        kept = np.stack([np.full(streams, t), np.arange(streams)], 1).astype(np.float32)
        store.add(step._replace(extras={"kept": kept}))
    keys = np.arange(*store.span())
    expected = []
    for key in keys:
        row, b = divmod(int(key), streams)
        begin = row
        while not steps[begin].first[b]:
            begin -= 1
        reach = row
        while not steps[reach].last[b] and reach < len(steps) - 1:
            reach += 1  # the episode's last row, or the newest
        starts = row < reach and not steps[row].last[b] and (row - begin) % stride == 0
        expected.append(starts and (row == begin or row + least < reach))
    assert store.valid(keys).tolist() == expected and any(expected)
    keys = keys[expected]
    batch = store.gather(keys, np.ones(len(keys), np.float32))
    for i, key in enumerate(keys):
        row, b = divmod(int(key), streams)
        for t in range(window + 1):
            assert batch.extras["kept"][t, i].tolist() == [row, b]
            assert bool(batch.last[t, i]) == bool(steps[row].last[b])
            row = row if steps[row].last[b] else row + 1


def test_extras_cannot_take_the_name_of_a_field():
    with pytest.raises(ValueError, match="cannot be called action"):
        FrameStore(50, 1, SHAPE, np.uint8, 1, SequenceSpec(1, (0, 1), extras={"action": ((), np.int64)}), 0.9)
