"""What is compiled equals the plain code, and is used just where it may be."""

import contextlib
import copy
import os
import subprocess
from pathlib import Path

import numba
import numpy as np
import pytest
import torch
from numba.core.dispatcher import Dispatcher
from torch.nn import functional as F

from agents import compiled as cache
from agents.build import build
from agents.compiled import conv, draws, network, noise, products, tree
from agents.compiled import q_learning as compiled
from agents.dqn import DQN
from agents.dqn_compiled import CompiledDQN
from agents.losses.categorical import project
from agents.losses.penalty import Nothing
from agents.memory.select import Uniform
from agents.memory.store import FrameStore
from agents.nets import small
from agents.nets.layers import Conv2d
from agents.rng import generator
from agents.step import Batch, SequenceSpec, Step
from tests.agents.specs import actor_input, given, prioritized, spec, without_step

HUBER = {"agent__value": {"kind": "scalar", "loss": "huber"}}
SQUARED = {"agent__value": {"kind": "scalar", "loss": "squared"}}
SPECTRAL = {"spectral__layers": [-2]}
C51 = {"agent__value": {"kind": "categorical", "low": -5.0, "high": 5.0, "atoms": 51}}
DUELING = {"network__head": "dueling"}
NOISY = {"network__linear": {"kind": "factorised", "sigma": 0.5}}


def batch(b: int = 32, channels: int = 4) -> Batch:
    rng = torch.Generator().manual_seed(1)
    obs = (torch.rand(2, b, channels, 10, 10, generator=rng) < 0.1).to(torch.uint8)
    action, reward = torch.randint(6, (1, b), generator=rng), 3 * torch.randn(1, b, generator=rng)
    discount = 0.99 * (torch.rand(1, b, generator=rng) < 0.8)
    no = torch.zeros(2, b, dtype=torch.bool)
    return Batch(obs, action, reward, discount, no, no, torch.rand(b, generator=rng), {}, np.arange(b))


def agent_of(**changes):
    agent = build(spec(**changes)).learner.agent
    with torch.no_grad():
        for parameter in agent.target.parameters():
            parameter.mul_(1.5)
    return agent


def plain_of(agent: CompiledDQN) -> DQN:
    """The plain agent of the same spec and parameters, which draws the same noise."""
    noise = torch.Generator()
    parts = (given(copy.deepcopy(agent.online), agent.n_actions, noise), agent.value, Nothing(), agent.bootstrap)
    plain = DQN(agent.spec, *parts)
    plain.target.load_state_dict(agent.target.state_dict())
    plain.online.load_state_dict(agent.online.state_dict())
    noise.set_state(agent.noise.get_state())
    return plain


def values(network, obs: torch.Tensor) -> np.ndarray:
    """By the compiled form."""
    return small.form(network).act(obs, np.zeros(1, np.float32), 0.0, generator(0, "exploration"), True)[1]


def test_only_losses_that_have_a_compiled_form_take_it():
    for loss, compiled_form in (("squared", True), ("huber", True), ("absolute", False)):
        agent = agent_of(agent__value={"kind": "scalar", "loss": loss})
        assert isinstance(agent, CompiledDQN if compiled_form else DQN)
        assert without_step(agent, batch()).metrics["loss"] > 0


