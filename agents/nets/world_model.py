"""DreamerV2's networks: a world model of encoder, RSSM and heads, and an actor and a critic on its states.

Hafner et al. 2021 (arXiv:2010.02193, section 2 and appendix D).
"""

import torch
from torch import nn

from agents.nets.layers import ACTIVATIONS
from agents.nets.normalisation import none
from agents.nets.rssm import Head, Rssm, Scalar
from agents.spec.dreamer import Dreams as DreamsSpec


class WorldModel(nn.Module):
    """What is learned of the environment, observations being [..., C, H, W].

    `rewards` is the mean of what was received on the way to a state, `discounts` (None where there is no such head) the
    logit of the discount of what comes after it; both State -> [...]. `decoder` gives the raw numbers of an image's
    loss, State -> [..., C, H, W]. `scale` is the factor that brings observations to [0, 1].
    """

    def __init__(self, spec: DreamsSpec, shape: tuple[int, int, int], scale: float, actions: int):
        super().__init__()
        self.scale, self.offset = scale, spec.offset
        activation = ACTIVATIONS[spec.activations.units]
        self.torso = spec.torso.make(spec, shape, none)
        latent = spec.latent.make()
        self.rssm = Rssm(self.torso.size, actions, latent, spec.deter, spec.hidden, spec.cell, activation)
        size, units = (spec.deter, latent.width), spec.heads.discount
        self.decoder = spec.decoder.make(*size, shape, ACTIVATIONS[spec.activations.convolutions])
        self.rewards = Scalar(*size, spec.heads.reward, activation)
        self.discounts = None if units is None else Scalar(*size, units, activation)

    def image(self, obs: torch.Tensor) -> torch.Tensor:
        """Observations as float32, scaled and shifted: what is encoded and predicted."""
        x = obs.float()
        x = x if self.scale == 1 else x * self.scale
        return x if self.offset == 0 else x - self.offset

    def embed(self, image: torch.Tensor) -> torch.Tensor:
        """[T, B, C, H, W] -> [T, B, E]."""
        return self.torso(image.flatten(0, 1)).unflatten(0, image.shape[:2])


class Dreams(nn.Module):
    """All three: the actor gives a logit for each action, State -> [..., A], the critic a value, State -> [...].

    Observations are `shape` = [C, H, W]. `outputs` is the size of value heads and says nothing here.
    """

    def __init__(self, spec: DreamsSpec, shape: tuple[int, int, int], scale: float, actions: int, outputs: int):
        super().__init__()
        activation = ACTIVATIONS[spec.activations.units]
        self.model = WorldModel(spec, shape, scale, actions)
        size = (spec.deter, self.model.rssm.latent.width)
        self.actor = Head(*size, spec.heads.actor, actions, activation)
        self.critic = Scalar(*size, spec.heads.critic, activation)
        if spec.initialisation == "xavier_uniform":
            self.apply(_xavier)


def _xavier(module: nn.Module) -> None:
    """Keras' own: Glorot & Bengio's uniform weights (2010), zero biases."""
    for name, parameter in module.named_parameters(recurse=False):
        if parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter)
        elif "bias" in name:
            nn.init.zeros_(parameter)
