"""Prioritized replay: the tree, both selectors and their weights against naive ones and numbers by hand."""

import itertools

import numpy as np
import pytest
import torch
from scipy import stats

from agents.memory.proportional import Proportional
from agents.memory.rank import KEY, Rank, Ranking
from agents.memory.replay import Replay
from agents.memory.store import FrameStore
from agents.memory.sumtree import SumTree
from agents.rng import generator
from agents.run.checkpoint import decode, encode
from agents.spec.memory import ProportionalSelect, RankSelect
from agents.step import SequenceSpec, Step
from tests.agents.specs import prioritized

SPECS = {"proportional": ProportionalSelect, "rank": RankSelect}


def select(kind: str, store: FrameStore, **changes) -> Proportional | Rank:
    return SPECS[kind](**prioritized(kind, **changes)).make(store)


def memory(streams: int = 1, stack: int = 1, window: int = 1, rows: int = 40) -> FrameStore:
    return FrameStore(rows * streams, streams, (1, 1, 1), np.uint8, stack, SequenceSpec(window, (0, window)), 0.9)


def add(store: FrameStore, selector, last: list[bool] | None = None, first: list[bool] | None = None) -> None:
    """One row per stream; without `last` and `first` it is one from inside an episode."""
    no = np.zeros(store.streams, bool)
    reward = np.zeros(store.streams, np.float32)
    obs = np.full((store.streams, 1, 1, 1), store.count % 256, np.uint8)
    first, last = (no if flags is None else np.array(flags) for flags in (first, last))
    store.add(Step(obs, np.zeros(store.streams, int), reward, 1 - reward, first, last))
    selector.add(np.arange(store.streams) + (store.count - 1) * store.streams)


def filled(kind: str, errors: list[float], **changes):
    """A selector over rows 0 to len(errors) - 1 with these errors, and its store."""
    store = memory()
    selector = select(kind, store, **changes)
    for _ in range(len(errors) + 1):  # the newest row has no window yet
        add(store, selector)
    selector.update(np.arange(len(errors)), np.array(errors, np.float32))
    return selector, store


def chances(selector) -> dict[int, float]:
    """The exact P(key) as the selector holds it."""
    if isinstance(selector, Rank):
        keys = selector.ranking.at(np.arange(selector.count)) & KEY
        share = (np.arange(selector.count) + 1.0) ** -selector.spec.exponent
    else:
        slots = np.flatnonzero(selector.tree.leaves())
        keys, share = selector.rows.key(slots), selector.tree.values(slots)
    return dict(zip(keys.tolist(), (share / share.sum()).tolist(), strict=True))


class Naive:
    """What both selectors ought to hold, by loops over plain lists: {key: error}."""

    def __init__(self, streams: int, stack: int, window: int, rows: int):
        self.streams, self.stack, self.window, self.rows = streams, stack, window, rows
        self.begin: list[list[int]] = []  # row at which the episode of each row begins, per stream
        self.last: list[list[bool]] = []
        self.error: dict[int, float] = {}
        self.fresh: set[int] = set()  # never updated: by rank, before all of the same error
        self.largest = 1.0

    def add(self, first: list[bool], last: list[bool]) -> None:
        t = len(self.last)
        self.begin.append([t if first[b] else self.begin[-1][b] for b in range(self.streams)])
        self.last.append(last)
        oldest = max(0, t + 1 - self.rows)
        for row in range(max(0, oldest - 1), t + 1 - self.window):
            for b in range(self.streams):
                key = row * self.streams + b
                history = max(self.begin[row][b], row - self.stack + 1)
                if row < oldest or history < oldest or self.last[row][b]:
                    self.error.pop(key, None)
                elif row == t - self.window:
                    self.error[key] = self.largest
                    self.fresh.add(key)

    def update(self, keys, errors) -> None:
        for key, error in zip(keys.tolist(), errors.tolist(), strict=True):
            if key in self.error:
                self.error[key] = error
                self.fresh.discard(key)
                self.largest = max(self.largest, error)

    def chances(self, kind: str, exponent: float) -> dict[int, float]:
        order = sorted(self.error, key=lambda key: (-self.error[key], key not in self.fresh, key))
        if kind == "rank":
            share = {key: (i + 1) ** -exponent for i, key in enumerate(order)}
        else:
            share = {key: self.error[key] ** exponent for key in order}
        total = sum(share.values())
        return {key: value / total for key, value in share.items()}


