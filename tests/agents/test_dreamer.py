"""DreamerV2: its losses to the number, where gradients go, states that follow images, the size of the paper's nets."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from agents.build import build
from agents.losses import imagination
from agents.losses.latent import BalancedKL, Categorical, Gaussian, PlainKL, straight_through
from agents.losses.prediction import BernoulliImage, GaussianImage, discount_loss, reward_loss
from agents.nets import decoders
from agents.nets.rssm import GatedCell, State
from agents.optim.adamw import AdamW
from agents.rng import generator
from agents.spec.optimizer import AdamW as AdamWSpec
from agents.spec.run import model_of
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
    """22 million in all for Atari (section 3 and Table 3), the critic's slow copy left out."""
    nets = build(spec("dreamerv2", game="pong", memory__capacity_steps=100)).learner.agent.networks
    ours = {name: parameters(nets[name]) for name in ("model", "actor", "critic")}
    assert sum(ours.values()) == pytest.approx(22e6, rel=0.05)
    nets = build(spec("dreamer_minatar")).learner.agent.networks
    assert sum(parameters(nets[name]) for name in ("model", "actor", "critic")) == pytest.approx(0.83e6, rel=0.01)


# ---- the agent

SMALL = {
    "agent__sequence": 5,
    "agent__starts": None,
    "agent__horizon": 4,
    "network__convolutions": [[2, 3, 1]],
    "network__latent": {"kind": "categorical", "variables": 3, "classes": 4},
    "network__deter": 8,
    "network__hidden": 8,
    "network__decoder": {"kind": "dense", "units": [8]},
    "network__heads": {"reward": [8], "discount": [], "actor": [8], "critic": [8]},
    "learning__batch": 3,
}
GAUSSIAN = {
    "network__latent": {"kind": "gaussian", "variables": 3, "form": "softplus", "least": 0.1},
    "network__cell": "gru",
    "agent__kl": {"kind": "plain", "free_nats": 0.0},
}


def agent_of(**changes):
    return build(spec("dreamer_minatar", **SMALL | changes)).learner.agent


def batch_of(agent, seed: int = 0, size: int = 3) -> Batch:
    """Sequences that end an episode at row 2: the episode's own end in column 1, cut short in column 2."""
    rng, length = torch.Generator().manual_seed(seed), agent.spec.sequence
    obs = torch.randint(0, 2, (length, size, 4, 10, 10), generator=rng, dtype=torch.uint8)
    last, first = torch.zeros(length + 1, size, dtype=torch.bool), torch.zeros(length + 1, size, dtype=torch.bool)
    last[2, 1:], first[3, 1:] = True, True
    discount = torch.full((length, size), 0.99)
    discount[1, 1], discount[2, 1:] = 0.0, 1.0
    reward = torch.randn(length, size, generator=rng)
    reward[2, 1:] = 0
    action = torch.randint(0, 3, (length, size), generator=rng)
    return Batch(obs, action, reward, discount, first, last, torch.ones(size), {}, np.arange(size))


def test_each_image_goes_with_what_led_to_it():
    agent = agent_of()
    batch = batch_of(agent)
    rows = agent.rows(batch)
    assert torch.equal(rows.image, batch.obs.float())
    assert torch.equal(rows.action.argmax(-1), batch.action) and torch.equal(rows.reward, batch.reward.tanh())
    assert rows.first.int().tolist() == [[1, 1, 1], [0, 0, 0], [0, 1, 1], [0, 0, 0], [0, 0, 0]]
    assert rows.discount[:, 0].tolist() == pytest.approx([0.99] * 5)
    assert rows.discount[:, 1].tolist() == pytest.approx([0.99, 0, 0.99, 0.99, 0.99])  # ended on the way to row 1
    assert rows.discount[:, 2].tolist() == pytest.approx([0.99] * 5)  # truncated: it would have gone on


