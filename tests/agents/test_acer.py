"""ACER: Retrace, truncated weights and the trust region by hand, the replay of trajectories, and the average policy."""

import math

import numpy as np
import pytest
import torch

from agents.losses.retrace import projected, retrace, truncated_weights, trust_region_loss
from agents.memory.store import FrameStore
from agents.memory.trajectories import Trajectories
from agents.nets.policy import PolicyQ
from agents.policy.acer import ACER
from agents.rng import generator
from agents.run.checkpoint import Checkpoints
from agents.run.loop import Run
from agents.spec.memory import TrajectoriesSelect
from agents.step import Batch, SequenceSpec
from tests.agents.specs import given, spec
from tests.agents.test_memory import SHAPE, history


def column(*numbers: float) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float64)[:, None]


def row(*numbers: float) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float64)[None, None]


# ---------------------------------------------------------------- Retrace


VALUES, TAKEN = column(0.3, 0.8, 0.1, 0.6), column(0.5, 1, -0.2)
REWARD, RATIO = column(1, 0, 2), column(2, 0.5, 1.5)
ALL = torch.ones(3, 1, dtype=torch.bool)


@pytest.mark.parametrize(
    ("ended", "wanted"),
    [
        (None, (2.715205, 2.86506, 2.594)),
        (1, (1.297, 0, 2.594)),
        (2, (2.424115, 2.277, 2)),
    ],
)
def test_retrace_by_hand(ended, wanted):
    discount = torch.full_like(REWARD, 0.99)
    if ended is not None:
        discount[ended] = 0.0
    found = retrace(VALUES, TAKEN, REWARD, discount, RATIO, ALL)
    assert found.flatten().tolist() == pytest.approx(wanted, abs=1e-6)


def test_a_cut_episode_is_bootstrapped_from_its_last_row():
    acted, discount, reward = ALL.clone(), torch.full_like(REWARD, 0.99), REWARD.clone()
    acted[1], discount[1], reward[1] = False, 1.0, 0.0  # the row of its final observation
    found = retrace(VALUES, TAKEN, reward, discount, RATIO, acted)
    assert found[0].item() == pytest.approx(1 + 0.99 * 0.8) and found[2].item() == pytest.approx(2.594)


# ---------------------------------------------------------------- the policy's gradient


LOGITS = row(1, 0, -1)
PI, MU, Q = LOGITS.softmax(-1), row(0.05, 0.05, 0.9), row(1, 2, 0.5)


def ascent(weights: torch.Tensor) -> torch.Tensor:
    """The gradient of sum_a w(a) log pi(a) by the logits."""
    logits = LOGITS.clone().requires_grad_()
    return torch.autograd.grad((weights * logits.log_softmax(-1)).sum(), logits)[0]


@pytest.mark.parametrize(
    ("c", "correction", "wanted"),
    [
        (10.0, 0.248393, (6.015576, -4.397738, -1.617837)),
        (5.0, 0.624196, (2.985550, -2.182612, -0.802938)),
    ],
)
def test_truncated_weights_by_hand(c, correction, wanted):
    weights, part = truncated_weights(PI, MU, Q, torch.zeros(1, 1, dtype=torch.int64), torch.full((1, 1), 3.0), c)
    value = (PI * Q).sum().item()
    assert value == pytest.approx(1.199713, abs=1e-6)
    assert part.flatten()[0].item() == pytest.approx(correction * PI[0, 0, 0].item() * (1 - value), abs=1e-6)
    assert ascent(weights).flatten().tolist() == pytest.approx(wanted, abs=1e-5)
    if c == 10:
        assert part.flatten()[1:].tolist() == [0.0, 0.0]  # rho(1) = 4.9


@pytest.mark.parametrize("c", [1.0, 5.0, 10.0, 1e30])
def test_what_is_truncated_is_corrected_in_the_mean(c):
    """With Q^ret = Q, over the actions of mu: the policy gradient itself, whatever c."""
    total = torch.zeros(1, 1, 3, dtype=torch.float64)
    for action in range(3):
        weights, part = truncated_weights(PI, MU, Q, torch.full((1, 1), action), Q[..., action], c)
        total += MU[0, 0, action] * (weights - part)
    wanted = ascent(total + part).flatten().tolist()
    assert wanted == pytest.approx([-0.132857, 0.195853, -0.062996], abs=1e-6)


# pi = (.6, .3, .1), the average (.3, .3, .4), the third action with advantage -2: w = (0, 0, -2)
P, AVERAGE, WEIGHTS = row(0.6, 0.3, 0.1), row(0.3, 0.3, 0.4), row(0, 0, -2)


def downhill(weights: torch.Tensor, statistics: str, delta: float = 1.0) -> list[float]:
    """The direction that a step down the loss takes in logits."""
    logits = P.log().clone().requires_grad_()
    loss = trust_region_loss(logits, AVERAGE, weights, delta, statistics)
    assert loss.shape == (1, 1)
    return (-torch.autograd.grad(loss.sum(), logits)[0]).flatten().tolist()