def play(kind: str, streams: int, stack: int, window: int, rows: int, steps: int, exponent: float = 0.7, **changes):
    """Random episodes, draws, and updates of fresh, old and repeated keys. Yields the selector and the naive one."""
    rng = np.random.default_rng(streams + 10 * stack + 100 * window)
    store, naive = memory(streams, stack, window, rows), Naive(streams, stack, window, rows)
    selector = select(kind, store, exponent=exponent, **changes)
    first, held = np.ones(streams, bool), np.empty(0, np.int64)
    for t in range(steps):
        last = ~first & (rng.random(streams) < 0.15)
        add(store, selector, last, first)
        naive.add(first.tolist(), last.tolist())
        first = last
        if t >= window + 2 and rng.random() < 0.4:
            fresh, _ = selector.draw(rng, 8, 0)
            assert set(fresh.tolist()) <= naive.error.keys()
            keys = np.concatenate((fresh, fresh[:2], held, np.arange(3)))  # twice, drawn long ago, overwritten
            errors = (2 * rng.random(len(keys))).astype(np.float32)
            selector.update(keys, torch.tensor(errors, requires_grad=True) if t % 2 else errors)
            naive.update(keys, errors)
            held = fresh if rng.random() < 0.3 else held
        if t > rows + 2:
            selector.state_dict()  # follows the store up to now
            yield selector, naive


# ---- the tree ----


@pytest.mark.parametrize(("size", "rounds"), [(100, 600), (5_000, 1_200), (70_000, 600)])  # one, two, three levels
def test_the_tree_equals_a_plain_array_over_1e5_random_operations(size, rounds):
    rng, tree, plain = np.random.default_rng(size), SumTree(size, minimum=True), np.zeros(size)
    for _ in range(rounds):
        at = rng.integers(0, size, 50)
        at[:10] = at[10:20]  # equal slots within one call
        values = rng.integers(0, 5, 50) / 4.0  # sums of quarters are exact, so that every slot can be compared
        tree.set(at, values)
        for i, value in zip(at, values, strict=True):  # the last one counts
            plain[i] = value
        sums = rng.random(50) * plain.sum()
        running = plain.cumsum()
        found, rest = tree.find(sums)
        expected = running.searchsorted(sums, "right")
        assert tree.total == running[-1] and found.tolist() == expected.tolist()
        assert rest == pytest.approx(sums - running[expected] + plain[expected], abs=1e-9)
        assert tree.minimum == plain[plain > 0].min()
    assert np.array_equal(tree.leaves(), plain)


@pytest.mark.parametrize("size", [100, 5_000, 70_000])
def test_sums_do_not_drift_whatever_the_order_of_the_changes(size):
    rng, tree = np.random.default_rng(0), SumTree(size)
    for exponent in (0, 12, -12, 3):
        for _ in range(100):
            tree.set(rng.integers(0, size, 40), rng.random(40) * 10.0**exponent)
    anew = SumTree(size)
    anew.fill(tree.leaves())
    for level, other in zip(tree._sums, anew._sums, strict=True):
        assert np.array_equal(level, other)  # to the bit
    tree.set(np.arange(size), np.zeros(size))
    assert tree.total == 0.0


