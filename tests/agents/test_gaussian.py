"""Normal policies: values worked out by hand, K-FAC and TRPO on them, and the batch as the agent learns it."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from agents.losses.gaussian import entropy, kl_divergence, log_probability
from agents.nets.gaussian import Gaussians, Policy, Running, value_inputs
from agents.optim.conjugate import Fisher, flat, normal_metric
from agents.optim.kfac import KFAC
from agents.policy.gaussian import Climb, Fit, GaussianActorCritic, times, weight_squares
from agents.run.checkpoint import Checkpoints
from agents.run.loop import Run
from agents.spec.control import Steered
from agents.spec.optimizer import KFAC as KFACSpec
from agents.step import Batch
from tests.agents.specs import NORMAL, fields, spec

SMALL = {**NORMAL, "environment__cap_frames": 30}


def vector(*numbers: float) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


# ---------------------------------------------------------------- losses


def test_densities_are_those_of_torch():
    generator = torch.Generator().manual_seed(1)
    mean, action = torch.randn(5, 3, generator=generator), torch.randn(5, 3, generator=generator)
    log_std = torch.tensor([-1.0, 0.0, 0.5])
    normal = torch.distributions.Normal(mean, log_std.exp())
    assert torch.allclose(log_probability(mean, log_std, action), normal.log_prob(action).sum(-1))
    assert entropy(log_std).item() == pytest.approx(normal.entropy().sum(-1)[0].item(), rel=1e-6)
    other = torch.distributions.Normal(mean + 0.3, (log_std - 0.2).exp())
    found = kl_divergence(mean, log_std, mean + 0.3, log_std - 0.2)
    assert torch.allclose(found, torch.distributions.kl_divergence(normal, other).sum(-1), atol=1e-6)


def test_a_divergence_by_hand():
    """KL(N(0, 1) || N(0.1, 0.9)) = (0.01 + 1 - 0.81) / 1.62 + ln 0.9."""
    found = kl_divergence(vector(0.0), vector(0.0), vector(0.1), vector(math.log(0.9)))
    assert found.item() == pytest.approx(0.018096, abs=1e-6)


# ---------------------------------------------------------------- networks


def test_the_running_scale_of_observations():
    """1, 2, 4 one after the other: 0, then 1 / sqrt(2), then (4 - 7/3) / sqrt(7/3)."""
    seen, found = Running(1, 10.0), []
    for number in (1.0, 2.0, 4.0):
        seen.show(torch.tensor([[number]]))
        found.append(seen(torch.tensor([[number]])).item())
    assert found == pytest.approx([0.0, 0.707107, 1.091089], abs=1e-6)
    assert seen(torch.tensor([[1e9]])).item() == 10
    whole, rng = Running(3, 5.0), np.random.default_rng(0)
    obs = torch.from_numpy(rng.normal(4, 3, (70, 3)).astype(np.float32))
    for part in obs.split([1, 9, 60]):
        whole.show(part)
    whole.show(obs[:0])
    assert torch.allclose(whole.mean, obs.double().mean(0)) and whole.count == 70
    assert torch.allclose(whole.deviation(), obs.double().std(0))


def test_what_was_never_seen_is_left_as_it_is():
    assert Running(2, 10.0)(torch.tensor([[3.0, -40.0]])).tolist() == [[3.0, -10.0]]


def test_an_observation_before_the_first_one_stays_zero():
    policy = Policy(2, 2, [4], 1, 10.0, 0.1)
    policy.seen.show(torch.tensor([[1.0, 5.0], [3.0, 9.0]]))
    out = policy(torch.tensor([[[0.0, 0.0], [3.0, 5.0]], [[2.0, 7.0], [2.0, 7.0]]])[..., None])
    root = math.sqrt(0.5)
    assert out.state.flatten().tolist() == pytest.approx([0, 0, root, -root, 0, 0, 0, 0], abs=1e-6)


def test_initial_weights_have_their_norms():
    networks = Gaussians((2, 17, 1), 1.0, 6, 1, [64, 64], [64, 64], 10.0, 0.1)
    assert torch.allclose(networks.policy.mean.weight.norm(dim=1), torch.full((6,), 0.1))
    assert torch.allclose(networks.policy.hidden[0].weight.norm(dim=1), torch.ones(64))
    assert networks.value.hidden[0].in_features == 48  # 34 + 6 + 6 + 1 + 1: HalfCheetah's
    assert networks.policy.log_std.tolist() == [0.0] * 6


def test_what_the_value_sees():
    policy = Policy(1, 1, [], 1, 10.0, 0.1)
    out = policy(torch.tensor([[[[0.5]]], [[[-2.0]]]]))
    seen = value_inputs(out, torch.tensor([0, 30]))
    assert seen[:, 0].tolist() == [0.5, -2.0] and torch.equal(seen[:, 1:2], out.mean)
    assert seen[:, 2:].tolist() == [[1.0, 0.0, 1.0], [1.0, 3.0, 1.0]]


# ---------------------------------------------------------------- steps


def test_the_rate_follows_from_how_far_a_step_went():
    steered = Steered.model_validate(fields("acktr_mujoco")["agent"]["step"])
    assert steered.rate_after(0.03, 0.0041) == pytest.approx(0.02)
    assert steered.rate_after(0.03, 0.0009) == pytest.approx(0.045)
    assert steered.rate_after(0.03, 0.0015) == 0.03


def climb(seed: int = 0, rows: int = 6) -> Climb:
    torch.manual_seed(seed)
    policy = Policy(3, 1, [4], 2, 10.0, 0.1).double()
    obs, action = torch.randn(rows, 1, 3, 1).double(), torch.randn(rows, 2).double()
    return Climb(policy, obs, action, torch.randn(rows).double(), 0.5)


def test_the_gradient_is_that_of_log_pi():
    objective = climb()
    parameters = list(objective.policy.parameters())
    found = torch.autograd.grad(objective.loss(), parameters)
    out = objective.policy(objective.obs)
    plain = -(log_probability(out.mean, out.log_std, objective.action) * objective.advantage).mean()
    squares = sum((p**2).sum() for p in (objective.policy.hidden[0].weight, objective.policy.mean.weight)) / 2
    wanted = torch.autograd.grad(plain + 0.5 * squares, parameters)
    assert all(torch.allclose(one, other) for one, other in zip(found, wanted, strict=True))
    assert weight_squares(objective.policy).item() == pytest.approx(squares.item())
    assert objective.divergence().item() == 0


def test_the_fisher_matrix_is_the_curvature_of_the_divergence():
    """F v by the metric of means and log spreads equals the second derivative of KL(old || new) at old."""
    objective = climb(2)
    parameters = list(objective.policy.parameters())
    objective.loss()
    v = torch.randn(sum(p.numel() for p in parameters), generator=torch.Generator().manual_seed(3)).double()
    product = objective.fisher(1, parameters, 0.1)
    out = objective.policy(objective.obs)
    kl = kl_divergence(out.mean.detach(), out.log_std.detach(), out.mean, out.log_std).mean()
    slope = flat(torch.autograd.grad(kl, parameters, create_graph=True))
    wanted = flat(torch.autograd.grad(slope @ v, parameters)) + 0.1 * v
    assert torch.allclose(product(v), wanted, atol=1e-12)
    assert isinstance(product, Fisher)


def test_the_metric_of_a_normal_policy():
    found = normal_metric(torch.tensor([0.0, math.log(2.0)]))(torch.tensor([[1.0, 1.0, 1.0, -1.0]]))
    assert torch.allclose(found, torch.tensor([[1.0, 0.25, 2.0, -2.0]]))


class Shifted(nn.Module):
    """A layer, and a number of the network's own beside it."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 1, bias=False)
        self.shift = nn.Parameter(torch.zeros(1))


