"""The recurrent state-space model: a state s = (h, z) that is followed from images, or imagined without them.

Hafner et al. 2019 (arXiv:1811.04551), with the categorical z of Hafner et al. 2021 (arXiv:2010.02193, eq. 1). A state
is one tensor [..., F]: h, `deter` numbers, then z, the latent's `width`. What z is made of, and how it is drawn from
what a layer gives, is the latent's own affair (a part of the spec).
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from agents.nets.layers import Linear


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
    """`embedded`: numbers that an image becomes; `actions` are given as one-hot vectors, zeros where there was none."""

    def __init__(
        self, embedded: int, actions: int, latent, deter: int, hidden: int, cell: str, activation: Callable
    ):
        super().__init__()
        self.latent, self.deter, self.features = latent, deter, deter + latent.width
        self.activation = activation
        self.enter = Linear(latent.width + actions, hidden)
        self.cell = CELLS[cell](hidden, deter)
        self.prior_hidden, self.prior_output = Linear(deter, hidden), Linear(hidden, latent.size)
        self.posterior_hidden = Linear(deter + embedded, hidden)
        self.posterior_output = Linear(hidden, latent.size)

    def initial(self, size: int) -> torch.Tensor:
        """The state before an episode's first image, zero. [size, F]"""
        return torch.zeros(size, self.features, device=self.enter.weight.device)

    def observe(
        self, embedded: torch.Tensor, action: torch.Tensor, first: torch.Tensor, state: torch.Tensor, noise: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The states of a sequence of images, and the posterior beliefs that z was drawn from.

        embedded [T, B, E], action [T, B, A] that led to each image, first [T, B] bool: the state before is zero again
        and the action none; state [B, F] before the first image, noise [T, B, V] -> [T, B, F], raw [T, B, P].
        """
        keep = (~first).to(embedded.dtype).unsqueeze(-1)
        by_z, by_action = self.enter.weight.split([self.latent.width, action.shape[-1]], 1)
        by_h, by_image = self.posterior_hidden.weight.split([self.deter, embedded.shape[-1]], 1)
        # What does not wait for the state is worked out for all rows at once.
        acted = F.linear(action * keep, by_action, self.enter.bias)
        seen = F.linear(embedded, by_image, self.posterior_hidden.bias)
        h, z = state.split([self.deter, self.latent.width], -1)
        states, beliefs = [], []
        for t in range(len(embedded)):
            x = self.activation(torch.addmm(acted[t], z * keep[t], by_z.t()))
            h = self.cell(x, h * keep[t])
            raw = self.posterior_output(self.activation(torch.addmm(seen[t], h, by_h.t())))
            z = self.latent.sample(raw, noise[t])
            states.append(torch.cat([h, z], -1))
            beliefs.append(raw)
        return torch.stack(states), torch.stack(beliefs)

    def prior(self, state: torch.Tensor) -> torch.Tensor:
        """The belief about z before its image is seen, of h alone: states [..., F] -> raw [..., P]."""
        return self.prior_output(self.activation(self.prior_hidden(state[..., : self.deter])))

    def step(self, state: torch.Tensor, action: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Imagine what follows: state [N, F], action [N, A], noise [N, V] -> [N, F]."""
        h, z = state.split([self.deter, self.latent.width], -1)
        h = self.cell(self.activation(self.enter(torch.cat([z, action], -1))), h)
        return torch.cat([h, self.latent.sample(self.prior(h), noise)], -1)