def test_a_slot_of_value_zero_is_never_found_not_even_at_the_ends():
    rng = np.random.default_rng(1)
    for trial in range(200):
        tree = SumTree(6_000)
        at = rng.choice(6_000, 40, replace=False)
        tree.set(at, 10.0 ** rng.uniform(-9, 3, 40))
        edges = np.sort(tree.values(np.sort(at)).cumsum())
        sums = np.concatenate(([0.0, tree.total, np.nextafter(tree.total, 0)], edges, np.nextafter(edges, 0)))
        found, _ = tree.find(sums)
        assert (tree.values(found) > 0).all(), trial


def test_filling_replaces_all_values():
    tree = SumTree(5_000, minimum=True)
    tree.set(np.arange(5_000), np.full(5_000, 0.5))
    tree.fill(np.array([3.0, 0.0, 2.0]))
    assert tree.total == 5.0 and tree.minimum == 2.0 and tree.find(np.array([2.9, 3.0, 4.9]))[0].tolist() == [0, 2, 2]


# ---- which rows, with which probability ----


@pytest.mark.parametrize("size", [5, 4_096, 5_000, 100_000])
def test_a_compiled_tree_is_the_plain_one_to_the_bit(size):
    rng, plain, compiled = np.random.default_rng(size), SumTree(size, minimum=True), SumTree(size, True, compiled=True)
    for _ in range(30):
        at = rng.integers(0, size, 40)
        values = np.where(rng.random(40) < 0.2, 0.0, 10.0 ** rng.uniform(-9, 3, 40))
        plain.set(at, values)
        compiled.set(at, values)
        assert all(np.array_equal(*pair) for pair in zip(plain._sums, compiled._sums, strict=True))
        assert plain.total == compiled.total and plain.minimum == compiled.minimum
        points = np.append(rng.random(40), [0.0, 1.0]) * plain.total
        for one, other in zip(plain.find(points), compiled.find(points), strict=True):
            assert one.dtype == other.dtype and np.array_equal(one, other)
    compiled.fill(plain.leaves())
    assert np.array_equal(compiled.find(points)[0], plain.find(points)[0])


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize(
    ("streams", "stack", "window", "rows"), [(1, 1, 1, 10), (1, 4, 3, 30), (3, 4, 3, 20), (2, 2, 5, 9), (8, 4, 1, 7)]
)
def test_probabilities_equal_the_naive_ones_at_every_step(kind, streams, stack, window, rows):
    checked = 0
    for selector, naive in play(kind, streams, stack, window, rows, 150):
        expected = naive.chances(kind, 0.7)
        assert chances(selector) == pytest.approx(expected, rel=1e-9)
        checked += len(expected)
    assert checked > 500


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize("stratified", [False, True])
@pytest.mark.parametrize(("streams", "stack", "window", "rows"), [(1, 4, 3, 60), (3, 4, 3, 25), (2, 1, 1, 30)])
def test_rows_are_drawn_as_often_as_their_probability_says(kind, stratified, streams, stack, window, rows):
    *_, (selector, naive) = play(kind, streams, stack, window, rows, 4 * rows, stratified=stratified)
    expected = naive.chances(kind, 0.7)
    rng = generator(0, "memory")
    keys = np.concatenate([selector.draw(rng, 50, 0)[0] for _ in range(2_000)])
    drawn, counts = np.unique(keys, return_counts=True)
    assert set(drawn.tolist()) <= expected.keys()
    got = dict(zip(drawn.tolist(), counts.tolist(), strict=True))
    observed = [got.get(key, 0) for key in expected]
    assert min(expected.values()) * len(keys) > 5  # or else chi-square says nothing
    assert stats.chisquare(observed, [p * len(keys) for p in expected.values()]).pvalue > 1e-3


@pytest.mark.parametrize("kind", SPECS)
def test_exponent_0_is_uniform_over_valid_rows_with_weights_1(kind):
    *_, (selector, naive) = play(kind, 2, 4, 3, 40, 150, exponent=0, beta=(1, 1, 0))
    keys, weights = selector.draw(generator(0, "memory"), 100_000, 0)
    drawn, counts = np.unique(keys, return_counts=True)
    store = selector.rows.store
    valid = np.arange(*store.span())
    assert drawn.tolist() == valid[store.valid(valid)].tolist() == sorted(naive.error)
    assert (weights == 1).all() and weights.dtype == np.float32
    assert stats.chisquare(counts).pvalue > 1e-3