@pytest.mark.parametrize(
    "shape, kernel, stride", [((4, 10, 10), 3, 1), ((10, 10, 10), 3, 1), ((2, 9, 7), 3, 2), ((1, 5, 5), 5, 1)]
)
@pytest.mark.parametrize(("channels", "scale"), [(8, 1.0), (16, 1.0), (24, 0.5)])
def test_the_convolution_and_its_gradients_are_those_of_torch(shape, kernel, stride, channels, scale):
    torch.manual_seed(0)
    layer = Conv2d(shape, channels, kernel, stride, gather=True)
    x = torch.randn(5, *shape) * (torch.rand(5, *shape) < 0.2)  # sparse, of any values
    scaled = (layer.weight * scale).detach().requires_grad_()
    expected = F.conv2d(x, scaled, layer.bias, stride).relu()
    gradient = torch.randn_like(expected)
    wanted = torch.autograd.grad(expected, (scaled, layer.bias), gradient)
    seen = conv.sight(x[0].numel(), layer.patches.numpy().reshape(layer.weight[0].numel(), -1))
    weight, bias = map(small.matrix, (layer.weight, layer.bias))
    y, lit = np.empty(expected.flatten(2).shape, np.float32), conv.lit_of(x.flatten(1).numpy())
    conv.convolve(lit, seen, weight, np.float32(scale), bias, y)
    assert np.allclose(y, expected.detach().flatten(2), atol=1e-5)
    gradients = np.full_like(weight, np.nan), np.full_like(bias, np.nan)
    conv.convolve_back(lit, seen, y, gradient.flatten(2).numpy(), *gradients)
    assert np.allclose(gradients[0], wanted[0].flatten(1), atol=1e-4) and np.allclose(
        gradients[1], wanted[1], atol=1e-4
    )


def test_a_transition_by_hand():
    """Screens 3 x 3, of eight kernels one in use, one hidden unit, two actions; r = 1, discount 0.5, action 0.

    s has pixels 0 and 4: y = 0.25 + 0.5 + 0.25 = 1, h = 2 y - 1 = 1, q = (1, -0.5). s' is blank: y = 0.25, h = 0,
    q = (0, 0.5), target 1.25. The error is -0.25, its square 0.0625, dL/dq_0 = -0.5.
    """
    seen = conv.sight(9, np.arange(9).reshape(9, 1))
    kernel, bias, hidden = np.zeros((8, 9), np.float32), np.zeros(8, np.float32), np.zeros((1, 8), np.float32)
    kernel[0, 0], kernel[0, 4], kernel[0, 8], bias[0], hidden[0, 0] = 0.5, 0.25, 7, 0.25, 2
    output = np.array([[1], [-1]], np.float32), np.array([0, 0.5], np.float32)
    weights = [torch.from_numpy(each) for each in (kernel, bias, hidden, np.array([-1], np.float32), *output)]
    gradient_places = small.Places([torch.full_like(each, torch.nan) for each in weights], small.ROWS)
    places, gradients = small.Places(weights, small.ROWS).table(), gradient_places.arrays()
    s, blank = np.zeros((1, 9), np.float32), np.zeros((1, 9), np.float32)
    s[0, [0, 4]] = 1
    one, half, single = np.ones(1, np.float32), np.full(1, 0.5, np.float32), np.zeros(1, np.float32)

    def learn(scales: np.ndarray, huber: bool = False) -> tuple:
        batch = (conv.lit_of(s), np.array([0]), one, half, conv.lit_of(blank), one)
        rest = (single, False, huber, gradient_places.table())
        return compiled.q_learning(*batch, seen, places, places, places, scales, scales, *rest)

    plain = np.ones(6, np.float32)
    error, loss, mean = learn(plain)
    assert (error.tolist(), loss, mean) == ([0.25], 0.0625, 0.25)
    assert gradients[0][0].tolist() == [-1, 0, 0, 0, -1, 0, 0, 0, 0] and not gradients[0][1:].any()
    assert gradients[1].tolist() == [-1] + 7 * [0] and gradients[2][0].tolist() == [-0.5] + 7 * [0]
    assert [x.ravel().tolist() for x in gradients[3:6]] == [[-0.5], [-0.5, 0], [-0.5, 0]]
    _, loss, _ = learn(plain, huber=True)
    assert loss == 0.03125 and gradients[5].tolist() == [-0.25, 0]
    # Kernel twice, hidden weight half: y = 0.25 + 2 (0.5 + 0.25) = 1.75, h = 1.75 - 1 = 0.75; output weight twice, all
    # half: q = 0.5 (1.5, 0.5 - 1.5); of s' h = 0 as before, q = 0.5 (0, 0.5), target 1.125. The error is -0.375.
    error, loss, mean = learn(np.array([2, 0.5, 2, 1, 1, 0.5], np.float32))
    assert (error.tolist(), loss, mean) == ([0.375], 0.140625, 0.125)
    # dL/dq_0 = -0.75, before the last factor -0.375; dL/dh = -0.375 * 2, dL/dy = -0.75 * 2 * 0.5
    assert [x.ravel().tolist() for x in gradients[3:6]] == [[-0.75], [-0.28125, 0], [-0.375, 0]]
    assert gradients[2][0].tolist() == [-0.75 * 1.75] + 7 * [-0.0] and gradients[1].tolist()[0] == -0.75
    assert gradients[0][0].tolist() == [-0.75, 0, 0, 0, -0.75, 0, 0, 0, 0]


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_products_that_skip_zeros_are_those_that_do_not(share):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((5, 33), np.float32), rng.standard_normal((33, 128), np.float32)
    a *= rng.random(a.shape) < share
    out = np.full((5, 128), np.nan, np.float32)
    products.sparse_dot(a, b, out)
    assert np.allclose(out, a @ b, atol=1e-5)