def test_the_trust_region_by_hand():
    z = projected(WEIGHTS / P, -AVERAGE / P, 1.0)
    assert z.flatten().tolist() == pytest.approx([2.289855, 4.579710, -1.681159], abs=1e-6)
    assert (z * -AVERAGE / P).sum().item() == pytest.approx(1.0)
    assert downhill(WEIGHTS, "probabilities") == pytest.approx([-0.173913, 0.6, -0.426087], abs=1e-6)
    assert downhill(WEIGHTS, "logits") == pytest.approx([1.2, 0.6, -1.8])  # k . g = 0.9 is within it
    assert downhill(WEIGHTS, "probabilities", 1e9) == pytest.approx([1.2, 0.6, -1.8])
    for statistics in ("probabilities", "logits"):  # towards the average there is no bound
        assert downhill(-WEIGHTS, statistics) == pytest.approx([-1.2, -0.6, 1.8])


def test_where_the_policies_agree_nothing_is_divided_by_zero():
    logits = P.log().clone().requires_grad_()
    loss = trust_region_loss(logits, P, WEIGHTS, 1.0, "logits")
    assert (-torch.autograd.grad(loss.sum(), logits)[0]).flatten().tolist() == pytest.approx([1.2, 0.6, -1.8])


# ---------------------------------------------------------------- the whole loss


class Table(torch.nn.Module):
    """A network whose outputs are given: logits and q [T + 1, B, A]."""

    core = None

    def __init__(self, logits: torch.Tensor, q: torch.Tensor):
        super().__init__()
        self.logits, self.q = torch.nn.Parameter(logits), torch.nn.Parameter(q)

    def resample(self, rng) -> None:
        pass

    def unroll(self, obs: torch.Tensor, *_):
        return PolicyQ(self.logits[: len(obs)], self.q[: len(obs)]), None


def two_steps(**changes):
    """Policy uniform over 2 actions, Q = (0, 2), (2, 4), (6, 6), so V = 1, 3, 6; gamma 0.5; rewards 1 and 2."""
    fields = {"agent__entropy_weight": 0.0, "agent__q_weight": 0.5, "agent__unroll": 2, "agent__radius": 1e9}
    q = torch.tensor([[[0.0, 2.0]], [[2.0, 4.0]], [[6.0, 6.0]]])
    net = Table(torch.zeros(3, 1, 2), q)
    agent = ACER(small(**fields | changes).agent, given(net, 2))
    none = torch.zeros(3, 1, dtype=torch.bool)
    batch = Batch(
        obs=torch.zeros(3, 1, 1),
        action=torch.tensor([[0], [1]]),
        reward=torch.tensor([[1.0], [2.0]]),
        discount=torch.full((2, 1), 0.5),
        first=none,
        last=none,
        weight=torch.ones(1),
        extras={"logits": torch.tensor([[[0.25, 0.75]], [[0.5, 0.5]], [[0.5, 0.5]]]).log()},
        key=np.zeros(1, np.int64),
    )
    return agent, net, batch


def test_the_loss_of_two_steps_by_hand():
    agent, net, batch = two_steps()
    loss, learned = agent.loss(batch)
    # Q^ret_1 = 2 + 0.5 * 6 = 5; Q^ret_0 = 1 + 0.5 (1 (5 - 4) + 3) = 3; ratios 2 and 1
    critic = 0.5 * ((3 - 0) ** 2 + (5 - 4) ** 2) / 2
    assert learned.metrics["baseline_loss"].item() == pytest.approx(critic)
    loss.backward()
    assert net.q.grad[:, 0].flatten().tolist() == pytest.approx([-0.5 * 3 / 2, 0, 0, -0.5 * 1 / 2, 0, 0])
    # w = rho (Q^ret - V) = 2 * 2 and 1 * 2; d log pi(a) / d logits = 1 - 1/2
    assert net.logits.grad[:, 0].flatten().tolist() == pytest.approx([-1, 1, 0.5, -0.5, 0, 0])
    assert learned.metrics["policy_loss"].item() == pytest.approx((4 + 2) * math.log(2) / 2)
    assert learned.metrics["corrected"] == 0 and learned.priorities.tolist() == [3.0]


def test_the_entropy_has_its_gradient_inside_the_projection():
    agent, net, batch = two_steps(agent__entropy_weight=0.3, agent__truncation=1e-6)
    with torch.no_grad():
        net.logits.copy_(torch.tensor([[[1.0, 0.0]]]).expand(3, 1, 2))
        net.q.zero_()
        batch = batch._replace(reward=torch.zeros(2, 1))
    loss, _ = agent.loss(batch)
    loss.backward()
    logits = torch.tensor([1.0, 0.0], requires_grad=True)
    spread = torch.distributions.Categorical(logits=logits).entropy()
    wanted = torch.autograd.grad(-0.3 * spread / 2, logits)[0]
    torch.testing.assert_close(net.logits.grad[0, 0], wanted)


