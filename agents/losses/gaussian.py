"""Policies of independent normal actions, given by means [..., A] and log standard deviations [A]; torch only.

Wu et al. 2017, section 5 (arXiv:1708.05144); openai/baselines@3f676f7, acktr/policies.py.
"""

import math

import torch


def log_probability(mean: torch.Tensor, log_std: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
    """log density of actions [..., A] -> [...], nats."""
    assert mean.shape == action.shape and log_std.shape == mean.shape[-1:], (mean.shape, log_std.shape, action.shape)
    z = (action - mean) * (-log_std).exp()
    return -(0.5 * z.square() + log_std + 0.5 * math.log(2 * math.pi)).sum(-1)


def entropy(log_std: torch.Tensor) -> torch.Tensor:
    """Differential entropy of log standard deviations [A] -> scalar, nats; below 0 where they are narrow."""
    assert log_std.ndim == 1, log_std.shape
    return (log_std + 0.5 * math.log(2 * math.pi * math.e)).sum()


def kl_divergence(
    mean_p: torch.Tensor, log_std_p: torch.Tensor, mean_q: torch.Tensor, log_std_q: torch.Tensor
) -> torch.Tensor:
    """KL(p || q): means [..., A], log standard deviations [A] -> [...], nats.

    Of each action ((m_p - m_q)^2 + s_p^2 - s_q^2) / (2 s_q^2) + ln s_q - ln s_p.
    """
    shapes = log_std_p.shape, log_std_q.shape
    assert mean_p.shape == mean_q.shape and set(shapes) == {mean_p.shape[-1:]}, (mean_p.shape, mean_q.shape, *shapes)
    apart = (mean_p - mean_q).square() + (2 * log_std_p).exp() - (2 * log_std_q).exp()
    return (apart / (2 * (2 * log_std_q).exp()) + log_std_q - log_std_p).sum(-1)
