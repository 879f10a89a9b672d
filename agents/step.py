"""The two shapes of experience: a moment as it happens, and a batch as it is learned from.

Every episode of length L takes L + 1 rows. The last row holds the final observation; nothing is done there, so
its transition is a loop to itself: reward 0, discount 1, no environment frame. With it the successor of a row is
always the next row of the same episode, and a return that reaches the end of an episode bootstraps from the
final observation (truncation) or is cut by the discount 0 on the way there (termination): no special cases.

| field    | Step         | Batch                | dtype   | meaning                                            |
|----------|--------------|----------------------|---------|----------------------------------------------------|
| obs      | [B, C, H, W] | [M, B, S * C, H, W]  | uint8   | what was seen (Batch: M chosen moments, S stacked) |
| action   | [B]          | [T, B]               | int64   | what was done                                      |
| reward   | [B]          | [T, B]               | float32 | training reward of that action                     |
| discount | [B]          | [T, B]               | float32 | 0 where the action ended the return, else 1 (Step) |
|          |              |                      |         | or gamma (Batch); 1 on an episode's last row       |
| first    | [B]          | -                    | bool    | first row of an episode                            |
| last     | [B]          | -                    | bool    | last row of an episode                             |
| weight   | -            | [B]                  | float32 | importance weight of the draw                      |
| key      | -            | [B]                  | int64   | where in the memory the chunk starts               |
"""

from typing import NamedTuple

import numpy as np
import torch


class Step(NamedTuple):
    obs: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    discount: np.ndarray
    first: np.ndarray
    last: np.ndarray


class Batch(NamedTuple):
    obs: torch.Tensor
    action: torch.Tensor
    reward: torch.Tensor
    discount: torch.Tensor
    weight: torch.Tensor
    key: np.ndarray

    def to(self, device: torch.device) -> "Batch":
        """The tensors on `device`; keys stay where the memory is."""
        return Batch(*(x.to(device, non_blocking=True) for x in self[:-1]), key=self.key)


class Loss(NamedTuple):
    """What an agent makes of a batch."""

    terms: dict[str, torch.Tensor]  # name -> scalar; their sum is minimised
    priorities: torch.Tensor  # [B], without importance weights
    metrics: dict[str, torch.Tensor]  # scalars to record


class Episode(NamedTuple):
    """A finished episode: raw game score over all lives, length in environment frames."""

    env: int
    score: float
    length: int
    truncated: bool
