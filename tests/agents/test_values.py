"""C51, QR-DQN, dueling, noisy layers, shared bias: against numbers worked out by hand or by explicit loops."""

from functools import partial

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from agents.build import build
from agents.losses.categorical import Categorical, project
from agents.losses.quantile import Quantile, quantile_huber
from agents.nets.heads import Dueling, Hidden, Plain
from agents.nets.layers import Linear
from agents.nets.noisy import Factorised, Independent
from agents.nets.normalisation import none
from tests.agents.specs import actor_input, spec, without_step
from tests.agents.test_parts import batch


def slow_projection(low, high, r, discount, p):
    """Algorithm 1 of Bellemare et al. 2017 with the fix for atoms hit exactly, one number at a time."""
    n = len(p)
    dz, m = (high - low) / (n - 1), np.zeros(n)
    for j in range(n):
        b = (min(max(r + discount * (low + j * dz), low), high) - low) / dz
        lower, upper = int(np.floor(b)), int(np.ceil(b))
        m[lower] += p[j] * (1.0 if lower == upper else upper - b)
        m[upper] += 0.0 if lower == upper else p[j] * (b - lower)
    return m


def test_projection_by_hand():
    p = torch.tensor([[0.0, 0.5, 0.5]])  # on -1, 0, 1
    out = project(-1.0, 1.0, torch.tensor([0.5]), torch.tensor([0.5]), p)
    # 0.5 + 0.5 * 0 = 0.5: half to 0, half to 1; 0.5 + 0.5 * 1 = 1: all to 1
    assert out.tolist() == [[0.0, 0.25, 0.75]]
    assert project(-1.0, 1.0, torch.tensor([5.0]), torch.tensor([0.9]), p).tolist() == [[0.0, 0.0, 1.0]]
    assert project(-1.0, 1.0, torch.tensor([0.0]), torch.tensor([1.0]), p).tolist() == p.tolist()  # b on atoms


@pytest.mark.parametrize(("low", "high", "atoms"), [(-10.0, 10.0, 51), (0.0, 100.0, 51), (-1.0, 0.3, 7)])
def test_projection_equals_the_papers_loop_and_keeps_mass(low, high, atoms):
    torch.manual_seed(0)
    p = torch.randn(200, atoms).mul(3).softmax(-1)
    r, discount = torch.randn(200) * (high - low) / 3, torch.rand(200)
    r[:20], discount[:10] = r[:20].round(), 0.0
    out = project(low, high, r, discount, p)
    assert torch.allclose(out.sum(-1), torch.ones(200), atol=1e-5) and (out >= 0).all()
    for i in range(200):
        expected = slow_projection(low, high, r[i].item(), discount[i].item(), p[i].double().numpy())
        assert np.allclose(out[i].numpy(), expected, atol=2e-5)


def test_terminal_projection_has_the_reward_as_its_mean():
    p = torch.full((1, 51), 1 / 51)
    out = project(-10.0, 10.0, torch.tensor([0.3]), torch.tensor([0.0]), p)
    assert (out @ torch.linspace(-10, 10, 51)).item() == pytest.approx(0.3, abs=1e-5)


def test_categorical_loss_is_the_cross_entropy_with_the_projected_target():
    value = Categorical(-1.0, 1.0, 3)
    raw, nxt = torch.tensor([[0.0, 1.0, 2.0]]), torch.tensor([[-100.0, 100.0, -100.0]])  # next: all mass on 0
    loss, priority = value.loss(raw, torch.tensor([0.5]), torch.tensor([0.5]), nxt)
    log_p = [x - np.log(np.exp([0.0, 1.0, 2.0]).sum()) for x in (0.0, 1.0, 2.0)]
    assert loss.item() == pytest.approx(-0.5 * log_p[1] - 0.5 * log_p[2], rel=1e-5) and priority.item() == loss.item()
    assert value.mean(nxt).item() == 0.0 and value.size == 3


def test_quantile_huber_by_hand():
    u, tau = torch.tensor([2.0, -2.0, 0.5, -0.5]), torch.tensor(0.25)
    # L: 1.5, 1.5, 0.125, 0.125; weight 0.25 above, 0.75 below
    assert quantile_huber(u, tau, 1.0).tolist() == [0.375, 1.125, 0.03125, 0.09375]
    assert quantile_huber(u, tau, 0.0).tolist() == [0.5, 1.5, 0.125, 0.375]
    assert quantile_huber(u, tau, 2.0)[0].item() == 0.25 * 2.0  # 0.5 u^2 at the edge; no division by kappa


def test_quantile_loss_by_hand():
    value = Quantile(2, 1.0)  # tau 0.25, 0.75
    loss, _ = value.loss(
        torch.tensor([[0.0, 1.0]]), torch.tensor([1.0]), torch.tensor([0.5]), torch.tensor([[0.0, 4.0]])
    )
    # targets 1 and 3. theta 0: u = 1, 3 -> 0.25 * (0.5 + 2.5) / 2; theta 1: u = 0, 2 -> 0.75 * (0 + 1.5) / 2
    assert loss.item() == pytest.approx(0.25 * 1.5 + 0.75 * 0.75)
    assert value.mean(torch.tensor([[[1.0, 2.0], [3.0, 5.0]]])).tolist() == [[1.5, 4.0]]


