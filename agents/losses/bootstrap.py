"""What Q-learning bootstraps from: the value of one action at s'; torch only.

A bootstrap is called with the value kind, with `ask`, which lets it see what the networks say, with the actions [B] and
the rewards [B]; it gives the rewards to learn from [B] and the numbers of what follows them [B, K].
`ask(network, row, *counts)` evaluates a network ("online" or "target") at a row of the sequence (0: s, -1: s') with
noise and quantile levels of its own, as many as each of `counts` says (`Samples` in losses/value.py): one [B, A, K] for
each.
"""

from collections.abc import Callable
from typing import Protocol

import torch

from agents.losses.value import Value, at_action

Ask = Callable[..., tuple[torch.Tensor, ...]]


class Bootstrap(Protocol):
    """What a reward and the state after it are worth to the action before."""

    def __call__(
        self, value: Value, ask: Ask, a_tm1: torch.Tensor, r_t: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]: ...


class Greedy:
    """Q_target(s', argmax_a Q_selector(s', a)); with `online` as the selector Double Q-learning.

    van Hasselt et al. 2016, eq. 4 (arXiv:1509.06461). Levels that choose the action are independent of those that
    value it (Dabney et al. 2018, section 3, arXiv:1806.06923).
    """

    def __init__(self, selector: str):
        self.double = selector == "online"

    def __call__(
        self, value: Value, ask: Ask, a_tm1: torch.Tensor, r_t: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        samples = value.samples
        if self.double:
            (raw_t,), (selector,) = ask("target", -1, samples.target), ask("online", -1, samples.acting)
        else:
            raw_t, selector = ask("target", -1, samples.target, samples.acting)
        return r_t, best(value, raw_t, selector)


def best(value: Value, raw_t: torch.Tensor, selector: torch.Tensor) -> torch.Tensor:
    """The numbers of argmax_a Q_selector(s', a): raw_t [B, A, K], selector [B, A, K'] -> [B, K]."""
    assert raw_t.ndim == selector.ndim == 3 and raw_t.shape[:2] == selector.shape[:2], (raw_t.shape, selector.shape)
    return at_action(raw_t, value.mean(selector).argmax(-1))