@pytest.mark.parametrize("kind", [{}, GAUSSIAN, {"network__cell": "bare"}])
def test_a_first_row_starts_from_nothing(kind):
    agent = agent_of(**kind)
    rssm, rows = agent.model.rssm, agent.rows(batch_of(agent))
    noise = rssm.latent.noise((5, 3), torch.Generator().manual_seed(1))
    embedded = agent.model.embed(rows.image)
    whole, beliefs = rssm.observe(embedded, rows.action, rows.first, rssm.initial(3), noise)
    part, _ = rssm.observe(embedded[2:], rows.action[2:], rows.first[2:], rssm.initial(3), noise[2:])
    for one, other in zip(whole, part, strict=True):
        assert torch.equal(one[2:, 1:], other[:, 1:])
    assert not torch.equal(whole.h[2:, 0], part.h[:, 0])
    changed = rows.action.clone()
    changed[2] = changed[2].roll(1, -1)
    _, again = rssm.observe(embedded, changed, rows.first, rssm.initial(3), noise)
    assert torch.equal(again[:, 1:], beliefs[:, 1:]) and not torch.equal(again[:, 0], beliefs[:, 0])


@pytest.mark.parametrize("kind", [{}, GAUSSIAN])
def test_acting_from_a_kept_state_equals_one_pass(kind, monkeypatch):
    agent = agent_of(**kind)
    batch, latent = batch_of(agent), agent.model.rssm.latent
    noise = latent.noise((5, 3), torch.Generator().manual_seed(1))
    rows, given = agent.rows(batch), iter(noise)
    monkeypatch.setattr(latent, "noise", lambda shape, rng: next(given)[None])
    state, acted, rng = None, [], generator(0, "exploration")
    for t in range(5):
        first, nothing = rows.first[t].numpy(), np.zeros(3, np.float32)
        out = agent.act(ActorInput(batch.obs[t], first, batch.action[t].numpy(), nothing, state), 0.0, rng)
        state = out.state
        acted.append(state)
    start = agent.model.rssm.initial(3)
    states, _ = agent.model.rssm.observe(agent.model.embed(rows.image), rows.action, rows.first, start, noise)
    assert torch.allclose(torch.stack(acted), torch.cat(states, -1), atol=1e-6)


def test_it_samples_in_training_and_takes_the_likeliest_action_in_evaluation():
    agent, rng = agent_of(), generator(0, "exploration")
    with torch.no_grad():
        agent.networks["actor"].layers[-1].bias.copy_(torch.tensor([0.0, 1.0, 0.9]))
        agent.networks["actor"].layers[-1].weight.zero_()
    nothing = np.zeros(3_000, np.int64)
    obs = torch.zeros(3_000, 4, 10, 10, dtype=torch.uint8)
    inputs = ActorInput(obs, nothing == 0, nothing, nothing.astype(np.float32), None)
    shares = np.bincount(agent.act(inputs, 0.0, rng).action, minlength=3) / 3_000
    assert shares == pytest.approx(torch.tensor([0.0, 1.0, 0.9]).softmax(0).numpy(), abs=0.04)
    agent.networks["actor"].eval()
    assert set(agent.act(inputs, 0.0, rng).action) == {1}
    assert np.bincount(agent.act(inputs, 1.0, rng).action) / 3_000 == pytest.approx(np.full(3, 1 / 3), abs=0.04)


def imagined(agent, start: State, grad: bool):
    agent.noise.manual_seed(5)
    with torch.set_grad_enabled(grad):
        return agent.imagine(start)


@pytest.mark.parametrize("kind", [{}, GAUSSIAN])
def test_what_is_imagined_is_the_same_with_and_without_gradients(kind):
    agent = agent_of(**kind)
    _, states, _ = agent.model_loss(agent.rows(batch_of(agent)))
    start = State(*(part.detach().flatten(0, 1) for part in states))
    dense, compact = imagined(agent, start, True), imagined(agent, start, False)
    assert torch.equal(dense.action, compact.action) and dense.action.shape == (4, 15)
    assert torch.allclose(dense.state.h, compact.state.h, atol=1e-6)
    assert torch.allclose(agent.model.rssm.latent.compact(dense.state.z).float(), compact.state.z.float(), atol=1e-6)
    value = agent.networks["critic"]
    assert torch.allclose(value(dense.state), value(compact.state), atol=1e-6)
    # what a gradient through the dynamics reaches, and what not
    total = agent.model.rewards(dense.state.rows(slice(1, None))).sum()
    actor = list(agent.networks["actor"].parameters())
    assert all(g.abs().sum() > 0 for g in torch.autograd.grad(total, actor))
    assert not compact.state.h.requires_grad