def kfac(network: nn.Module) -> KFAC:
    numbers = {"kind": "kfac", "lr": 0.5, "momentum": 0.0, "radius": 1e9, "decay": 0.9, "start": "first",
               "inverse_every": 1, "critic": "euclidean", "cold": "none", "measure_kl": False,
               "damping": {"kind": "plain", "epsilon": 1.0}}  # fmt: skip
    return KFACSpec.model_validate(numbers).on(network)


def test_parameters_beside_the_layers_move_along_their_gradient():
    """Of the layer A (x) G = 4 x 9 is known, to which 1 is added; the shift's metric is the identity."""
    network = Shifted()
    optimizer = kfac(network)
    network.layer.weight.data.fill_(1.0)
    with optimizer.watch():
        out = network.layer(torch.tensor([[2.0]]))
    optimizer.observe(3 * out.sum(), torch.tensor([True]))
    network.layer.weight.grad, network.shift.grad = torch.tensor([[37.0]]), torch.tensor([4.0])
    optimizer.step()
    assert network.layer.weight.item() == pytest.approx(1 - 0.5 * 37 / 37)
    assert network.shift.item() == pytest.approx(-0.5 * 4)


def test_a_module_that_kfac_does_not_know_is_still_refused():
    network = nn.Sequential(nn.LayerNorm(3))
    with pytest.raises(ValueError, match="linear layers and convolutions"):
        kfac(network)


