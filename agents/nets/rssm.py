"""The recurrent state-space model: a state s = (h, z) that is followed from images, or imagined without them.

Hafner et al. 2019 (arXiv:1811.04551), with the categorical z of Hafner et al. 2021 (arXiv:2010.02193, eq. 1). What z
is made of, and how it is drawn from what a layer gives, is the latent's own affair (a part of the spec).
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from agents.nets.layers import Linear

Activation = Callable[[torch.Tensor], torch.Tensor]


class State(NamedTuple):
    """h [..., D], and a sample of z: [..., width], or in the latent's compact form, through which no gradient goes."""

    h: torch.Tensor
    z: torch.Tensor

    def detach(self) -> "State":
        """The same without gradient."""
        return State(self.h.detach(), self.z.detach())

    def rows(self, wanted: Any) -> "State":
        """Those at an index of the first axis."""
        return State(self.h[wanted], self.z[wanted])


def product(weight: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """weight x, weight [O, I], for x [..., I], or the places [..., V] int64 of its ones, all else being 0 -> [..., O].

    A sum of V columns is several times as quick as the whole product, but for its gradient.
    """
    if not x.is_floating_point() and torch.is_grad_enabled():
        x = torch.zeros(*x.shape[:-1], weight.shape[1], device=x.device).scatter_(-1, x, 1.0)
    if x.is_floating_point():
        return F.linear(x, weight)
    return F.embedding_bag(x.flatten(0, -2), weight.t().contiguous(), mode="sum").unflatten(0, x.shape[:-1])


class OfState(Linear):
    """A linear layer of a whole state: State -> [..., O]."""

    def __init__(self, deter: int, width: int, outputs: int):
        super().__init__(deter + width, outputs)
        self._parts = [deter, width]

    def forward(self, state: State) -> torch.Tensor:
        by_h, by_z = self.weight.split(self._parts, 1)
        return F.linear(state.h, by_h, self.bias) + product(by_z, state.z)


class Head(nn.Module):
    """Fully connected layers on a state, an activation between them: State -> [..., outputs]."""

    def __init__(self, deter: int, width: int, units: list[int], outputs: int, activation: Activation):
        super().__init__()
        widths = [*units, outputs]
        self.first = OfState(deter, width, widths[0])
        self.layers = nn.ModuleList(Linear(a, b) for a, b in pairwise(widths))
        self.activation = activation

    def forward(self, state: State) -> torch.Tensor:
        x = self.first(state)
        for layer in self.layers:
            x = layer(self.activation(x))
        return x


class Scalar(Head):
    """A head with one output: State -> [...]."""

    def __init__(self, deter: int, width: int, units: list[int], activation: Activation):
        super().__init__(deter, width, units, 1, activation)

    def forward(self, state: State) -> torch.Tensor:
        return super().forward(state).squeeze(-1)


class GatedCell(nn.Module):
    """The authors' GRU: all gates from one linear layer of [x, h], normalised or not (DreamerV2).

    r, c, u = parts;  h' = u tanh(sigmoid(r) c) + (1 - u) h with u = sigmoid(u - 1): it starts out slow to change.
    x [B, I], h [B, D] -> [B, D].
    """

    def __init__(self, inputs: int, units: int, normed: bool):
        super().__init__()
        self.parts = Linear(inputs + units, 3 * units)
        self.norm = nn.LayerNorm(3 * units, eps=1e-3) if normed else nn.Identity()  # Keras' epsilon

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        reset, candidate, update = self.norm(self.parts(torch.cat([x, h], -1))).chunk(3, -1)
        candidate = torch.tanh(torch.sigmoid(reset) * candidate)
        return torch.lerp(h, candidate, torch.sigmoid(update - 1))


CELLS: dict[str, Callable[[int, int], nn.Module]] = {
    "layer_norm": lambda inputs, units: GatedCell(inputs, units, True),
    "bare": lambda inputs, units: GatedCell(inputs, units, False),
    "gru": nn.GRUCell,  # Cho et al. 2014 as Keras and torch have it: Dreamer
}


class Rssm(nn.Module):
    """`embedded`: numbers that an image becomes; `actions`: how many there are."""

    def __init__(
        self, embedded: int, actions: int, latent: Any, deter: int, hidden: int, cell: str, activation: Activation
    ):
        super().__init__()
        self.latent, self.deter, self.activation = latent, deter, activation
        self._entering = [latent.width, actions]
        self.enter = Linear(sum(self._entering), hidden)
        self.cell = CELLS[cell](hidden, deter)
        self.prior_hidden, self.prior_output = Linear(deter, hidden), Linear(hidden, latent.size)
        self.posterior_hidden = Linear(deter + embedded, hidden)
        self.posterior_output = Linear(hidden, latent.size)

    def initial(self, size: int) -> State:
        """The state before an episode's first image, zero. [size, ...]"""
        device = self.enter.weight.device
        return State(torch.zeros(size, self.deter, device=device), torch.zeros(size, self.latent.width, device=device))

    def observe(
        self, embedded: torch.Tensor, action: torch.Tensor, first: torch.Tensor, state: State, noise: torch.Tensor
    ) -> tuple[State, torch.Tensor]:
        """The states of a sequence of images, and the posterior beliefs that z was drawn from.

        embedded [T, B, E], action [T, B, A] one-hot that led to each image, first [T, B] bool: the state before is zero
        again and the action none; state [B, ...] before the first image, noise [T, B, V] -> [T, B, ...], raw [T, B, P].
        """
        keep = (~first).to(embedded.dtype).unsqueeze(-1)
        by_z, by_action = self.enter.weight.split(self._entering, 1)
        by_h, by_image = self.posterior_hidden.weight.split([self.deter, embedded.shape[-1]], 1)
        # What does not wait for the state is worked out for all rows at once.
        acted = F.linear(action * keep, by_action, self.enter.bias)
        seen = F.linear(embedded, by_image, self.posterior_hidden.bias)
        (h, z), rows = state, []
        for t in range(len(embedded)):
            x = self.activation(torch.addmm(acted[t], z * keep[t], by_z.t()))
            h = self.cell(x, h * keep[t])
            raw = self.posterior_output(self.activation(torch.addmm(seen[t], h, by_h.t())))
            z = self.latent.sample(raw, noise[t])
            rows.append((h, z, raw))
        hs, zs, beliefs = map(torch.stack, zip(*rows, strict=True))
        return State(hs, zs), beliefs

    def prior(self, h: torch.Tensor) -> torch.Tensor:
        """The belief about z before its image is seen: h [..., D] -> raw [..., P]."""
        return self.prior_output(self.activation(self.prior_hidden(h)))

    def step(self, state: State, action: torch.Tensor, noise: torch.Tensor) -> State:
        """Imagine what follows: state [N, ...], noise [N, V] -> [N, ...].

        action is [N, A] one-hot. Where it is compact, [N, 1] int64, z is so too, in the new state as well.
        """
        by_z, by_action = self.enter.weight.split(self._entering, 1)
        x = product(by_z, state.z) + product(by_action, action) + self.enter.bias
        h = self.cell(self.activation(x), state.h)
        draw = self.latent.sample if action.is_floating_point() else self.latent.pick
        return State(h, draw(self.prior(h), noise))
