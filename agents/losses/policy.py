"""What actor-critics climb, for a policy given by logits [B, A]; torch only.

`floor` is added to probabilities inside logarithms (MinAtar's AC_lambda.py has 1e-4): it bounds what one unlikely
action can do.
"""

import torch


def log_probability(logits: torch.Tensor, action: torch.Tensor, floor: float) -> torch.Tensor:
    """log(pi(a) + floor): logits [B, A], action [B] int64 -> [B]."""
    chosen = logits.softmax(-1).gather(-1, action.unsqueeze(-1)).squeeze(-1)
    return (chosen + floor).log()


def entropy(logits: torch.Tensor, floor: float) -> torch.Tensor:
    """-sum_a pi(a) log(pi(a) + floor): logits [B, A] -> [B], nats."""
    probability = logits.softmax(-1)
    return -(probability * (probability + floor).log()).sum(-1)


def td_error(v_tm1: torch.Tensor, r_t: torch.Tensor, discount_t: torch.Tensor, v_t: torch.Tensor) -> torch.Tensor:
    """r + discount v(s') - v(s), without gradient; all [B]."""
    return (r_t + discount_t * v_t - v_tm1).detach()
