"""K-FAC: factors against exact Fisher blocks, steps against dense solves, the trust region, and its ways out."""

import copy
import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from agents.losses.policy import gaussian_log_likelihood, kl_divergence
from agents.nets.layers import Conv2d
from agents.optim.kfac import KFAC, NaturalStep
from agents.optim.kronecker import eigen, factored_damping, factors, inputs, outputs, plain_damping
from agents.run.checkpoint import Checkpoints
from agents.run.loop import Run
from agents.spec.optimizer import KFAC as KFACSpec
from agents.spec.optimizer import Critic, EuclideanCritic, GaussNewton
from tests.agents.specs import spec

NUMBERS = {
    "kind": "kfac", "lr": 0.5, "momentum": 0.0, "radius": 1e6, "damping": {"kind": "plain", "epsilon": 0.1},
    "decay": 0.9, "start": "first", "inverse_every": 1,
    "critic": {"kind": "gauss_newton", "sigma": 1.0}, "cold": {"kind": "none"}, "measure_kl": False,
}  # fmt: skip

UNIT = GaussNewton(kind="gauss_newton", sigma=1.0)


def numbers(**changes) -> KFACSpec:
    return KFACSpec.model_validate(NUMBERS | changes)


def tensor(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def filled(module: nn.Module, seed: int = 0) -> nn.Module:
    """Parameters that owe nothing to torch's generator."""
    rng = np.random.default_rng(seed)
    for parameter in module.parameters():
        parameter.data = torch.from_numpy(rng.normal(size=parameter.shape).astype(np.float32))
    return module


def matrix_gradient(layer: nn.Module, log_p: torch.Tensor) -> torch.Tensor:
    """vec of the gradient by [W, b], row by row."""
    grads = torch.autograd.grad(log_p, list(layer.parameters()), retain_graph=True)
    return torch.cat([grads[0].flatten(1), *(grad[:, None] for grad in grads[1:])], 1).flatten()


def seen(layer: nn.Module, network: nn.Module, x: torch.Tensor, log_p) -> tuple[torch.Tensor, torch.Tensor]:
    """A and G of a batch by hand: inputs and gradients of the layer's outputs taken from the graph."""
    passed = []
    with layer.register_forward_hook(lambda _, given, output: passed.append((given[0], output))):
        result = log_p(network(x))
    (g,) = torch.autograd.grad(result, passed[0][1], retain_graph=True)
    return factors(inputs(layer, passed[0][0]), outputs(g))


# ---------------------------------------------------------------- factors


@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_layers_factors_are_its_exact_fisher_block(bias):
    """One state, and each action as often as the policy takes it: the mean over the batch is the expectation."""
    layer, out = filled(nn.Linear(3, 4, bias=bias)), filled(nn.Linear(4, 3), seed=1)
    network, x, actions = nn.Sequential(layer, nn.Tanh(), out), tensor(1, 3), torch.tensor([0, 0, 1, 2])
    out.bias.data += torch.tensor([0.5, 0.25, 0.25]).log() - network(x)[0].detach()

    def log_p(logits: torch.Tensor) -> torch.Tensor:
        return logits.log_softmax(-1)[torch.arange(4), actions].sum()

    a, g = seen(layer, network, x.expand(4, 3), log_p)
    log_pi = network(x)[0].log_softmax(-1)
    exact = torch.zeros(4 * len(a), 4 * len(a))
    for action, probability in enumerate((0.5, 0.25, 0.25)):
        score = matrix_gradient(layer, log_pi[action])
        exact += probability * torch.outer(score, score)
    assert exact.abs().max() > 0.05 and a.shape == (3 + bias, 3 + bias)
    torch.testing.assert_close(torch.kron(g, a), exact, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("padding", "stride"), [(0, 1), (0, 2), (1, 1)])
def test_a_convolutions_factors_are_its_exact_fisher_block(padding, stride):
    """Derivatives of +-1 at each position that are uncorrelated in space: what KFC takes for granted."""
    layer = filled(nn.Conv2d(2, 1, 2, padding=padding, stride=stride))
    x = tensor(1, 2, 3, 3)
    signs = hadamard(layer(x).numel())
    a, g = seen(layer, layer, x.expand(len(signs), 2, 3, 3), lambda y: (y.flatten(1) * signs).sum())
    scores = [matrix_gradient(layer, (layer(x).flatten() * each).sum()) for each in signs]
    exact = torch.stack([torch.outer(score, score) for score in scores]).mean(0)
    assert a.shape == (9, 9) and g.tolist() == [[1.0]]
    torch.testing.assert_close(torch.kron(g, a), exact, rtol=1e-4, atol=1e-4)


def hadamard(size: int) -> torch.Tensor:
    found = torch.ones(1, 1)
    while len(found) < size:
        found = torch.cat([torch.cat([found, found], 1), torch.cat([found, -found], 1)])
    return found


def test_a_convolution_that_covers_all_is_a_linear_layer():
    conv = filled(Conv2d((2, 3, 3), 4, 3, 1, gather=False))
    line = nn.Linear(18, 4)
    line.weight.data, line.bias.data = conv.weight.data.flatten(1), conv.bias.data
    x, weights = tensor(5, 2, 3, 3), tensor(5, 4, seed=1)
    ours = seen(conv, conv, x, lambda y: (y.flatten(1) * weights).sum())
    theirs = seen(line, line, x.flatten(1), lambda y: (y * weights).sum())
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("gather", [True, False])
def test_patches_give_a_convolutions_output_and_gradient(gather):
    """W a is what the layer gives at each position, and the sum of g a^T its gradient, in the order of its weight."""
    layer = filled(Conv2d((3, 6, 6), 4, 3, 2, gather))
    x, weights = tensor(2, 3, 6, 6), tensor(2, 4, 2, 2, seed=1)
    matrix = torch.cat([layer.weight.flatten(1), layer.bias[:, None]], 1)
    a = inputs(layer, x)
    torch.testing.assert_close((a @ matrix.t()), outputs(layer(x)), rtol=1e-4, atol=1e-4)
    grad = matrix_gradient(layer, (layer(x) * weights).sum()).view(4, -1)
    torch.testing.assert_close(torch.einsum("nto,nti->oi", outputs(weights), a), grad, rtol=1e-4, atol=1e-4)


def test_factors_of_two_samples_by_hand():
    a = torch.tensor([[[1.0, 0.0], [2.0, 1.0]], [[0.0, 1.0], [1.0, 1.0]]])
    g = torch.tensor([[[2.0], [1.0]], [[-1.0], [0.0]]])
    found = factors(a, g)  # sums over four patches by 2; over four gradients by 2 * 2
    assert found[0].tolist() == [[3.0, 1.5], [1.5, 1.5]] and found[1].tolist() == [[1.5]]


# ---------------------------------------------------------------- damping


A, G = torch.tensor([[2.0, 0.0], [0.0, 8.0]]), torch.tensor([[1.0, 0.0], [0.0, 0.25]])
GRADIENT = torch.tensor([[1.0, 2.0], [3.0, 4.0]])


def test_plain_damping_by_hand():
    # products of eigenvalues (2, 8; 0.5, 2), each with 0.5 added: 2.5, 8.5; 1, 2.5
    found = plain_damping(GRADIENT, eigen(A), eigen(G), 0.5)
    assert found.flatten().tolist() == pytest.approx([0.4, 2 / 8.5, 3.0, 1.6])


def test_factored_damping_by_hand():
    # means 5 and 0.625, so pi^2 = 8; damping 0.5: pi sqrt(0.5) = 2 is added to A, sqrt(0.5) / pi = 0.25 to G
    found = factored_damping(GRADIENT, eigen(A), eigen(G), 0.5)
    assert found.flatten().tolist() == pytest.approx([1 / (1.25 * 4), 2 / (1.25 * 10), 3 / (0.5 * 4), 4 / (0.5 * 10)])
    nothing = factored_damping(GRADIENT, eigen(A), eigen(torch.zeros(2, 2)), 0.25)  # pi 1
    assert nothing.flatten().tolist() == pytest.approx([1 / (2.5 * 0.5), 2 / (8.5 * 0.5), 3 / 1.25, 4 / 4.25])


@pytest.mark.parametrize("split", [1.0, 4.0, 1e-3])
def test_how_a_scale_is_split_between_the_factors_does_not_matter(split):
    """The positions' T may stand in A or in G; pi makes up for it."""
    for damped in (plain_damping, factored_damping):
        one = damped(GRADIENT, eigen(A), eigen(G), 0.3)
        torch.testing.assert_close(damped(GRADIENT, eigen(A * split), eigen(G / split), 0.3), one, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("damped", [plain_damping, factored_damping])
def test_damping_is_a_dense_solve(damped):
    a, g, grad = tensor(7, 5), tensor(6, 4, seed=1), tensor(4, 5, seed=2)
    a, g = a.t() @ a / 7, g.t() @ g / 6
    if damped is plain_damping:
        dense = torch.kron(g, a) + 0.1 * torch.eye(20)
    else:
        pi = ((a.trace() / 5) / (g.trace() / 4)).sqrt()
        dense = torch.kron(g + 0.1**0.5 / pi * torch.eye(4), a + 0.1**0.5 * pi * torch.eye(5))
    wanted = torch.linalg.solve(dense, grad.flatten()).view(4, 5)
    torch.testing.assert_close(damped(grad, eigen(a), eigen(g), 0.1), wanted, rtol=1e-3, atol=1e-4)


def test_what_is_no_second_moment_has_no_eigenbasis():
    assert eigen(torch.tensor([[1.0, 0.0], [0.0, math.nan]])) is None
    assert eigen(torch.tensor([[1.0, 0.0], [0.0, -0.5]])) is None
    assert eigen(torch.tensor([[-1.0, 0.0], [0.0, -0.5]])) is None
    rounded = eigen(torch.tensor([[1.0, 0.0], [0.0, -1e-6]]))
    assert rounded is not None and rounded.values.tolist() == [0.0, 1.0]


# ---------------------------------------------------------------- steps


class Net(nn.Module):
    """A convolution, a hidden layer, a policy and a value: [N, 1, 4, 4] -> logits [N, 3], values [N]."""

    def __init__(self):
        super().__init__()
        self.conv, self.hidden = Conv2d((1, 4, 4), 2, 2, 2, gather=True), nn.Linear(8, 5)
        self.policy, self.value = nn.Linear(5, 3), nn.Linear(5, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = torch.tanh(self.hidden(torch.tanh(self.conv(x)).flatten(1)))
        return self.policy(x), self.value(x).squeeze(-1)


class Samples:
    """An objective on N states with actions, advantages and noise; the last `idle` states have no sample."""

    def __init__(self, net: Net, samples: int = 12, idle: int = 2, scale: float = 1.0, seed: int = 0):
        rng = np.random.default_rng(seed)
        self.net, self.count = net, samples
        self.x = torch.from_numpy(rng.normal(size=(samples + idle, 1, 4, 4)).astype(np.float32))
        self.action = torch.from_numpy(rng.integers(3, size=samples))
        self.goal, self.noise = (
            torch.from_numpy(rng.normal(size=samples).astype(np.float32)) * factor for factor in (scale, 1.0)
        )
        with torch.no_grad():
            self.before = net(self.x)[0]

    def log_pi(self) -> torch.Tensor:
        return self.logits[: self.count].log_softmax(-1).gather(-1, self.action[:, None])[:, 0]

    def loss(self) -> torch.Tensor:
        self.logits, self.values = self.net(self.x)
        return (-self.goal * self.log_pi() + 0.5 * (self.values[: self.count] - self.goal) ** 2).mean()

    def likelihood(self, critic: Critic) -> tuple[torch.Tensor, torch.Tensor]:
        log_p = self.log_pi()
        if critic.kind == "gauss_newton":
            sigma = torch.tensor(critic.sigma)
            log_p = log_p + gaussian_log_likelihood(self.values[: self.count], self.noise, sigma)
        return log_p.sum(), torch.arange(len(self.x)) < self.count

    @torch.no_grad()
    def divergence(self) -> torch.Tensor:
        return kl_divergence(self.before, self.net(self.x)[0])[: self.count].mean()


def made(net: nn.Module, **changes) -> NaturalStep:
    return NaturalStep(KFAC(numbers(**changes), net), None, [])


def by_hand(net: Net, objective: Samples, damping: float, critic: Critic = UNIT) -> list[torch.Tensor]:
    """F^-1 g of each layer's weight and bias by dense matrices: each sample's gradients taken by themselves."""
    grads = torch.autograd.grad(objective.loss(), list(net.parameters()))
    likelihood, rows = objective.likelihood(critic)
    wanted, at = [], 0
    for layer in (net.conv, net.hidden, net.policy, net.value):
        grad = torch.cat([grads[at].flatten(1), grads[at + 1][:, None]], 1)
        at += 2
        if critic.kind == "euclidean" and layer is net.value:
            wanted += [grads[at - 2], grads[at - 1]]
            continue
        passed = []
        with layer.register_forward_hook(lambda _, given, output, passed=passed: passed.append((given[0], output))):
            objective.loss()
        (g,) = torch.autograd.grad(objective.likelihood(critic)[0], passed[0][1])
        a, g = factors(inputs(layer, passed[0][0].detach()[rows]), outputs(g[rows]))
        dense = torch.kron(g.double(), a.double()) + damping * torch.eye(grad.numel(), dtype=torch.float64)
        v = torch.linalg.solve(dense, grad.double().flatten()).view(grad.shape).float()
        wanted += [v[:, :-1].reshape(layer.weight.shape), v[:, -1]]
    assert likelihood.ndim == 0
    return wanted


@pytest.mark.parametrize(
    "critic", [UNIT, GaussNewton(kind="gauss_newton", sigma=0.5), EuclideanCritic(kind="euclidean")]
)
def test_a_step_is_the_dense_solve(critic):
    net = filled(Net())
    objective, before = Samples(net), [p.detach().clone() for p in net.parameters()]
    wanted = by_hand(net, objective, 0.1, critic)
    moved = made(net, critic=critic.model_dump()).descend(objective)
    for parameter, old, v in zip(net.parameters(), before, wanted, strict=True):
        torch.testing.assert_close(parameter.detach(), old - 0.5 * v, rtol=1e-3, atol=1e-4)
    assert moved["step_share"] == 1 and moved["fallbacks"] == 0 and moved["grad_norm"] > 0 and "policy_kl" not in moved


def test_the_trust_region_scales_the_step():
    net, radius = filled(Net()), 1e-3
    objective = Samples(net)
    before, wanted = [p.detach().clone() for p in net.parameters()], by_hand(net, objective, 0.1)
    grads = torch.autograd.grad(objective.loss(), list(net.parameters()))
    size = 0.25 * sum((v * g).sum() for v, g in zip(wanted, grads, strict=True))
    moved = made(net, radius=radius).descend(objective)
    share = (radius / size).sqrt()
    assert share < 0.2 and moved["step_share"].item() == pytest.approx(share.item(), rel=1e-3)
    for parameter, old, v in zip(net.parameters(), before, wanted, strict=True):
        torch.testing.assert_close(parameter.detach(), old - 0.5 * share * v, rtol=1e-3, atol=1e-5)


def test_momentum_averages_and_schedules():
    """Two steps: b = m b + nu v, w - lr (1 - m) b; the average moves by 1 - decay; lr is the one of the step."""
    net = filled(Net())
    step, old = made(net, momentum=0.75, start="zero"), []
    objective, twin = Samples(net), None
    for rate in (0.5, 0.25):
        step.optimizer.rates = [rate] * len(step.parameters)
        twin = copy.deepcopy(net)
        before = [p.detach().clone() for p in net.parameters()]
        step.descend(objective)
        old.append((twin, before, [p.detach().clone() for p in net.parameters()]))
    averages, momentum = {}, [torch.zeros_like(p) for p in net.parameters()]
    for rate, (twin, before, after) in zip((0.5, 0.25), old, strict=True):
        again = Samples(twin)
        grads = torch.autograd.grad(again.loss(), list(twin.parameters()))
        at = 0
        for name in ("conv", "hidden", "policy", "value"):
            layer, passed = getattr(twin, name), []
            with layer.register_forward_hook(lambda _, given, output, passed=passed: passed.append((given[0], output))):
                again.loss()
            likelihood, rows = again.likelihood(UNIT)
            (g,) = torch.autograd.grad(likelihood, passed[0][1])
            found = factors(inputs(layer, passed[0][0].detach()[rows]), outputs(g[rows]))
            averages[name] = [
                0.9 * past + 0.1 * new
                for past, new in zip(averages.get(name, [0 * each for each in found]), found, strict=True)
            ]
            a, g = averages[name]
            grad = torch.cat([grads[at].flatten(1), grads[at + 1][:, None]], 1)
            v = plain_damping(grad, eigen(a), eigen(g), 0.1)
            momentum[at] = 0.75 * momentum[at] + v[:, :-1].reshape(grads[at].shape)
            momentum[at + 1] = 0.75 * momentum[at + 1] + v[:, -1]
            at += 2
        for b, start, end in zip(momentum, before, after, strict=True):
            torch.testing.assert_close(end, start - rate * 0.25 * b, rtol=1e-3, atol=1e-5)


def test_bases_are_new_every_few_steps_and_cold_ones_go_along_the_gradient(monkeypatch):
    net, taken = filled(Net()), []
    cold = {"kind": "momentum", "updates": 2, "lr": 0.5, "clip_norm": 0.25}
    step = made(net, momentum=0.5, cold=cold, inverse_every=3)
    monkeypatch.setattr("agents.optim.kronecker.eigen", lambda factor: taken.append(len(factor)) or eigen(factor))
    objective, velocity = Samples(net, scale=10.0), [torch.zeros_like(p) for p in net.parameters()]
    for _ in range(2):
        before = [p.detach().clone() for p in net.parameters()]
        grads = torch.autograd.grad(objective.loss(), list(net.parameters()))
        norm = torch.cat([g.flatten() for g in grads]).norm()
        assert norm > 0.25
        velocity = [0.5 * b + g * 0.25 / norm for b, g in zip(velocity, grads, strict=True)]
        assert "step_share" not in step.descend(objective) and not taken
        for p, old, b in zip(net.parameters(), before, velocity, strict=True):
            torch.testing.assert_close(p.detach(), old - 0.5 * b, rtol=1e-4, atol=1e-5)
    assert not any(b.any() for b in step.optimizer.momentum)  # the warm steps begin with their own
    assert all(block.observed for block in step.optimizer.blocks)
    counts = []
    for _ in range(7):
        assert "step_share" in step.descend(objective)
        counts.append(len(taken))
    assert counts == [8, 8, 8, 16, 16, 16, 24]  # two factors of each of four layers


class Linear(nn.Module):
    """A policy whose logits are linear in what a Gaussian tells of them: KL divergences are quadratic."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 4, bias=False)


class Quadratic:
    """Gaussians of variance 1 with means W x: KL = 1/2 mean |dW x|^2, exactly what the Fisher matrix says."""

    def __init__(self, net: Linear, seed: int, pull: float):
        rng = np.random.default_rng(seed)
        self.net, self.x = net, torch.from_numpy(rng.normal(size=(64, 3)).astype(np.float32))
        self.goal = torch.from_numpy(rng.normal(size=(64, 4)).astype(np.float32)) * pull
        # noise with the identity for its second moment, so that the sampled matrix is the true one
        q, _ = np.linalg.qr(rng.normal(size=(64, 4)))
        self.noise = torch.from_numpy((q * 8).astype(np.float32))
        self.before = net.layer(self.x).detach()

    def loss(self) -> torch.Tensor:
        self.means = self.net.layer(self.x)
        return ((self.means - self.goal) ** 2).mean()

    def likelihood(self, critic: Critic) -> tuple[torch.Tensor, torch.Tensor]:
        log_p = gaussian_log_likelihood(self.means, self.noise, torch.tensor(1.0))
        return log_p.sum(), torch.ones(64, dtype=torch.bool)

    @torch.no_grad()
    def divergence(self) -> torch.Tensor:
        return 0.5 * (self.net.layer(self.x) - self.before).square().sum(1).mean()


@pytest.mark.parametrize("damping", ["plain", "factored"])
@pytest.mark.parametrize("radius", [1e-4, 1e-2, 1.0])
def test_on_a_quadratic_the_divergence_stays_in_the_trust_region(damping, radius):
    for seed, pull in itertools.product(range(3), (1.0, 100.0)):
        net = filled(Linear(), seed)
        objective = Quadratic(net, seed, pull)
        step = made(net, lr=10.0, radius=radius, damping={"kind": damping, "epsilon": 1e-3}, measure_kl=True)
        moved = step.descend(objective)
        assert moved["step_share"] < 1 and moved["policy_kl"].item() == objective.divergence().item()
        # half the radius is what the model says; damping leaves a little less
        assert 0.45 * radius < moved["policy_kl"] < 0.501 * radius


# ---------------------------------------------------------------- falling back


def spoil(step: NaturalStep, layer: int, value: float) -> None:
    """Make a statistic one that no batch gives."""
    step.optimizer.blocks[layer].averages[1].fill_(0.0).diagonal().fill_(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
def test_a_spoilt_factor_falls_back_to_the_bases_before(value):
    net = filled(Net())
    step, objective = made(net, decay=0.999), Samples(net)
    step.descend(objective)
    kept = [basis.vectors.clone() for basis in step.optimizer.blocks[1].bases]
    spoil(step, 1, value)
    moved = step.descend(objective)
    assert moved["fallbacks"] >= 1 and all(p.isfinite().all() for p in net.parameters())
    for basis, old in zip(step.optimizer.blocks[1].bases, kept, strict=True):
        assert torch.equal(basis.vectors, old)
    assert step.optimizer.blocks[0].known and 0 < moved["step_share"] <= 1


def test_without_any_basis_the_metric_is_the_identity():
    net = filled(Net())
    step, objective = made(net, decay=0.999), Samples(net)
    for layer in range(4):
        step.optimizer.blocks[layer].observed = True
        spoil(step, layer, -50.0)
    before = [p.detach().clone() for p in net.parameters()]
    grads = torch.autograd.grad(objective.loss(), list(net.parameters()))
    assert step.descend(objective)["fallbacks"] == 4
    for p, old, g in zip(net.parameters(), before, grads, strict=True):
        torch.testing.assert_close(p.detach(), old - 0.5 * g)


def test_a_batch_that_shows_no_numbers_is_not_taken_in():
    net = filled(Net())
    step, objective = made(net), Samples(net)
    step.descend(objective)
    kept = [average.clone() for block in step.optimizer.blocks for average in block.averages]
    objective.noise[0] = math.nan
    moved = step.descend(objective)
    assert moved["fallbacks"] == 3  # all but the policy's own layer hear of the value's noise
    found = [average for block in step.optimizer.blocks for average in block.averages]
    same = [torch.equal(one, other) for one, other in zip(found, kept, strict=True)]
    assert same == [True, True, True, True, False, False, True, True]
    assert all(p.isfinite().all() for p in net.parameters())


def test_other_parameters_than_those_of_layers_are_refused():
    with pytest.raises(ValueError, match="linear layers and convolutions"):
        KFAC(numbers(), nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2)))


# ---------------------------------------------------------------- runs


SMALL = {
    "learning__target_every_frames": None,
    "environment__streams": 4,
    "learning__batch": 4,
    "agent__unroll": 5,
    "network__units": [16],
    "network__convolutions": [[4, 3, 1]],
    "optimizer__cold__updates": 2,
    "optimizer__inverse_every": 3,
    "optimizer__measure_kl": True,
}


def begin(tmp_path, **changes) -> Run:
    return Run(spec("acktr_minatar", **SMALL | changes), Checkpoints(tmp_path, {}, print))


@pytest.mark.parametrize("critic", [{"kind": "gauss_newton", "sigma": 0.5}, "euclidean", "adaptive"])
def test_acktr_trains(critic, tmp_path):
    """With batches of 20 the sampled curvature is rough: exact divergences lie near the radius, not below it."""
    run = begin(tmp_path, optimizer__critic=critic, optimizer__momentum=0.0, optimizer__start="first")
    learner, seen_kl = run.parts.learner, []
    learner.listeners.append(lambda: seen_kl.append(learner.agent.step.optimizer.share))
    while run.frame < 1000:
        assert run.iterate()
    readings = {row["metric"]: row["value"] for row in run.recorder.tables()["learning"].to_pylist()}
    assert len(seen_kl) >= 50 and seen_kl[:2] == [None, None] and all(0 < share <= 1 for share in seen_kl[2:])
    assert readings["fallbacks"] == 0 and 0 <= readings["policy_kl"] < 0.05 and readings["grad_norm"] > 0


def test_a_fisher_matrix_that_is_spoilt_in_a_run_does_not_end_it(tmp_path):
    run = begin(tmp_path)
    while run.frame < 400:
        assert run.iterate()
    for block in run.parts.learner.agent.step.optimizer.blocks:
        block.averages[0].fill_(math.nan)
    while run.frame < 1000:
        assert run.iterate()
    rows = [row for row in run.recorder.tables()["learning"].to_pylist() if row["metric"] == "fallbacks"]
    assert [row["value"] > 0 for row in rows] == [False] * 4 + [True] * (len(rows) - 4)
    assert run.finite()


def test_the_value_samples_draw_new_noise_at_each_update(tmp_path):
    run = begin(tmp_path)
    agent, states = run.parts.learner.agent, []
    run.parts.learner.listeners.append(lambda: states.append(agent.noise.get_state().numpy().tobytes()))
    while run.frame < 100:
        run.iterate()
    assert len(states) == len(set(states)) == 5


def test_only_the_learning_pass_is_watched(tmp_path):
    run = begin(tmp_path)
    network = run.parts.learner.agent.online
    while run.frame < 100:
        run.iterate()
    assert not any(module._forward_hooks for module in network.modules())
    assert all(block.passed is None for block in run.parts.learner.agent.step.optimizer.blocks)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"network__core": {"kind": "lstm", "before": [], "units": 8, "inputs": True}},
            "optimizer kfac knows no weights shared over time: network.core none, not lstm",
        ),
        ({"network__linear": {"kind": "factorised", "sigma": 0.5}}, "noisy layers: network.linear plain, not factori"),
        ({"executor": {"kind": "hogwild", "actors": 4}}, "executor hogwild needs optimizer rmsprop"),
        ({"executor__lags_updates": [0, 2]}, "executor inline without lags_updates, not inline with lags_updates"),
        ({"memory__select__replay_share": 0.5}, "memory.select.replay_share 0, not 0.5"),
        ({"learning__batch": 2}, "learning.batch must be a multiple of environment.streams times memory.copies, 4"),
        (
            {
                "spectral": {
                    "kind": "weights", "layers": [-1], "power_steps": 1, "warmup_steps": 1, "only_shrink": False,
                    "target_power_steps": 0, "bound": 1.0, "flow": "none",
                }
            },
            "optimizer kfac measures weights as they are: spectral none, not weights",
        ),
        ({"optimizer__radius": 0.0}, "greater than 0"),
        ({"optimizer__damping__epsilon": 0.0}, "greater than 0"),
        ({"optimizer__momentum": 1.0}, "less than 1"),
    ],
)  # fmt: skip
def test_what_does_not_go_with_it_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=message):
        spec("acktr_minatar", **SMALL | changes)


def test_it_is_for_policies():
    with pytest.raises(ValueError, match="optimizer kfac needs a policy to measure: agent actor_critic, not dqn"):
        spec("dqn_minatar_sn", optimizer=NUMBERS)


def test_a_residual_torso_has_factors_too(tmp_path):
    run = begin(tmp_path, network__torso="residual", network__convolutions=[[4, 3, 2]])
    while run.frame < 200:
        assert run.iterate()
    assert len(run.parts.learner.agent.step.optimizer.blocks) == 5 + 3
