"""Networks as one step of autograd: values, gradients and whole runs against the plain layers."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from agents.build import build
from agents.nets.chain import Chain
from agents.nets.layers import Conv2d, Linear
from tests.agents.specs import spec
from tests.agents.test_parts import batch


def plain(layers: list[nn.Module], x: torch.Tensor) -> torch.Tensor:
    """The same layers by torch's own forward passes."""
    for i, layer in enumerate(layers):
        x = layer(x if isinstance(layer, nn.Conv2d) else x.flatten(1))
        x = x if i == len(layers) - 1 else x.relu()
    return x


def conv(side: int, channels: int, kernel: int, stride: int) -> Conv2d:
    return Conv2d((4, side, side), channels, kernel, stride)


STACKS = {
    "minatar": lambda: [conv(10, 6, 3, 1), Linear(6 * 64, 16, True), Linear(16, 10, True)],
    "stride": lambda: [conv(10, 5, 4, 2), Linear(5 * 16, 7, True), Linear(7, 8, False), Linear(8, 10, True)],
    "convolution": lambda: [conv(10, 6, 3, 1)],
    "large": lambda: [conv(20, 3, 8, 4)],
    "linear": lambda: [Linear(400, 12, True), Linear(12, 10, False)],
    "one": lambda: [Linear(400, 10, True)],
    "normalised": lambda: [
        parametrizations.spectral_norm(conv(10, 6, 3, 1)).eval(),
        parametrizations.spectral_norm(Linear(6 * 64, 16, True)).eval(),
        Linear(16, 10, True),
    ],
}


@pytest.mark.parametrize("scale", [1.0, 1 / 255])
@pytest.mark.parametrize("kind", STACKS)
def test_a_chain_equals_plain_layers_in_value_and_gradient(kind, scale):
    torch.manual_seed(0)
    layers = nn.ModuleList(STACKS[kind]()).double()
    side = 20 if kind == "large" else 10
    obs = torch.randint(0, 256, (5, 4, side, side), dtype=torch.uint8)
    z = plain(list(layers), obs.double() * scale)
    shape = (5, 2) if z.dim() == 2 else z.shape[1:]
    y = Chain(layers, scale, shape)(obs)
    z = z.view(5, *shape)
    assert y.shape == z.shape and torch.allclose(y, z, rtol=1e-12, atol=1e-12)
    with torch.no_grad():
        assert torch.equal(Chain(layers, scale, shape)(obs), y)
    slope = torch.randn_like(z)
    parameters = list(layers.parameters())
    ours, theirs = (torch.autograd.grad(out, parameters, slope) for out in (y, z))
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape and torch.allclose(a, b, rtol=1e-12, atol=1e-12 * b.abs().max())


def test_second_derivatives_are_refused_and_not_wrong():
    layer = Linear(4, 3, True)
    y = Chain([layer], 1.0, (3,))(torch.rand(2, 4))
    (grad,) = torch.autograd.grad(y.square().sum(), [layer.weight], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.sum().backward()


VALUES = {
    "scalar": {"kind": "scalar", "loss": "squared"},
    "categorical": {"kind": "categorical", "low": -1.0, "high": 5.0, "atoms": 11},
    "quantile": {"kind": "quantile", "quantiles": 5, "kappa": 1.0},
}
USES = {
    "none": {},
    "weights": {"spectral__use": "weights", "spectral__layers": [-2, -3], "spectral__flow": "all"},
    "output": {"spectral__use": "output", "spectral__layers": [-1, -2, -3]},
    "gradient": {"spectral__use": "gradient", "spectral__layers": [-2]},
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("value", VALUES)
def test_a_hundred_updates_end_where_the_plain_layers_end(value, use):
    plan = spec(agent__value=VALUES[value], agent__selector="online", **USES[use])
    learners = []
    for chained in (True, False):
        learner = build(plan).learner
        assert learner.agent.online._chain and learner.agent.target._chain
        if not chained:
            for network in (learner.agent.online, learner.agent.target):
                network._chain = None
                network.torso._gathered = None
        learners.append(learner)
    start = copy.deepcopy(learners[0].agent.online.state_dict())
    g = torch.Generator().manual_seed(0)
    for _ in range(100):
        data = batch(b=8)
        data = data._replace(
            obs=torch.randint(0, 2, data.obs.shape, generator=g, dtype=torch.uint8),
            reward=torch.rand(1, 8, generator=g),
        )
        for learner in learners:
            learner.learn(data)
    one, two = (learner.agent.online.state_dict() for learner in learners)
    for name, moved in one.items():
        assert torch.allclose(moved, two[name], rtol=0, atol=2e-4), name
    weights = [name for name in one if name.endswith(("weight", "original"))]
    assert len(weights) == 3 and all((one[n] - start[n]).abs().max() > 5e-3 for n in weights)


def test_networks_of_other_forms_keep_their_layers():
    assert build(spec(network__head="dueling")).learner.agent.online._chain is None
    assert build(spec(network__linear={"kind": "factorised", "sigma": 0.5})).learner.agent.online._chain is None
    assert build(spec(network__shared_bias=True)).learner.agent.online._chain is None
    assert build(spec(network__convolutions=[[4, 3, 1], [4, 3, 1]])).learner.agent.online._chain is None
    assert build(spec(network__convolutions=[], spectral__track=[-1])).learner.agent.online._chain
