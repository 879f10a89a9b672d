"""Spectral normalisation and its measurement.

Gogianu et al. 2021 (arXiv:2105.05246), after Miyato et al. 2018 (arXiv:1802.05957) for linear layers and Gouk et al.
2018 (arXiv:1804.04368) for convolutions.

A `Meter` follows the largest singular value rho of one layer by power iteration: of the matrix for linear
layers, of the true convolution operator (not of the reshaped kernel) for convolutions. It moves only when
`advance` is called, never as a side effect of a forward pass. Layers are named by their index from the output.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from agents.compiled import power
from agents.nets.network import Network
from agents.nets.scaling import Scale, Scaling, raw_weight
from agents.spec.record import Norms
from agents.spec.spectral import Normed, SpectralWeights


def _unit(x: torch.Tensor) -> torch.Tensor:
    return x / (torch.linalg.vector_norm(x) + 1e-12)


class Meter(nn.Module):
    """Singular vectors u (output side) and v (input side) of one layer's operator W; rho = <u, W v>."""

    def __init__(self, layer: nn.Module, rng: np.random.Generator):
        super().__init__()
        self._stride = layer.stride if isinstance(layer, nn.Conv2d) else None
        shape = (1, *layer.input_shape) if self._stride else (layer.in_features,)
        v = torch.from_numpy(rng.standard_normal(shape, dtype=np.float32)).to(raw_weight(layer).device)
        self.register_buffer("v", _unit(v))
        self.register_buffer("u", torch.zeros_like(self._apply_to(raw_weight(layer).detach(), v)))

    def _apply_to(self, weight: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return F.conv2d(v, weight, stride=self._stride) if self._stride else weight.mv(v)

    def _adjoint(self, weight: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
        if not self._stride:
            return weight.t().mv(u)
        out = F.conv_transpose2d(u, weight, stride=self._stride)
        gap = [a - b for a, b in zip(self.v.shape[-2:], out.shape[-2:], strict=True)]  # pixels no kernel reaches
        return F.pad(out, (0, gap[1], 0, gap[0]))

    def advance(self, weight: torch.Tensor, steps: int) -> None:
        """`steps` power iterations on the raw weight."""
        if self._compiled(weight):
            power.advance(weight.detach().numpy(), self.u.numpy(), self.v.numpy(), steps)
        else:
            self._advance(weight, steps)

    @torch.no_grad()
    def _advance(self, weight: torch.Tensor, steps: int) -> None:
        v = self.v
        for _ in range(steps):
            v = _unit(self._adjoint(weight, _unit(self._apply_to(weight, v))))
        self.u.copy_(_unit(self._apply_to(weight, v)))
        self.v.copy_(v)

    def _compiled(self, weight: torch.Tensor) -> bool:
        return self._stride is None and weight.device.type == "cpu"

    def value(self, weight: torch.Tensor) -> float:
        """rho as a number."""
        if self._compiled(weight):
            return power.rho(weight.detach().numpy(), self.u.numpy(), self.v.numpy())
        return float(self.rho(weight.detach()))

    def rho(self, weight: torch.Tensor) -> torch.Tensor:
        """<u, W v>, with u and v constant: its gradient by W is u v^T. Scalar. `weight` has the layer's shape."""
        # Clones: a later `advance` must not change what an earlier forward pass saved for its backward pass.
        return (self.u.clone() * self._apply_to(weight, self.v.clone())).sum()


class Normalise(Scaling):
    """W -> W / (rho / bound), or W / max(rho / bound, 1) with only_shrink; biases stay as they are."""

    def __init__(self, meter: Meter, spec: SpectralWeights):
        super().__init__()
        self.meter, self._bound, self._only_shrink = meter, spec.bound, spec.only_shrink
        self._flow = spec.flow == "all" or (spec.flow == "linear" and meter._stride is None)

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        rho = self.meter.rho(weight if self._flow else weight.detach()) / self._bound
        return weight / (rho.clamp(min=1) if self._only_shrink else rho)

    def scale(self, weight: torch.Tensor | None = None) -> Scale | None:
        """Of a weight; None where the gradient passes through the norm of a convolution."""
        assert weight is not None
        if self._flow and weight.dim() != 2:
            return None  # the norm of a convolution has another gradient
        meter = self.meter
        rho = meter.value(weight) / self._bound
        if not self._flow or (self._only_shrink and rho < 1):
            return Scale(1 / (max(rho, 1.0) if self._only_shrink else rho))
        return Scale(1 / rho, -1 / (rho * rho * self._bound), meter.u.numpy(), meter.v.numpy())


class Gauge:
    """The meters of some layers of one network: advance them together, read them by name."""

    def __init__(self, members: dict[int, tuple[nn.Module, Meter]]):
        self.members = members
        self._pairs = [(meter, raw_weight(layer)) for layer, meter in members.values()]

    def advance(self, steps: int) -> None:
        """`steps` power iterations of every meter, on the raw weights."""
        for meter, weight in self._pairs:
            meter.advance(weight, steps)

    def rho(self) -> dict[str, float]:
        """Layer index -> largest singular value of its raw weight."""
        with torch.no_grad():
            return {f"rho[{i}]": meter.value(raw_weight(layer)) for i, (layer, meter) in self.members.items()}

    def state_dict(self) -> dict[int, dict[str, torch.Tensor]]:
        return {i: meter.state_dict() for i, (_, meter) in self.members.items()}

    def load_state_dict(self, state: dict[int, dict[str, torch.Tensor]]) -> None:
        for i, saved in state.items():
            self.members[i][1].load_state_dict(saved)


def measure(spec: Norms, network: Network, rng: np.random.Generator) -> Gauge:
    """Meters beside the network, in no state of its own: rho is read, nothing is changed."""
    return _metered(network, spec.layers, spec.power_steps, rng)


def _metered(network: Network, layers: list[int], warmup: int, rng: np.random.Generator) -> Gauge:
    gauge = Gauge({i: (network.layers[i], Meter(network.layers[i], rng)) for i in layers})
    gauge.advance(warmup)
    return gauge


def meter_layers(spec: Normed, network: Network, rng: np.random.Generator) -> list[Meter]:
    """Meters of the layers of `spec` that travel with the network: in its state_dict and its copies."""
    members = _metered(network, spec.layers, spec.warmup_steps, rng).members
    network.meters = nn.ModuleDict({str(i): meter for i, (_, meter) in members.items()})
    return [meter for _, meter in members.values()]


def normalise(spec: SpectralWeights, network: Network, rng: np.random.Generator) -> None:
    """SN: the layers of `spec` compute with their weights divided by their norms (arXiv:2105.05246). In place."""
    for index, meter in zip(spec.layers, meter_layers(spec, network, rng), strict=True):
        parametrize.register_parametrization(network.layers[index], "weight", Normalise(meter, spec))


def attached(network: Network) -> Gauge:
    """The meters that travel with a network."""
    return Gauge({int(i): (network.layers[int(i)], meter) for i, meter in network.meters.items()})