def test_dueling_combines_streams_for_every_number():
    torch.manual_seed(0)
    head, x = Dueling(partial(Hidden, Linear, none, 5, [7], F.relu), Linear, 4, 3, False), torch.randn(2, 5)
    v, a = head.value(x), head.advantage(x)
    assert head(x).shape == (2, 4, 3) and v.shape == (2, 1, 3)
    for action in range(4):
        expected = v[:, 0] + a[:, action] - (a[:, 0] + a[:, 1] + a[:, 2] + a[:, 3]) / 4
        assert torch.allclose(head(x)[:, action], expected, atol=1e-6)
    assert [layer.out_features for layer in head.layers] == [7, 7, 3, 12]


def test_a_shared_bias_is_the_same_for_all_actions():
    head = Plain(partial(Hidden, Linear, none, 5, [], F.relu), Linear, 4, 2, True)
    with torch.no_grad():
        head.output.weight.zero_()
        head.shared_bias.copy_(torch.tensor([1.0, 2.0]))
    assert head.output.bias is None and head(torch.randn(1, 5)).tolist() == [[[1.0, 2.0]] * 4]


@pytest.mark.parametrize("size", [3, 32])  # few inputs and many are computed differently
@pytest.mark.parametrize("kind", [Factorised, Independent])
def test_noisy_layers_are_the_papers_formula(kind, size):
    torch.manual_seed(0)
    layer, x = kind(6, 4, True, 0.5), torch.randn(size, 6)
    layer.resample(torch.Generator().manual_seed(1))
    if kind is Factorised:
        draw = torch.randn(10, generator=torch.Generator().manual_seed(1))
        f = draw.sign() * draw.abs() ** 0.5
        eps, eps_bias = torch.outer(f[6:], f[:6]), f[6:]
        assert layer.weight_sigma[0, 0].item() == pytest.approx(0.5 / 6**0.5)
        assert layer.weight.abs().max() <= 1 / 6**0.5
    else:
        draw = torch.randn(4, 7, generator=torch.Generator().manual_seed(1))
        eps, eps_bias = draw[:, :-1], draw[:, -1]
        assert layer.weight_sigma[0, 0].item() == 0.5 and 1 / 6**0.5 < layer.weight.abs().max() <= (3 / 6) ** 0.5
    weight = layer.weight + layer.weight_sigma * eps
    parameters = list(layer.parameters())
    bias = layer.bias + layer.bias_sigma * eps_bias
    y = x @ weight.t() + bias
    assert torch.allclose(layer(x), y, atol=1e-6)
    grads = (torch.autograd.grad(out.square().sum(), parameters) for out in (layer(x), y))
    assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-4) for a, b in zip(*grads, strict=True))
    layer.eval()
    assert torch.allclose(layer(x), x @ layer.weight.t() + layer.bias, atol=1e-6)


PLAIN = {"network__convolutions": [[12, 3, 1]]}  # of a size that has no compiled form
NOISY = {"network__linear": {"kind": "factorised", "sigma": 0.5}}


def test_noise_is_shared_by_a_batch_and_drawn_three_times_per_update_and_once_for_acting():
    agent = build(spec(agent__selector="online", **NOISY, **PLAIN)).learner.agent
    seen = {"online": [], "target": []}
    for name, network in (("online", agent.online), ("target", agent.target)):
        layer = network.layers[-1]
        network.head.register_forward_hook(lambda *_, n=name, own=layer: seen[n].append(own.eps_in.clone()))
    same = batch()._replace(obs=torch.ones(2, 4, 4, 10, 10, dtype=torch.uint8))
    q = agent.online(same.obs[0])
    assert torch.allclose(q, q[:1].expand_as(q), atol=1e-6)  # equal inputs, equal noise
    acting = agent.online.layers[-1].eps_in.clone()
    obs = same.obs[0]
    for _ in range(3):
        agent.act(actor_input(obs), 0.0, np.random.default_rng(0))
    assert torch.equal(agent.online.layers[-1].eps_in, acting)  # nothing changes between updates
    seen["online"].clear()
    agent.loss(same)[0].backward()
    selector, current = seen["online"]
    draws = [selector, current, seen["target"][0], agent.online.layers[-1].eps_in, acting]
    assert all(not torch.equal(a, b) for i, a in enumerate(draws) for b in draws[:i])
    assert agent.online.layers[-1].weight_sigma.grad.abs().sum() > 0


def test_evaluation_uses_means_unless_told_to_keep_the_noise():
    from agents.run.evaluate import evaluate

    for keeps in (False, True):
        run = spec(evaluation__noise=keeps, evaluation__episodes=1, evaluation__streams=1, **NOISY, **PLAIN)
        parts, modes = build(run), []
        parts.learner.agent.online.register_forward_pre_hook(lambda module, _, seen=modes: seen.append(module.training))
        evaluate(run, parts.learner.agent, parts.device, 0, lambda: True)
        assert set(modes) == {keeps} and parts.learner.agent.online.training


RAINBOW = {
    "agent__selector": "online",
    "agent__n_step": 3,
    "agent__value": {"kind": "categorical", "low": -10.0, "high": 10.0, "atoms": 51},
    "network__head": "dueling",
    "network__linear": {"kind": "factorised", "sigma": 0.5},
}


@pytest.mark.parametrize("missing", [None, *RAINBOW])
def test_rainbow_and_each_part_removed_learn_one_batch(missing):
    parts, data = build(spec(**{k: v for k, v in RAINBOW.items() if k != missing}, optimizer__lr=1e-3)), batch(3)
    if missing == "agent__n_step":
        data = batch(1)
    data.discount.zero_()
    losses = [float(without_step(parts.learner.agent, data).metrics["loss"])]
    for _ in range(150):
        parts.learner.learn(data)
    losses.append(float(without_step(parts.learner.agent, data).metrics["loss"]))
    assert losses[1] < 0.6 * losses[0]
