"""A learning rate that falls on a straight line to 0 (A3C, arXiv:1602.01783; IMPALA, arXiv:1802.01561, Table G.1)."""

from collections.abc import Callable
from typing import Any


class Decay:
    """Called before the optimizer's step: rate = initial rate x (1 - frame / end), 0 from frame `end` on."""

    def __init__(self, optimizer: Any, frame: Callable[[], int], end: int):
        self._optimizer, self._frame, self._end = optimizer, frame, end
        self._base = list(optimizer.rates)

    def __call__(self) -> None:
        share = max(0.0, 1 - self._frame() / self._end)
        self._optimizer.rates = [rate * share for rate in self._base]
