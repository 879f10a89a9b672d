"""AC(lambda): updates against a numpy reference with gradients by hand, its parts, and how it acts."""

import numpy as np
import pytest
import torch
from scipy import stats

from agents.build import build
from agents.losses.policy import entropy, log_probability
from agents.nets.layers import dsilu
from agents.optim.rmsprop import RMSprop
from agents.policy.ac_lambda import sample
from agents.rng import generator
from agents.run.checkpoint import Checkpoints
from agents.run.loop import Run
from agents.spec.optimizer import RMSprop as RMSpropSpec
from tests.agents.specs import actor_input, spec

GAMMA, BETA, FLOOR, RATE, DECAY, EPSILON = 0.99, 0.01, 1e-4, 2**-11, 0.999, 1e-4


def plan(**changes):
    """The shipped algorithm, without hidden layers unless `changes` say otherwise."""
    small = {"network__convolutions": [], "network__units": []}
    clocks = {"learning__clock__start_frames": 1, "learning__target_every_frames": None, "memory__capacity_steps": 10}
    return spec("ac_lambda_minatar", **{**small, **clocks, **changes})


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max())
    return e / e.sum()


class Reference:
    """The paper's update for v = w x + c and pi = softmax(W x + b), written out in float64."""

    def __init__(self, weights: dict[str, np.ndarray], lam: float):
        self.theta = {name: array.astype(float) for name, array in weights.items()}
        self.lam, self.frame = lam, 0
        self.trace = {name: np.zeros_like(array) for name, array in self.theta.items()}
        self.square = {name: np.zeros_like(array) for name, array in self.theta.items()}

    def value(self, x: np.ndarray) -> float:
        return float(self.theta["w"] @ x + self.theta["c"])

    def policy(self, x: np.ndarray) -> np.ndarray:
        return softmax(self.theta["W"] @ x + self.theta["b"])

    def potential_gradient(self, x: np.ndarray, action: int) -> dict[str, np.ndarray]:
        p = self.policy(x)
        logit = 0.5 * p[action] / (p[action] + FLOOR) * (np.eye(len(p))[action] - p)
        return {"w": x, "c": np.ones(()), "W": np.outer(logit, x), "b": logit}

    def entropy_gradient(self, x: np.ndarray) -> dict[str, np.ndarray]:
        p = self.policy(x)
        by_p = -(np.log(p + FLOOR) + p / (p + FLOOR))
        logit = p * (by_p - p @ by_p)
        return {"w": np.zeros_like(x), "c": np.zeros(()), "W": np.outer(logit, x), "b": logit}

    def learn(self, x: np.ndarray, action: int, reward: float, terminal: bool, x_next: np.ndarray, first: bool) -> None:
        delta = reward + (0 if terminal else GAMMA * self.value(x_next)) - self.value(x)
        fresh, spread = self.potential_gradient(x, action), self.entropy_gradient(x_next)
        self.frame += 1
        for name, theta in self.theta.items():
            if self.lam == 0:
                direction = delta * fresh[name]  # plain actor-critic: no memory at all
            else:
                self.trace[name] = fresh[name] + (0 if first else GAMMA * self.lam) * self.trace[name]
                direction = delta * self.trace[name]
            g = direction + BETA * spread[name]
            self.square[name] = DECAY * self.square[name] + (1 - DECAY) * g**2
            spread_out = self.square[name] / (1 - DECAY ** (self.frame + 1))
            self.theta[name] = theta + RATE * g / np.sqrt(spread_out + EPSILON)


def weights(network) -> dict[str, np.ndarray]:
    head = network.head
    pairs = {"w": head.value.weight[0], "c": head.value.bias[0], "W": head.policy.weight, "b": head.policy.bias}
    return {name: tensor.detach().numpy().copy() for name, tensor in pairs.items()}