def test_proportional_probabilities_by_hand():
    selector, _ = filled("proportional", [0.5, -2.0, 0.0], exponent=2, epsilon=0.5)  # p = 1, 2.5, 0.5
    assert chances(selector) == pytest.approx({0: 1 / 7.5, 1: 6.25 / 7.5, 2: 0.25 / 7.5})


def test_rank_probabilities_by_hand():
    selector, _ = filled("rank", [0.2, -9.0, 0.1, 3.0, 0.7])
    assert chances(selector) == pytest.approx({1: 60 / 137, 3: 30 / 137, 4: 20 / 137, 0: 15 / 137, 2: 12 / 137})
    selector, _ = filled("rank", [0.2, -9.0, 0.1, 3.0, 0.7], exponent=0.7)
    shares = {1: 1.0, 3: 0.615572, 4: 0.463463, 0: 0.378929, 2: 0.324131}  # their sum is 2.782096
    hand = {1: 0.359441, 3: 0.221262, 4: 0.166588, 0: 0.136203, 2: 0.116506}
    assert {key: share / 2.782096 for key, share in shares.items()} == pytest.approx(hand, rel=1e-5)
    assert chances(selector) == pytest.approx(hand, rel=1e-5)


def test_an_exponent_that_falls_with_the_frames():
    """alpha 1 at frame 0, 1/2 at 500, 0 at 1,000 and after: shares of ranks 1, 2 and 3, drawn and seen."""
    selector, store = filled("rank", [3.0, 2.0, 1.0], exponent={"start": 1.0, "end": 0.0, "end_frames": 1_000})
    wanted = {0: [6, 3, 2], 500: [1, 2**-0.5, 3**-0.5], 1_000: [1, 1, 1], 7_000: [1, 1, 1]}
    for frame, shares in wanted.items():
        selector.draw(generator(0, "memory"), 2, frame)
        _, seen = selector.seen()
        assert seen == pytest.approx(np.array(shares) / sum(shares))
        assert np.diff(selector.sums[:3], prepend=0) / selector.sums[2] == pytest.approx(seen)
        twin = select("rank", store, exponent={"start": 1.0, "end": 0.0, "end_frames": 1_000})
        twin.load_state_dict(selector.state_dict())
        assert (twin.exponent, twin.seen()[1].tolist()) == (selector.exponent, seen.tolist())


def test_of_equal_errors_the_oldest_row_ranks_first():
    store = memory(rows=5)
    selector = select("rank", store)
    for _ in range(9):
        add(store, selector)
    selector.draw(generator(0, "memory"), 1, 0)
    assert list(chances(selector)) == [4, 5, 6, 7]  # row 5 lies in slot 0


@pytest.mark.parametrize("exponent", [0.0, 0.7])
def test_how_often_is_sorted_changes_no_draw(exponent, monkeypatch):
    keys = []
    for every in (1, 5, 10**9):
        turns = itertools.count(1)
        monkeypatch.setattr(Ranking, "crowded", lambda ranking, every=every, turns=turns: next(turns) % every == 0)
        end = [s for s, _ in play("rank", 3, 4, 3, 200, 1_000, exponent)][-1]
        keys.append(end.draw(generator(0, "memory"), 500, 0)[0])
    assert np.array_equal(keys[0], keys[1]) and np.array_equal(keys[0], keys[2])


def test_ranks_are_sorted_when_too_much_has_come():
    rng = generator(0, "memory")
    store = memory(rows=3_000)
    selector = select("rank", store)
    for rows, expected in ((999, 999), (1_000, 0)):
        while store.count < rows + 1:
            add(store, selector)
        selector.draw(rng, 4, 0)
        assert len(selector.ranking.recent) - 1 == expected


