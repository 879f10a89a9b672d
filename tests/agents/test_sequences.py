"""R2D2 and DRQN: losses by hand, burn-in and states."""

import numpy as np
import pytest
import torch

from agents.build import build
from agents.losses.returns import n_step, n_steps
from agents.losses.sequence import mixed_priority, sequence_errors
from agents.step import Batch
from tests.agents.specs import spec

SMALL = {
    "agent__sequence": 4,
    "agent__burn_in": 3,
    "agent__period": 2,
    "agent__n_step": 2,
    "agent__measure_delta_q": True,
    "network__convolutions": [[2, 3, 2]],
    "network__core": {"kind": "lstm", "before": [], "units": 5, "inputs": True},
    "network__units": [6],
    "environment__streams": 4,
    "learning__batch": 8,
}


def small(**changes):
    """Parts with 60 rows in the memory, played by the agent itself."""
    parts = build(spec("r2d2_minatar", "asterix", **{**SMALL, **changes}))
    for _ in range(60):
        parts.memory.add(parts.actor.step())
    return parts


def drawn(parts, begins: bool = False) -> Batch:
    """Valid sequences, those that begin an episode or those that do not."""
    store = parts.memory.store
    keys = np.arange(*store.span())
    keys = keys[store.valid(keys)]
    keys = keys[(store._flat["age"][keys] == 0) == begins]
    assert len(keys)
    return store.gather(keys, np.ones(len(keys), np.float32))


def unequal(agent) -> None:
    with torch.no_grad():
        for parameter in agent.target.parameters():
            parameter.mul_(1.3)


def test_n_steps_are_n_step_from_every_row():
    r, d = torch.rand(6, 3), torch.rand(6, 3)
    total, product = n_steps(r, d, 3)
    for t in range(4):
        one, two = n_step(r[t : t + 3], d[t : t + 3])
        assert torch.equal(total[t], one) and torch.equal(product[t], two)


def test_errors_of_a_three_step_sequence_by_hand():
    """Two-step double Q-learning, m = 3: once without an end, once with the final observation at row 2."""
    q = torch.tensor([[1.0, 2.0], [3.0, 0.0], [0.5, 0.7], [1.0, 4.0], [2.0, 1.0]])[:, None].repeat(1, 2, 1)
    q_target = torch.tensor([[0.0, 0.0], [0.0, 0.0], [10.0, 20.0], [30.0, 40.0], [50.0, 60.0]])[:, None].repeat(1, 2, 1)
    action = torch.tensor([[0, 0], [1, 1], [0, 0], [0, 0]])
    reward = torch.tensor([[1.0, 1.0], [2.0, 2.0], [3.0, 0.0], [4.0, 0.0]])
    discount = torch.tensor([[0.5, 0.5], [0.5, 0.5], [0.5, 1.0], [0.5, 1.0]])
    last = torch.tensor([[False, False]] * 2 + [[False, True]] * 3)
    errors, valid = sequence_errors(q, action, reward, discount, q_target, q, last, 2, None)
    # online argmax: row 2 -> 1 (20), row 3 -> 1 (40), row 4 -> 0 (50)
    assert errors[:, 0].tolist() == [1 + 1 + 5 - 1, 2 + 1.5 + 10 - 0, 3 + 2 + 12.5 - 0.5]
    # the second sequence ends at row 2, whose value is 20: two steps from row 0, one from row 1, none from row 2
    assert errors[:, 1].tolist() == [1 + 1 + 5 - 1, 2 + 0 + 10 - 0, 0]
    assert valid.tolist() == [[True, True], [True, True], [True, False]]
    target_too, _ = sequence_errors(q, action, reward, discount, q_target, q_target, last, 2, None)
    assert target_too[:, 0].tolist() == [6.0, 13.5, 3 + 2 + 15 - 0.5]


def test_rescaling_acts_on_the_whole_target():
    """Q' = 1.003 stands for 3: y = h(5 + 0.5 x 3 + ...) with h(8) = 2.008."""
    q = torch.tensor([[[0.0]], [[1.003]]])
    errors, _ = sequence_errors(
        q,
        torch.zeros(1, 1, dtype=torch.long),
        torch.tensor([[6.5]]),
        torch.tensor([[0.5]]),
        q,
        q,
        torch.zeros(2, 1, dtype=torch.bool),
        1,
        1e-3,
    )
    assert errors.item() == pytest.approx(2.008, rel=1e-5)


def test_the_priority_mixes_maximum_and_mean_of_valid_rows():
    errors = torch.tensor([[1.0, -2.0], [-4.0, 1.0], [1.0, 9.0]])
    valid = torch.tensor([[True, True], [True, True], [True, False]])
    assert mixed_priority(errors, valid, 0.9).tolist() == pytest.approx([0.9 * 4 + 0.1 * 2, 0.9 * 2 + 0.1 * 1.5])