def test_the_policy_gradient_does_not_pass_through_straight_through_actions():
    """Imagined with gradients, as where both are mixed, its gradient is that of actions taken as they are."""
    agent = agent_of()
    _, states, _ = agent.model_loss(agent.rows(batch_of(agent)))
    start = State(*(part.detach().flatten(0, 1) for part in states))
    discount, found = torch.full((15,), 0.99), []
    seen: dict[str, list[torch.Tensor]] = {}
    for name, reinforce in (("plain", lambda frame: 1.0), ("mixed", lambda frame: 0.5), ("through", lambda frame: 0.0)):
        agent.reinforce, agent.entropy_weight = reinforce, lambda frame: 0.0
        agent.noise.manual_seed(5)

        def down(loss: torch.Tensor, name: str = name) -> float:
            seen[name] = list(torch.autograd.grad(loss, list(agent.networks["actor"].parameters())))
            return 0.0

        agent.steps["actor"].down = down
        agent.steps["critic"].down = lambda loss: 0.0
        found.append(agent.learn_behaviour(State(*(p[None] for p in start)), discount[None])["imagined_return"])
    assert torch.allclose(found[0], found[1], atol=1e-6)
    for plain, mixed, through in zip(*(seen[name] for name in ("plain", "mixed", "through")), strict=True):
        assert torch.allclose(mixed, 0.5 * plain + 0.5 * through, atol=1e-6)
        assert plain.abs().sum() > 0 and through.abs().sum() > 0


@pytest.mark.parametrize("shapes", [[], ["image"], ["reward"], ["discount"]])
def test_only_the_heads_that_are_named_shape_the_states(shapes):
    agent = agent_of(agent__shapes_state=shapes, agent__kl_weight=0.0)
    loss, _, _ = agent.model_loss(agent.rows(batch_of(agent)))
    names = dict(agent.model.named_parameters())
    found = torch.autograd.grad(loss, list(names.values()), allow_unused=True, materialize_grads=True)
    moved = {name.partition(".")[0] for name, gradient in zip(names, found, strict=True) if gradient.any()}
    assert moved == {"decoder", "rewards", "discounts"} | ({"torso", "rssm"} if shapes else set())