# ---- strata and weights ----


@pytest.mark.parametrize("kind", SPECS)
def test_a_stratified_draw_takes_one_row_from_each_equal_share(kind):
    selector, _ = filled(kind, [1.0, 1.0, 1.0, 1.0], exponent=0, stratified=True)
    rng = generator(0, "memory")
    assert all(selector.draw(rng, 4, 0)[0].tolist() == [0, 1, 2, 3] for _ in range(50))


def test_the_strata_of_a_rank_draw_by_hand():
    """P = 60, 30, 20, 15, 12 of 137: half of it ends within rank 2."""
    selector, _ = filled("rank", [5.0, 4.0, 3.0, 2.0, 1.0], stratified=True)
    rng = generator(0, "memory")
    pairs = np.array([selector.draw(rng, 2, 0)[0] for _ in range(500)])
    assert np.unique(pairs[:, 0]).tolist() == [0, 1] and np.unique(pairs[:, 1]).tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("kind", "frame", "expected"),
    [  # smallest P over P = 1/4 (proportional), 1/3 (rank), to the power of beta = .4, .7, 1, 1
        ("proportional", 0, {0: 1.0, 1: 0.757858, 2: 0.574349}),
        ("proportional", 500, {0: 1.0, 1: 0.615572, 2: 0.378929}),
        ("proportional", 1_000, {0: 1.0, 1: 0.5, 2: 0.25}),
        ("proportional", 9_000, {0: 1.0, 1: 0.5, 2: 0.25}),
        ("rank", 0, {0: 1.0, 1: 0.850283, 2: 0.644394}),
        ("rank", 500, {0: 1.0, 1: 0.752898, 2: 0.463463}),
        ("rank", 1_000, {0: 1.0, 1: 0.666667, 2: 0.333333}),
    ],
)
@pytest.mark.parametrize("normalise", ["batch", "memory"])
def test_weights_by_hand_with_beta_annealed_by_frame(kind, frame, expected, normalise):
    selector, _ = filled(kind, [1.0, 2.0, 4.0], normalise=normalise, beta=(0.4, 1, 1_000))
    keys, weights = selector.draw(generator(0, "memory"), 200, frame)
    assert dict(zip(keys.tolist(), weights.tolist(), strict=True)) == pytest.approx(expected, rel=1e-5)
    assert weights.dtype == np.float32 and keys.dtype == np.int64


def test_the_largest_weight_is_1_in_the_batch_or_in_the_memory():
    for normalise, expected in (("batch", 1.0), ("memory", 0.001)):
        selector, _ = filled("proportional", [0.001, 1000.0], normalise=normalise)
        keys, weights = selector.draw(generator(0, "memory"), 3, 0)  # (1000 / 0.001) ** -0.5
        assert keys.tolist() == [1, 1, 1] and weights == pytest.approx([expected] * 3)


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize("beta", [None, (0, 0, 0)])
def test_beta_0_weighs_nothing(kind, beta):
    selector, _ = filled(kind, [1.0, 2.0, 4.0], beta=beta)
    assert (selector.draw(generator(0, "memory"), 100, 0)[1] == 1).all()


# ---- new rows, updates ----


def test_a_new_row_has_the_largest_priority_ever_seen():
    selector, store = filled("proportional", [0.25, 6.0, 0.5])
    selector.update(np.array([1]), np.array([0.5]))  # the maximum never falls
    add(store, selector)
    selector.state_dict()
    assert chances(selector) == pytest.approx({0: 0.25 / 7.25, 1: 0.5 / 7.25, 2: 0.5 / 7.25, 3: 6 / 7.25})


def test_a_new_row_ranks_with_the_largest_error_ever_seen():
    selector, store = filled("rank", [0.25, 6.0, 0.5])
    selector.update(np.array([1]), np.array([0.75]))
    add(store, selector)
    selector.state_dict()
    assert list(chances(selector)) == [3, 1, 2, 0]


