"""Munchausen: the log-policy added to the reward, and soft values; torch only.

Vieillard et al. 2020 (arXiv:2007.14430). The policy is softmax(q / temperature), q being the target network's action
values. The paper calls the temperature tau, which is a quantile level in losses/implicit.py.
"""

import torch

from agents.losses.bootstrap import Ask
from agents.losses.value import Value


def scaled_log_policy(q: torch.Tensor, temperature: float) -> torch.Tensor:
    """temperature x ln softmax(q / temperature) [..., A], at most 0, without overflow at small temperatures.

    q - max - temperature ln sum exp((q - max) / temperature) (appendix B.1).
    """
    below = q - q.amax(-1, keepdim=True)
    return below - temperature * (below / temperature).logsumexp(-1, keepdim=True)


def munchausen_term(
    q: torch.Tensor, action: torch.Tensor, temperature: float, alpha: float, lowest: float
) -> torch.Tensor:
    """alpha clip(temperature ln pi(a|s), lowest, 0) (eq. 1): q [B, A] at s, action [B] int64 -> [B]."""
    assert q.ndim == 2 and action.shape == q.shape[:1], (q.shape, action.shape)
    taken = scaled_log_policy(q, temperature).gather(-1, action[:, None]).squeeze(-1)
    return alpha * taken.clamp(lowest, 0.0)


def soft(raw_t: torch.Tensor, q: torch.Tensor, temperature: float) -> torch.Tensor:
    """sum_a pi(a|s') (Z(s', a) - temperature ln pi(a|s')) for each of K returns: raw_t [B, A, K], q [B, A] -> [B, K].

    Where Z is q itself that is temperature ln sum exp(q / temperature), the soft value.
    """
    assert raw_t.ndim == 3 and q.shape == raw_t.shape[:2], (raw_t.shape, q.shape)
    log_pi = scaled_log_policy(q, temperature)[..., None]
    return ((log_pi / temperature).exp() * (raw_t - log_pi)).sum(1)


class Munchausen:
    """r + alpha clip(temperature ln pi(a|s), lowest, 0), and the soft value of s'; `alpha` 0: soft Q-learning.

    A bootstrap (losses/bootstrap.py) for values whose numbers are returns. What is added to the reward stays where the
    episode ends; only the soft value is cut there.
    """

    def __init__(self, temperature: float, alpha: float, lowest: float):
        self._temperature, self._alpha, self._lowest = temperature, alpha, lowest

    def __call__(
        self, value: Value, ask: Ask, a_tm1: torch.Tensor, r_t: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        samples = value.samples
        raw_t, q_t = ask("target", -1, samples.target, samples.acting)
        (q_tm1,) = ask("target", 0, samples.acting)
        added = munchausen_term(value.mean(q_tm1), a_tm1, self._temperature, self._alpha, self._lowest)
        return r_t + added, soft(raw_t, value.mean(q_t), self._temperature)
