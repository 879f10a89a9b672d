"""Clocks, optimizers, layers, the agent, evaluation: values, not shapes."""

import numpy as np
import pytest
import torch
from torch import nn

from agents.build import build
from agents.clock import linear, ticks
from agents.dqn_compiled import CompiledDQN
from agents.nets.layers import Conv2d
from agents.optim.adadelta import Adadelta as adadelta
from agents.optim.adam import Adam as adam
from agents.optim.rmsprop import RMSprop as rmsprop
from agents.optim.step import Follower
from agents.rng import generator, restore_rng, rng_state
from agents.run.evaluate import _shares, evaluate
from agents.spec.optimizer import Adadelta, Adam, RMSprop
from agents.spec.run import Spec
from agents.step import Batch
from tests.agents.specs import actor_input, fields, spec, without_step


def test_ticks_count_multiples_passed_since_the_start():
    assert [ticks(b, b + 1, 4) for b in range(8)] == [0, 0, 0, 1, 0, 0, 0, 1]
    assert ticks(0, 40, 4) == 10 and ticks(3, 4, 4) == 1 and ticks(4, 4, 4) == 0
    assert ticks(0, 10, 4, start=10) == 0 and ticks(10, 14, 4, start=10) == 1 and ticks(0, 22, 4, start=10) == 3


def test_exploration_is_linear_between_its_frames():
    values = [linear(f, 1.0, 0.1, 1_000, 10_000) for f in (0, 1_000, 5_500, 10_000, 99_999)]
    assert values == pytest.approx([1.0, 1.0, 0.55, 0.1, 0.1])
    assert linear(0, 1.0, 0.5, 0, 0) == 0.5


def step_with(optimizer_of, part, grads: list[float]) -> float:
    weight = nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
    optimizer = optimizer_of(part, [weight])
    for g in grads:
        weight.grad = torch.tensor([g], dtype=torch.float64)
        optimizer.step()
    return weight.item()


def test_optimizers_equal_torchs_own_where_the_forms_agree():
    torch.manual_seed(0)
    start, grads = torch.randn(50), torch.randn(20, 50)
    ours = [
        (adam, Adam(kind="adam", lr=0.01, epsilon=1e-3, beta1=0.9, beta2=0.99)),
        (rmsprop, RMSprop(kind="rmsprop", lr=0.01, epsilon=0.1, decay=0.9, centered=True, form="torch")),
        (adadelta, Adadelta(kind="adadelta", lr=1.0, epsilon=1e-3, decay=0.9)),
    ]
    theirs = [
        lambda p: torch.optim.Adam(p, lr=0.01, eps=1e-3, betas=(0.9, 0.99)),
        lambda p: torch.optim.RMSprop(p, lr=0.01, eps=0.1, alpha=0.9, centered=True),
        lambda p: torch.optim.Adadelta(p, lr=1.0, rho=0.9, eps=1e-3),
    ]
    for (make, part), reference in zip(ours, theirs, strict=True):
        a, b = nn.Parameter(start.clone()), nn.Parameter(start.clone())
        one, two = make(part, [a]), reference([b])
        for grad in grads:
            a.grad, b.grad = grad.clone(), grad.clone()
            one.step(), two.step()
        assert torch.allclose(a, b, atol=1e-6) and not torch.allclose(a, start, atol=1e-2)


@pytest.mark.parametrize("centered", [True, False])
def test_nature_rmsprop_has_epsilon_under_the_root(centered):
    part = RMSprop(kind="rmsprop", lr=0.1, epsilon=0.01, decay=0.9, centered=centered, form="nature")
    w, g, s = 1.0, 0.0, 0.0
    for d in (2.0, -1.0, 0.5):
        g, s = 0.9 * g + 0.1 * d, 0.9 * s + 0.1 * d * d
        w -= 0.1 * d / (s - centered * g * g + 0.01) ** 0.5
    assert step_with(rmsprop, part, [2.0, -1.0, 0.5]) == pytest.approx(w, rel=1e-12)
    torch_form = part.model_copy(update={"form": "torch"})
    assert abs(step_with(rmsprop, torch_form, [2.0, -1.0, 0.5]) - w) > 5e-4


