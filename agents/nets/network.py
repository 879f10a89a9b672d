"""A torso with a head, perhaps a recurrent core in between, fed with raw observations."""

from functools import partial
from typing import Any

import torch
from torch import nn

from agents.nets.heads import Hidden
from agents.nets.layers import ACTIVATIONS
from agents.spec.network import Network as NetworkSpec


class Network(nn.Module):
    """[B, C, H, W] uint8 -> what the head gives, [B, A, K] or a PolicyValue; step by step through time with `unroll`.

    `at` is what a head wants beside features: quantile levels [B, N] where it predicts at such.
    `layers` lists convolutions and linear layers from input to output, without those inside an LSTM; `noisy` says
    whether any of them is. `scale` is the factor that brings observations to a size that suits the network.
    """

    def __init__(self, torso: nn.Module, core: nn.Module | None, head: nn.Module, scale: float):
        super().__init__()
        self.torso, self.core, self.head, self.scale = torso, core, head, scale
        self.meters = nn.ModuleDict()  # of spectral norms, by layer index (agents/optim/spectral.py)
        self.after = nn.Identity()  # what becomes of the output
        self._noisy = [m for m in self.modules() if hasattr(m, "resample") and m is not self]

    @property
    def layers(self) -> list[nn.Module]:
        return [*self.torso.layers, *(self.core.layers if self.core else []), *self.head.layers]

    @property
    def noisy(self) -> bool:
        return bool(self._noisy)

    def resample(self, rng: torch.Generator) -> None:
        """New noise in every noisy layer, from a generator on the network's device; nothing where there is none."""
        for module in self._noisy:
            module.resample(rng)

    def forward(self, obs: torch.Tensor, *at: torch.Tensor) -> Any:
        return self.values(self.scaled(obs), *at)

    def scaled(self, obs: torch.Tensor) -> torch.Tensor:
        """[B, C, H, W] -> float32: the input that gradients by s are taken of."""
        x = obs.float()
        return x if self.scale == 1 else x * self.scale

    def values(self, x: torch.Tensor, *at: torch.Tensor) -> Any:
        """Scaled observations [B, C, H, W] -> what the head gives."""
        return self.after(self.head(self.torso(x), *at))

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Scaled observations [B, C, H, W] -> what the output layer sees [B, F]."""
        return self.head.features(self.torso(x))

    def sigma(self) -> dict[str, float]:
        """Mean |sigma| of each noisy layer's weights, by index from the output.

        Fortunato et al. 2018, Figure 3 (arXiv:1706.10295).
        """
        numbered = zip(range(-len(self.layers), 0), self.layers, strict=True)
        noisy = {i: layer.weight_sigma for i, layer in numbered if hasattr(layer, "weight_sigma")}
        return {f"sigma[{i}]": float(weight.detach().abs().mean()) for i, weight in noisy.items()}

    def initial(self, size: int) -> torch.Tensor:
        """The recurrent state before an episode's first step, [size, 2, units]; units 0 without a core."""
        return self.core.initial(size) if self.core else torch.zeros(size, 2, 0)

    def unroll(
        self,
        obs: torch.Tensor,
        action: torch.Tensor,
        reward: torch.Tensor,
        state: torch.Tensor,
        first: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """obs [T, B, C, H, W]; the rest as in nets/recurrent.py -> [T, B, A, K], state. Without a core the same
        as `forward` at every step.
        """
        if self.core is None:
            return _unflatten(self(obs.flatten(0, 1)), obs), state
        x = _unflatten(self.torso(self.scaled(obs.flatten(0, 1))), obs)
        x, state = self.core(x, action, reward, state, first)
        return _unflatten(self.after(self.head(x.flatten(0, 1))), obs), state

    @torch.no_grad()
    def first_outputs(self, obs: torch.Tensor, *at: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """[B, C, H, W] at episodes' first steps -> all that the head gives, in evaluation mode."""
        self.eval()
        if self.core is None:
            out = self(obs, *at)
        else:
            nothing = torch.zeros(1, len(obs), device=obs.device)  # the previous action and reward
            out, _ = self.unroll(obs[None], nothing.long(), nothing, self.initial(len(obs)).to(obs.device))
        self.train()
        return tuple(out) if isinstance(out, tuple) else (out,)


def assemble(spec: NetworkSpec, shape: tuple[int, int, int], scale: float, actions: int, outputs: int) -> Network:
    """The network that a spec describes, initialised: observations `shape` [C, H, W], `outputs` numbers per action."""
    norm, linear = spec.normalisation.make, spec.linear.make
    torso = spec.torso.make(spec, shape, norm)
    core = None if spec.core.kind == "none" else spec.core.make(linear, torso.size, actions)
    features = core.size if core else torso.size
    hidden = partial(Hidden, linear, norm, features, spec.units, ACTIVATIONS[spec.activations.units])
    head = spec.head.make(hidden, linear, actions, outputs, spec.shared_bias)
    network = Network(torso, core, head, scale)
    initialise(network, spec.initialisation)
    return network


def fan_in_uniform_(weight: torch.Tensor) -> None:
    """U(+-3^(1/4) / sqrt(inputs)), of variance 1 / (sqrt(3) inputs): dopamine's VarianceScaling(1 / sqrt(3))."""
    bound = 3**0.25 / weight[0].numel() ** 0.5
    nn.init.uniform_(weight, -bound, bound)


def initialise(network: Network, how: str) -> None:
    """`xavier_uniform` (Glorot & Bengio 2010) or `fan_in_uniform` weights and zero biases; `torch`: the library's own.

    Noisy layers keep the initialisation of their paper.
    """
    if how == "torch":
        return
    weights = {"xavier_uniform": nn.init.xavier_uniform_, "fan_in_uniform": fan_in_uniform_}[how]
    for layer in network.layers:
        if isinstance(layer, nn.Linear | nn.Conv2d):
            weights(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _unflatten(x: Any, obs: torch.Tensor) -> Any:
    """[T * B, …] -> [T, B, …], in each field where x is a tuple of tensors."""
    if isinstance(x, tuple):
        return type(x)(*(_unflatten(field, obs) for field in x))
    return x.view(*obs.shape[:2], *x.shape[1:])