def test_draws_are_those_of_the_generator_to_the_bit():
    """Among them ends for which Lemire's method rejects a third of what comes, and bits kept for the next call."""
    compiled_draws = numba.njit(lambda rng, end: (draws.uniform(rng), draws.below(rng, end)))
    for kind in (np.random.Philox, np.random.PCG64):
        one, other = np.random.Generator(kind(3)), np.random.Generator(kind(3))
        for end in [1, 2, 6, 7, 1_000, 3 << 30, 2**32 - 1] * 50:
            found = compiled_draws(draws.source(one), end)
            assert found == (other.random(), other.integers(end)) and one.random() == other.random()
        assert one.integers(1 << 60) == other.integers(1 << 60)


@pytest.mark.parametrize("stack", [1, 3])
@pytest.mark.parametrize("streams", [1, 2])
def test_uniform_draws_from_the_memory_are_the_plain_ones(streams, stack):
    sequence = SequenceSpec(1, (0, 1), in_place=True)
    store = FrameStore(60, streams, (1, 2, 2), np.uint8, stack, sequence, 0.9)
    select, rng = Uniform(None, store), np.random.default_rng(0)
    first, blank = np.ones(streams, bool), np.zeros((streams, 1, 2, 2), np.uint8)
    for row in range(100):
        last = ~first & (rng.random(streams) < 0.4)
        store.add(Step(blank, np.zeros(streams, int), *np.zeros((2, streams), np.float32), first, last))
        first = last
        if row > 10:
            one, other = generator(row, "memory"), generator(row, "memory")
            low, high = store.span()
            assert select.draw(one, 32, 0)[0].tolist() == select._drawn(other, low, high, 32).tolist()
            assert one.random() == other.random()


def test_exponentials_are_those_of_the_library():
    x = -np.linspace(0, 90, 4_001, dtype=np.float32)
    y, bits = np.empty_like(x), np.empty(len(x), np.int32)
    compiled._exponentials(x, y, bits)
    above = x > -87  # below, what is left is too small to matter
    assert (abs(y / np.exp(x.astype(np.float64)) - 1) < 2e-7 * (1 - x))[above].all() and (y[~above] < 2e-38).all()
    x[5] = np.nan
    compiled._exponentials(x, y, bits)
    assert np.flatnonzero(np.isnan(y)).tolist() == [5]


@pytest.mark.parametrize("discount", [0.0, 0.5, 0.99])
def test_the_projection_is_the_plain_one(discount):
    support, rng = np.linspace(-5, 5, 51, dtype=np.float32), np.random.default_rng(0)
    p = rng.random(51, dtype=np.float32)
    m = np.empty_like(p)
    for r in (-100.0, -5.0, -1.7, 0.0, 0.2, 3.1, 5.0, 100.0):
        wanted = project(-5.0, 5.0, torch.tensor([r]), torch.tensor([discount]), torch.from_numpy(p)[None])
        compiled._project(support, np.float32(r), np.float32(discount), p, m)
        assert np.allclose(m, wanted[0], atol=1e-5)
    compiled._project(support, np.float32(np.nan), np.float32(discount), p, m)
    assert np.isnan(m).any()