FORMS = {  # (form, centered) -> w - 1 after each of the gradients 2, -1, 0.5; lr 0.1, epsilon 0.01, decay 0.9
    ("nature", False): (-0.312347523777, -0.166482532279, -0.241101087147),
    ("nature", True): (-0.328797974611, -0.181929600749, -0.257816552442),
    ("torch", False): (-0.311305592415, -0.166005962427, -0.240347583633),
    ("torch", True): (-0.327868852459, -0.181562715829, -0.257178009891),
    ("tensorflow", False): (-0.174740811332, -0.086352463684, -0.132420251634),
    ("tensorflow", True): (-0.177471301883, -0.088861151257, -0.135222759126),
    ("debiased", False): (-0.137514278025, -0.060984544225, -0.105066351471),
    ("debiased", True): (-0.199280905216, -0.120720084674, -0.167130252826),
}


@pytest.mark.parametrize(("form", "centered"), FORMS)
def test_each_form_of_rmsprop_makes_its_first_steps(form, centered):
    part = RMSprop(kind="rmsprop", lr=0.1, epsilon=0.01, decay=0.9, centered=centered, form=form)
    grads = [2.0, -1.0, 0.5]
    made = [step_with(rmsprop, part, grads[:n]) - 1 for n in (1, 2, 3)]
    assert made == pytest.approx(FORMS[form, centered], abs=1e-11)


@pytest.mark.parametrize(("algorithm", "times"), [("a2c", 314.6), ("impala_shallow", 10.0), ("impala_deep", 10.0)])
def test_tensorflows_first_steps_are_short(algorithm, times):
    """sqrt((decay + epsilon) / epsilon) times shorter than from a mean square of 0, where gradients are small."""
    part = RMSprop.model_validate(fields(algorithm)["optimizer"])
    short = 1 - step_with(rmsprop, part, [1e-6])
    assert part.form == "tensorflow" and short == pytest.approx(part.lr * 1e-6 / (0.99 + part.epsilon) ** 0.5, rel=1e-6)
    long = 1 - step_with(rmsprop, part.model_copy(update={"form": "nature"}), [1e-6])
    assert long / short == pytest.approx(times, rel=1e-3)


@pytest.mark.parametrize("form", ["nature", "torch", "tensorflow", "debiased"])
def test_rounding_leaves_no_root_of_less_than_nothing(form):
    """A constant gradient has no variance; in float32 its mean square may fall short of its squared mean."""
    part = RMSprop(kind="rmsprop", lr=1e-9, epsilon=1.5e-7, decay=0.95, centered=True, form=form)
    weight = nn.Parameter(torch.zeros(1_000))
    optimizer = rmsprop(part, [weight])
    weight.grad = torch.linspace(0.1, 40, 1_000)
    for _ in range(600):
        optimizer.step()
        assert weight.isfinite().all()


def test_adam_adds_epsilon_after_bias_correction():
    part = Adam(kind="adam", lr=0.1, epsilon=0.5, beta1=0.9, beta2=0.99)
    w, m, v = 1.0, 0.0, 0.0
    for t, d in enumerate((2.0, -1.0, 0.5), start=1):
        m, v = 0.9 * m + 0.1 * d, 0.99 * v + 0.01 * d * d
        w -= 0.1 * (m / (1 - 0.9**t)) / ((v / (1 - 0.99**t)) ** 0.5 + 0.5)
    assert step_with(adam, part, [2.0, -1.0, 0.5]) == pytest.approx(w, rel=1e-12)


@pytest.mark.parametrize(("side", "kernel", "stride"), [(10, 3, 1), (10, 4, 2), (84, 8, 4), (3, 3, 1), (10, 3, 8)])
def test_gathered_convolution_equals_torchs_in_value_and_gradient(side, kernel, stride):
    torch.manual_seed(0)
    ours = Conv2d((4, side, side), 6, kernel, stride, gather=True).double()
    plain = nn.Conv2d(4, 6, kernel, stride).double()
    plain.load_state_dict(ours.state_dict())  # torch's own shapes and names
    x = torch.randn(3, 4, side, side, dtype=torch.float64)
    y, z = ours(x), plain(x)
    assert y.shape == z.shape == (3, *ours.output_shape) and torch.allclose(y, z, atol=1e-12)
    g = torch.randn_like(z)
    y.backward(g), z.backward(g)
    assert torch.allclose(ours.weight.grad, plain.weight.grad, atol=1e-10)
    assert torch.allclose(ours.bias.grad, plain.bias.grad, atol=1e-10)


def batch(n: int = 1, b: int = 4) -> Batch:
    g = torch.Generator().manual_seed(0)
    obs = torch.randint(0, 2, (2, b, 4, 10, 10), generator=g, dtype=torch.uint8)
    reward = torch.rand(n, b, generator=g)
    action = torch.arange(n * b).view(n, b) % 6
    no = torch.zeros(n + 1, b, dtype=torch.bool)
    return Batch(obs, action, reward, torch.full((n, b), 0.99), no, no, torch.ones(b), {}, np.arange(b))


