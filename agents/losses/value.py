"""What a value network predicts, and the Q-learning loss on it; torch only.

A value kind says how many numbers it needs per action (`size` K), what their mean is, and how far a prediction
lies from a bootstrapped target. `q_loss` never asks which kind it has.
"""

from typing import Protocol

import torch
import torch.nn.functional as F


class Value(Protocol):
    """What K numbers per action stand for. `size` is K."""

    size: int

    def mean(self, raw: torch.Tensor) -> torch.Tensor:
        """The network's numbers [..., K] -> action values [...]."""
        ...

    def loss(
        self, raw_tm1: torch.Tensor, r_t: torch.Tensor, discount_t: torch.Tensor, raw_t: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """How far a prediction lies from r + discount x what follows.

        raw_tm1 [B, K] of the action taken, with gradient; raw_t [B, K] of the action to bootstrap from, without; r_t
        and discount_t [B], n-step ones where n > 1 -> loss [B], priority [B] without gradient.
        """
        ...


class Scalar:
    """One expected return per action (DQN, Mnih et al. 2015, Nature 518:529).

    `loss`: squared, huber (of width 1) or absolute. `compiled`: whether agents/compiled/ has this loss too.
    """

    size = 1

    def __init__(self, loss: str):
        self.huber, self.compiled = loss == "huber", loss != "absolute"  # the compiled form knows the other two
        self.support = torch.zeros(1)  # unused: the number is the value itself
        self._distance = {"squared": F.mse_loss, "huber": F.smooth_l1_loss, "absolute": F.l1_loss}[loss]

    def mean(self, raw: torch.Tensor) -> torch.Tensor:
        """[..., 1] -> [...]: the action value itself."""
        return raw.squeeze(-1)

    def loss(
        self, raw_tm1: torch.Tensor, r_t: torch.Tensor, discount_t: torch.Tensor, raw_t: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """raw_tm1, raw_t [B, 1], r_t, discount_t [B] -> loss [B], |TD error| [B]."""
        assert raw_tm1.ndim == 2 and raw_t.shape == raw_tm1.shape, (raw_tm1.shape, raw_t.shape)
        assert r_t.shape == discount_t.shape == raw_tm1.shape[:1], (r_t.shape, discount_t.shape, raw_tm1.shape)
        target = r_t + discount_t * self.mean(raw_t)
        q = self.mean(raw_tm1)
        return self._distance(q, target, reduction="none"), (target - q).detach().abs()


def q_loss(
    value: Value,
    raw_tm1: torch.Tensor,
    a_tm1: torch.Tensor,
    r_t: torch.Tensor,
    discount_t: torch.Tensor,
    raw_t_value: torch.Tensor,
    raw_t_selector: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Q-learning; double Q-learning when the selector is another network.

    raw_* [B, A, K], a_tm1 [B] int64, r_t and discount_t [B] -> loss [B], priority [B].
    The target r + discount * Q_value(s', argmax_a Q_selector(s', a)) carries no gradient
    (van Hasselt et al. 2016, eq. 4, arXiv:1509.06461).
    """
    assert raw_tm1.ndim == 3 and a_tm1.shape == raw_tm1.shape[:1], (raw_tm1.shape, a_tm1.shape)
    assert raw_t_value.shape == raw_t_selector.shape == raw_tm1.shape, (raw_t_value.shape, raw_t_selector.shape)
    assert r_t.shape == discount_t.shape == a_tm1.shape, (r_t.shape, discount_t.shape, a_tm1.shape)
    best = value.mean(raw_t_selector).argmax(-1)
    return value.loss(at_action(raw_tm1, a_tm1), r_t, discount_t, at_action(raw_t_value, best).detach())


def at_action(raw: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
    """The numbers of the chosen actions: raw [B, A, K], action [B] int64 -> [B, K]."""
    assert raw.ndim == 3 and action.shape == raw.shape[:1], (raw.shape, action.shape)
    return raw.gather(1, action.view(-1, 1, 1).expand(-1, 1, raw.shape[-1])).squeeze(1)
