"""A learning rate that falls on a straight line to 0 (A3C, arXiv:1602.01783; IMPALA, arXiv:1802.01561, Table G.1)."""

from collections.abc import Callable
from typing import Any

import torch


class Decay:
    """Called before the optimizer's step: rate = initial rate x (1 - frame / end), 0 from frame `end` on.

    With a `device` rates are scalars there that stay in their places, where a captured update finds them.
    """

    def __init__(self, optimizer: Any, frame: Callable[[], int], end: int, device: torch.device | None = None):
        self._optimizer, self._frame, self._end = optimizer, frame, end
        self._base = list(optimizer.rates)
        self._placed = {rate: torch.tensor(rate, device=device) for rate in self._base} if device else {}
        if device:
            optimizer.rates = [self._placed[rate] for rate in self._base]

    def __call__(self) -> None:
        share = max(0.0, 1 - self._frame() / self._end)
        for rate, placed in self._placed.items():
            placed.fill_(rate * share)
        if not self._placed:
            self._optimizer.rates = [rate * share for rate in self._base]
