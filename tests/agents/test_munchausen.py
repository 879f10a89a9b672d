"""Munchausen targets: the log-policy in the reward, soft values, and their limits (arXiv:2007.14430)."""

import json

import pytest
import torch
from pydantic import ValidationError

from agents.build import build
from agents.dqn import DQN
from agents.dqn_compiled import CompiledDQN
from agents.losses.bootstrap import Greedy
from agents.losses.munchausen import Munchausen, munchausen_term, scaled_log_policy, soft
from agents.losses.value import Scalar
from agents.spec.run import model_of
from tests.agents.specs import prioritized, spec
from tests.agents.test_iqn import MUNCHAUSEN, VALUE, batch

NOW, NEXT = torch.tensor([[1.0, 0.9, 0.0]]), torch.tensor([[0.5, 0.5, 0.4]])  # q-(s, .), q-(s', .)


def targets(bootstrap, discount: float) -> list[float]:
    """r + discount x what follows for each of three actions at s and a reward of 1."""
    rows = {0: NOW[..., None].expand(3, 3, 1), -1: NEXT[..., None].expand(3, 3, 1)}

    def ask(network: str, row: int, *counts: int) -> tuple[torch.Tensor, ...]:
        assert network == "target"
        return (rows[row],) * len(counts)

    reward, following = bootstrap(Scalar("huber"), ask, torch.arange(3), torch.ones(3))
    return (reward + discount * following[:, 0]).tolist()


def test_the_log_policy_by_hand():
    assert scaled_log_policy(NOW, 0.03)[0].tolist() == pytest.approx([-0.001052, -0.101052, -1.001052], abs=1e-6)
    pi = (scaled_log_policy(NEXT, 0.03) / 0.03).exp()
    assert pi[0].tolist() == pytest.approx([0.491238, 0.491238, 0.017524], abs=1e-6)
    assert soft(NEXT[..., None], NEXT, 0.03).item() == pytest.approx(0.52132481, abs=1e-6)


def test_what_is_added_to_the_reward_is_clipped_from_below():
    rows, actions = NOW.expand(3, 3), torch.arange(3)
    # ln pi of the third lies below -1
    assert munchausen_term(rows, actions, 0.03, 0.9, -1.0).tolist() == pytest.approx(
        [-0.00094642, -0.09094642, -0.9], abs=1e-6
    )
    assert munchausen_term(rows, actions, 0.03, 0.9, 0.0).tolist() == [0.0] * 3


def test_the_targets_by_hand():
    found = targets(Munchausen(0.03, 0.9, -1.0), 0.99)
    assert found == pytest.approx([1.51516515, 1.42516515, 0.61611156], abs=1e-6)
    # at an episode's end only the soft value is cut
    found = targets(Munchausen(0.03, 0.9, -1.0), 0.0)
    assert found == pytest.approx([0.99905358, 0.90905358, 0.1], abs=1e-6)


def test_its_limits_are_soft_q_learning_and_dqn():
    assert targets(Munchausen(0.03, 0.0, -1.0), 0.99) == pytest.approx([1.516112] * 3, abs=1e-6)
    cold = targets(Munchausen(1e-6, 0.0, -1.0), 0.99)
    assert cold == targets(Munchausen(1e-6, 0.9, 0.0), 0.99)  # nothing is below a bound of 0
    assert cold == pytest.approx([1.495] * 3, abs=1e-5)
    assert targets(Greedy("target"), 0.99) == pytest.approx([1.495] * 3, abs=1e-6)


@pytest.mark.parametrize("temperature", [1e-6, 0.03, 1.0, 100.0])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_the_log_policy_is_stable(temperature, scale):
    q = scale * torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    found = scaled_log_policy(q, temperature)
    expected = temperature * torch.log_softmax(q.double() / temperature, -1)
    assert found.isfinite().all() and (found <= 0).all()
    assert torch.allclose(found.double(), expected, rtol=1e-5, atol=1e-5 * max(scale, temperature))
    assert soft(q[..., None], q, temperature).isfinite().all()


def test_each_quantile_is_softened_by_the_policy_of_their_mean():
    raw = torch.randn(3, 3, 4, generator=torch.Generator().manual_seed(0))
    found = soft(raw, raw.mean(-1), 0.5)
    pi = torch.softmax(raw.mean(-1) / 0.5, -1)
    for i in range(3):
        for k in range(4):
            expected = sum(pi[i, a] * (raw[i, a, k] - 0.5 * pi[i, a].log()) for a in range(3))
            assert found[i, k].item() == pytest.approx(expected.item(), abs=1e-5)
    means = soft(raw.mean(-1, keepdim=True), raw.mean(-1), 0.5)
    assert torch.allclose(found.mean(-1), means[:, 0], atol=1e-6)


SMALL = {"network__convolutions": [[4, 3, 1]], "network__units": [8]}


def agent_of(algorithm: str, **changes) -> DQN:
    agent = build(spec(algorithm, **SMALL | changes)).learner.agent
    with torch.no_grad():
        for parameter in agent.target.parameters():
            parameter.mul_(3.0)  # so that the two networks disagree, and some log-policies lie below the bound
    return agent


