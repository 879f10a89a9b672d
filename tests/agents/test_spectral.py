"""Spectral norms against exact linear algebra."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from agents.build import build
from agents.nets.layers import Conv2d
from agents.optim.spectral import Meter, attached, normalise, raw_weight
from agents.rng import generator
from tests.agents.specs import spec

RNG = np.random.default_rng(0)


def operator(layer: Conv2d) -> torch.Tensor:
    """The convolution (without its bias) as an explicit matrix [outputs, inputs]."""
    size = int(np.prod(layer.input_shape))
    basis = torch.eye(size).view(size, *layer.input_shape)
    return torch.nn.functional.conv2d(basis, layer.weight, stride=layer.stride).flatten(1).t().detach()


def test_linear_norm_equals_the_largest_singular_value():
    torch.manual_seed(0)
    layer = nn.Linear(40, 17)
    meter = Meter(layer, RNG)
    meter.advance(layer.weight, 500)
    assert meter.rho(layer.weight).item() == pytest.approx(torch.linalg.svdvals(layer.weight)[0].item(), rel=1e-5)


@pytest.mark.parametrize(("side", "kernel", "stride"), [(10, 3, 1), (9, 3, 2), (11, 4, 3), (12, 5, 4)])
def test_convolution_norm_is_that_of_the_operator_not_of_the_kernel(side, kernel, stride):
    torch.manual_seed(1)
    layer = Conv2d((3, side, side), 5, kernel, stride, gather=True)
    meter = Meter(layer, RNG)
    meter.advance(layer.weight, 1000)
    exact = torch.linalg.svdvals(operator(layer))[0].item()
    assert meter.rho(layer.weight).item() == pytest.approx(exact, rel=1e-4)
    assert torch.linalg.svdvals(layer.weight.flatten(1))[0].item() != pytest.approx(exact, rel=0.05)


def test_gradient_through_rho_is_the_papers():
    """dL/dW = (G - <G, W / rho> u v^T) / rho for a loss <G, W / rho> (Miyato et al. 2018, eq. 12)."""
    torch.manual_seed(2)
    layer, g = nn.Linear(6, 4), torch.randn(4, 6)
    meter = Meter(layer, RNG)
    meter.advance(layer.weight, 200)
    weight = layer.weight.detach().clone().requires_grad_()
    (g * (weight / meter.rho(weight))).sum().backward()
    rho = meter.rho(layer.weight).detach()
    outer = torch.outer(meter.u, meter.v)
    expected = (g - (g * (layer.weight / rho)).sum() * outer) / rho
    assert torch.allclose(weight.grad, expected.detach(), atol=1e-6)


@pytest.mark.parametrize("flow", ["none", "linear", "all"])
def test_normalised_layers_have_norm_one_and_gradient_flows_where_asked(flow):
    changes = {"spectral__kind": "weights", "spectral__layers": [-2, -3], "spectral__flow": flow}
    run = spec(spectral__warmup_steps=500, **changes)
    network = build(run).learner.agent.online
    conv, linear, out = network.layers
    assert torch.linalg.svdvals(linear.weight)[0].item() == pytest.approx(1, rel=1e-3)
    assert torch.linalg.svdvals(operator(conv))[0].item() == pytest.approx(1, rel=1e-3)
    assert torch.linalg.svdvals(out.weight)[0].item() != pytest.approx(1, rel=1e-2)
    for layer, flows in ((linear, flow != "none"), (conv, flow == "all")):
        raw = raw_weight(layer)
        # The normalised weight does not change along W itself. For the loss <W / rho, W> the gradient has no part
        # along W where it flows through rho, and is W / rho where it does not.
        (grad,) = torch.autograd.grad((layer.weight * raw.detach()).sum(), raw)
        along = (grad * raw).sum() / (grad.norm() * raw.norm())
        assert along.item() == pytest.approx(0 if flows else 1, abs=1e-3)


def test_bound_and_only_shrink():
    base = spec(spectral__kind="weights", spectral__layers=[-2], spectral__warmup_steps=500)
    for bound, only_shrink in ((3.0, False), (100.0, False), (100.0, True)):
        part = base.spectral.model_copy(update={"bound": bound, "only_shrink": only_shrink})
        network = build(spec()).learner.agent.online
        raw = torch.linalg.svdvals(network.layers[-2].weight)[0].item()
        normalise(part, network, generator(0, "spectral"))
        norm = torch.linalg.svdvals(network.layers[-2].weight)[0].item()
        assert norm == pytest.approx(raw if only_shrink else bound, rel=1e-3)


def test_target_copies_take_raw_weights_and_singular_vectors_along():
    run = spec(spectral__kind="weights", spectral__layers=[-2])
    learner = build(run).learner
    online, target = learner.agent.online, learner.agent.target
    with torch.no_grad():
        raw_weight(online.layers[-2]).mul_(5).add_(0.1)
    attached(online).advance(50)
    target.load_state_dict(online.state_dict())
    assert torch.equal(raw_weight(target.layers[-2]), raw_weight(online.layers[-2]))
    obs = torch.randint(0, 2, (3, 4, 10, 10), dtype=torch.uint8)
    assert torch.equal(online(obs), target(obs))
    assert attached(target).members.keys() == {-2}


def test_forward_passes_do_not_move_the_meters_and_advance_does_not_break_backward():
    network = build(
        spec(spectral__kind="weights", spectral__layers=[-2], spectral__warmup_steps=1)
    ).learner.agent.online
    before = copy.deepcopy(attached(network).state_dict())
    obs = torch.randint(0, 2, (3, 4, 10, 10), dtype=torch.uint8)
    loss = network(obs).sum()
    assert torch.equal(attached(network).state_dict()[-2]["u"], before[-2]["u"])
    attached(network).advance(3)
    loss.backward()  # an in-place update of u or v would raise here
    assert raw_weight(network.layers[-2]).grad.abs().sum() > 0


def test_tracking_changes_nothing_but_the_record():
    a = build(spec(record__norms="none")).learner
    b = build(spec(record__norms__layers=[-1, -2, -3])).learner
    for x, y in zip(a.agent.online.parameters(), b.agent.online.parameters(), strict=True):
        assert torch.equal(x, y)
    assert set(b.read()) == {"rho[-1]", "rho[-2]", "rho[-3]"} and a.read() == {}


def trained(use: str, scope: str = "layer", updates: int = 3, **changes):
    """A learner after a few updates on one batch, and the batch."""
    from tests.agents.test_parts import batch

    options = {"spectral__kind": use, "record__norms": "none", **changes}
    if use != "none":
        options |= {"spectral__layers": [-2, -3], "spectral__warmup_steps": 400}
    if use in ("gradient", "epsilon", "lr"):
        options["spectral__scope"] = scope
    learner = build(spec(**options)).learner
    for _ in range(updates):
        learner.learn(batch())
    return learner, batch()


def norms(network) -> list[float]:
    _, linear = network.layers[0], network.layers[1]
    return [torch.linalg.svdvals(linear.weight)[0].item(), torch.linalg.svdvals(operator(network.layers[0]))[0].item()]


def test_divided_output_equals_spectral_normalisation_with_scaled_biases():
    """f / P = the network with W_i / rho_i and each bias divided by the norms up to it (ReLU is homogeneous)."""
    learner, data = trained("output", updates=0)
    plain = build(spec(record__norms="none")).learner.agent.online
    rho_linear, rho_conv = norms(plain)
    with torch.no_grad():
        conv, linear, out = plain.layers
        conv.weight /= rho_conv
        conv.bias.normal_()
        learner.agent.online.layers[0].bias.copy_(conv.bias)
        conv.bias /= rho_conv
        linear.weight /= rho_linear
        linear.bias.normal_()
        learner.agent.online.layers[1].bias.copy_(linear.bias)
        linear.bias /= rho_conv * rho_linear
        out.bias.normal_()
        learner.agent.online.layers[2].bias.copy_(out.bias)
        out.bias /= rho_conv * rho_linear
        assert torch.allclose(learner.agent.online(data.obs[0]), plain(data.obs[0]), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("scope", ["layer", "product"])
def test_divided_gradients_are_those_of_the_plain_network_over_the_norms(scope):
    learner, data = trained("gradient", scope, updates=0)
    plain, _ = trained("none", updates=0)
    linear, conv = norms(plain.agent.online)
    learner.learn(data), plain.learn(data)
    product = linear * conv
    factors = [product] * 6 if scope == "product" else [conv, 1, linear, 1, 1, 1]
    for ours, theirs, factor in zip(learner.agent.step.parameters, plain.agent.step.parameters, factors, strict=True):
        assert torch.allclose(ours.grad * factor, theirs.grad, rtol=2e-3, atol=1e-7)


@pytest.mark.parametrize(("use", "scope"), [("epsilon", "layer"), ("epsilon", "product"), ("lr", "layer")])
def test_scaled_epsilons_and_rates_stand_where_they_should(use, scope):
    learner, data = trained(use, scope, updates=0)
    linear, conv = norms(learner.agent.online)
    learner.learn(data)
    lr, eps = 2.5e-4, 3.125e-4
    product = [linear * conv] * 6
    factors = product if scope == "product" else [conv, 1, linear, 1, 1, 1]
    if use == "epsilon":
        assert learner.agent.step.optimizer.epsilons == pytest.approx([eps * f for f in factors], rel=1e-3)
        assert learner.agent.step.optimizer.rates == [lr] * 6
    else:
        assert learner.agent.step.optimizer.rates == pytest.approx([lr / f for f in factors], rel=1e-3)
        assert learner.agent.step.optimizer.epsilons == [eps] * 6


def step_of(divide_by: float, eps: float, scale_eps: float) -> torch.Tensor:
    """Four Adam steps on fixed gradients divided by a constant, with a scaled epsilon."""
    from agents.optim.adam import Adam
    from agents.spec.optimizer import Adam as AdamSpec

    torch.manual_seed(0)
    weight = nn.Parameter(torch.zeros(20, dtype=torch.float64))
    optimizer = Adam(AdamSpec(kind="adam", lr=0.1, epsilon=eps, beta1=0.9, beta2=0.999), [weight])
    optimizer.epsilons[0] *= scale_eps
    for _ in range(4):
        weight.grad = torch.randn(20, dtype=torch.float64) / divide_by
        optimizer.step()
    return weight.detach()


def test_multiplied_epsilon_equals_divided_gradients_for_constant_norms():
    assert torch.allclose(step_of(7.0, 0.01, 1.0), step_of(1.0, 0.01, 7.0), atol=1e-15)
    assert not torch.allclose(step_of(7.0, 0.01, 1.0), step_of(1.0, 0.01, 1.0), atol=1e-4)


def test_divided_gradients_change_nothing_under_adam_as_epsilon_vanishes():
    gap = [(step_of(7.0, eps, 1.0) - step_of(1.0, eps, 1.0)).abs().max().item() for eps in (1e-2, 1e-5, 1e-9)]
    assert gap[0] > 1e-2 > gap[1] > gap[2] and gap[2] < 1e-7
