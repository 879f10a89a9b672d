"""What a value network predicts, and the Q-learning loss on it; torch only.

A value kind says how many numbers it needs per action (`size` K), what their mean is, how far a prediction lies from
a bootstrapped target and how that distance changes with the prediction. `q_loss` never asks which kind it has.
"""

from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable


class Value(Protocol):
    size: int

    def mean(self, raw: torch.Tensor) -> torch.Tensor: ...
    def loss(
        self, raw_tm1: torch.Tensor, r_t: torch.Tensor, discount_t: torch.Tensor, raw_t: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """raw_* [B, K], r_t, discount_t [B] -> loss [B], d loss / d raw_tm1 [B, K], priority [B]."""
        ...


class Scalar:
    """One expected return per action (DQN, Mnih et al. 2015)."""

    size = 1

    def __init__(self, loss: str):
        self._distance = {"squared": F.mse_loss, "huber": F.smooth_l1_loss}[loss]
        self._slope = {"squared": lambda error: 2 * error, "huber": lambda error: error.clamp(-1, 1)}[loss]

    def mean(self, raw: torch.Tensor) -> torch.Tensor:
        """[..., 1] -> [...]: the action value itself."""
        return raw.squeeze(-1)

    def loss(
        self, raw_tm1: torch.Tensor, r_t: torch.Tensor, discount_t: torch.Tensor, raw_t: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """raw_tm1, raw_t [B, 1], r_t, discount_t [B] -> loss [B], slope [B, 1], |TD error| [B]."""
        target = torch.addcmul(r_t, discount_t, self.mean(raw_t))
        q = self.mean(raw_tm1)
        error = q - target
        return self._distance(q, target, reduction="none"), self._slope(error)[:, None], error.abs()


def q_loss(
    value: Value,
    raw_tm1: torch.Tensor,
    a_tm1: torch.Tensor,
    r_t: torch.Tensor,
    discount_t: torch.Tensor,
    raw_t_value: torch.Tensor,
    raw_t_selector: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Q-learning; double Q-learning when the selector is another network (van Hasselt et al. 2016, eq. 4).

    raw_* [B, A, K], a_tm1 [B] int64, r_t and discount_t [B] -> loss [B], priority [B].
    The target r + discount * Q_value(s', argmax_a Q_selector(s', a)) carries no gradient.
    """
    if raw_tm1.dim() != 3 or a_tm1.dim() != 1:
        raise ValueError(f"wanted raw [B, A, K] and actions [B], got {raw_tm1.shape} and {a_tm1.shape}")
    size = raw_tm1.shape[-1]
    with torch.no_grad():
        taken = _index(a_tm1, size)
        best = _index(value.mean(raw_t_selector).argmax(-1), size)
        loss, slope, priority = value.loss(
            raw_tm1.gather(1, taken).squeeze(1), r_t, discount_t, raw_t_value.gather(1, best).squeeze(1)
        )
    return Known.apply(raw_tm1, taken, loss, slope), priority


def at_action(raw: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
    """raw [B, A, K], action [B] -> [B, K]."""
    return raw.gather(1, _index(action, raw.shape[-1])).squeeze(1)


def _index(action: torch.Tensor, size: int) -> torch.Tensor:
    """[B] -> [B, 1, K], as gather and scatter along the actions of [B, A, K] want it."""
    return action.view(-1, 1, 1).expand(-1, 1, size)


class Known(torch.autograd.Function):
    """Losses [B] whose slopes [B, K] by raw_tm1 [B, A, K] at the actions taken are known: spares autograd the search.

    On small networks the many tiny nodes between the loss and the output cost as much as a layer.
    """

    @staticmethod
    def forward(
        ctx: Any, raw_tm1: torch.Tensor, taken: torch.Tensor, loss: torch.Tensor, slope: torch.Tensor
    ) -> torch.Tensor:
        ctx.save_for_backward(taken, slope)
        ctx.shape = raw_tm1.shape
        return loss.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_loss: torch.Tensor) -> tuple:
        taken, slope = ctx.saved_tensors
        by_raw = slope.new_zeros(ctx.shape)
        return by_raw.scatter_(1, taken, (slope * by_loss[:, None])[:, None]), None, None, None
