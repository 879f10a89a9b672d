"""What actor-critics climb, for a policy given by logits [..., A]; torch only.

Mnih et al. 2016 (arXiv:1602.01783), Espeholt et al. 2018 (arXiv:1802.01561); agents/policy/actor_critic.py sums
the terms.

`floor` is added to probabilities inside logarithms (1e-4 in MinAtar's AC_lambda.py, arXiv:1903.03176): it bounds what
one unlikely action can do.
"""

import torch


def log_probability(logits: torch.Tensor, action: torch.Tensor, floor: float) -> torch.Tensor:
    """log(pi(a) + floor): logits [..., A], action [...] int64 -> [...], nats."""
    assert logits.shape[:-1] == action.shape and logits.ndim >= 1, (logits.shape, action.shape)
    if floor == 0:  # straight from the logits: exact where pi(a) is too small for a float
        return logits.log_softmax(-1).gather(-1, action.unsqueeze(-1)).squeeze(-1)
    chosen = logits.softmax(-1).gather(-1, action.unsqueeze(-1)).squeeze(-1)
    return (chosen + floor).log()


def entropy(logits: torch.Tensor, floor: float) -> torch.Tensor:
    """-sum_a pi(a) log(pi(a) + floor): logits [..., A] -> [...], nats."""
    assert logits.ndim >= 1, logits.shape
    if floor == 0:
        log_pi = logits.log_softmax(-1)
        return -(log_pi.exp() * log_pi).sum(-1)
    probability = logits.softmax(-1)
    return -(probability * (probability + floor).log()).sum(-1)


def kl_divergence(logits_p: torch.Tensor, logits_q: torch.Tensor) -> torch.Tensor:
    """KL(p || q) = sum_a p(a) (log p(a) - log q(a)) of two policies' logits [..., A] -> [...], nats."""
    assert logits_p.ndim >= 1 and logits_p.shape == logits_q.shape, (logits_p.shape, logits_q.shape)
    log_p = logits_p.log_softmax(-1)
    return (log_p.exp() * (log_p - logits_q.log_softmax(-1))).sum(-1)


def gaussian_log_likelihood(values: torch.Tensor, noise: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """log N(v'; V, sigma^2) at a draw v' = V + sigma noise, up to a constant; values and noise of one shape.

    The draw carries no gradient. A critic's Fisher matrix is that of this density; with sigma 1 it is the Gauss-Newton
    matrix (Wu et al. 2017, section 3.1, arXiv:1708.05144).
    """
    assert values.shape == noise.shape and sigma.ndim == 0, (values.shape, noise.shape, sigma.shape)
    return -0.5 * (((values + sigma * noise).detach() - values) / sigma).square()


def td_error(v_tm1: torch.Tensor, r_t: torch.Tensor, discount_t: torch.Tensor, v_t: torch.Tensor) -> torch.Tensor:
    """r + discount v(s') - v(s), without gradient; all [B] (Sutton & Barto 2018, section 13.5)."""
    shapes = v_tm1.shape, r_t.shape, discount_t.shape, v_t.shape
    assert v_tm1.ndim == 1 and len(set(shapes)) == 1, shapes
    return (r_t + discount_t * v_t - v_tm1).detach()


def policy_gradient_loss(log_pi: torch.Tensor, advantage: torch.Tensor, rho: torch.Tensor) -> torch.Tensor:
    """-rho log pi(a) A, elementwise, all of one shape; advantage and rho carry no gradient.

    Espeholt et al. 2018, section 4.2 (arXiv:1802.01561); with rho 1 the gradient of Mnih et al. 2016.
    """
    assert log_pi.shape == advantage.shape == rho.shape, (log_pi.shape, advantage.shape, rho.shape)
    return -(rho * advantage).detach() * log_pi


def surrogate(log_ratio: torch.Tensor, advantage: torch.Tensor) -> torch.Tensor:
    """pi(a) / pi_old(a) A, elementwise, both of one shape; the advantage carries no gradient.

    Schulman et al. 2015, eq. 14 (arXiv:1502.05477).
    """
    assert log_ratio.shape == advantage.shape, (log_ratio.shape, advantage.shape)
    return log_ratio.exp() * advantage.detach()


def standardised(x: torch.Tensor) -> torch.Tensor:
    """(x - mean) / standard deviation of all of x [N]; 0 where they do not differ."""
    assert x.ndim == 1, x.shape
    centred = x - x.mean()
    spread = centred.square().mean().sqrt()
    return torch.where(spread > 0, centred / spread, 0.0)


def baseline_loss(values: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """1/2 (v - V)^2, elementwise, both of one shape; targets carry no gradient (arXiv:1802.01561, section 4.2)."""
    assert values.shape == targets.shape, (values.shape, targets.shape)
    return 0.5 * (targets.detach() - values).square()
