"""Gradient penalty and batch normalisation: values against autograd by hand and torch's own layers."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from agents.build import build
from agents.losses.penalty import Gradient, Nothing
from agents.nets.normalisation import Batch
from tests.agents.specs import actor_input, learned_from, spec
from tests.agents.test_parts import batch

BATCH = {"network__normalisation": "batch"}
PENALTY = {"agent__penalty": {"kind": "gradient", "weight": 1.5, "norm": 0.7}}


def test_the_penalty_of_a_two_layer_network_is_the_hand_written_one():
    """q = c . relu(W x): dq/dx = W^T (c on); d penalty / dc_k = 2 weight mean (|g| - norm) / |g| <g, W_k> on_k."""
    torch.manual_seed(0)
    w, c = torch.randn(5, 3, dtype=torch.float64), torch.randn(5, dtype=torch.float64)
    w.requires_grad_(), c.requires_grad_()
    penalty = Gradient(weight=1.5, norm=0.7)
    x = penalty.watch(torch.randn(4, 3, dtype=torch.float64))
    loss = penalty.terms((x @ w.t()).relu() @ c, x)["penalty"]
    loss.backward()
    with torch.no_grad():
        on = (x @ w.t() > 0).double()  # [4, 5]
        g = (on * c) @ w  # [4, 3]
        norm = g.norm(dim=1, keepdim=True)
        pull = (2 * 1.5 * (norm - 0.7) * g / norm / 4).nan_to_num()  # d loss / d g; 0 where all units are off
        assert loss.item() == pytest.approx(1.5 * (norm - 0.7).square().mean().item(), rel=1e-6)
        assert torch.allclose(c.grad, (pull @ w.t() * on).sum(0), rtol=1e-5)
        assert torch.allclose(w.grad, torch.einsum("bk,bi->ki", on * c, pull), rtol=1e-5)
    assert x.grad is None or not x.grad.isnan().any()


def test_a_slope_of_zero_leaves_finite_gradients():
    c = torch.zeros(3, requires_grad=True)
    penalty = Gradient(weight=1.0, norm=2.0)
    x = penalty.watch(torch.ones(2, 3))
    loss = penalty.terms(x @ c, x)["penalty"]
    loss.backward()
    assert loss.item() == pytest.approx(4, rel=1e-4) and c.grad.isfinite().all()


@pytest.mark.parametrize("changes", [{}, {"network__head": "dueling"}, BATCH])
def test_the_agents_penalty_is_that_of_the_taken_actions(changes):
    """Against finite differences of the network, and beside an unchanged Q-learning term."""
    data = batch()
    plain, alone, _ = learned_from(build(spec(**changes)).learner.agent, data)
    agent = build(spec(**PENALTY, **changes)).learner.agent
    reference = copy.deepcopy(agent.online).double()
    both, learned, _ = learned_from(agent, data)
    penalty = learned.metrics["penalty"].item()
    assert "penalty" not in alone.metrics and penalty > 0
    assert learned.metrics["loss"].item() == pytest.approx(plain, rel=1e-5) and both == pytest.approx(plain + penalty)
    assert torch.allclose(learned.priorities, alone.priorities, rtol=1e-5, atol=1e-6)
    if changes != BATCH:  # there a sample's slope depends on the others
        x, h = data.obs[0].double(), 1e-6
        total = 0.0
        for i in range(len(x)):
            steps = torch.eye(x[i].numel(), dtype=torch.float64).view(-1, *x.shape[1:]) * h
            with torch.no_grad():
                up, down = (reference.values(x[i] + sign * steps)[:, data.action[0, i], 0] for sign in (1, -1))
            total += (((up - down) / (2 * h)).norm().item() - 0.7) ** 2
        # a float32 first layer is kinked: pixels are 0 or 1, and biases 0, so few units sit on their kink
        assert penalty == pytest.approx(1.5 * total / len(x), rel=0.05)


def test_a_gradient_penalty_pulls_the_slope_towards_its_norm():
    run = spec(optimizer__lr=1e-3, agent__penalty={"kind": "gradient", "weight": 1.0, "norm": 2.0})
    learner, data = build(run).learner, batch()
    first = learner.agent.loss(data)[1].metrics["penalty"].item()
    for _ in range(200):
        learner.learn(data)
    assert learner.agent.loss(data)[1].metrics["penalty"].item() < 0.01 * first
    assert learner.read()["penalty"] > 0


def test_no_penalty_leaves_the_input_alone():
    x = torch.ones(2)
    assert Nothing().watch(x) is x and not x.requires_grad and Nothing().terms(x, x) == {}


@pytest.mark.parametrize(("ours", "theirs"), [(Batch(3), nn.BatchNorm1d(3)), (Batch(3), nn.BatchNorm2d(3))])
def test_batch_normalisation_is_torchs_in_training_and_in_evaluation(ours, theirs):
    torch.manual_seed(0)
    shape = (6, 3) if isinstance(theirs, nn.BatchNorm1d) else (6, 3, 4, 4)
    with torch.no_grad():
        for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            other.copy_(mine.normal_())
    for _ in range(3):
        x = torch.randn(shape) * 2 + 1
        assert torch.equal(ours(x), theirs(x))
    for name in ("running_mean", "running_var"):
        assert torch.equal(getattr(ours, name), getattr(theirs, name))
    theirs.eval()
    before = ours.running_mean.clone()
    with torch.no_grad():  # training mode, but nobody learns from this pass
        assert torch.equal(ours(x), theirs(x))
    ours.eval()
    assert torch.equal(ours(x), theirs(x)) and torch.equal(ours.running_mean, before)


def test_only_the_learned_pass_moves_the_running_statistics_and_the_target_gets_them():
    learner = build(spec(**BATCH, agent__selector="online", learning__target_every_frames=12)).learner  # 3 updates
    online, target = learner.agent.online, learner.agent.target
    assert len(online.torso.norms) == 1 and len(online.head.features.norms) == 1 and len(online.layers) == 3
    weight, data = online.layers[0].weight.detach().clone(), batch()
    mean, hidden = online.torso.norms[0].running_mean, online.head.features.norms[0].running_mean
    learner.agent.act(actor_input(data.obs[0]), 0.0, np.random.default_rng(0))
    with torch.no_grad():
        online(data.obs[1]), target(data.obs[1])
    assert not mean.any() and not hidden.any()
    learner.learn(data)
    before_norm = nn.functional.conv2d(data.obs[0].float(), weight)  # zero biases; the passes at s' leave no trace
    assert torch.allclose(mean, 0.1 * before_norm.mean((0, 2, 3)), atol=1e-6) and hidden.any()
    assert not target.head.features.norms[0].running_mean.any()
    learner.learn(data), learner.learn(data)
    assert torch.equal(target.head.features.norms[0].running_mean, hidden)
    assert "head.features.norms.0.running_var" in learner.state_dict()["agent"]["networks"]["online"]


def test_acting_on_one_observation_equals_acting_on_many():
    agent = build(spec(**BATCH)).learner.agent
    for _ in range(5):
        agent.loss(batch())
    obs = batch().obs[0]
    with torch.inference_mode():
        assert torch.allclose(agent.online(obs[:1]), agent.online(obs)[:1], atol=1e-6)
