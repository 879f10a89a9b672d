"""An LSTM between torso and head."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from agents.nets.heads import Hidden
from agents.nets.normalisation import none
from agents.spec.network import Lstm as LstmSpec


class Lstm(nn.Module):
    """Features over time -> what the head sees, state by state; a state is [B, 2, units], hidden and cell.

    The LSTM's input is [features, one-hot previous action, previous reward] with `inputs` (Kapturowski et al. 2019,
    section 2.3), else the features alone (Hausknecht & Stone 2015, arXiv:1507.06527); `before` are hidden layers with
    ReLU that come first.
    """

    def __init__(self, spec: LstmSpec, linear: Callable[[int, int, bool], nn.Module], features: int, actions: int):
        super().__init__()
        self.before = Hidden(linear, none, features, spec.before, F.relu)
        self.cell = nn.LSTM(self.before.size + (actions + 1) * spec.inputs, spec.units)
        self.size, self._inputs, self._actions = spec.units, spec.inputs, actions

    @property
    def layers(self) -> nn.ModuleList:
        return self.before.layers

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
        x = self.before(x)
        if self._inputs:
            x = torch.cat([x, F.one_hot(action, self._actions).to(x.dtype), reward[..., None]], -1)
        if first is None or (first.device.type == "cpu" and not first.any()):  # to look would stop a GPU
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
