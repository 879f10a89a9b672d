"""TRPO: the numbers of small problems worked out beside it, Fisher products, the line search, the value's fit."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from agents.losses.policy import kl_divergence, standardised, surrogate
from agents.losses.vtrace import gae
from agents.optim.conjugate import Fisher, conjugate_gradients, flat, softmax_metric, unflat
from agents.optim.objective import backtrack
from agents.policy.trpo import TRPO, Surrogate
from agents.run.checkpoint import Checkpoints
from agents.run.loop import Run
from tests.agents.specs import spec

SOLVED = 1e-10


def softmax_fisher(logits: torch.Tensor, parameters: list[torch.Tensor], damping: float) -> Fisher:
    return Fisher(logits, softmax_metric(logits), parameters, damping)


def vector(*numbers: float) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


class Logits(nn.Module):
    """One state: the logits are the parameters. [N, 0] -> [N, 3]"""

    def __init__(self):
        super().__init__()
        self.theta = nn.Parameter(vector(1, 0, -1))

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        return self.theta.expand(len(obs), 3)


class LinearPolicy(nn.Module):
    """Logits W x."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[0.2, -0.1], [0, 0.3], [-0.4, 0.1]], dtype=torch.float64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weight.t()


# One state, p = softmax(1, 0, -1), and A = (1, -1, 2) of its actions; the expectation over them as a weighted sum.
P, ADVANTAGE = vector(0.665241, 0.244728, 0.090031), vector(1, -1, 2)


def gain(policy: Logits) -> torch.Tensor:
    return (policy(torch.empty(1, 0))[0].softmax(-1) * ADVANTAGE).sum()


def test_the_natural_gradient_of_one_state_by_hand():
    policy = Logits()
    (g,) = torch.autograd.grad(gain(policy), [policy.theta])
    assert g.tolist() == pytest.approx([0.265715, -0.391706, 0.125991], abs=1e-6)
    fisher = softmax_fisher(policy(torch.empty(1, 0)), [policy.theta], 0.0)
    assert fisher(vector(1, 2, 3)).tolist() == pytest.approx([-0.282587, 0.140770, 0.141817], abs=1e-6)
    x = conjugate_gradients(fisher, g, 2, SOLVED)
    assert x.tolist() == pytest.approx([1 / 3, -5 / 3, 4 / 3], abs=1e-6)  # A - sum p A, up to a constant
    assert (x @ fisher(x)).item() == pytest.approx(0.909403, abs=1e-6)  # the advantages' variance


@pytest.mark.parametrize(
    ("damping", "x", "radius", "kl"),
    [
        (1e-3, (0.335633, -1.657092, 1.321459), None, None),
        (1e-2, (0.353598, -1.576662, 1.223064), 0.01, 0.0091293),
        (0.1, (0.400600, -1.092690, 0.692090), 0.01, 0.00673189),
    ],
)
def test_damped_solves_by_hand(damping, x, radius, kl):
    policy = Logits()
    (g,) = torch.autograd.grad(gain(policy), [policy.theta])
    logits = policy(torch.empty(1, 0))
    fisher = softmax_fisher(logits, [policy.theta], damping)
    found = conjugate_gradients(fisher, g, 10, SOLVED)
    assert found.tolist() == pytest.approx(x, abs=1e-5)
    if radius is not None:  # a step for the damped matrix stays below the radius
        step = found * math.sqrt(2 * radius / (found @ fisher(found)))
        after = logits + step
        assert kl_divergence(logits, after).item() == pytest.approx(kl, abs=1e-6)


@pytest.mark.parametrize(
    ("radius", "share", "scale", "kl", "gained"),
    [
        (0.01, 1.0, 0.148299, 0.00960392, 0.126815),
        (0.01, 0.5, 0.148299, 0.00245090, 0.065438),
        (0.001, 1.0, 0.046896, 0.00098763, 0.041854),
    ],
)
def test_steps_of_one_state_by_hand(radius, share, scale, kl, gained):
    policy = Logits()
    before, logits = gain(policy).item(), policy(torch.empty(1, 0)).detach().clone()
    (g,) = torch.autograd.grad(gain(policy), [policy.theta])
    fisher = softmax_fisher(policy(torch.empty(1, 0)), [policy.theta], 0.0)
    x = conjugate_gradients(fisher, g, 2, SOLVED)
    found = math.sqrt(2 * radius / (x @ fisher(x)))
    assert found == pytest.approx(scale, abs=1e-6)
    policy.theta.data += share * found * x
    assert kl_divergence(logits, policy(torch.empty(1, 0))).item() == pytest.approx(kl, abs=1e-8)
    assert gain(policy).item() - before == pytest.approx(gained, abs=1e-6)


