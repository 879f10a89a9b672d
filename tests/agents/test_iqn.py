"""IQN: the embedding, the loss with N and N' of their own, and who draws the levels (arXiv:1806.06923)."""

import copy
import math
from functools import partial

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional as F

from agents.build import build
from agents.dqn import DQN
from agents.losses.implicit import Implicit
from agents.losses.munchausen import Munchausen
from agents.losses.returns import n_step
from agents.nets.heads import Hidden
from agents.nets.implicit import Implicit as ImplicitHead
from agents.nets.implicit import cosines
from agents.nets.layers import Linear
from agents.nets.network import fan_in_uniform_
from agents.nets.normalisation import none
from agents.rng import generator, rng_state
from agents.run.evaluate import evaluate
from agents.step import Batch
from tests.agents.specs import actor_input, spec

VALUE = {"kind": "implicit", "samples": 3, "target_samples": 4, "acting_samples": 5, "kappa": 1.0}
SMALL = {"agent__value": VALUE, "network__convolutions": [[4, 3, 1]], "network__units": [8]}
MUNCHAUSEN = {"kind": "munchausen", "temperature": 0.03, "alpha": 0.9, "lowest": -1.0}


def test_the_cosines_by_hand():
    tau = torch.tensor([0.25])
    assert cosines(tau, 1, 4)[0].tolist() == pytest.approx([0.707107, 0.0, -0.707107, -1.0], abs=1e-6)
    assert cosines(tau, 0, 4)[0].tolist() == pytest.approx([1.0, 0.707107, 0.0, -0.707107], abs=1e-6)


def test_the_loss_and_its_gradient_by_hand():
    z = torch.tensor([[0.0, 1.0]], requires_grad=True)
    tau, target = torch.tensor([[0.25, 0.75]]), torch.tensor([[0.5, 2.0]], requires_grad=True)
    loss, priority = Implicit(2, 2, 1, 1.0).loss(z, torch.zeros(1), torch.ones(1), target.detach(), tau)
    # pairs: 0.25 * (0.125, 1.5), and 0.25 * 0.125 below the prediction, 0.75 * 0.5 above it
    assert loss.item() == priority.item() == pytest.approx(0.40625)
    loss.sum().backward()
    assert z.grad[0].tolist() == pytest.approx([-0.1875, -0.3125])


def test_more_targets_than_predictions():
    tau, z, target = torch.tensor([[0.25, 0.75]]), torch.tensor([[0.0, 1.0]]), torch.tensor([[0.5, 2.0, -1.0]])
    nothing, one = torch.zeros(1), torch.ones(1)
    # each prediction: 0.03125 + 0.375 + 0.375, a mean over three, summed over two
    assert Implicit(2, 3, 1, 1.0).loss(z, nothing, one, target, tau)[0].item() == pytest.approx(2 * 0.78125 / 3)
    # kappa 2: Huber 0.125, 2, 0.5 and 0.125, 0.5, 2, divided by 2
    found = Implicit(2, 3, 1, 2.0).loss(z, nothing, one, target, tau)[0].item()
    first, second = 0.25 * 0.125 + 0.25 * 2 + 0.75 * 0.5, 0.25 * 0.125 + 0.75 * 0.5 + 0.25 * 2
    assert found == pytest.approx((first + second) / 3 / 2)


def test_three_step_targets_by_hand():
    reward, discount = torch.tensor([[1.0], [0.0], [1.0]]), torch.full((3, 1), 0.99)
    z, tau, nxt = torch.tensor([[2.46525, 3.920698]]), torch.tensor([[0.5, 0.5]]), torch.tensor([[0.5, 2.0]])
    loss, _ = Implicit(2, 2, 1, 1.0).loss(z, *n_step(reward, discount), nxt, tau)
    gap = F.smooth_l1_loss(z[0, 0], z[0, 1]).item()
    assert loss.item() == pytest.approx(0.5 * 2 * gap / 2, abs=1e-6)  # no error but between the two


def pairs(z, tau, target, kappa):
    """sum_i mean_j of one sample, one pair after the other."""
    total = 0.0
    for zi, t in zip(z, tau, strict=True):
        for y in target:
            u = (y - zi).detach()
            huber = F.huber_loss(zi, y.detach(), delta=kappa) / kappa
            total = total + abs(t.item() - (u.item() < 0)) * huber / len(target)
    return total


