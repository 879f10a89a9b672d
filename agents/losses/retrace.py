"""Retrace and ACER's gradients, for policies and action values of a finite number of actions; torch only.

Munos et al. 2016 (arXiv:1606.02647), Wang et al. 2017 (arXiv:1611.01224). Time runs along the first axis.
"""

import torch

TINY = 1e-30  # what a probability of 0 is divided by


@torch.no_grad()
def retrace(
    values: torch.Tensor,
    q_taken: torch.Tensor,
    r_t: torch.Tensor,
    discount_t: torch.Tensor,
    ratio: torch.Tensor,
    acted: torch.Tensor,
) -> torch.Tensor:
    """Targets Q^ret_t = r_t + discount (min(1, rho_{t+1}) (Q^ret_{t+1} - Q(x_{t+1}, a_{t+1})) + V(x_{t+1})) -> [T, B].

    Wang et al. 2017, eq. 5 (arXiv:1611.01224). values [T + 1, B]: V of each row, the last to bootstrap from; q_taken,
    r_t, discount_t (gamma inside, 0 at termination), ratio rho = pi(a) / mu(a), acted [T, B]. A row at which nothing
    was done (an episode's last) stands for V itself, as the rows before it see it.
    """
    shapes = q_taken.shape, r_t.shape, discount_t.shape, ratio.shape, acted.shape
    assert values.ndim == 2 and set(shapes) == {values[1:].shape}, (values.shape, *shapes)
    targets, following = torch.empty_like(r_t), values[-1]
    for t in range(len(r_t) - 1, -1, -1):
        targets[t] = r_t[t] + discount_t[t] * following
        following = values[t] + ratio[t].clamp(max=1.0) * (targets[t] - q_taken[t]) * acted[t]
    return targets


@torch.no_grad()
def truncated_weights(
    pi: torch.Tensor, mu: torch.Tensor, q: torch.Tensor, action: torch.Tensor, target: torch.Tensor, c: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """ACER's policy gradient is sum_a w(a) grad log pi(a); -> w [T, B, A], and its part that corrects the bias.

    w(a) = 1[a = a_t] min(c, rho(a)) (Q^ret - V) + max(0, 1 - c / rho(a)) pi(a) (Q(a) - V), rho = pi / mu and
    V = sum_a pi(a) Q(a) (Wang et al. 2017, eq. 7, arXiv:1611.01224). pi, mu, q [T, B, A], action, target Q^ret [T, B].
    """
    assert pi.ndim == 3 and pi.shape == mu.shape == q.shape, (pi.shape, mu.shape, q.shape)
    assert action.shape == target.shape == pi.shape[:-1], (action.shape, target.shape, pi.shape)
    value = (pi * q).sum(-1)
    correction = (1 - c * mu / pi.clamp(min=TINY)).clamp(min=0.0) * pi * (q - value[..., None])
    at = action[..., None]
    rho = (pi / mu.clamp(min=TINY)).gather(-1, at)
    return correction.scatter_add(-1, at, rho.clamp(max=c) * (target - value)[..., None]), correction


@torch.no_grad()
def projected(g: torch.Tensor, k: torch.Tensor, delta: float) -> torch.Tensor:
    """The z nearest to g with k . z <= delta: z = g - max(0, (k . g - delta) / (k . k)) k; g, k [..., A] -> [..., A].

    Wang et al. 2017, eq. 12 (arXiv:1611.01224).
    """
    assert g.ndim >= 1 and g.shape == k.shape, (g.shape, k.shape)
    over = ((k * g).sum(-1, keepdim=True) - delta).clamp(min=0.0)
    return g - over / (k * k).sum(-1, keepdim=True).clamp(min=TINY) * k


def trust_region_loss(
    logits: torch.Tensor, average: torch.Tensor, weights: torch.Tensor, delta: float, statistics: str
) -> torch.Tensor:
    """-z . phi, whose gradient is ACER's, ascent turned downhill; [T, B].

    The gradient g of sum_a w(a) log pi(a) by phi is projected so that the policy does not move away from the average
    one: k = d KL(average || pi) / d phi. phi (`statistics`) are the policy's `probabilities` or its `logits` [T, B, A];
    average [T, B, A] are probabilities, w [T, B, A] as in `truncated_weights` (Wang et al. 2017, section 3.3).
    """
    assert logits.ndim == 3 and logits.shape == average.shape == weights.shape, (logits.shape, weights.shape)
    pi = logits.softmax(-1)
    p = pi.detach()
    if statistics == "probabilities":
        bounded = p.clamp(min=1e-6)  # as openai/baselines@ea25b9e adds 1e-6
        return -(projected(weights / bounded, -average / bounded, delta) * pi).sum(-1)
    return -(projected(weights - p * weights.sum(-1, keepdim=True), p - average, delta) * logits).sum(-1)