def test_the_linear_policy_by_hand():
    """Three states, of the advantages that are standardised over the batch to a step of radius 0.001."""
    policy, x = LinearPolicy(), torch.tensor([[1, 0.5], [0, 1], [1, -1]], dtype=torch.float64)
    advantage = standardised(vector(1, -2, 0.5))
    assert advantage.tolist() == pytest.approx([0.889001, -1.397001, 0.508001], abs=1e-6)
    objective = Surrogate(policy, x, torch.tensor([0, 2, 1]), advantage, 0.0)
    (g,) = torch.autograd.grad(-objective.loss(), [policy.weight], retain_graph=True)
    wanted = [0.097899, 0.301476, 0.009135, 0.007418, -0.107034, -0.308893]
    assert g.flatten().tolist() == pytest.approx(wanted, abs=1e-6)
    fisher = softmax_fisher(objective.logits, [policy.weight], 1e-3)
    direction = conjugate_gradients(fisher, g.flatten(), 4, SOLVED)
    wanted = [0.87209, 1.48416, 0.14829, 0.13138, -1.02038, -1.61554]
    assert direction.tolist() == pytest.approx(wanted, abs=2e-5)
    scale = math.sqrt(0.002 / (direction @ fisher(direction)))
    assert 1 / scale == pytest.approx(23.91014, abs=1e-4)
    assert (scale * direction @ g.flatten()).item() == pytest.approx(0.047820, abs=1e-6)
    found = backtrack(objective, [policy.weight], unflat(scale * direction, [policy.weight]), 0.5, 10, 0.0015)
    assert found.share == 1
    assert found.loss.item() == pytest.approx(-0.0474086, abs=1e-6)  # its mean advantage is 0
    assert found.divergence.item() == pytest.approx(0.0009884, abs=1e-6)


def test_a_batch_of_equal_advantages_says_nothing():
    assert standardised(vector(2, 2, 2)).tolist() == [0, 0, 0]


# ---------------------------------------------------------------- advantages


VALUES = torch.tensor([[0.5], [0.4], [0.3], [0.2], [0.6]], dtype=torch.float64)
REWARD = torch.tensor([[1.0], [0.0], [2.0], [1.0]], dtype=torch.float64)
ALL = torch.ones(4, 1, dtype=torch.bool)


@pytest.mark.parametrize(
    ("gamma", "lam", "wanted"),
    [
        (0.98, 1.0, (3.915413, 3.085115, 3.25624, 1.388)),
        (0.99, 0.95, (3.637669, 2.915118, 3.209057, 1.394)),
    ],
)
def test_generalised_advantages_by_hand(gamma, lam, wanted):
    found = gae(VALUES, REWARD, torch.full_like(REWARD, gamma), ALL, lam)
    assert found.advantage.flatten().tolist() == pytest.approx(wanted, abs=1e-6)
    torch.testing.assert_close(found.vs, VALUES[:-1] + found.advantage)


def test_advantages_end_with_the_episode():
    discount = torch.full_like(REWARD, 0.98)
    discount[1] = 0.0  # the second action ended it
    found = gae(VALUES, REWARD, discount, ALL, 1.0).advantage.flatten().tolist()
    assert found == pytest.approx([0.5, -0.4, 3.25624, 1.388], abs=1e-6)


def test_a_cut_episode_is_bootstrapped_from_its_last_row():
    """Row 1 is the last one of an episode that was cut: V = 0.4 stands for what would have come."""
    acted, discount = ALL.clone(), torch.full_like(REWARD, 0.98)
    acted[1], discount[1] = False, 1.0
    found = gae(VALUES, REWARD, discount, acted, 0.9)
    assert found.advantage.flatten().tolist()[:2] == pytest.approx([1 + 0.98 * 0.4 - 0.5, 0.0])
    assert found.vs[1].item() == 0.4


# ---------------------------------------------------------------- products and searches