@pytest.mark.parametrize("clipped", [0, 1, 300, 1_000])
def test_a_new_row_ranks_before_all_rows_of_clipped_error(clipped):
    store = memory(rows=1_200)
    selector = select("rank", store, maximum=1.0)
    for _ in range(1_001):
        add(store, selector)
    selector.update(np.arange(1_000), np.where(np.arange(1_000) < clipped, 7.0, 0.5))
    add(store, selector)
    errors, _ = selector.seen()
    assert next(iter(chances(selector))) == 1_000 and len(errors) == 1_001
    assert errors.max() == 1.0 and (errors == 1.0).sum() == clipped + 1  # what is told of it is the largest error
    add(store, selector)
    selector.state_dict()
    assert list(chances(selector))[:2] == [1_000, 1_001]  # the older of two
    selector.update(np.array([1_000]), np.array([0.1]))
    ranked = list(chances(selector))
    assert (ranked[0], ranked[-1]) == (1_001, 1_000)


def first_draws(share: float) -> np.ndarray:
    """Rows added between a row's own and its first draw of 4 for each row; a share of all errors is clipped."""
    rng, store = np.random.default_rng(0), memory(rows=3_000)
    selector = select("rank", store, maximum=1.0, exponent=0.7, stratified=True)
    for _ in range(2_001):
        add(store, selector)
    selector.update(np.arange(2_000), np.where(rng.random(2_000) < share, 5.0, 0.5 * rng.random(2_000)))
    waits: dict[int, int] = {}
    for now in range(2_000, 2_600):
        add(store, selector)
        keys, _ = selector.draw(rng, 4, 0)
        for key in keys.tolist():
            waits.setdefault(key, now - key)
        selector.update(keys, np.where(rng.random(4) < share, 5.0, 0.5 * rng.random(4)))
    return np.array([waits.get(key, 600) for key in range(2_000, 2_300)])


def test_clipped_errors_do_not_keep_new_rows_waiting():
    waits = {share: np.median(first_draws(share)) for share in (0.0, 0.1, 0.5)}
    assert waits[0.1] <= waits[0.0] + 5 and waits[0.5] <= waits[0.0] + 5


def test_before_any_update_all_rows_have_priority_1():
    for kind in SPECS:
        selector, _ = filled(kind, [0.5, 0.5, 0.5, 0.25])
        assert selector.largest == 1.0
    fresh, _ = filled("proportional", [])
    add(fresh.rows.store, fresh)
    fresh.state_dict()
    assert fresh.tree.total == 1.0


def test_a_row_may_be_drawn_once_its_window_is_stored():
    store = memory(window=3)
    selector = select("proportional", store)
    seen = []
    for t in range(7):
        add(store, selector, first=[t == 0], last=[t == 2])
        selector.state_dict()
        seen.append(sorted(chances(selector)))
    assert seen == [[], [], [], [0], [0, 1], [0, 1], [0, 1, 3]]  # row 2 is the last of its episode


@pytest.mark.parametrize("kind", SPECS)
def test_an_update_of_overwritten_keys_is_ignored(kind):
    store = memory(rows=10)
    selector = select(kind, store)
    for _ in range(10):
        add(store, selector)
    selector.update(np.arange(9), np.full(9, 0.5))
    for _ in range(4):  # overwrites rows 0 to 3, after they were drawn, say
        add(store, selector)
    before = chances(selector) if selector.state_dict() else {}
    selector.update(np.array([0, 1, 2, 3]), np.array([50.0, 60.0, 70.0, 80.0]))
    assert chances(selector) == before and selector.largest == 1.0
    assert sorted(before) == [4, 5, 6, 7, 8, 9, 10, 11, 12]
    selector.update(np.array([3, 4]), np.array([50.0, 60.0]))
    assert selector.largest == 60.0 and max(chances(selector), key=chances(selector).get) == 4


