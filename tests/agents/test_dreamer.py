"""DreamerV2: its losses to the number, where gradients go, states that follow images, the size of the paper's nets."""

import math

import numpy as np
import pytest
import torch

from agents.build import build
from agents.losses import imagination
from agents.losses.latent import BalancedKL, Categorical, Gaussian, PlainKL, straight_through
from agents.losses.prediction import BernoulliImage, GaussianImage, discount_loss, reward_loss
from agents.nets.rssm import GatedCell
from agents.optim.adamw import AdamW
from agents.rng import generator
from agents.spec.optimizer import AdamW as AdamWSpec
from agents.step import ActorInput, Batch
from tests.agents.specs import spec

# q and p of two variables with three classes
Q = torch.tensor([[0.7, 0.2, 0.1], [0.5, 0.25, 0.25]]).log().flatten()
P = torch.tensor([[0.6, 0.3, 0.1], [1 / 3, 1 / 3, 1 / 3]]).log().flatten()
TWO = Categorical(2, 3)


def close(*values: float) -> torch.Tensor:
    return torch.tensor(values)


def column(*values: float) -> torch.Tensor:
    """[T, 1]."""
    return torch.tensor(values)[:, None]


# ---- latent states


def test_kl_and_entropy_of_categorical_beliefs():
    assert TWO.kl(Q, P).item() == pytest.approx(0.026812 + 0.058892, abs=1e-6)
    assert TWO.kl(Q, Q).item() == pytest.approx(0, abs=1e-7)
    assert TWO.entropy(P).item() == pytest.approx(0.897946 + math.log(3), abs=1e-6)


def test_kl_and_entropy_of_gaussian_beliefs():
    """By hand: softplus(0) = ln 2, softplus(ln(e - 1)) = 1; KL of N(1, 1.1) from N(0, ln 2 + 0.1)."""
    latent = Gaussian(1, "softplus", 0.1)
    q, p = torch.tensor([1.0, math.log(math.e - 1)]), torch.tensor([0.0, 0.0])
    one, other = 1.1, math.log(2) + 0.1
    assert latent.kl(q, p).item() == pytest.approx(math.log(other / one) + (one**2 + 1) / (2 * other**2) - 0.5)
    assert latent.entropy(q).item() == pytest.approx(1.418939 + math.log(1.1), abs=1e-6)
    assert Gaussian(1, "sigmoid2", 0.1).entropy(p).item() == pytest.approx(1.418939 + math.log(1.1), abs=1e-6)
    assert latent.sample(q, torch.tensor([2.0])).item() == pytest.approx(1 + 1.1 * 2)


def test_each_belief_receives_its_share_of_the_kl():
    def gradients(kl) -> tuple[torch.Tensor, torch.Tensor]:
        q, p = Q.clone().requires_grad_(), P.clone().requires_grad_()
        return torch.autograd.grad(kl.loss(TWO, q[None], p[None]), (q, p))

    whole_q, whole_p = gradients(PlainKL(0.0))
    part_q, part_p = gradients(BalancedKL(0.8, 0.0))
    assert torch.allclose(part_q, 0.2 * whole_q) and torch.allclose(part_p, 0.8 * whole_p)
    assert whole_p.abs().sum() > 0.1 and torch.allclose(whole_p, P.exp() - Q.exp(), atol=1e-6)
    assert BalancedKL(0.8, 0.0).loss(TWO, Q[None], P[None]).item() == pytest.approx(0.085704, abs=1e-6)


@pytest.mark.parametrize("kl", [PlainKL, lambda free: BalancedKL(0.8, free)])
def test_below_the_free_nats_there_is_no_gradient(kl):
    q, p = Q.clone().requires_grad_(), P.clone().requires_grad_()
    loss = kl(0.09).loss(TWO, q[None], p[None])
    assert loss.item() == pytest.approx(0.09)
    assert all(not gradient.any() for gradient in torch.autograd.grad(loss, (q, p)))
    mean = torch.stack([Q, P]), torch.stack([P, P])  # 0.0857 and 0: the mean counts, not each
    assert kl(0.05).loss(TWO, *mean).item() == pytest.approx(0.05)
    assert kl(0.04).loss(TWO, *mean).item() == pytest.approx(0.042852, abs=1e-6)


def test_a_straight_through_draw_is_one_hot_and_has_the_probabilities_gradient():
    logits = torch.tensor([0.5, 0.3, 0.2]).log()
    for noise, chosen in ((0.0, 0), (0.499, 0), (0.501, 1), (0.799, 1), (0.801, 2), (0.99999994, 2)):
        z = straight_through(logits, torch.tensor(noise))
        assert z.tolist() == [float(k == chosen) for k in range(3)]
    x = logits.clone().requires_grad_()
    factor = torch.tensor([1.0, -2.0, 5.0])
    z = straight_through(x, torch.tensor(0.6))
    assert z.tolist() == [0, 1, 0]
    (through,) = torch.autograd.grad((z * factor).sum(), x)
    (plain,) = torch.autograd.grad((x.softmax(-1) * factor).sum(), x)
    assert torch.equal(through, plain) and plain.abs().sum() > 0.1


def test_draws_are_as_frequent_as_they_should_be():
    latent, rng = Categorical(3, 4), torch.Generator().manual_seed(0)
    raw = torch.randn(12, generator=rng)
    drawn = latent.sample(raw.expand(20_000, -1), latent.noise((20_000,), rng))
    assert torch.allclose(drawn.mean(0), raw.view(3, 4).softmax(-1).flatten(), atol=0.015)
    assert torch.equal(drawn.view(-1, 3, 4).sum(-1), torch.ones(20_000, 3))


# ---- what the heads are asked to predict