def weights(**changes) -> dict:
    """Spectral normalisation of the hidden layer, but for `changes`."""
    of = {"layers": [-2], "power_steps": 2, "warmup_steps": 3, "only_shrink": False, "target_power_steps": 1}
    return {"spectral": {"kind": "weights", "bound": 1.0, "flow": "linear", **of, **changes}}


@pytest.mark.parametrize(
    "changes",
    [
        HUBER,
        SQUARED,
        weights(),
        weights(flow="none"),
        weights(layers=[-1, -2], bound=2.0),
        weights(layers=[-1, -2, -3]),
        weights(only_shrink=True, bound=0.5),
        weights(only_shrink=True, bound=50.0),
        {**SPECTRAL, "spectral__kind": "output"},
        {"spectral__layers": [-1, -2, -3], "spectral__kind": "output", "spectral__only_shrink": True},
        DUELING,
        {**DUELING, **weights(layers=[-1, -2, -3, -4])},
        NOISY,
        {**NOISY, **DUELING, **HUBER},
        C51,
        {**C51, **weights(layers=[-1, -2])},
        {**C51, **DUELING},
        {**C51, **NOISY, **DUELING},  # Rainbow
        {**NOISY, **weights(layers=[-3], flow="none")},
        {**NOISY, **SPECTRAL, "spectral__kind": "output"},
        {**C51, **DUELING, **SPECTRAL, "spectral__kind": "output"},
    ],
)
@pytest.mark.parametrize("selector", ["target", "online"])
def test_loss_priorities_and_gradients_are_those_of_the_plain_code(selector, changes):
    agent, data = agent_of(agent__selector=selector, **changes), batch()
    twin = plain_of(agent)
    found = agent.loss(data)
    loss, plain = twin.loss(data)
    loss.backward()
    assert found.metrics["loss"] == pytest.approx(plain.metrics["loss"].item(), rel=1e-5)
    assert found.metrics["q_mean"] == pytest.approx(plain.metrics["q_mean"].item(), rel=1e-5)
    assert torch.allclose(found.priorities, plain.priorities, rtol=1e-5, atol=1e-6)
    for one, other in zip(agent.gradients, twin.online.parameters(), strict=True):
        assert (one - other.grad).abs().max() < 1e-5 * other.grad.abs().max()


