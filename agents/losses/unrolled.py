"""What action values learn from a short unroll, as it is made; torch only. Time runs along the first axis.

The asynchronous value methods of Mnih et al. 2016 (arXiv:1602.01783): one-step Q-learning (Algorithm 1), one-step Sarsa
(section 4), n-step Q-learning (Algorithm S2). All three take the same things:

q [T + 1, B, A] of the target network, theta^-, at the T rows of the unroll and the one after it; action [T + 1, B]
int64, of which Q-learning needs none; r_t, discount_t (gamma inside, 0 at termination) and acted [T, B], which is false
on an episode's last row -> targets [T, B] without gradient, of no meaning where nothing was done.
"""

import torch
import torch.nn.functional as F


@torch.no_grad()
def one_step_q(
    q: torch.Tensor, action: torch.Tensor, r_t: torch.Tensor, discount_t: torch.Tensor, acted: torch.Tensor
) -> torch.Tensor:
    """y_t = r_t + gamma max_a Q(s_{t+1}, a; theta^-)."""
    _ranks(q, r_t, discount_t, acted)
    return r_t + discount_t * q[1:].amax(-1)


@torch.no_grad()
def one_step_sarsa(
    q: torch.Tensor, action: torch.Tensor, r_t: torch.Tensor, discount_t: torch.Tensor, acted: torch.Tensor
) -> torch.Tensor:
    """y_t = r_t + gamma Q(s_{t+1}, a_{t+1}; theta^-), a_{t+1} being the action that is taken next."""
    _ranks(q, r_t, discount_t, acted)
    assert action.shape == q.shape[:2], (action.shape, q.shape)
    return r_t + discount_t * at_actions(q[1:], action[1:])


@torch.no_grad()
def n_step_q(
    q: torch.Tensor, action: torch.Tensor, r_t: torch.Tensor, discount_t: torch.Tensor, acted: torch.Tensor
) -> torch.Tensor:
    """R_t = r_t + gamma R_{t+1} backwards from R_T = max_a Q(s_T, a; theta^-): the forward view.

    So the first state of an unroll has the longest return, the last a one-step one. At an episode's last row R is
    max_a Q as well: what a truncated episode bootstraps from; a terminated one has a discount of 0 before it.
    """
    _ranks(q, r_t, discount_t, acted)
    best = q.amax(-1)
    targets, following = torch.empty_like(r_t), best[-1]
    for t in range(len(r_t) - 1, -1, -1):
        targets[t] = following = torch.where(acted[t], r_t[t] + discount_t[t] * following, best[t])
    return targets


def td_loss(q: torch.Tensor, action: torch.Tensor, targets: torch.Tensor, kind: str) -> torch.Tensor:
    """Half of (y - Q(s, a))^2 (`squared`), or Huber's loss of width 1 (`huber`), elementwise.

    q [T, B, A] with gradient, action and targets [T, B] -> [T, B]. The paper writes the square without its half; the
    factor is the learning rate's. Raises KeyError for another `kind`.
    """
    assert q.ndim == 3 and action.shape == targets.shape == q.shape[:2], (q.shape, action.shape, targets.shape)
    taken = at_actions(q, action)
    return {
        "squared": lambda: 0.5 * (targets - taken).square(),
        "huber": lambda: F.smooth_l1_loss(taken, targets, reduction="none"),
    }[kind]()


def at_actions(q: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
    """q [T, B, A] at action [T, B] int64 -> [T, B]."""
    assert q.ndim == 3 and action.shape == q.shape[:2], (q.shape, action.shape)
    return q.gather(-1, action[..., None])[..., 0]


def _ranks(q: torch.Tensor, r_t: torch.Tensor, discount_t: torch.Tensor, acted: torch.Tensor) -> None:
    assert q.ndim == 3, q.shape
    assert r_t.shape == discount_t.shape == acted.shape == q[1:].shape[:2], (r_t.shape, discount_t.shape, acted.shape)
