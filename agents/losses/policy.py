"""What actor-critics climb, for a policy given by logits [..., A]; torch only.

`floor` is added to probabilities inside logarithms (MinAtar's AC_lambda.py has 1e-4): it bounds what one unlikely
action can do.
"""

import torch


def log_probability(logits: torch.Tensor, action: torch.Tensor, floor: float) -> torch.Tensor:
    """log(pi(a) + floor): logits [..., A], action [...] int64 -> [...]."""
    if floor == 0:  # straight from the logits: exact where pi(a) is too small for a float
        return logits.log_softmax(-1).gather(-1, action.unsqueeze(-1)).squeeze(-1)
    chosen = logits.softmax(-1).gather(-1, action.unsqueeze(-1)).squeeze(-1)
    return (chosen + floor).log()


def entropy(logits: torch.Tensor, floor: float) -> torch.Tensor:
    """-sum_a pi(a) log(pi(a) + floor): logits [..., A] -> [...], nats."""
    if floor == 0:
        log_pi = logits.log_softmax(-1)
        return -(log_pi.exp() * log_pi).sum(-1)
    probability = logits.softmax(-1)
    return -(probability * (probability + floor).log()).sum(-1)


def td_error(v_tm1: torch.Tensor, r_t: torch.Tensor, discount_t: torch.Tensor, v_t: torch.Tensor) -> torch.Tensor:
    """r + discount v(s') - v(s), without gradient; all [B]."""
    return (r_t + discount_t * v_t - v_tm1).detach()


def policy_gradient_loss(log_pi: torch.Tensor, advantage: torch.Tensor, rho: torch.Tensor) -> torch.Tensor:
    """-rho log pi(a) A, elementwise; advantage and rho carry no gradient (Espeholt et al. 2018, section 4.2)."""
    return -(rho * advantage).detach() * log_pi


def baseline_loss(values: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """1/2 (v - V)^2, elementwise; targets carry no gradient."""
    return 0.5 * (targets.detach() - values).square()