def agent_of(**changes):
    agent = build(spec(**changes)).learner.agent
    with torch.no_grad():
        for parameter in agent.target.parameters():
            parameter.mul_(1.5)  # so that the two networks disagree
    return agent


def gradients_of(agent, data: Batch) -> list[torch.Tensor]:
    """Those of the loss, one for each parameter, whichever form the agent has."""
    if isinstance(agent, CompiledDQN):
        agent.loss(data)
        return [gradient.clone() for gradient in agent.gradients]
    return list(torch.autograd.grad(agent.loss(data)[0], list(agent.online.parameters())))


@pytest.mark.parametrize("units", [[128], [64, 64]])  # the compiled form is for one hidden layer
@pytest.mark.parametrize("selector", ["target", "online"])
@pytest.mark.parametrize("n", [1, 3])
def test_the_loss_is_q_learning_written_out(selector, n, units):
    agent, data = agent_of(agent__selector=selector, agent__n_step=n, network__units=units), batch(n)
    data.discount[0, 1] = 0.0  # terminated
    if n > 1:  # reached the episode's end one step early: a loop with reward 0
        data.discount[n - 1, 2], data.reward[n - 1, 2] = 1.0, 0.0
    assert isinstance(agent, CompiledDQN) == (units == [128])
    found = without_step(agent, data)
    total = 0.0
    for i in range(4):
        q = agent.online(data.obs[0, i : i + 1])[0, data.action[0, i], 0]
        nxt, chooser = (
            agent.target(data.obs[1, i : i + 1])[0, :, 0],
            agent.online(data.obs[1, i : i + 1])[0, :, 0],
        )
        best = (chooser if selector == "online" else nxt).argmax()
        ret, factor = 0.0, 1.0
        for k in range(n):
            ret += factor * data.reward[k, i]
            factor *= data.discount[k, i]
        error = ret + factor * nxt[best].detach() - q
        assert found.priorities[i].item() == pytest.approx(abs(error.item()), rel=1e-4)
        total += error**2 / 4
    assert float(found.metrics["loss"]) == pytest.approx(total.item(), rel=1e-4)
    expected = torch.autograd.grad(total, list(agent.online.parameters()))
    pairs = zip(gradients_of(agent, data), expected, strict=True)
    assert all(torch.allclose(one, other, rtol=1e-4, atol=1e-6) for one, other in pairs)
    agent.learn(data)
    assert all(p.grad is None for p in agent.target.parameters())


def test_weights_scale_each_samples_loss():
    agent, data = agent_of(), batch()
    one = without_step(agent, data).metrics["loss"]
    quarter = without_step(agent, data._replace(weight=torch.full((4,), 0.25))).metrics["loss"]
    assert quarter == pytest.approx(one / 4)
    even = without_step(agent, data._replace(weight=torch.tensor([4.0, 0, 0, 0])))
    assert even.metrics["loss"] == pytest.approx(even.priorities[0].item() ** 2, rel=1e-4)


def test_acting_is_greedy_but_for_epsilon():
    agent, rng = build(spec()).learner.agent, generator(0, "exploration")
    obs = batch(b=4).obs[0]
    greedy = agent.online(obs).squeeze(-1).argmax(-1).numpy()
    assert all((agent.act(actor_input(obs), 0.0, rng).action == greedy).all() for _ in range(5))
    many = np.stack([agent.act(actor_input(obs), 0.5, rng).action for _ in range(2_000)])
    # a random action equals the greedy one in 1 of 6 cases: 0.5 + 0.5 / 6 = 0.583
    assert ((many == greedy).mean(0) - (0.5 + 0.5 / 6) < 0.05).all() and (many == greedy).mean() > 0.53


def test_the_target_is_copied_on_its_period_and_only_then():
    parts = build(spec(learning__clock__every_frames=4, learning__target_every_frames=12))  # every 3 updates
    learner, same = parts.learner, []
    for _ in range(6):
        learner.learn(batch())
        pairs = zip(learner.agent.online.parameters(), learner.agent.target.parameters(), strict=True)
        same.append(all(torch.equal(a, b) for a, b in pairs))
    assert same == [False, False, True, False, False, True]