@pytest.mark.parametrize("stack", [1, 2])
@pytest.mark.parametrize("streams", [1, 2])
@pytest.mark.parametrize("n", [1, 3])
def test_transitions_taken_from_the_memory_are_those_that_it_puts_together(n, streams, stack):
    agent = agent_of(agent__n_step=n, environment__stack=stack)
    store = FrameStore(40, streams, (4, 10, 10), np.uint8, stack, agent.sequence_spec, 0.9)
    rng, first = np.random.default_rng(n), np.ones(streams, bool)
    for _ in range(50):  # overwrites its oldest rows
        last = ~first & (rng.random(streams) < 0.2)
        obs, action = rng.integers(2, size=(streams, 4, 10, 10), dtype=np.uint8), rng.integers(6, size=streams)
        reward, discount = rng.random(streams, dtype=np.float32), np.float32(rng.random(streams) < 0.9)
        store.add(Step(obs, action, reward, discount, first, last))
        first = last
    keys = np.arange(*store.span())
    keys = keys[store.valid(keys)]
    weight = rng.random(len(keys), dtype=np.float32)
    found, wanted = agent._stored(store.locate(keys, weight)), agent._laid_out(store.gather(keys, weight))
    assert len(keys) > 10 and len(found) == len(wanted) == 6
    for one, other in zip(found, wanted, strict=True):
        if isinstance(one, conv.Lit):
            end = one.start[-1]
            assert np.array_equal(one.start, other.start) and end > 1_000
            pairs = (one.pixel[:end], other.pixel[:end]), (one.value[:end], other.value[:end])
        else:
            pairs = ((one, other),)
        assert all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize(
    "changes",
    [
        {"learning__batch": 1},
        {"learning__batch": 15, "environment__streams": 3, "memory__capacity_steps": 250, "agent__n_step": 5, **HUBER},
        {**C51, **NOISY, **DUELING, "agent__n_step": 3, "memory__select": prioritized("proportional")},
        {**NOISY, "environment__streams": 2, "executor__lags_updates": [0, 3]},
    ],
)
def test_whole_trainings_are_those_of_the_plain_code(changes, monkeypatch):
    """Acting, drawing and learning, over the memory's end: what is drawn follows from all that came before."""

    def updates() -> tuple[type, list]:
        parts = build(spec(**{"spectral": {"kind": "none"}, "learning__clock__start_frames": 100, **changes}))
        found: list = []
        agent = parts.learner.agent
        learn = agent.learn
        monkeypatch.setattr(agent, "learn", lambda batch: found.append((batch.key, learn(batch))) or found[-1][1])
        for _ in range(300):
            parts.executor.advance(0.0)
        return type(agent), found

    compiled_form, found = updates()
    monkeypatch.setattr(small, "fits", lambda network: False)
    plain_form, wanted = updates()
    assert (compiled_form, plain_form) == (CompiledDQN, DQN) and len(found) == len(wanted) > 10
    for (keys, one), (other_keys, other) in zip(found, wanted, strict=True):
        assert np.array_equal(keys, other_keys)
        assert np.allclose(one.priorities, other.priorities, rtol=1e-3, atol=1e-5)
        for name in ("loss", "q_mean", "grad_norm"):
            assert float(one.metrics[name]) == pytest.approx(float(other.metrics[name]), rel=1e-3, abs=1e-5)


def test_acting_is_by_the_values_of_the_network():
    agent, obs = agent_of(memory__select={"kind": "uniform"}), batch(8).obs[0]
    q = agent.online(obs).squeeze(-1).detach().numpy()
    assert np.allclose(values(agent.online, obs), q, atol=1e-6)
    assert (agent.act(actor_input(obs), 0.0, generator(0, "exploration")).action == q.argmax(1)).all()


@pytest.mark.parametrize("head", [{}, DUELING])
def test_noise_stays_between_draws_and_evaluation_goes_without(head):
    agent, obs = agent_of(**NOISY, **head), batch(20).obs[0]
    noisy = values(agent.online, obs)
    assert np.array_equal(values(agent.online, obs), noisy)
    assert np.allclose(agent.online(obs).squeeze(-1).detach(), noisy, atol=1e-5)
    agent.online.eval()
    means = values(agent.online, obs)
    assert np.allclose(agent.online(obs).squeeze(-1).detach(), means, atol=1e-5)
    agent.online.train()
    agent.online.resample(agent.noise)
    assert not np.allclose(means, noisy, atol=1e-3) and not np.allclose(values(agent.online, obs), noisy, atol=1e-3)


def test_weights_that_are_no_numbers_are_not_hidden():
    agent, data = agent_of(), batch()
    with torch.no_grad():
        agent.online.layers[0].bias[0] = float("nan")
    assert np.isnan(agent.loss(data).metrics["loss"])