@pytest.mark.parametrize("lam", [0.8, 0.0])
@pytest.mark.parametrize("cap", [None, 6])  # episodes end by termination, or all by truncation
def test_updates_equal_the_reference_at_every_step(lam, cap, tmp_path):
    run = Run(plan(agent__trace_decay=lam, environment__cap_frames=cap), Checkpoints(tmp_path, {}, print))
    actor, memory, learner = run.parts.actor, run.parts.memory, run.parts.learner
    reference = Reference(weights(learner.agent.online), lam)
    before, steps, ends = dict(reference.theta), [], 0
    for _ in range(60):
        steps.append(actor.step())
        memory.add(steps[-1])
        while memory.select.ready:
            at = int(memory.select.ready[0])
            learner.learn(memory.draw(run.frame))
            one, two = steps[at], steps[at + 1]
            x, x_next = (s.obs.ravel().astype(float) for s in (one, two))
            reference.learn(x, one.action[0], one.reward[0], one.discount[0] == 0, x_next, one.first[0])
            ends += bool(two.last[0])
            for name, array in weights(learner.agent.online).items():
                expected = reference.theta[name]
                near = np.abs(array - expected) <= np.maximum(1e-4 * np.abs(expected), 2e-6)  # as approx, and quicker
                assert array.shape == expected.shape and near.all(), (at, name)
    assert ends >= 3 and learner.updates >= 45
    assert np.abs(reference.theta["W"] - before["W"]).max() > 0.002


def test_the_first_step_of_an_episode_forgets_the_last_one():
    learner = build(plan()).learner
    obs = torch.randint(0, 2, (2, 1, 4, 10, 10), dtype=torch.uint8)
    from agents.step import Batch

    def batch(first: bool) -> Batch:
        one = torch.ones(1, 1)
        begins = torch.tensor([[first], [False]])
        return Batch(obs, torch.tensor([[2]]), one, 0.99 * one, begins, begins & False, one[0], {}, np.zeros(1))

    def trace_after(*firsts: bool) -> torch.Tensor:
        for first in firsts:
            learner.learn(batch(first))
        return learner.agent.traces[learner_index(learner)].clone()

    fresh = obs[0].flatten().float()
    assert torch.equal(trace_after(True)[0], fresh)  # of v = w x: x
    assert "learned_td_error" in learner.read()  # td_error[…] is the probe's: of the memory
    assert trace_after(False)[0] == pytest.approx(fresh * (1 + 0.99 * 0.8))
    assert trace_after(False)[0] == pytest.approx(fresh * (1 + 0.792 + 0.792**2))
    assert torch.equal(trace_after(True)[0], fresh)


def learner_index(learner) -> int:
    """Where the value's weight stands among the parameters."""
    value = learner.agent.online.head.value.weight
    return next(k for k, p in enumerate(learner.agent.step.parameters) if p is value)


def test_actions_are_drawn_in_proportion_to_the_policy():
    p = np.array([[0.05, 0.0, 0.6, 0.25, 0.1, 0.0], [0.5, 0.5, 0.0, 0.0, 0.0, 0.0]], np.float32)
    rng = generator(3, "exploration")
    drawn = np.stack([sample(p, rng) for _ in range(20_000)])
    for i, row in enumerate(p):
        counts = np.bincount(drawn[:, i], minlength=6)
        assert (counts[row == 0] == 0).all()
        assert stats.chisquare(counts[row > 0], row[row > 0] / row.sum(dtype=float) * 20_000).pvalue > 1e-3


def test_an_agent_acts_by_its_policy_with_epsilon_on_top():
    agent = build(plan()).learner.agent
    with torch.no_grad():
        agent.online.head.policy.weight.zero_()
        agent.online.head.policy.bias.copy_(torch.tensor([2.0, 0, 0, 1, 0, 0]))
    obs, rng = torch.zeros(5_000, 4, 10, 10, dtype=torch.uint8), generator(1, "exploration")
    policy = softmax(np.array([2.0, 0, 0, 1, 0, 0]))
    for epsilon in (0.0, 0.4):
        counts = np.bincount(agent.act(actor_input(obs), epsilon, rng).action, minlength=6)
        assert stats.chisquare(counts, 5_000 * ((1 - epsilon) * policy + epsilon / 6)).pvalue > 1e-3
    marks = [generator(2, "exploration") for _ in range(2)]
    agent.act(actor_input(obs), 0.0, marks[0]), agent.act(actor_input(obs), 1.0, marks[1])
    assert marks[0].random() == marks[1].random()  # as many draws, used or not


