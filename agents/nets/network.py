"""A torso with a head, fed with raw observations."""

import torch
from torch import nn


class Network(nn.Module):
    """[B, C, H, W] uint8 -> [B, A, K]. `layers` lists convolutions and linear layers from input to output."""

    def __init__(self, torso: nn.Module, head: nn.Module, scale: float):
        super().__init__()
        self.torso, self.head, self.scale = torso, head, scale

    @property
    def layers(self) -> list[nn.Module]:
        return [*self.torso.layers, *self.head.layers]

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        x = obs.float()
        return self.head(self.torso(x if self.scale == 1 else x * self.scale))


def initialise(network: Network, how: str) -> None:
    """`xavier_uniform` weights and zero biases (Glorot & Bengio 2010), or `torch`: the library's own."""
    if how == "xavier_uniform":
        for layer in network.layers:
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