@pytest.mark.parametrize("kappa", [0.5, 1.0])
def test_the_loss_is_that_of_every_pair(kappa):
    rng = torch.Generator().manual_seed(0)
    z, target = torch.randn(5, 3, generator=rng, requires_grad=True), torch.randn(5, 7, generator=rng)
    tau, reward = torch.rand(5, 3, generator=rng), torch.randn(5, generator=rng)
    discount = torch.tensor([0.99, 0.0, 0.9, 0.0, 1.0])
    found, _ = Implicit(3, 7, 1, kappa).loss(z, reward, discount, target, tau)
    rows = zip(z, tau, reward[:, None] + discount[:, None] * target, strict=True)
    expected = torch.stack([pairs(*row, kappa) for row in rows])
    assert torch.allclose(found, expected, atol=1e-6)
    grads = [torch.autograd.grad(total.sum(), z, retain_graph=True)[0] for total in (found, expected)]
    assert torch.allclose(*grads, atol=1e-6)


def test_the_head_multiplies_features_with_the_embedding():
    torch.manual_seed(0)
    head = ImplicitHead(partial(Hidden, Linear, none, 6, [7], F.relu), Linear, 4, 1, False, 5, 1)
    x, tau = torch.randn(3, 6), torch.rand(3, 2)
    found = head(x, tau)
    assert found.shape == (3, 4, 2) and [layer.in_features for layer in head.layers] == [5, 6, 7]
    for b in range(3):
        for n in range(2):
            waves = torch.tensor([math.cos(math.pi * i * tau[b, n].item()) for i in range(1, 6)])
            phi = F.relu(head.embedding(waves))
            assert torch.allclose(found[b, :, n], head.plain((x[b] * phi)[None])[0, :, 0], atol=1e-6)


def test_dopamines_initialisation_has_its_variance():
    weight = torch.empty(64, 9, 8, 8)
    fan_in_uniform_(weight)
    bound = 3**0.25 / math.sqrt(9 * 64)
    assert 0.99 * bound < weight.abs().max() <= bound
    assert weight.var().item() == pytest.approx(1 / (math.sqrt(3) * 9 * 64), rel=0.05)
    online = build(spec("iqn_minatar", **SMALL)).learner.agent.online
    assert all(not layer.bias.any() and layer.weight.any() for layer in online.layers)


def batch(n: int, b: int = 6) -> Batch:
    rng = torch.Generator().manual_seed(3)
    obs = (torch.rand(2, b, 4, 10, 10, generator=rng) < 0.2).to(torch.uint8)
    action, reward = torch.randint(6, (n, b), generator=rng), torch.randn(n, b, generator=rng)
    discount = torch.full((n, b), 0.99)
    discount[0, 1] = 0.0
    no = torch.zeros(n + 1, b, dtype=torch.bool)
    return Batch(obs, action, reward, discount, no, no, torch.rand(b, generator=rng), {}, np.arange(b))


def agent_of(algorithm: str = "iqn_minatar", **changes) -> DQN:
    agent = build(spec(algorithm, **SMALL | changes)).learner.agent
    with torch.no_grad():
        for parameter in agent.target.parameters():
            parameter.mul_(1.5)  # so that the two networks disagree
    return agent


@pytest.mark.parametrize("selector", ["target", "online"])
@pytest.mark.parametrize("n", [1, 3])
def test_the_agents_loss_written_out(selector, n):
    agent, data = agent_of(agent__selector=selector, agent__n_step=n), batch(n)
    assert isinstance(agent, DQN)
    draws = torch.Generator()
    draws.set_state(agent.noise.get_state())
    if selector == "target":
        valued, chosen = torch.rand(6, 9, generator=draws).split([4, 5], 1)
    else:
        valued, chosen = torch.rand(6, 4, generator=draws), torch.rand(6, 5, generator=draws)
    tau = torch.rand(6, 3, generator=draws)
    loss, learned = agent.loss(data)
    assert torch.equal(agent.noise.get_state(), draws.get_state())
    returns, factors = n_step(data.reward, data.discount)
    total = 0.0
    for i in range(6):
        now, nxt = data.obs[0, i : i + 1], data.obs[1, i : i + 1]
        chooser = agent.networks[selector](nxt, chosen[i : i + 1])[0].mean(-1)
        following = agent.target(nxt, valued[i : i + 1])[0, chooser.argmax()]
        z = agent.online(now, tau[i : i + 1])[0, data.action[0, i]]
        one = pairs(z, tau[i], returns[i] + factors[i] * following, 1.0)
        assert learned.priorities[i].item() == pytest.approx(one.item(), rel=1e-4)
        total = total + data.weight[i] * one / 6
    assert loss.item() == pytest.approx(total.item(), rel=1e-4)
    parameters = list(agent.online.parameters())
    grads = zip(*(torch.autograd.grad(each, parameters) for each in (loss, total)), strict=True)
    assert all(torch.allclose(one, other, rtol=1e-3, atol=1e-6) for one, other in grads)
    agent.learn(data)
    assert all(parameter.grad is None for parameter in agent.target.parameters())
    assert agent.online.head.embedding.weight.grad.abs().sum() > 0