def test_the_loss_is_the_sequences_written_out():
    """Each sequence alone, with its own burn-in for each network, against the batch."""
    parts = small()
    agent = parts.learner.agent
    unequal(agent)
    for begins in (False, True):
        batch = drawn(parts, begins)
        (loss, found), total = agent.loss(batch), 0.0
        for b in range(len(batch.key)):
            skip = 0 if begins else 3
            qs = []
            for net in (agent.online, agent.target):
                state = batch.extras["state"][:1, b].clone()
                out = []
                for t in range(skip + 6):
                    raw, state = net.unroll(
                        batch.obs[t, b][None, None],
                        batch.extras["previous_action"][t, b][None, None],
                        batch.extras["previous_reward"][t, b][None, None],
                        state,
                    )
                    out.append(raw[0, :, :, 0].detach())
                qs.append(torch.stack(out[skip:]))
            rows = slice(skip, skip + 5)
            one = slice(b, b + 1)
            errors, valid = sequence_errors(
                qs[0],
                batch.action[rows, one],
                batch.reward[rows, one],
                batch.discount[rows, one],
                qs[1],
                qs[0],
                batch.last[skip : skip + 6, one],
                2,
                1e-3,
            )
            total += 0.5 * errors.square().sum().item() / len(batch.key)
            assert found.priorities[b].item() == pytest.approx(mixed_priority(errors, valid, 0.9).item(), rel=1e-3)
        assert loss.item() == pytest.approx(total, rel=1e-4)


def test_no_gradient_passes_through_the_burn_in():
    """The states after it carry none, and rows seen only there move no weight."""
    parts = small()
    agent, batch = parts.learner.agent, drawn(parts)
    assert not agent._burn_in(agent.online, batch, batch.extras["state"][0], None).requires_grad
    obs = batch.obs.float().requires_grad_()
    agent.loss(batch._replace(obs=obs))[0].backward()
    assert (obs.grad[:3] == 0).all() and (obs.grad[3:7] != 0).any()


def test_each_network_burns_in_its_own_state():
    parts = small()
    agent, batch = parts.learner.agent, drawn(parts)
    start = batch.extras["state"][0]
    same = [agent._burn_in(net, batch, start, None) for net in (agent.online, agent.target)]
    assert torch.equal(*same)
    unequal(agent)
    ours, theirs = (agent._burn_in(net, batch, start, None) for net in (agent.online, agent.target))
    assert torch.equal(ours, same[0]) and not torch.allclose(theirs, ours, atol=1e-3)


def test_what_is_kept_is_what_was_acted_with():
    """Playing the kept rows again from their kept states gives the next row's state."""
    parts = small()
    agent, batch = parts.learner.agent, drawn(parts)
    state, extras = batch.extras["state"], batch.extras
    with torch.no_grad():
        _, after = agent.online.unroll(
            batch.obs[:1], extras["previous_action"][:1], extras["previous_reward"][:1], state[0]
        )
    assert torch.allclose(after, state[1], atol=1e-6)
    assert torch.equal(extras["previous_action"][1], batch.action[0]) and torch.equal(
        extras["previous_reward"][1], batch.reward[0]
    )
    starts = drawn(parts, begins=True)
    assert (starts.extras["state"][0] == 0).all() and (starts.extras["previous_action"][0] == 0).all()


def test_unrolling_with_resets_equals_separate_unrolls():
    net = small().learner.agent.online
    g = torch.Generator().manual_seed(0)
    obs = torch.randint(0, 2, (7, 2, 4, 10, 10), generator=g, dtype=torch.uint8)
    action, reward = torch.randint(0, 6, (7, 2), generator=g), torch.rand(7, 2, generator=g)
    first = torch.zeros(7, 2, dtype=torch.bool)
    first[3] = True
    start = torch.rand(2, 2, 5, generator=g)
    with torch.no_grad():
        whole, state = net.unroll(obs, action, reward, start, first)
        head, _ = net.unroll(obs[:3], action[:3], reward[:3], start)
        tail, end = net.unroll(obs[3:], action[3:], reward[3:], net.initial(2))
    assert torch.allclose(whole, torch.cat([head, tail]), atol=1e-6) and torch.allclose(state, end, atol=1e-6)


def test_a_feed_forward_network_needs_no_state():
    parts = small(network__core={"kind": "none"})
    metrics = parts.learner.agent.loss(drawn(parts))[1].metrics
    assert metrics["delta_q_first"] == 0 and metrics["loss"] > 0
