"""The shapes of experience: a moment as it is seen, acted on and kept, and a batch as it is learned from.

Every episode of length L takes L + 1 rows. The last row holds the final observation; nothing is done there, so
its transition is a loop to itself: reward 0, discount 1, no environment frame. With it the successor of a row is
always the next row of the same episode, and a return that reaches the end of an episode bootstraps from the
final observation (truncation) or is cut by the discount 0 on the way there (termination): no special cases.

| field    | Step         | Batch                | dtype   | meaning                                             |
|----------|--------------|----------------------|---------|-----------------------------------------------------|
| obs      | [B, C, H, W] | [M, B, S * C, H, W]  | stream's| what was seen (Batch: M chosen steps, S stacked)    |
| action   | [B, …]       | [T, B, …]            | int64   | what was done; numbers [A] (float32) of some agents |
| reward   | [B]          | [T, B]               | float32 | training reward of that action                      |
| discount | [B]          | [T, B]               | float32 | 0 where the action ended the return, else 1 (Step)  |
|          |              |                      |         | or gamma (Batch); 1 on an episode's last row        |
| first    | [B]          | [T + 1, B]           | bool    | first row of an episode                             |
| last     | [B]          | [T + 1, B]           | bool    | last row of an episode                              |
| extras   | [B, …]       | [T + 1, B, …]        | any     | what the agent kept with the row (extras asked for) |
| weight   | -            | [B]                  | float32 | importance weight of the draw                       |
| key      | -            | [B]                  | int64   | where in the memory the sequence starts             |
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch


class Step(NamedTuple):
    obs: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    discount: np.ndarray
    first: np.ndarray
    last: np.ndarray
    extras: Mapping[str, np.ndarray] = {}


class ActorInput(NamedTuple):
    """What an agent sees when it acts."""

    obs: torch.Tensor  # [B, S * C, H, W]
    first: np.ndarray  # [B] bool: an episode starts here
    action: np.ndarray  # [B, …], the previous one; 0 at an episode's first row
    reward: np.ndarray  # [B] float32, the previous one; 0 at an episode's first row
    state: Any  # what the agent's last ActorOutput handed on; None at the very first


class ActorOutput(NamedTuple):
    """What an agent does with an ActorInput."""

    action: np.ndarray  # [B] int64, or as `SequenceSpec.action` has it
    extras: Mapping[str, np.ndarray] = {}  # kept with the row in the memory
    state: Any = None  # tensors, lists and dicts of them: handed back at the next ActorInput


class SequenceSpec(NamedTuple):
    """What an agent wants to draw from a memory."""

    window: int  # transitions in a sequence
    obs_steps: tuple[int, ...]  # rows of the sequence, 0 to window, whose stacked observations are wanted
    stride: int = 1  # sequences start at every stride-th row of an episode
    min_following: int = 0  # steps of the same episode that must follow its first one, unless that begins the episode
    cross_episodes: bool = False  # sequences run on into the next episode; else rows past the last one repeat it
    action: tuple[tuple[int, ...], type] = ((), np.int64)  # shape and dtype of what is done at a row
    bootstrap_on_current: bool = False  # a sequence's last row may be the one in view, at which nothing was done yet
    extras: Mapping[str, tuple[tuple[int, ...], type]] = {}  # name -> shape and dtype of a row's extra
    in_place: bool = False  # batches are `Stored`: the agent takes from the memory what it needs


class Batch(NamedTuple):
    obs: torch.Tensor
    action: torch.Tensor
    reward: torch.Tensor
    discount: torch.Tensor
    first: torch.Tensor
    last: torch.Tensor
    weight: torch.Tensor
    extras: Mapping[str, torch.Tensor]
    key: np.ndarray

    def to(self, device: torch.device) -> "Batch":
        """The tensors on `device`; keys stay where the memory is."""

        def move(x: torch.Tensor) -> torch.Tensor:
            return x.to(device, non_blocking=True)

        extras = {name: move(x) for name, x in self.extras.items()}
        return Batch(*(move(x) for x in self[:7]), extras, self.key)


class Stored(NamedTuple):
    """A batch that lies in the memory still. Fields as in `Batch`, as far as they are there."""

    store: Any  # the FrameStore (memory/store.py)
    extras: Mapping[str, torch.Tensor]
    weight: np.ndarray
    key: np.ndarray


class Episode(NamedTuple):
    """A finished episode: raw game score over all lives, length in environment frames."""

    env: int
    score: float
    length: int
    truncated: bool