def small() -> tuple[nn.Module, torch.Tensor]:
    rng = np.random.default_rng(0)
    net = nn.Sequential(nn.Conv2d(2, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(12, 4), nn.Tanh(), nn.Linear(4, 3))
    for parameter in net.parameters():
        parameter.data = torch.from_numpy(rng.normal(size=parameter.shape))
    return net.double(), torch.from_numpy(rng.normal(size=(7, 2, 3, 3)))


def test_products_are_those_of_the_hessian_of_the_divergence():
    net, x = small()
    parameters, v = list(net.parameters()), torch.from_numpy(np.random.default_rng(1).normal(size=3 * 9 + 52 + 15))
    logits = net(x)
    slope = flat(torch.autograd.grad(kl_divergence(logits.detach(), logits).mean(), parameters, create_graph=True))
    wanted = flat(torch.autograd.grad(slope @ v, parameters, retain_graph=True)) + 0.3 * v
    calls = []
    net.register_forward_hook(lambda *_: calls.append(1))
    fisher = softmax_fisher(logits, parameters, 0.3)
    torch.testing.assert_close(fisher(v), wanted)
    torch.testing.assert_close(fisher(2 * v), 2 * wanted)
    assert not calls  # no second forward pass


def test_conjugate_gradients_solve():
    rng = np.random.default_rng(0)
    root = torch.from_numpy(rng.normal(size=(9, 6)))
    matrix, b = root.t() @ root, torch.from_numpy(rng.normal(size=6))
    wanted = torch.linalg.solve(matrix, b)
    torch.testing.assert_close(conjugate_gradients(lambda v: matrix @ v, b, 12, 1e-18), wanted)
    assert conjugate_gradients(lambda v: matrix @ v, 0 * b, 5, SOLVED).tolist() == [0.0] * 6
    once = conjugate_gradients(lambda v: matrix @ v, b, 1, SOLVED)
    torch.testing.assert_close(once, b * (b @ b) / (b @ matrix @ b))


# ---------------------------------------------------------------- runs


SMALL = {
    "learning__target_every_frames": None,
    "environment__streams": 4,
    "learning__batch": 4,
    "agent__unroll": 16,
    "agent__minibatch": 20,
    "network__units": [16],
    "network__convolutions": [[4, 3, 1]],
}


def begin(tmp_path, **changes) -> Run:
    return Run(spec("trpo_minatar", **SMALL | changes), Checkpoints(tmp_path, {}, print))


def test_steps_stay_in_the_trust_region_and_help(tmp_path, monkeypatch):
    run, seen = begin(tmp_path), []
    improve = TRPO.improve

    def watched(self, objective: Surrogate):
        moved, norm = improve(self, objective)
        with torch.no_grad():
            logits = self.networks["policy"](objective.obs)
            ratio = logits.log_softmax(-1) - objective.before.log_softmax(-1)
            chosen = ratio.gather(-1, objective.action[:, None])[:, 0]
            seen.append((surrogate(chosen, objective.advantage).mean().item(), moved))
        return moved, norm

    monkeypatch.setattr(TRPO, "improve", watched)
    while run.frame < 1600:
        assert run.iterate()
    assert len(seen) >= 25 and sum(moved.share > 0 for _, moved in seen) > len(seen) / 2
    for gained, moved in seen:
        assert moved.divergence <= 1.5 * run.spec.agent.radius
        assert gained > 0 or moved.share == 0
        assert gained == pytest.approx(-moved.loss.item(), abs=1e-5)
    names = {row["metric"] for row in run.recorder.tables()["learning"].to_pylist()}
    assert {"policy_kl", "step_share", "entropy", "baseline_loss", "policy_lag"} <= names


def test_the_value_is_fitted_to_targets_from_before_the_fit(tmp_path):
    run = begin(tmp_path, agent__value_passes=2)
    agent, fitted = run.parts.learner.agent, []
    fit = agent.fit
    agent.fit = lambda obs, targets: fitted.append((obs, targets, fit(obs, targets)))
    while not fitted:
        run.iterate()
    obs, targets, _ = fitted[0]
    assert len(obs) == len(targets) <= 64 and agent.steps["value"].steps == 2 * (len(obs) // 20)
    error = (agent.networks["value"](obs) - targets).square().mean()
    for _ in range(50):
        fit(obs, targets)
    assert (agent.networks["value"](obs) - targets).square().mean() < error


def test_the_networks_share_nothing(tmp_path):
    agent = begin(tmp_path).parts.learner.agent
    policy, value = (set(map(id, agent.networks[name].parameters())) for name in ("policy", "value"))
    assert not policy & value and len(policy) == len(value) == 6
    obs = torch.randint(0, 2, (5, 4, 10, 10), dtype=torch.uint8)
    assert agent.networks["policy"](obs).shape == (5, 6) and agent.networks["value"](obs).shape == (5,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"network__core": {"kind": "lstm", "before": [], "units": 8, "inputs": True}},
            "network.core lstm needs an agent that learns from sequences, not agent trpo",
        ),
        ({"network__linear": {"kind": "factorised", "sigma": 0.5}}, "agent trpo searches a policy without noise"),
        ({"executor": {"kind": "hogwild", "actors": 4}}, "executor hogwild needs agent actor_critic"),
        ({"executor__lags_updates": [0, 2]}, "agent trpo takes actions for draws from the policy that learns"),
        ({"memory__select__replay_share": 0.5}, "memory.select.replay_share 0, not 0.5"),
        ({"learning__batch": 2}, "learning.batch must be a multiple of environment.streams times memory.copies, 4"),
        ({"record__norms": {"kind": "spectral", "layers": [-1], "power_steps": 1}}, "record.norms none, not spectral"),
        ({"agent__radius": 0.0}, "greater than 0"),
        ({"agent__damping": -1.0}, "greater than 0"),
        ({"agent__unroll": 1}, "greater than or equal to 2"),
    ],
)
def test_what_does_not_go_with_it_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=message):
        spec("trpo_minatar", **SMALL | changes)