@pytest.mark.parametrize(
    "changes",
    [
        {"algorithm": "rainbow_minatar"},
        {"network__normalisation": "batch"},
        {"spectral__kind": "weights", "spectral__layers": [-2]},
    ],
)
def test_a_copied_network_is_equal_in_all_it_holds_and_shares_nothing(changes):
    agent = build(spec(**changes)).learner.agent
    source, into = agent.online, agent.target
    with torch.no_grad():
        for tensor in (*source.parameters(), *source.buffers()):
            if tensor.is_floating_point():
                tensor.add_(0.5)
    assert all(not torch.equal(a, b) for a, b in zip(source.parameters(), into.parameters(), strict=True))
    Follower(source, into, every=1, tau=1).after(1)
    one, other = source.state_dict(), into.state_dict()
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    assert not {t.data_ptr() for t in one.values()} & {t.data_ptr() for t in other.values()}


def test_clipping_bounds_the_global_norm_and_the_record_shows_it_unclipped():
    parts = build(spec(learning__clip_norm=1e-3))
    parts.learner.learn(batch())
    norm = torch.cat([p.grad.flatten() for p in parts.learner.agent.step.parameters]).norm().item()
    assert norm == pytest.approx(1e-3, rel=1e-3) and parts.learner.read()["grad_norm"] > 1e-2


def test_learning_fits_one_batch():
    parts, data, losses = build(spec(optimizer__lr=1e-3)), batch(), []
    data.discount.zero_()
    for _ in range(300):
        losses.append(without_step(parts.learner.agent, data).metrics["loss"])
        parts.learner.learn(data)
    assert losses[-1] < 1e-3 * losses[0]


def test_evaluation_gives_each_environment_its_share_and_is_repeatable():
    assert _shares(5, 2) == [3, 2] and _shares(None, 1) == [np.inf]
    run = spec(evaluation__episodes=7, evaluation__streams=3)
    parts = build(run)
    play = lambda number: evaluate(run, parts.learner.agent, parts.device, number, lambda: True)  # noqa: E731
    one = play(0)
    assert [e.env for e in one] == [0, 0, 0, 1, 1, 2, 2] and one == play(0) and one != play(1)
    assert evaluate(run, parts.learner.agent, parts.device, 0, lambda: False) is None


def test_random_streams_are_separate_and_survive_a_round_trip():
    a, b = generator(5, "memory"), generator(5, "exploration")
    assert a.integers(1 << 30) != b.integers(1 << 30)
    saved = rng_state(a)
    first = a.normal(size=7).tolist()
    restore_rng(b, saved)
    assert b.normal(size=7).tolist() == first
    assert generator(5, "environment", 1).random() != generator(5, "environment", 2).random()


def test_digests_follow_values_and_nothing_else():
    run = spec()
    assert run.digest() == Spec.model_validate_json(run.canonical()).digest() != spec(seed=1).digest()
    tree = fields()
    assert run.name() == f"dqn.minatar-breakout.s0.{run.digest()[:12]}"
    shuffled = dict(reversed(list(run.model_dump(mode="json").items())))
    assert Spec.model_validate(shuffled).digest() == run.digest() and "label" not in tree
    assert "agents.optim.spectral:measure" in run.components()
    assert not any("spectral" in part for part in spec(record__norms="none").components())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning__target_every_frames": 401}, "multiple of clock.every_frames"),
        ({"spectral__layers": [-2]}, r"spectral\.none\.layers\s+Extra inputs are not permitted"),
        ({"record__norms__layers": [-7]}, "beyond the network's 3 layers"),
        ({"budget": -5}, "greater than or equal to 1"),
        ({"optimizer__lr": "1e-3"}, "a number is wanted"),
        ({"exploration__end_frames": 100}, "lies before warmup_frames"),
        ({"evaluation__episodes": None}, "give episodes, frames or both"),
        ({"record__norms__layers": [-1, -2, -1]}, "-1 is given twice"),
        ({"spectral__kind": "weights", "spectral__layers": [-2, -2]}, "-2 is given twice"),
        ({"record__probes": 2 * [{"kind": "feature_rank", "states": 8}]}, "probes feature_rank given twice"),
        ({"evaluation__trials": 2 * [{"kind": "flicker", "chance": 0.5}]}, "is given twice"),
        ({"environment__hidden": [1, 1]}, "1 is given twice"),
        ({"environment__hidden": [0, 4, 9]}, r"hidden \[4, 9\]: environment.game breakout has 4 channels, from 0"),
        ({"optimizer__beta2": 1.0}, "less than 1"),
        ({"optimizer__lr": 1e39}, "less than or equal to 1000"),
    ],
)
def test_impossible_specs_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        spec(**changes)