def test_a_fit_tells_the_likelihood_of_values_drawn_now():
    torch.manual_seed(0)
    value = nn.Sequential(nn.Linear(2, 1), nn.Flatten(0))
    generator = torch.Generator().manual_seed(4)
    noise = torch.randn(3, generator=torch.Generator().manual_seed(4))
    fit = Fit(value, torch.randn(3, 2), torch.tensor([1.0, 2.0, 3.0]), 0.0, generator)
    fit.loss()
    critic = KFACSpec.model_validate(fields("acktr_mujoco")["optimizer"]).critic
    likelihood, rows = fit.likelihood(critic)
    (slope,) = torch.autograd.grad(likelihood, fit.values)
    assert torch.allclose(slope, noise / 0.5) and rows.tolist() == [True] * 3
    assert likelihood.item() == pytest.approx(-0.5 * noise.square().sum().item(), rel=1e-5)


# ---------------------------------------------------------------- the batch


def test_times_count_from_the_episodes_first_row():
    """Three streams of four rows: one goes on at 7, one begins anew twice, one begins with the batch."""
    first = torch.tensor([[0, 0, 1], [0, 1, 0], [0, 0, 0], [0, 1, 0]], dtype=torch.bool)
    kept = torch.tensor([[7, 2, 0], [8, 0, 1], [9, 1, 2], [999, 999, 999]])  # of the row in view nothing is known
    none = torch.empty(0)
    batch = Batch(none, none, none, none, first, none, none, {"time": kept}, np.empty(0))
    assert times(batch).tolist() == [[7, 2, 0], [8, 0, 1], [9, 1, 2], [10, 0, 3]]


def plan(algorithm: str = "acktr_mujoco", **changes):
    return spec(algorithm, game="inverted_pendulum", **SMALL | changes)


@pytest.mark.parametrize("algorithm", ["acktr_mujoco", "trpo_mujoco"])
def test_what_is_learned_from_a_batch(algorithm, tmp_path):
    """Actions, times and observations of the memory are those that were acted on; targets are returns by hand."""
    run = Run(plan(algorithm), Checkpoints(tmp_path, {}, print))
    agent, seen = run.parts.learner.agent, []
    assert isinstance(agent, GaussianActorCritic)
    learn, fit, fitted = agent.learn, agent.fit, []
    agent.learn = lambda batch: seen.append(batch) or learn(batch)
    agent.fit = lambda inputs, targets: fitted.append((inputs, targets)) or fit(inputs, targets)
    run.evaluation(lambda: True)
    while not seen:
        assert run.iterate()
    (batch,), (inputs, targets) = seen, fitted[0]
    rows = len(batch.last) - 1
    assert batch.action.shape == (rows, 1, 1) and batch.action.dtype == torch.float32
    assert batch.extras["time"][:-1, 0].tolist() == times(batch)[:-1, 0].tolist()
    acted = ~batch.last[:-1, 0]
    assert inputs.shape[0] == targets.shape[0] == int(acted.sum()) < rows  # episodes of few steps end in between
    reward, discount = batch.reward[:, 0].tolist(), batch.discount[:, 0].tolist()
    ends = [t for t in range(rows) if batch.last[t, 0]]
    begin, wanted = 0, []
    for end in ends:  # the pole fell: nothing is bootstrapped
        total, returns = 0.0, []
        for t in range(end - 1, begin - 1, -1):
            total = reward[t] + discount[t] * total
            returns.insert(0, total)
        wanted += returns
        begin = end + 1
    assert ends and targets[: len(wanted)].tolist() == pytest.approx(wanted, rel=1e-5)
    assert agent.networks["policy"].seen.count == int(acted.sum())


def test_the_policy_has_moved_as_far_as_its_metrics_say(tmp_path):
    run = Run(plan("trpo_mujoco"), Checkpoints(tmp_path, {}, print))
    while run.parts.learner.updates < 3:
        run.evaluation(lambda: True) if run.evaluated == 0 else run.iterate()
    found = run.parts.learner.read()
    assert 0 < found["policy_kl"] <= 1.5 * 0.01 and found["step_share"] > 0
