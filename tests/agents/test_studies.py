"""The Blind Cliffwalk and imbalanced digits against hand values and naive loops; their place beside training runs."""

import json
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError
from scipy.stats import ks_2samp

from agents import __main__ as program
from agents.offline import cliffwalk, corridor, digits
from agents.offline.cliffwalk import Greedy, Proportional, Q, Rank, Uniform, learn, memory, replay, transitions, truth
from agents.run.record import LOGGED
from agents.spec.base import Identified
from agents.spec.run import Spec, model_of
from tests.agents.specs import fields


def study(algorithm: str, game: str, budget: int, seed: int = 0, **agent) -> Identified:
    tree = fields(algorithm, **{f"agent__{name}": value for name, value in agent.items()})
    tree["environment"]["game"] = game
    tree |= {"version": 1, "seed": seed, "budget_frames": budget, "device": "cpu", "threads": 1}
    return model_of(tree).model_validate(tree)


def walk(budget: int = 30, seed: int = 0, **agent) -> Identified:
    return study("cliffwalk", "blind", budget, seed, **agent)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_memory_holds_all_sequences_of_actions():
    """n = 3: of 8 sequences 4 fail at once, 2 after one right action, 1 after two, 1 never: 4 + 2*2 + 3 + 3 = 14."""
    assert [transitions(n) for n in (2, 3, 16)] == [6, 14, 131_070]
    for n in (2, 3, 7):
        naive: Counter[int] = Counter()
        for sequence in range(2**n):
            for state in range(n):
                right = sequence >> state & 1
                naive[state if right else n + state] += 1
                if not right:
                    break
        assert Counter(memory(n, rng())) == naive and naive.total() == transitions(n)
        assert naive[n - 1] == 1


def test_the_true_values_by_hand():
    assert truth(2) == [0.5, 1, 0, 0]
    assert truth(3) == pytest.approx([4 / 9, 2 / 3, 1, 0, 0, 0])


def test_updates_by_hand():
    """n = 2, step 1/4: the reward's transition gives 1/4, then 7/16; state 0 then learns 1/4 of 1/2 * 7/16."""
    q = Q(walk().agent, 2, rng())
    assert [q.update(0), q.update(1), q.update(1), q.update(0)] == [0, 1, 0.75, 0.5 * 7 / 16]
    assert q.weight == [0.5 * 7 / 64, 7 / 16, 0, 0]
    assert q.wrong == pytest.approx(q.error()) == pytest.approx((0.5 - 3.5 / 64) ** 2 + (9 / 16) ** 2)


@pytest.mark.parametrize("values", ["tabular", "linear"])
def test_the_running_error_is_the_error(values):
    q, draws = Q(walk(values=values).agent, 5, rng(1)), rng(2)
    for pair in draws.integers(10, size=400):
        before, change = q.error(), q.step * q.delta(pair)
        growth = q.growth(pair, change)
        q.update(pair)
        assert q.wrong == pytest.approx(q.error(), abs=1e-12) and growth == pytest.approx(q.error() - before, abs=1e-12)


def test_linear_values_converge_to_the_truth():
    q = Q(walk(values="linear").agent, 3, rng(3))
    for pair in rng(4).integers(6, size=20_000):
        q.update(pair)
    assert [w + q.bias for w in q.weight] == pytest.approx(truth(3), abs=1e-9)


def test_the_oracle_takes_the_greatest_step():
    """At the start only the reward's transition helps; then its error shrinks by 3/4 a step until another is better."""
    q = Q(walk(select="oracle").agent, 4, rng())
    chosen = []
    for _ in range(12):
        chosen.append(q.best())
        gains = {}
        for pair in range(8):
            kept = q.weight[pair], q.wrong
            q.update(pair)
            gains[pair] = q.error()
            q.weight[pair], q.wrong = kept
        assert gains[chosen[-1]] == min(gains.values())
        q.update(chosen[-1])
    assert chosen[0] == 3 and 2 in chosen


def test_skipped_draws_change_nothing_in_distribution():
    """The geometric waits against draws one by one, n = 4: same distribution of the updates needed."""
    spec = walk().agent
    quick = [learn(spec, 4, rng(seed))[0] for seed in range(400)]
    naive = [replay(spec, Q(spec, 4, rng()), Uniform(memory(4, rng(s)), rng(1000 + s)))[0] for s in range(400)]
    assert ks_2samp(quick, naive).pvalue > 0.01
    assert np.mean(quick) == pytest.approx(np.mean(naive), rel=0.1)