def test_losses_of_the_heads():
    image, raw = torch.tensor([[[0.0, 1.0]]]), torch.tensor([[[0.5, -1.0]]])
    assert GaussianImage().loss(raw, image).item() == pytest.approx(0.5 * (0.25 + 4))
    expected = math.log(1 + math.exp(0.5)) + math.log(1 + math.exp(1.0))
    assert BernoulliImage().loss(raw, image).item() == pytest.approx(expected)
    assert BernoulliImage().mean(raw).flatten().tolist() == pytest.approx([0.622459, 0.268941], abs=1e-6)
    assert GaussianImage().mean(raw) is raw
    assert reward_loss(close(1.0, 0.0), close(0.0, 0.5)).tolist() == [0.5, 0.125]
    # a soft target: the least loss is where the head's mean is the discount itself
    logit = torch.tensor([math.log(0.99 / 0.01)]).requires_grad_()
    loss = discount_loss(logit, close(0.99))
    assert loss.item() == pytest.approx(0.056002, abs=1e-6)
    assert torch.autograd.grad(loss.sum(), logit)[0].abs().item() < 1e-6


# ---- what is imagined


def test_lambda_returns_and_their_indices():
    reward, discount = column(0, 1, 0), column(0.99, 0.99, 0.99)
    value = column(0.6, 0.7, 0.8)  # of states 1 to 3; that of state 0 has no part in it
    found = imagination.lambda_returns(reward, discount, value, 0.95)
    assert found.flatten().tolist() == pytest.approx([1.703344, 1.779526, 0.792], abs=1e-6)
    assert imagination.lambda_returns(reward, discount, value, 0.0).flatten().tolist() == pytest.approx(
        [0.99 * 0.6, 1 + 0.99 * 0.7, 0.99 * 0.8]
    )
    ended = imagination.lambda_returns(reward, column(0.99, 0, 0.99), value, 1.0)
    assert ended.flatten().tolist() == pytest.approx([0.99, 1, 0.792])


def test_weights_are_the_chance_that_a_state_is_reached():
    discount = column(0.5, 0.9, 0.1).requires_grad_()
    weight = imagination.weights(discount)
    assert weight.flatten().tolist() == pytest.approx([1, 0.5, 0.45]) and not weight.requires_grad


def test_the_actors_loss_mixes_two_gradients():
    log_pi, spread = column(-1.0, -2.0).requires_grad_(), column(0.5, 0.25)
    returns, baseline, weight = column(3.0, 1.0).requires_grad_(), column(1.0, 2.0), column(1.0, 0.5)

    def loss(rho: float) -> torch.Tensor:
        return imagination.actor_loss(log_pi, spread, returns, baseline, weight, rho, 0.1)

    assert loss(1.0).item() == pytest.approx(-((-2 + 0.05) + 0.5 * (2 + 0.025)) / 2)
    assert loss(0.0).item() == pytest.approx(-((3 + 0.05) + 0.5 * (1 + 0.025)) / 2)
    assert loss(0.25).item() == pytest.approx(0.25 * loss(1.0).item() + 0.75 * loss(0.0).item())
    policy, through = torch.autograd.grad(loss(0.25), (log_pi, returns))
    assert policy.flatten().tolist() == pytest.approx([-0.25 * 2 / 2, 0.25 * 0.5 / 2])
    assert through.flatten().tolist() == pytest.approx([-0.75 / 2, -0.75 * 0.5 / 2])


def test_the_critics_loss():
    values, returns = column(1.0, 2.0).requires_grad_(), column(3.0, 1.0).requires_grad_()
    loss = imagination.critic_loss(values, returns, column(1.0, 0.5))
    assert loss.item() == pytest.approx((2 + 0.25) / 2)
    assert torch.autograd.grad(loss, values)[0].flatten().tolist() == pytest.approx([-1, 0.25])


# ---- networks


def test_the_gated_cell_is_the_authors():
    cell = GatedCell(1, 2, normed=False)
    with torch.no_grad():
        cell.parts.weight.copy_(torch.arange(18).view(6, 3) / 10)
        cell.parts.bias.fill_(0.1)
    x, h = torch.tensor([[1.0]]), torch.tensor([[0.5, -0.5]])
    reset, candidate, update = (0.05, 0.35), (0.65, 0.95), (1.25, 1.55)  # 0.3 k + ... of [x, h], by hand
    expected = []
    for r, c, u, before in zip(reset, candidate, update, (0.5, -0.5), strict=True):
        gate = 1 / (1 + math.exp(1 - u))
        expected.append(gate * math.tanh(c / (1 + math.exp(-r))) + (1 - gate) * before)
    assert cell(x, h)[0].tolist() == pytest.approx(expected, abs=1e-6)


def test_weight_decay_is_a_share_of_each_parameter():
    weight = torch.nn.Parameter(torch.tensor([2.0, -4.0]))
    made = AdamW(AdamWSpec(kind="adamw", lr=0.1, epsilon=1e-8, beta1=0.9, beta2=0.999, decay=0.25), [weight])
    weight.grad = torch.tensor([0.0, 5.0])
    made.step()
    assert weight.tolist() == pytest.approx([1.5, -3.1])


def parameters(*networks: torch.nn.Module) -> int:
    return sum(p.numel() for net in networks for p in net.parameters())


def test_sizes_of_the_papers_networks():
    """22 million in all for Atari (section 3 and Table 3), counted with the critic's slow copy left out."""
    nets = build(spec("dreamerv2", game="pong", memory__capacity_steps=100)).learner.agent.networks
    ours = {name: parameters(nets[name]) for name in ("model", "actor", "critic")}
    assert sum(ours.values()) == pytest.approx(22e6, rel=0.05)
