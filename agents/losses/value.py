"""What a value network predicts, and the Q-learning loss on it; torch only.

A value kind says how many numbers it needs per action (`size` K), what their mean is, and how far a prediction
lies from a bootstrapped target. `q_loss` never asks which kind it has.
"""

from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F


class Samples(NamedTuple):
    """How many quantile levels tau a network is asked for at each state; 0: none, it gives all its numbers at once.

    The names are those of Dabney et al. 2018, section 3 (arXiv:1806.06923).
    """

    predicted: int = 0  # N, of the action that learns
    target: int = 0  # N', of the action to bootstrap from
    acting: int = 0  # K, of those whose mean is an action value


class Value(Protocol):
    """What K numbers per action stand for. `size` is the K of a network that is asked for no quantile levels."""

    size: int
    samples: Samples

    def mean(self, raw: torch.Tensor) -> torch.Tensor:
        """The network's numbers [..., K] -> action values [...]."""
        ...

    def loss(
        self,
        raw_tm1: torch.Tensor,
        r_t: torch.Tensor,
        discount_t: torch.Tensor,
        raw_t: torch.Tensor,
        *tau: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """How far a prediction lies from r + discount x what follows.

        raw_tm1 [B, K] of the action taken, with gradient; raw_t [B, K] of the action to bootstrap from, without; r_t
        and discount_t [B], n-step ones where n > 1; the quantile levels [B, N] of raw_tm1 where it was asked for such
        -> loss [B], priority [B] without gradient.
        """
        ...


class Scalar:
    """One expected return per action (DQN, Mnih et al. 2015, Nature 518:529).

    `loss`: squared, huber (of width 1) or absolute. `compiled`: whether agents/compiled/ has this loss too.
    """

    size, samples = 1, Samples()

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
    raw_t: torch.Tensor,
    *tau: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Q-learning: how far Q(s, a) lies from r + discount x what follows.

    raw_tm1 [B, A, K], a_tm1 [B] int64, r_t and discount_t [B], raw_t [B, K'] of what to bootstrap from, which carries
    no gradient; tau as in `Value.loss` -> loss [B], priority [B].
    """
    assert raw_tm1.ndim == 3 and a_tm1.shape == raw_tm1.shape[:1], (raw_tm1.shape, a_tm1.shape)
    assert r_t.shape == discount_t.shape == a_tm1.shape, (r_t.shape, discount_t.shape, a_tm1.shape)
    return value.loss(at_action(raw_tm1, a_tm1), r_t, discount_t, raw_t.detach(), *tau)


def at_action(raw: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
    """The numbers of the chosen actions: raw [B, A, K], action [B] int64 -> [B, K]."""
    assert raw.ndim == 3 and action.shape == raw.shape[:1], (raw.shape, action.shape)
    return raw.gather(1, action.view(-1, 1, 1).expand(-1, 1, raw.shape[-1])).squeeze(1)
