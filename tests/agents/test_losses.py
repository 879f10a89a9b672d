"""Losses against numbers worked out by hand."""

import pytest
import torch

from agents.losses.bootstrap import best
from agents.losses.returns import n_step
from agents.losses.value import Scalar, q_loss


def test_n_step_return_and_its_discount():
    r = torch.tensor([[1.0, 1.0], [2.0, 2.0], [4.0, 4.0]])
    d = torch.tensor([[0.5, 0.5], [0.5, 0.0], [0.5, 0.5]])
    total, product = n_step(r, d)
    # 1 + 0.5 * 2 + 0.25 * 4 = 3; cut after the second reward: 1 + 0.5 * 2 = 2
    assert total.tolist() == [3.0, 2.0]
    assert product.tolist() == [0.125, 0.0]


RAW = torch.tensor([[[1.0], [2.0]], [[3.0], [5.0]]])  # Q(s, .), two samples, two actions
NEXT = torch.tensor([[[4.0], [6.0]], [[10.0], [0.0]]])  # Q-(s', .)
OTHER = torch.tensor([[[9.0], [1.0]], [[0.0], [1.0]]])  # Q(s', .)


@pytest.mark.parametrize(
    ("kind", "selector", "losses", "errors"),
    [
        # targets 0 + 0.5 * 6 = 3 and 1 + 0 = 1; errors 3 - 1 = 2 and 1 - 5 = -4
        ("squared", NEXT, [4.0, 16.0], [2.0, 4.0]),
        ("huber", NEXT, [1.5, 3.5], [2.0, 4.0]),
        # the online network prefers action 0 in sample 0: target 0.5 * 4 = 2, error 1
        ("squared", OTHER, [1.0, 16.0], [1.0, 4.0]),
        ("huber", OTHER, [0.5, 3.5], [1.0, 4.0]),
        ("absolute", NEXT, [2.0, 4.0], [2.0, 4.0]),
        ("absolute", OTHER, [1.0, 4.0], [1.0, 4.0]),
    ],
)
def test_q_loss(kind, selector, losses, errors):
    loss, priority = q_loss(
        Scalar(kind),
        RAW,
        torch.tensor([0, 1]),
        torch.tensor([0.0, 1.0]),
        torch.tensor([0.5, 0.0]),
        best(Scalar(kind), NEXT, selector),
    )
    assert loss.tolist() == losses
    assert priority.tolist() == errors


def test_the_blogs_weighted_absolute_loss_by_hand():
    """Mean of weight x |error| with the weights of priorities 1, 2, 3, 4 at beta 0.4: (p / 4)^-0.4, the largest 1."""
    weight = torch.tensor([1.0, 2.0, 3.0, 4.0]) ** -0.4
    q = torch.zeros(4, 1, 1, requires_grad=True)
    reward, nothing = torch.tensor([0.5, -2.0, 1.0, -0.1]), torch.zeros(4)
    losses, priority = q_loss(Scalar("absolute"), q, torch.zeros(4, dtype=torch.int64), reward, nothing, q[:, 0])
    loss = (weight * losses).mean()
    loss.backward()
    assert loss.item() == pytest.approx(0.679386, abs=1e-6)
    # small errors pull as hard as large ones
    assert q.grad.ravel().tolist() == pytest.approx([-0.25, 0.189465, -0.161099, 0.143587], abs=1e-6)
    assert priority.tolist() == pytest.approx([0.5, 2.0, 1.0, 0.1])


def test_the_target_carries_no_gradient():
    raw, target = RAW.clone().requires_grad_(), NEXT.clone().requires_grad_()
    following = best(Scalar("squared"), target, target)
    loss, _ = q_loss(Scalar("squared"), raw, torch.tensor([0, 1]), torch.zeros(2), torch.ones(2), following)
    loss.sum().backward()
    assert target.grad is None
    # d/dq (target - q)^2 = -2 (6 - 1) and -2 (10 - 5), only at the actions taken
    assert raw.grad.squeeze(-1).tolist() == [[-10.0, 0.0], [0.0, -10.0]]


def test_wrong_shapes_are_refused():
    with pytest.raises(AssertionError, match=r"\[2, 1\].*\[1\]"):  # the shapes of raw and actions
        q_loss(Scalar("squared"), RAW[0], torch.tensor([0]), torch.zeros(1), torch.ones(1), NEXT[0])