def test_the_average_policy_follows():
    agent, net, batch = two_steps(agent__average_decay=0.75)
    before = [p.detach().clone() for p in agent.networks["average"].parameters()]
    agent.learn(batch)
    after = agent.networks["average"].parameters()
    for average, old, new in zip(after, before, net.parameters(), strict=True):
        torch.testing.assert_close(average, 0.75 * old + 0.25 * new)
    assert not torch.equal(net.logits, agent.networks["average"].logits)


# ---------------------------------------------------------------- the memory


@pytest.mark.parametrize(("ratio", "start"), [(0.0, 0), (4.0, 0), (4.0, 120), (0.5, 0)])
def test_new_windows_once_and_in_order_and_others_between(ratio, start):
    streams, window, rows, steps = 3, 4, 50, history(400, 3, seed=1)
    sequence_spec = SequenceSpec(window, tuple(range(window + 1)), cross_episodes=True, bootstrap_on_current=True)
    store = FrameStore(rows * streams, streams, SHAPE, np.uint8, 1, sequence_spec, 0.9)
    select = Trajectories(TrajectoriesSelect(kind="trajectories", replay_ratio=ratio, start_steps=start), store)
    rng, new, counts = generator(0, "memory"), [], []
    for t, step in enumerate(steps[:-1]):
        store.add(step)
        store.see(steps[t + 1].obs, steps[t + 1].first, steps[t + 1].last)
        due = select.due(0, streams)
        assert (due > 0) == ((t + 1) % window == 0)
        for number in range(due):
            keys, weight = select.draw(rng, streams, 0)
            assert weight.tolist() == [1.0] * streams
            if number == 0:
                new += keys.tolist()
                continue
            assert (keys // streams % window == 0).all() and (keys // streams + window <= store.count).all()
            assert (keys // streams >= store.count + 1 - rows).all() and store.count * streams >= start
        counts += [due - 1] if due and store.count * streams >= start else []
        assert select.left == 0
    assert new == [k * window * streams + b for k in range(len(new) // streams) for b in range(streams)]
    assert (counts[0] == 0 or start > 0) and np.mean(counts) == pytest.approx(ratio, abs=0.4 + 0.1 * ratio)
    assert ratio == 0 or np.var(counts) == pytest.approx(ratio, rel=0.5)


# ---------------------------------------------------------------- runs


SMALL = {
    "learning__target_every_frames": None,
    "environment__streams": 4,
    "learning__batch": 4,
    "agent__unroll": 5,
    "network__units": [16],
    "network__convolutions": [[4, 3, 1]],
    "memory__select__start_steps": 100,
}


def small(**changes):
    return spec("acer_minatar", **SMALL | changes)


def test_it_trains_on_and_off_policy(tmp_path):
    run = Run(small(), Checkpoints(tmp_path, {}, print))
    while run.frame < 1000:
        assert run.iterate()
    rows = run.recorder.tables()["learning"].to_pylist()
    means = {name: [row["value"] for row in rows if row["metric"] == name] for name in ("replay_ratio", "ratio_mean")}
    assert 3 < np.mean(means["replay_ratio"][2:]) < 7 and len(means["ratio_mean"]) == 10
    assert means["ratio_mean"][0] == pytest.approx(1, abs=1e-3)  # on-policy: replay starts later
    assert run.parts.learner.updates > 100 and run.finite()


def test_the_batch_that_is_new_has_ratios_of_one(tmp_path):
    run = Run(small(memory__select__replay_ratio=0), Checkpoints(tmp_path, {}, print))
    while run.frame < 400:
        assert run.iterate()
    rows = run.recorder.tables()["learning"].to_pylist()
    assert {round(row["value"], 4) for row in rows if row["metric"] == "ratio_mean"} == {1.0}
    assert {row["value"] for row in rows if row["metric"] == "policy_lag"} == {0.0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"network__core": {"kind": "lstm", "before": [], "units": 8, "inputs": True}},
            "network.core lstm needs an agent that learns from sequences, not agent acer",
        ),
        (
            {"memory__select": {"kind": "fifo", "replay_share": 0.0}, "memory__select__start_steps": ...},
            "agent acer learns from trajectories: memory.select trajectories, not fifo",
        ),
        ({"network__head": "actor_critic"}, "agent acer needs network.head actor_q, not actor_critic"),
        ({"learning__batch": 6}, "learning.batch must be a multiple of environment.streams times memory.copies, 4"),
        ({"executor": {"kind": "hogwild", "actors": 4}}, "executor hogwild needs agent actor_critic"),
        ({"agent__radius": 0.0}, "greater than 0"),
        ({"agent__average_decay": 1.0}, "average_decay"),  # an average that never leaves the first policy
        ({"evaluation__epsilon": 0.1}, "agent acer samples its policy"),
    ],
)
def test_what_does_not_go_with_it_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=message):
        small(**changes)


def test_trajectories_are_for_acer():
    select = {"kind": "trajectories", "replay_ratio": 4, "start_steps": 0}
    with pytest.raises(ValueError, match=r"memory\.select trajectories is for agent acer, not actor_critic"):
        spec("a2c_minatar", learning__target_every_frames=None, memory__select=select)
