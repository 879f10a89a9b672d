"""A torso with a head, fed with raw observations."""

import torch
from torch import nn

from agents.nets.chain import Chain


class Network(nn.Module):
    """[B, C, H, W] uint8 -> [B, A, K]. `layers` lists convolutions and linear layers from input to output."""

    def __init__(self, torso: nn.Module, head: nn.Module, scale: float):
        super().__init__()
        self.torso, self.head, self.scale = torso, head, scale
        self.meters = nn.ModuleDict()  # of spectral norms, by layer index (agents/optim/spectral.py)
        self.after = nn.Identity()  # what becomes of the output
        self._chain = Chain(self.layers, scale, head.shape) if torso.straight and head.straight else None
        self._noisy = [m for m in (*torso.modules(), *head.modules()) if hasattr(m, "resample")]

    @property
    def layers(self) -> list[nn.Module]:
        return [*self.torso.layers, *self.head.layers]

    @property
    def noisy(self) -> bool:
        return bool(self._noisy)

    def resample(self, dice: torch.Generator) -> None:
        """New noise in every noisy layer; nothing where there is none."""
        for module in self._noisy:
            module.resample(dice)

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        if self._chain:
            return self.after(self._chain(obs))
        x = obs.float()
        return self.after(self.head(self.torso(x if self.scale == 1 else x * self.scale)))


def initialise(network: Network, how: str) -> None:
    """`xavier_uniform` weights and zero biases (Glorot & Bengio 2010), or `torch`: the library's own.

    Noisy layers keep the initialisation of their paper.
    """
    if how == "xavier_uniform":
        for layer in network.layers:
            if isinstance(layer, nn.Linear | nn.Conv2d):
                nn.init.xavier_uniform_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