def test_a_study_that_gives_up_says_so():
    assert learn(walk(cap_updates=10).agent, 8, rng()) == (10, False)
    assert learn(walk(cap_updates=10, select="greedy").agent, 8, rng()) == (10, False)
    assert learn(walk(cap_updates=10, select="oracle").agent, 8, rng()) == (10, False)


def test_greedy_sees_all_once_then_the_largest_then_the_oldest():
    choice = Greedy([7, 8, 9])
    drawn = []
    for size in (0.2, 0.5, 0.0, 0.1, 0.0, 0.0):
        drawn.append(choice.draw())
        choice.store(size)
    assert drawn == [7, 8, 9, 8, 7, 8]
    assert choice.draw() == 9  # of three zeros the one stored first


@pytest.mark.parametrize("kind", ["rank", "proportional"])
def test_stochastic_choices_have_their_probabilities(kind):
    """Four transitions with stored errors .8, .4, .2 and 0: their ranks are 1 to 4."""
    sizes, exponent = {0: 0.8, 1: 0.4, 2: 0.2, 3: 0.0}, 0.7
    pairs = list(sizes)
    choice = Rank(pairs, exponent, rng(5)) if kind == "rank" else Proportional(pairs, exponent, 0.01, rng(5))
    seen: Counter[int] = Counter()
    fresh = set(sizes)
    while fresh:
        pair = choice.draw()
        fresh.discard(pair)
        choice.store(sizes[pair])
    for _ in range(40_000):
        pair = choice.draw()
        choice.store(sizes[pair])
        seen[pair] += 1
    share = np.arange(1, 5.0) ** -exponent if kind == "rank" else (np.array(list(sizes.values())) + 0.01) ** exponent
    counts = [seen[pair] / 40_000 for pair in sizes]
    assert counts == pytest.approx(share / share.sum(), abs=0.01)


def test_a_walk_gives_a_row_for_each_memory_and_repeats_itself():
    rows, updates = cliffwalk.perform(walk(62, seed=3), lambda done: None)
    again, _ = cliffwalk.perform(walk(62, seed=3), lambda done: None)
    assert rows == again and cliffwalk.perform(walk(62, seed=4), lambda done: None)[0] != rows
    needed = {frame: mean for name, frame, mean, _ in rows if name == "updates_to_learn"}
    assert list(needed) == [6, 14, 30, 62] and sum(needed.values()) == updates
    assert {mean for name, _, mean, _ in rows if name == "updates_to_learn_censored"} == {0.0}


def test_an_oracle_of_linear_values_is_refused():
    with pytest.raises(ValidationError, match="an oracle needs tabular values"):
        walk(values="linear", select="oracle")


# ---------------------------------------------------------------- digits