@pytest.mark.parametrize("kind", SPECS)
def test_of_equal_keys_in_one_update_the_last_counts(kind):
    selector, _ = filled(kind, [1.0, 1.0, 1.0])
    selector.update(np.array([0, 2, 0, 2, 0]), torch.tensor([9.0, 1.0, 8.0, 4.0, 2.0]))
    expected = {0: 2 / 7, 1: 1 / 7, 2: 4 / 7} if kind == "proportional" else {2: 6 / 11, 0: 3 / 11, 1: 2 / 11}
    assert chances(selector) == pytest.approx(expected)


def test_errors_are_clipped_before_epsilon_is_added():
    selector, _ = filled("proportional", [1.0, 500.0], maximum=100, epsilon=1.0)
    assert selector.tree.leaves()[:2].tolist() == [2.0, 101.0] and selector.largest == 101.0


@pytest.mark.parametrize("kind", SPECS)
def test_errors_that_are_not_finite_change_nothing(kind):
    selector, _ = filled(kind, [1.0, 2.0, 4.0])
    before = chances(selector)
    selector.update(np.array([0, 1, 2]), np.array([np.nan, np.inf, -np.inf]))
    assert chances(selector) == before and selector.largest == 4.0


# ---- nothing to draw, state ----


@pytest.mark.parametrize("kind", SPECS)
def test_nothing_to_draw_is_an_error_and_not_a_hang(kind):
    store = memory(window=3)
    selector = select(kind, store)
    rng = generator(0, "memory")
    for _ in range(4):
        with pytest.raises(LookupError, match="before the memory holds one window"):
            selector.draw(rng, 4, 0)
        add(store, selector, last=[True])
    with pytest.raises(LookupError, match="no row at which a transition starts"):
        selector.draw(rng, 4, 0)
    add(store, selector), add(store, selector), add(store, selector), add(store, selector)
    assert selector.draw(rng, 2, 0)[0].tolist() == [4, 4]


def test_priorities_that_are_all_zero_are_an_error_that_names_epsilon():
    selector, _ = filled("proportional", [0.0, 0.0])
    with pytest.raises(LookupError, match="epsilon"):
        selector.draw(generator(0, "memory"), 4, 0)


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize("normalise", ["batch", "memory"])
def test_a_memory_comes_back_and_draws_the_same_for_ever(kind, normalise):
    def fresh() -> Replay:
        store = memory(streams=2, stack=4, window=3, rows=50)
        settings = {"exponent": 0.6, "epsilon": 1e-3, "stratified": True, "normalise": normalise}
        return Replay(store, select(kind, store, **settings), generator(1, "memory"), 16, torch.device("cpu"))

    def iteration(replay: Replay, t: int) -> tuple[list[int], list[float]]:
        rng = np.random.default_rng(t)
        flags = [(t + b) % 13 == 12 for b in range(2)], [(t + b) % 13 == 0 for b in range(2)]
        add(replay.store, replay.select, *flags)
        if t < 10 or t % 3:
            return [], []
        batch = replay.draw(t)
        replay.update(batch.key, torch.from_numpy(rng.random(16).astype(np.float32)))
        return batch.key.tolist(), batch.weight.tolist()

    one = fresh()
    for t in range(121):  # 120 is a multiple of 3; row 121 comes after the last draw
        iteration(one, t)
    iteration(one, 121)
    saved, two = decode(encode(one.state_dict())), fresh()
    two.store.insert(72, one.store.extract(72, 122))
    two.load_state_dict(saved)
    for t in range(122, 400):
        assert iteration(one, t) == iteration(two, t), t
    ends = [encode(replay.state_dict()["select"]) for replay in (one, two)]
    assert str(ends[0]) == str(ends[1])


def test_saved_state_does_not_change_with_the_memory():
    for kind in SPECS:
        selector, _ = filled(kind, [1.0, 2.0, 4.0])
        saved = selector.state_dict()
        before = str(encode(saved))
        selector.update(np.array([0, 1]), np.array([30.0, 40.0]))
        assert str(encode(saved)) == before