def test_it_acts_on_the_mean_of_fresh_levels_that_the_callers_generator_draws():
    agent, obs = agent_of(), batch(1).obs[0]
    before, rng, twin = agent.noise.get_state(), generator(0, "exploration"), generator(0, "exploration")
    seen = []
    agent.online.head.register_forward_hook(lambda _, inputs, output: seen.append(inputs[1]))
    first, second = (agent.act(actor_input(obs), 0.0, rng).action for _ in range(2))
    assert [tau.shape for tau in seen] == [(6, 5)] * 2 and not torch.equal(*seen)
    assert len(seen[0].unique()) == 30
    for action, tau in zip((first, second), seen[:2], strict=True):
        assert action.tolist() == agent.online(obs, tau).mean(-1).argmax(-1).tolist()
    agent.act(actor_input(obs), 1.0, twin)  # all at random: no draw hangs on what was decided
    agent.act(actor_input(obs), 1.0, twin)
    assert rng_state(rng) == rng_state(twin)
    agent.outputs(obs)
    assert torch.equal(agent.noise.get_state(), before)


def test_an_evaluation_is_the_same_each_time_and_moves_no_draw_of_learning():
    run = spec("iqn_minatar", **SMALL, evaluation__episodes=2, evaluation__streams=2, evaluation__cap_frames=50)
    parts = build(run)
    agent, before = parts.learner.agent, parts.learner.agent.noise.get_state()
    one, two = (evaluate(run, agent, parts.device, 1, lambda: True) for _ in range(2))
    assert one == two and torch.equal(agent.noise.get_state(), before)


def test_its_levels_are_part_of_the_state():
    agent, data = agent_of(), batch(3)
    state = copy.deepcopy(agent.state_dict())
    first = agent.learn(data).metrics["loss"]
    agent.load_state_dict(state)
    assert agent.learn(data).metrics["loss"] == first
    assert agent.learn(data).metrics["loss"] != first


@pytest.mark.parametrize("selector", ["target", MUNCHAUSEN])
def test_it_learns_the_quantiles_of_a_noisy_reward(selector):
    """Rewards of 0 and 1, each as often, and no discount: the quantile function is a step at one half."""
    agent = agent_of(
        agent__selector=selector,
        agent__n_step=1,
        agent__value=VALUE | {"samples": 16, "kappa": 0.02},
        optimizer__lr=3e-3,
    )
    data = batch(1, 32)
    data.obs[:] = 1
    data.action.zero_()
    data.discount.zero_()
    data.reward[:] = (torch.arange(32) % 2).float()
    for _ in range(300):
        agent.learn(data._replace(weight=torch.ones(32)))
    z = agent.online(data.obs[0, :1], torch.tensor([[0.1, 0.25, 0.75, 0.9]]))[0, 0]
    shift = 0.0 if selector == "target" else z[0].item()  # Munchausen's term moves all of it
    assert z[:2].tolist() == pytest.approx([shift] * 2, abs=0.25)
    assert z[2:].tolist() == pytest.approx([1 + shift] * 2, abs=0.25)


@pytest.mark.parametrize(
    ("algorithm", "changes", "names"),
    [
        ("iqn_minatar", {"network__head": "dueling"}, ["agent.value implicit", "network.head implicit", "dueling"]),
        ("dqn_minatar_sn", {"agent__value": VALUE}, ["agent.value implicit", "network.head implicit", "plain"]),
        (
            "dqn_minatar_sn",
            {"network__head": {"kind": "implicit", "cosines": 4, "first": 0}},
            ["network.head implicit", "agent.value implicit", "scalar"],
        ),
        (
            "r2d2_minatar",
            {"network__head": {"kind": "implicit", "cosines": 4, "first": 0}},
            ["network.head implicit", "agent dqn", "r2d2"],
        ),
        ("iqn_minatar", {"record__probes": [{"kind": "lipschitz", "states": 8}]}, ["lipschitz", "network.head plain"]),
        ("iqn_minatar", {"record__probes": [{"kind": "feature_rank", "states": 8}]}, ["feature_rank", "network.head"]),
        ("iqn_minatar", {"agent__value": VALUE | {"kappa": 0.0}}, ["kappa", "greater than 0"]),
        ("iqn_minatar", {"network__core": {"kind": "lstm", "before": [], "units": 8, "inputs": True}}, ["lstm", "dqn"]),
    ],
)
def test_what_does_not_go_with_it_is_refused_by_name(algorithm, changes, names):
    with pytest.raises(ValidationError) as error:
        spec(algorithm, **changes)
    assert all(name in str(error.value) for name in names)


def test_layers_are_counted_past_the_embedding():
    agent = agent_of()
    assert [type(layer).__name__ for layer in agent.online.layers] == ["Conv2d", "Linear", "Linear", "Linear"]
    assert spec("iqn_minatar", **SMALL).network.depth == 4 and isinstance(agent, DQN)
    assert isinstance(agent_of("m_iqn_minatar").bootstrap, Munchausen)
