"""An LSTM between torso and head."""

import itertools
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from agents.spec.network import Lstm as LstmSpec


class Lstm(nn.Module):
    """Features over time -> what the head sees, state by state; a state is [B, 2, units], hidden and cell.

    The LSTM's input is [features, one-hot previous action, previous reward] with `inputs` (Kapturowski et al. 2019),
    else the features alone (Hausknecht & Stone 2015); `before` are hidden layers with ReLU that come first.
    """

    def __init__(self, spec: LstmSpec, linear: Callable[[int, int, bool], nn.Module], features: int, actions: int):
        super().__init__()
        widths = [features, *spec.before]
        self.layers = nn.ModuleList(linear(a, b, True) for a, b in itertools.pairwise(widths))
        self.cell = nn.LSTM(widths[-1] + (actions + 1) * spec.inputs, spec.units)
        self.size, self._inputs, self._actions = spec.units, spec.inputs, actions

    def initial(self, size: int) -> torch.Tensor:
        """The state before an episode's first step. [size, 2, units]"""
        return torch.zeros(size, 2, self.size, device=self.cell.weight_hh_l0.device)

    def forward(
        self,
        x: torch.Tensor,
        action: torch.Tensor,
        reward: torch.Tensor,
        state: torch.Tensor,
        first: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """x [T, B, features], action and reward [T, B] of the step before, state [B, 2, units] before the first step
        -> [T, B, units], state after the last step. Where `first` [T, B] is true the state is zero again.
        """
        for layer in self.layers:
            x = F.relu(layer(x))
        if self._inputs:
            x = torch.cat([x, F.one_hot(action, self._actions).to(x.dtype), reward[..., None]], -1)
        if first is None or not first.any():
            return self._steps(x, state)
        out = []
        for row, begins in zip(x, first, strict=True):
            y, state = self._steps(row[None], state * ~begins[:, None, None])
            out.append(y)
        return torch.cat(out), state

    def _steps(self, x: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        hidden, cell = (part[None].contiguous() for part in state.unbind(1))
        y, (hidden, cell) = self.cell(x, (hidden, cell))
        return y, torch.stack([hidden[0], cell[0]], 1)