def test_the_loss_of_m_dqn_written_out():
    agent, data = agent_of("m_dqn_minatar"), batch(1)
    loss, learned = agent.loss(data)
    total, clipped = 0.0, 0
    for i in range(6):
        now, nxt = data.obs[0, i : i + 1], data.obs[1, i : i + 1]
        before, after = (agent.target(obs)[0, :, 0].detach().double() for obs in (now, nxt))
        log_pi = 0.03 * torch.log_softmax(before / 0.03, -1)[data.action[0, i]]
        clipped += int(log_pi < -1)
        value = 0.03 * torch.logsumexp(after / 0.03, -1)
        y = data.reward[0, i] + 0.9 * max(log_pi.item(), -1.0) + data.discount[0, i] * value
        error = y - agent.online(now)[0, data.action[0, i], 0]
        assert learned.priorities[i].item() == pytest.approx(abs(error.item()), rel=1e-4)
        total = total + data.weight[i] * error**2 / 6
    assert 0 < clipped < 6
    assert loss.item() == pytest.approx(total.item(), rel=1e-4)
    parameters = list(agent.online.parameters())
    grads = zip(*(torch.autograd.grad(each, parameters) for each in (loss, total)), strict=True)
    assert all(torch.allclose(one, other.float(), rtol=1e-3, atol=1e-6) for one, other in grads)
    agent.learn(data)
    assert all(parameter.grad is None for parameter in agent.target.parameters())


def test_the_targets_of_m_iqn_use_levels_of_their_own():
    """N' and K at s' in one pass, K at s; then N of the action that learns."""
    agent, data = agent_of("m_iqn_minatar", agent__value=VALUE), batch(1)
    draws = torch.Generator()
    draws.set_state(agent.noise.get_state())
    valued, after = torch.rand(6, 9, generator=draws).split([4, 5], 1)
    before, tau = torch.rand(6, 5, generator=draws), torch.rand(6, 3, generator=draws)
    loss, _ = agent.loss(data)
    assert torch.equal(agent.noise.get_state(), draws.get_state())
    with torch.no_grad():
        q_t, q_tm1 = agent.target(data.obs[1], after).mean(-1), agent.target(data.obs[0], before).mean(-1)
        z = agent.target(data.obs[1], valued)
        pi = torch.softmax(q_t / 0.03, -1)
        log_pi = 0.03 * torch.log_softmax(q_t / 0.03, -1)
        added = 0.9 * (0.03 * torch.log_softmax(q_tm1 / 0.03, -1)[range(6), data.action[0]]).clamp(-1, 0)
        following = (pi[..., None] * (z - log_pi[..., None])).sum(1)
        now = agent.online(data.obs[0], tau)[range(6), data.action[0]]
        losses, _ = agent.value.loss(now, data.reward[0] + added, data.discount[0], following, tau)
    assert loss.item() == pytest.approx((data.weight * losses).mean().item(), rel=1e-5)


def test_it_takes_the_plain_way_where_dqn_would_be_compiled():
    sizes = {"network__convolutions": [[16, 3, 1]], "network__units": [128]}
    agents = [build(spec("m_dqn_minatar", **sizes, agent__selector=s)).learner.agent for s in ("target", MUNCHAUSEN)]
    assert [type(agent) for agent in agents] == [CompiledDQN, DQN]


def test_a_spec_names_a_network_by_its_word_alone():
    """So that digests of runs stay what they were before there was another way to bootstrap."""
    for word in ("target", "online"):
        plan = spec(agent__selector=word)
        assert json.loads(plan.canonical())["agent"]["selector"] == word
        again = model_of(plan.model_dump()).model_validate_json(plan.canonical())
        assert again == plan and again.digest() == plan.digest() and again.agent.selector.kind == word
        assert "agents.losses.munchausen:Munchausen" not in plan.components()
    plan = spec("m_dqn_minatar")
    assert json.loads(plan.canonical())["agent"]["selector"] == MUNCHAUSEN
    assert "agents.losses.munchausen:Munchausen" in plan.components()
    assert spec("m_dqn_minatar", agent__selector="target").agent.selector.kind == "target"


C51 = {"kind": "categorical", "low": -1.0, "high": 1.0, "atoms": 5}


@pytest.mark.parametrize(
    ("algorithm", "changes", "names"),
    [
        ("m_dqn_minatar", {"agent__value": C51}, ["agent.selector munchausen", "agent.value scalar", "categorical"]),
        ("m_iqn_minatar", {"agent__n_step": 3}, ["agent.selector munchausen", "agent.n_step 1", "3"]),
        (
            "m_dqn_minatar",
            {"memory__select": prioritized("proportional", initial="actor")},
            ["agent.selector munchausen", "memory.select.initial largest", "actor"],
        ),
        ("r2d2_minatar", {"agent__selector": MUNCHAUSEN}, ["munchausen", "agent dqn", "r2d2"]),
        ("m_dqn_minatar", {"agent__selector__temperature": 0.0}, ["temperature", "greater than 0"]),
        ("m_dqn_minatar", {"agent__selector__lowest": 0.5}, ["lowest", "less than or equal to 0"]),
        ("dqn_minatar", {"agent__selector": "munchausen"}, ["temperature", "Field required"]),
        ("dqn_minatar", {"agent__selector": "best"}, ["'target', 'online', 'munchausen'"]),
    ],
)
def test_what_does_not_go_with_it_is_refused_by_name(algorithm, changes, names):
    with pytest.raises(ValidationError) as error:
        spec(algorithm, **changes)
    assert all(name in str(error.value) for name in names)