def test_the_split_of_the_digits():
    (images, targets), (others, labels) = digits.split(0.01, rng())
    counts, tests = Counter(targets.tolist()), Counter(labels.tolist())
    all_of = {0: 178, 1: 182, 2: 177, 3: 183, 4: 181, 5: 182, 6: 181, 7: 179, 8: 174, 9: 180}  # of scikit-learn
    assert tests == {digit: count // 3 for digit, count in all_of.items()}
    assert counts == {d: 1 if d < 5 else count - count // 3 for d, count in all_of.items()}
    assert images.shape == (sum(counts.values()), 64) and 0 <= images.min() and images.max() == 1
    rows = {image.numpy().tobytes() for image in images}
    assert not [1 for image in others if image.numpy().tobytes() in rows]
    assert Counter(digits.split(1.0, rng())[0][1].tolist())[0] == 178 - 59


def imbalanced(budget: int = 400, **agent) -> Identified:
    return study("digits", "imbalanced", budget, **agent)


def test_the_memory_of_digits_draws_in_proportion_to_the_last_loss():
    spec = imbalanced(select={"kind": "proportional", "exponent": 1.0, "epsilon": 0.0}).agent
    store = digits.Memory(spec, 4, rng(1))
    store.store(np.array([0, 1, 2]), np.array([0.5, 3.0, 0.0]))
    assert store.shares.tolist() == [0.5, 3.0, 0.0, 3.0]  # the last one is unseen: like the largest
    store.store(np.array([3]), np.array([0.5]))
    drawn = np.bincount(store.draw(40_000), minlength=4) / 40_000
    assert drawn == pytest.approx([0.125, 0.75, 0, 0.125], abs=0.01)


def test_rare_digits_are_learned_when_their_gradient_is_scaled_up():
    def final(**agent) -> float:
        rows, updates = digits.perform(imbalanced(**agent), lambda done: None)
        assert updates == 400 and [r[1] for r in rows if r[0] == "test_error"] == [0, 100, 200, 300, 400]
        return [r[2] for r in rows if r[0] == "test_error"][-1]

    plain = final()
    assert plain == final() > 49  # the five rare digits are half of the test
    assert final(rare_weight=100.0) < plain - 10


# ---------------------------------------------------------------- corridor


def corridor_of(budget: int = 300, lengths: tuple[int, ...] = (2, 3, 2), actions: int = 5, **agent) -> Identified:
    tree = fields("corridor", **{f"agent__{name}": value for name, value in agent.items()})
    tree["environment"] |= {"game": "dueling", "lengths": list(lengths), "actions": actions}
    tree |= {"version": 1, "seed": 0, "budget_frames": budget, "device": "cpu", "threads": 1}
    return model_of(tree).model_validate(tree)


def test_the_corridor_leads_up_to_the_right_and_up():
    following = corridor.successors(corridor_of().environment)
    assert following[:, :4].tolist() == [  # up, down, left, right
        [1, 0, 0, 0], [1, 0, 1, 2], [2, 2, 1, 3], [3, 3, 2, 4], [5, 4, 3, 4], [6, 4, 5, 5], [7, 5, 6, 6],
    ]  # fmt: skip
    assert following[:, 4].tolist() == list(range(7))  # nothing is done


def test_values_of_a_policy_by_hand_and_by_its_own_equation():
    """Without exploration each step on is worth gamma^(steps left), and to stay gamma times that."""
    following = corridor.successors(corridor_of().environment)
    q = corridor.values_of(corridor.epsilon_greedy_policy(following, 0.0), following, 0.5)
    assert q[6].tolist() == [1.0, 0.25, 0.5, 0.5, 0.5] and q[0].tolist() == [2.0**-6, *4 * [2.0**-7]]
    policy = corridor.epsilon_greedy_policy(following, 0.3)
    assert policy[1].tolist() == pytest.approx([0.06, 0.06, 0.06, 0.76, 0.06])
    q = corridor.values_of(policy, following, 0.9)
    v = np.append((policy * q).sum(1), np.nan)
    for state, ahead in np.ndindex(7, 5):
        to = following[state, ahead]
        assert q[state, ahead] == pytest.approx(1.0 if to == 7 else 0.9 * v[to])


def test_two_streams_learn_values_of_many_actions_sooner():
    """Wang et al. 2016, Figure 3: the more actions do alike, the further apart."""

    def error(head: str) -> float:
        rows, updates = corridor.perform(corridor_of(400, (3, 4, 3), 20, head=head), lambda done: None)
        found = [row[2] for row in rows if row[0] == "squared_error"]
        assert updates == 400 and len(found) == 5 and found[-1] < found[0]
        return found[-1]

    assert error("dueling") == error("dueling") < 0.5 * error("single")


# ---------------------------------------------------------------- beside training runs


def test_the_kind_of_spec_follows_from_the_agent():
    assert model_of({"agent": {"kind": "dqn"}}) is model_of({}) is model_of(None) is Spec
    assert (walk().clock, imbalanced().clock, Spec.clock) == ("transitions", "updates", "frames")
    assert walk().name().startswith("q_learning.cliffwalk-blind.s0.")


def test_a_study_leaves_the_declared_outputs(tmp_path):
    spec = walk(30)
    assert program.main(["train", "--spec", spec.canonical(), "--results", str(tmp_path)]) == 0
    folder = tmp_path / "runs" / spec.name()
    facts = json.loads((folder / "run.json").read_text())
    assert (facts["status"], facts["frames"], facts["spec"]) == ("finished", 30, spec.model_dump(mode="json"))
    assert all(pq.read_table(folder / f"{name}.parquet").num_rows == 0 for name in LOGGED)
    summary = pq.read_table(folder / "summary.parquet").to_pylist()
    needed = [row["mean"] for row in summary if row["metric"] == "updates_to_learn"]
    assert len(needed) == 3 and facts["updates"] == sum(needed)
    assert not (tmp_path / "work" / spec.name()).exists()


def test_text_that_is_no_json_is_named(tmp_path, capsys):
    assert program.main(["train", "--spec", "{", "--results", str(tmp_path)]) == 78
    assert "the spec is wrong" in capsys.readouterr().err
