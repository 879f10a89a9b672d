"""Q-learning on sequences, as R2D2 does it; torch only. Time runs along the first axis.

Kapturowski et al. 2019 (ICLR, OpenReview r1lyTjAqYX; not on arXiv). agents/r2d2.py draws the rows on a time line.
"""

import torch

from agents.losses.rescale import h, h_inverse
from agents.losses.returns import n_steps


def sequence_errors(
    q: torch.Tensor,
    action: torch.Tensor,
    reward: torch.Tensor,
    discount: torch.Tensor,
    q_target: torch.Tensor,
    q_selector: torch.Tensor,
    last: torch.Tensor,
    n: int,
    epsilon: float | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """TD errors of n-step (double) Q-learning at the first m rows of sequences (Kapturowski et al. 2019, section 2.3).

    q, q_target, q_selector [m + n, B, A], action, reward and discount [m + n - 1, B], last [m + n, B] bool: an
    episode's last row and what follows it -> y - Q [m, B], 0 where not valid; valid [m, B] bool.

    y_t = h(R_t + D_t h^-1(Q_target(s, argmax_a Q_selector(s, a)))) with s = s_{t+n}, or the episode's final
    observation where that comes sooner; h is the identity when epsilon is None. y carries no gradient.
    """
    assert q.ndim == 3 and q_target.shape == q_selector.shape == q.shape, (q.shape, q_target.shape, q_selector.shape)
    assert last.shape == q.shape[:2], (last.shape, q.shape)
    shapes = action.shape, reward.shape, discount.shape
    assert set(shapes) == {last[1:].shape}, (*shapes, last.shape)
    m = len(q) - n
    end = (~last).long().cumprod(0).sum(0).clamp(max=m + n - 1)  # [B] row of the final observation
    at = torch.minimum(torch.arange(n, m + n, device=q.device)[:, None], end)
    with torch.no_grad():
        best = q_selector.argmax(-1, keepdim=True)
        value = q_target.gather(-1, best).squeeze(-1).gather(0, at)
        r_t, discount_t = n_steps(reward, discount, n)
        target = r_t + discount_t * (value if epsilon is None else h_inverse(value, epsilon))
        target = target if epsilon is None else h(target, epsilon)
    chosen = q[:m].gather(-1, action[:m, :, None]).squeeze(-1)
    valid = ~last[:m]
    return (target - chosen) * valid, valid


def mixed_priority(errors: torch.Tensor, valid: torch.Tensor, eta: float) -> torch.Tensor:
    """eta max |error| + (1 - eta) mean |error| over a sequence's valid rows. errors, valid [m, B] -> [B].

    Kapturowski et al. 2019, section 2.3. No gradient. A sequence without a valid row gives NaN; none is ever drawn.
    """
    assert errors.ndim == 2 and errors.shape == valid.shape, (errors.shape, valid.shape)
    size = errors.detach().abs() * valid
    return eta * size.amax(0) + (1 - eta) * size.sum(0) / valid.sum(0)


def mean_of(x: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """The mean of x where `valid`, both [m, B] -> scalar. On a GPU the host is not asked how many these are."""
    assert x.ndim == 2 and x.shape == valid.shape, (x.shape, valid.shape)
    return x[valid].mean() if x.device.type == "cpu" else torch.where(valid, x, 0).sum() / valid.sum()


def ends(valid: torch.Tensor) -> torch.Tensor:
    """The first and the last valid row of each sequence. valid [m, B] bool, true from row 0 on -> [2, B] int64."""
    assert valid.ndim == 2, valid.shape
    last = valid.sum(0) - 1
    return torch.stack([torch.zeros_like(last), last])


def discrepancy(q: torch.Tensor, reference: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Delta Q = ||q - reference||_2 / |max q| at a sequence's ends (Kapturowski et al. 2019, section 3).

    q [m, B, A] of the replayed rows, reference [2, B, A] with another state at the rows `ends(valid)`, valid [m, B]
    bool -> [2, B]. The maximum is over the actions of all valid rows.
    """
    assert q.ndim == 3 and valid.shape == q.shape[:2], (q.shape, valid.shape)
    assert reference.shape == (2, *q.shape[1:]), (reference.shape, q.shape)
    largest = q.amax(-1).masked_fill(~valid, -torch.inf).amax(0)
    at = q[ends(valid), torch.arange(q.shape[1], device=q.device)]
    return torch.linalg.vector_norm(at - reference, dim=-1) / largest.abs()