def test_logarithms_of_probabilities_are_bounded_by_the_floor():
    logits = torch.tensor([[0.0, np.log(3.0), -200.0]], dtype=torch.float64)
    for action, p in enumerate((0.25, 0.75, 0.0)):
        assert log_probability(logits, torch.tensor([action]), 1e-4).item() == pytest.approx(np.log(p + 1e-4))
    assert entropy(logits, 0.1).item() == pytest.approx(-0.25 * np.log(0.35) - 0.75 * np.log(0.85))
    assert entropy(torch.zeros(2, 4), 0.0).tolist() == pytest.approx([np.log(4)] * 2)


def test_dsilu_is_the_derivative_of_silu():
    x = torch.linspace(-6, 6, 101, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(torch.nn.functional.silu(x).sum(), x)
    assert torch.allclose(dsilu(x), gradient, atol=1e-12) and torch.autograd.gradcheck(dsilu, x)


def test_debiased_rmsprop_is_the_authors():
    part = RMSpropSpec(kind="rmsprop", lr=0.1, epsilon=0.01, decay=0.9, centered=False, form="debiased")
    w = torch.nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
    optimizer, expected, square = RMSprop(part, [w]), 1.0, 0.0
    for k, g in enumerate((2.0, -1.0, 0.5), start=1):
        square = 0.9 * square + 0.1 * g * g
        expected -= 0.1 * g / (square / (1 - 0.9 ** (k + 1)) + 0.01) ** 0.5
        w.grad = torch.tensor([g], dtype=torch.float64)
        optimizer.step()
    assert w.item() == pytest.approx(expected, rel=1e-12)


def test_hidden_layers_are_shared_and_there_is_no_target_network():
    agent = build(plan(network__convolutions=[[16, 3, 1]], network__units=[128])).learner.agent
    assert not hasattr(agent, "target")
    names = {name: tuple(p.shape) for name, p in agent.online.named_parameters() if "weight" in name}
    assert sorted(names.values()) == sorted([(16, 4, 3, 3), (128, 1024), (6, 128), (1, 128)])
    assert agent.online.layers[-1] is agent.online.head.policy and agent.online.layers[-2] is agent.online.head.value
    x = torch.randint(0, 2, (3, 4, 10, 10), dtype=torch.uint8)
    conv, hidden = agent.online.torso.layers[0], agent.online.head.features.layers[0]
    features = torch.nn.functional.silu(torch.nn.functional.conv2d(x.float(), conv.weight, conv.bias)).flatten(1)
    h = hidden(features)
    s = torch.sigmoid(h)
    h = s * (1 + h * (1 - s))
    out = agent.online(x)
    assert torch.allclose(out.logits, agent.online.head.policy(h), atol=1e-5) and out.logits.shape == (3, 6)
    assert torch.allclose(out.value, agent.online.head.value(h)[:, 0], atol=1e-5) and out.value.shape == (3,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network__head": "plain"}, "ac_lambda needs network.head actor_critic"),
        ({"environment__streams": 2}, "one stream as it goes"),
        ({"memory__select": {"kind": "uniform"}}, "one stream as it goes"),
        ({"network__shared_bias": True}, "heads of action values"),
        ({"record__norms": {"kind": "spectral", "layers": [-4], "power_steps": 1}}, "beyond the network's 2 layers"),
    ],
)
def test_specs_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        plan(**changes)
    with pytest.raises(ValueError, match="dqn needs network"):
        spec(network__head="actor_critic")