@pytest.mark.parametrize(
    "changes",
    [
        weights(layers=[-3], flow="all"),  # the norm of a convolution has a gradient of another form
        {"network__linear": {"kind": "independent", "sigma": 0.017}},
        {**NOISY, **weights()},  # what is divided is mu, not what noise makes of it
        {**NOISY, **weights(layers=[-1])},
        {"network__units": [128, 128]},
        {**DUELING, "network__units": [128, 128]},
        {"network__convolutions": [[12, 3, 1]]},
        {"network__normalisation": "batch"},
        {"network__activations__units": "dsilu"},
        {"network__shared_bias": True},
        {**DUELING, "network__shared_bias": True},
        {"agent__penalty": {"kind": "gradient", "weight": 1.0, "norm": 1.0}},
        {"agent__value": {"kind": "quantile", "quantiles": 5, "kappa": 1.0}},
    ],
)
def test_other_networks_and_losses_take_the_plain_way(changes):
    agent = build(spec(**changes)).learner.agent
    assert isinstance(agent, DQN) and agent.loss(batch())[0].requires_grad


def test_what_only_reads_norms_or_scales_gradients_leaves_the_compiled_way():
    for use in ("gradient", "epsilon", "lr"):
        assert isinstance(build(spec(**SPECTRAL, spectral__kind=use)).learner.agent, CompiledDQN)


def test_the_compiled_form_follows_the_parameters():
    agent, obs = agent_of(), batch(4).obs[0]
    online, target = agent.online, agent.target

    def same(network) -> bool:
        return np.allclose(values(network, obs), network(obs).squeeze(-1).detach(), atol=1e-6)

    assert not np.allclose(values(online, obs), values(target, obs)) and same(online) and same(target)
    online.load_state_dict(target.state_dict())
    assert np.array_equal(values(online, obs), values(target, obs))
    twin = copy.deepcopy(online).share_memory()  # elsewhere in memory
    with torch.no_grad():
        twin.layers[-1].bias += 1
    assert same(twin) and same(online) and not np.allclose(values(twin, obs), values(online, obs))
    online.share_memory()
    with torch.no_grad():
        online.layers[0].weight.mul_(2)
    assert same(online)


@pytest.mark.parametrize("rule", ["adam", "rmsprop"])
def test_updates_go_on_where_memory_was_moved_to(rule):
    """share_memory moves parameters and their gradients, and frees what arrays were made on."""
    numbers = {"kind": "rmsprop", "lr": 1e-3, "epsilon": 1e-2, "decay": 0.9, "centered": True, "form": "nature"}
    changes = {"optimizer": numbers} if rule == "rmsprop" else {}
    still, moved = agent_of(**changes), agent_of(**changes)
    for agent in (still, moved):
        agent.learn(batch())
    before = [gradient.data_ptr() for gradient in moved.gradients]
    moved.online.share_memory()
    moved.target.share_memory()
    assert all(gradient.data_ptr() != place for gradient, place in zip(moved.gradients, before, strict=True))
    for seed in range(5):
        torch.manual_seed(seed)
        data = batch()._replace(reward=torch.randn(1, 32))
        found, wanted = moved.learn(data), still.learn(data)
        assert found.metrics == wanted.metrics and torch.equal(found.priorities, wanted.priorities)
    for one, other in zip(moved.online.parameters(), still.online.parameters(), strict=True):
        assert torch.equal(one, other)


def test_each_function_is_compiled_for_one_combination_of_types():
    """Processes that start together would otherwise write their results under each other's names."""
    agent = agent_of(agent__n_step=3, memory__select={"kind": "uniform"})
    data = batch()
    data = data._replace(action=data.action.expand(3, -1).contiguous(), reward=data.reward.expand(3, -1).contiguous())
    agent.loss(data._replace(discount=data.discount.expand(3, -1).contiguous()))
    agent_of(environment__stack=2, agent__selector="online", **HUBER).loss(batch(channels=8))
    agent.act(actor_input(batch(1).obs[0]), 0.0, generator(0, "exploration"))
    agent_of(**C51, **NOISY, **DUELING).loss(batch())
    modules = (compiled, network, conv, noise, products, draws, tree)
    everything = [each for module in modules for each in vars(module).values()]
    functions = {each for each in everything if isinstance(each, Dispatcher)}
    assert len(functions) > 10 and all(len(each.signatures) <= 1 for each in functions)
    # Those that Python calls: compiled code comes from the cache together with what it calls itself.
    assert len(compiled.q_learning.signatures) == len(compiled.epsilon_greedy.signatures) == 1
    assert len(noise.to_sigma.signatures) == 1