@pytest.mark.parametrize(("kernel", "stride"), [(5, 2), (6, 2), (4, 2), (3, 3), (4, 3), (3, 1)])
def test_a_transposed_convolution_may_be_a_product_or_phases(kernel, stride):
    """Values and gradients of torch's own, in double precision."""
    layer = nn.ConvTranspose2d(3, 2, kernel, stride).double()
    for form, side in ((decoders.of_one_pixel, 1), (decoders.by_phases, 1), (decoders.by_phases, 7)):
        x = torch.rand(4, 3, side, side, dtype=torch.float64, requires_grad=True)
        found = form(layer, x.flatten(1) if form is decoders.of_one_pixel else x)
        for one, other in zip(slopes(found, x, layer), slopes(layer(x), x, layer), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def slopes(y: torch.Tensor, x: torch.Tensor, layer: nn.Module) -> list[torch.Tensor]:
    return [y, *torch.autograd.grad(y.square().sum(), (x, *layer.parameters()))]


def test_an_image_without_gradients_into_the_states_still_teaches_its_decoder():
    """Literally zero for all that makes states, and the decoder's own gradient is the same (arXiv:2010.02193, 3.2)."""
    found = {}
    for shapes in (("image",), ()):
        agent = agent_of(
            agent__shapes_state=list(shapes), agent__kl_weight=0.0, agent__reward_weight=0.0, agent__discount_weight=0.0
        )
        loss, _, _ = agent.model_loss(agent.rows(batch_of(agent)))
        names = dict(agent.model.named_parameters())
        gradients = torch.autograd.grad(loss, list(names.values()), materialize_grads=True, allow_unused=True)
        found[shapes] = dict(zip(names, gradients, strict=True))
    for name, gradient in found[()].items():
        if name.startswith("decoder"):
            assert torch.equal(gradient, found["image",][name]) and gradient.any(), name
        else:
            assert (gradient == 0).all(), name
    assert found["image",]["rssm.cell.parts.weight"].any()


def test_the_slow_critic_is_copied_on_its_period_and_may_be_left_out():
    agent = agent_of(learning__clock__every_frames=5, learning__target_every_frames=10)
    same = []
    for i in range(4):
        agent.learn(batch_of(agent, i))
        pairs = zip(agent.networks["critic"].parameters(), agent.slow_critic.parameters(), strict=True)
        same.append(all(torch.equal(a, b) for a, b in pairs))
    assert same == [False, True, False, True]
    agent = agent_of(learning__target_every_frames=None)
    assert agent.slow_critic is agent.networks["critic"]
    agent.learn(batch_of(agent))


@pytest.mark.parametrize(
    "kind",
    [{}, GAUSSIAN, {"agent__reinforce": {"kind": "constant", "value": 0.0}},
     {"agent__reinforce": {"kind": "constant", "value": 0.5}, "agent__starts": 4, "agent__image": "gaussian"},
     {"agent__discount_weight": None, "network__heads__discount": None, "agent__shapes_state": ["image", "reward"]}],
)  # fmt: skip
def test_learning_fits_one_batch(kind):
    agent = agent_of(**kind, optimizer__lr=1e-2)
    batch, losses = batch_of(agent), []
    for _ in range(60):
        losses.append(float(agent.learn(batch).metrics["image_loss"]))
    assert losses[-1] < 0.8 * losses[0] and all(math.isfinite(loss) for loss in losses)


def test_schedules_go_by_frames():
    line = {"kind": "linear", "start": 0.5, "end": 1.0, "start_frames": 100, "end_frames": 200}
    agent = agent_of(agent__reinforce=line)
    assert [agent.reinforce(frame) for frame in (0, 100, 150, 200, 900)] == [0.5, 0.5, 0.75, 1, 1]
    assert agent.frames() == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"agent__starts": 16}, "agent.starts 16: learning.batch 3 of agent.sequence 5 has only 15 states"),
        ({"memory__select": {"kind": "sequential"}}, "draws all rows alike: memory.select uniform, not sequential"),
        ({"executor": {"kind": "processes", "actors": 1, "slots": 2, "chunk_steps": 5, "pull_every_steps": 5}},
         "agent dreamer learns where it acts: executor inline, not processes"),
        ({"network__heads__discount": None}, "agent.discount_weight and network.heads.discount: both null, or none"),
        ({"agent__discount_weight": None, "network__heads__discount": None}, "shapes_state discount needs"),
        ({"network__latent__classes": 1}, "greater than or equal to 2"),
        ({"network__offset": 0.5}, "agent.image bernoulli needs network.offset 0, not 0.5"),
        ({"network__decoder": {"kind": "transposed", "channels": 4, "convolutions": [[4, 4, 2]], "last": [3, 2]}},
         "network.decoder makes images of 9x9 pixels: environment minatar has 10x10"),
        ({"agent__horizon": 1}, "greater than or equal to 2"),
        ({"agent__reinforce__value": 1.5}, "reinforce is a share, at most 1"),
        ({"agent__reinforce": {"kind": "linear", "start": 0, "end": 1, "start_frames": 9, "end_frames": 8}},
         "end_frames lies before start_frames"),
        ({"memory__capacity_steps": 6}, "too few for memory.select uniform"),
        ({"record__norms": {"kind": "spectral", "layers": [-1], "power_steps": 1}}, "beyond the network's 0 layers"),
        ({"record__probes": [{"kind": "lipschitz", "states": 8}]}, "record.probes lipschitz needs agent dqn"),
        ({"evaluation__trials": [{"kind": "memory", "observations": 2}]}, "of kind memory need agent r2d2"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        spec("dreamer_minatar", **SMALL | changes)


def test_binary_pixels_are_asked_for_of_games_that_have_them():
    with pytest.raises(
        ValueError, match=r"agent\.image bernoulli needs pixels of 0 and 1, which environment atari lacks"
    ):
        spec("dreamerv2", game="pong", agent__image="bernoulli", network__offset=0.0)


def test_networks_of_another_kind_are_refused():
    tree = spec("dreamer_minatar", **SMALL).model_dump(mode="json")
    other = spec("dqn_minatar").model_dump(mode="json")
    with pytest.raises(ValueError, match=r"agent dreamer needs another kind of network: one with network\.decoder"):
        model_of(tree).model_validate(tree | {"network": other["network"]})
    with pytest.raises(ValueError, match=r"agent dqn needs another kind of network: one without network\.decoder"):
        model_of(other).model_validate(other | {"network": tree["network"]})
