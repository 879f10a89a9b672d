"""Spectral norms against exact linear algebra."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from agents import rng
from agents.build import build
from agents.nets.layers import Conv2d
from agents.optim.spectral import Meter, attached, normalise, raw_weight
from tests.agents.specs import spec

DICE = np.random.default_rng(0)


def operator(layer: Conv2d) -> torch.Tensor:
    """The convolution (without its bias) as an explicit matrix [outputs, inputs]."""
    size = int(np.prod(layer.input_shape))
    basis = torch.eye(size).view(size, *layer.input_shape)
    return torch.nn.functional.conv2d(basis, layer.weight, stride=layer.stride).flatten(1).t().detach()


def test_linear_norm_equals_the_largest_singular_value():
    torch.manual_seed(0)
    layer = nn.Linear(40, 17)
    meter = Meter(layer, DICE)
    meter.advance(layer.weight, 500)
    assert meter.rho(layer.weight).item() == pytest.approx(torch.linalg.svdvals(layer.weight)[0].item(), rel=1e-5)


@pytest.mark.parametrize(("side", "kernel", "stride"), [(10, 3, 1), (9, 3, 2), (11, 4, 3), (12, 5, 4)])
def test_convolution_norm_is_that_of_the_operator_not_of_the_kernel(side, kernel, stride):
    torch.manual_seed(1)
    layer = Conv2d((3, side, side), 5, kernel, stride, gather=True)
    meter = Meter(layer, DICE)
    meter.advance(layer.weight, 1000)
    exact = torch.linalg.svdvals(operator(layer))[0].item()
    assert meter.rho(layer.weight).item() == pytest.approx(exact, rel=1e-4)
    assert torch.linalg.svdvals(layer.weight.flatten(1))[0].item() != pytest.approx(exact, rel=0.05)


def test_gradient_through_rho_is_the_papers():
    """dL/dW = (G - <G, W / rho> u v^T) / rho for a loss <G, W / rho> (Miyato et al. 2018, eq. 12)."""
    torch.manual_seed(2)
    layer, g = nn.Linear(6, 4), torch.randn(4, 6)
    meter = Meter(layer, DICE)
    meter.advance(layer.weight, 200)
    weight = layer.weight.detach().clone().requires_grad_()
    (g * (weight / meter.rho(weight))).sum().backward()
    rho = meter.rho(layer.weight).detach()
    outer = torch.outer(meter.u, meter.v)
    expected = (g - (g * (layer.weight / rho)).sum() * outer) / rho
    assert torch.allclose(weight.grad, expected.detach(), atol=1e-6)


@pytest.mark.parametrize("flow", ["none", "linear", "all"])
def test_normalised_layers_have_norm_one_and_gradient_flows_where_asked(flow):
    changes = {"spectral__use": "weights", "spectral__layers": [-2, -3], "spectral__flow": flow}
    run = spec(spectral__warmup_steps=500, **changes)
    network = build(run).learner.agent.online
    conv, linear, out = network.layers
    assert torch.linalg.svdvals(linear.weight)[0].item() == pytest.approx(1, rel=1e-3)
    assert torch.linalg.svdvals(operator(conv))[0].item() == pytest.approx(1, rel=1e-3)
    assert torch.linalg.svdvals(out.weight)[0].item() != pytest.approx(1, rel=1e-2)
    for layer, flows in ((linear, flow != "none"), (conv, flow == "all")):
        raw = raw_weight(layer)
        # The normalised weight does not change along W itself: with flow, no gradient points there.
        (grad,) = torch.autograd.grad((layer.weight * torch.randn_like(raw)).sum(), raw)
        along = (grad * raw).sum().abs() / (grad.norm() * raw.norm())
        assert (along.item() < 1e-3) == flows


def test_bound_and_only_shrink():
    base = spec(spectral__use="weights", spectral__layers=[-2], spectral__warmup_steps=500)
    for bound, only_shrink in ((3.0, False), (100.0, False), (100.0, True)):
        part = base.spectral.model_copy(update={"bound": bound, "only_shrink": only_shrink})
        network = build(spec()).learner.agent.online
        raw = torch.linalg.svdvals(network.layers[-2].weight)[0].item()
        normalise(network, part, rng.generator(0, "spectral"))
        norm = torch.linalg.svdvals(network.layers[-2].weight)[0].item()
        assert norm == pytest.approx(raw if only_shrink else bound, rel=1e-3)


def test_target_copies_take_raw_weights_and_singular_vectors_along():
    run = spec(spectral__use="weights", spectral__layers=[-2])
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
    network = build(spec(spectral__use="weights", spectral__layers=[-2], spectral__warmup_steps=1)).learner.agent.online
    before = copy.deepcopy(attached(network).state_dict())
    obs = torch.randint(0, 2, (3, 4, 10, 10), dtype=torch.uint8)
    loss = network(obs).sum()
    assert torch.equal(attached(network).state_dict()[-2]["u"], before[-2]["u"])
    attached(network).advance(3)
    loss.backward()  # an in-place update of u or v would raise here
    assert raw_weight(network.layers[-2]).grad.abs().sum() > 0


def test_tracking_changes_nothing_but_the_record():
    a = build(spec(spectral__track=[])).learner
    b = build(spec(spectral__track=[-1, -2, -3])).learner
    for x, y in zip(a.agent.online.parameters(), b.agent.online.parameters(), strict=True):
        assert torch.equal(x, y)
    assert set(b.read()) == {"rho[-1]", "rho[-2]", "rho[-3]"} and a.read() == {}