# ---- the cache, which is an offer ----


kept = numba.njit(cache=True)


def twice(x):
    return 2 * x


@pytest.fixture
def keeping(monkeypatch):
    """keeping(path): the folder in use when NUMBA_CACHE_DIR is `path`, as in a process of its own."""

    def point(path: Path) -> Path | None:
        monkeypatch.setattr(numba.config, "CACHE_DIR", str(path))
        monkeypatch.setattr(cache, "_warned", [])
        monkeypatch.setattr(cache, "FOLDER", cache._folder())
        monkeypatch.setattr(numba.config, "CACHE_DIR", str(cache.FOLDER))
        return cache.FOLDER

    return point


def compiled_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*.nb?"))}


def test_what_was_compiled_is_kept_and_loaded(keeping, tmp_path):
    folder = keeping(tmp_path)
    assert folder.parent == tmp_path and kept(twice)(3) == 6
    made = compiled_in(folder)
    assert len(made) == 2 and not cache._warned
    again = kept(twice)
    assert again(3) == 6 and sum(again.stats.cache_hits.values()) == 1 and compiled_in(folder) == made


@pytest.mark.parametrize("place", ["a file", "below a file", "not there"])
def test_without_a_folder_that_can_be_written_it_is_compiled_all_the_same(keeping, tmp_path, place):
    (tmp_path / "taken").write_text("")
    where = {"a file": tmp_path / "taken", "below a file": tmp_path / "taken" / "x", "not there": Path("/proc/none/x")}
    with pytest.warns(RuntimeWarning, match="compiled code cannot be kept or loaded.*set NUMBA_CACHE_DIR") as said:
        assert keeping(where[place]) is None
        assert kept(twice)(3) == 6 and kept(twice)(4) == 8
    assert len(said) == 1


def test_the_users_folder_is_taken_where_the_codes_cannot_be_written(monkeypatch, tmp_path):
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(cache, "_warned", [])
    (tmp_path / "code").mkdir()
    monkeypatch.setattr(cache, "HERE", tmp_path / "code")
    (tmp_path / "code" / "__pycache__").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert cache._folder().parent == tmp_path / "home" / "paper-arcade" and not cache._warned
    (tmp_path / "home" / "paper-arcade").rename(tmp_path / "away")
    (tmp_path / "home" / "paper-arcade").write_text("in the way")
    with pytest.warns(RuntimeWarning, match="compiled code cannot be kept or loaded"):
        assert cache._folder() is None
    monkeypatch.setattr(cache, "_bases", lambda: iter([]))  # no home
    assert cache._folder() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_costs_the_cache_and_nothing_else(keeping, tmp_path):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)], check=True)
    try:
        folder = keeping(tmp_path)
        with contextlib.suppress(OSError), open(tmp_path / "rest", "wb") as file:
            file.write(bytes(1 << 20))
        with pytest.warns(RuntimeWarning, match="No space left on device") as said:
            assert kept(twice)(3) == 6 and kept(twice)(3) == 6
        assert len(said) == 1 and not compiled_in(folder)
        (tmp_path / "rest").unlink()
        assert kept(twice)(3) == 6 and len(compiled_in(folder)) == 2
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.parametrize("spoiled", ["nbi", "nbc"])
@pytest.mark.parametrize("text", [b"", b"nonsense"])
def test_a_spoiled_file_is_made_anew(keeping, tmp_path, spoiled, text):
    folder = keeping(tmp_path)
    kept(twice)(3)
    (file,) = folder.rglob(f"*.{spoiled}")
    file.write_bytes(text)
    with pytest.warns(RuntimeWarning, match="compiled code cannot be kept or loaded"):
        assert kept(twice)(3) == 6
    again = kept(twice)
    assert again(3) == 6 and sum(again.stats.cache_hits.values()) == 1
