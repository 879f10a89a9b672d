"""Spectral norms of layers, and what is done with them (Gogianu et al. 2021, arXiv:2105.05246).

Layers are named by their index from the output: -1 is the last one. rho is the largest singular value of a layer's
plain weight.
"""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from agents.spec.base import Count, EachOnce, OneOf, Part, Real, Whole

Layers = Annotated[list[Annotated[Whole, Field(le=-1)]], Field(min_length=1), EachOnce]


def beyond(what: str, layers: list[int], spec: Any) -> Iterator[str]:
    """The sentence about layers that the network does not have."""
    depth = spec.network.depth
    if wrong := [i for i in layers if i < -depth]:
        yield f"{what} {wrong} lie beyond the network's {depth} layers"


class NoSpectral(Part):
    kind: Literal["none"] = Field(description="no norms are followed")
    layers: ClassVar[list[int]] = []
    schedule: ClassVar[str] = ""


class Normed(Part):
    """What all have that meter layers. `schedule`: the code that changes gradients or the optimizer before a step."""

    attached: ClassVar[str] = "agents.optim.spectral:attached"  # the meters that travel with a network
    schedule: ClassVar[str] = ""

    layers: Layers = Field(description="by index from the output: -1 is the last one")
    power_steps: Count = Field(description="power iterations of the online network per update")
    warmup_steps: Count = Field(description="power iterations at initialisation")
    only_shrink: bool = Field(description="true: rho counts as at least 1 (weights: as at least the bound)")

    def misfits(self, spec: Any) -> Iterator[str]:
        yield from beyond("spectral.layers", self.layers, spec)


class SpectralWeights(Normed):
    code: ClassVar[str] = "agents.optim.spectral:normalise"
    kind: Literal["weights"] = Field(description="SN: W / rho in every forward pass")
    target_power_steps: Whole = Field(ge=0, description="power iterations of the target network per update")
    bound: Annotated[Real, Field(gt=0)] = Field(description="lambda: the norm after normalisation")
    flow: Literal["none", "linear", "all"] = Field(description="layers whose gradient passes through rho")


class SpectralOutput(Normed):
    code: ClassVar[str] = "agents.optim.scheduled:divide_output"
    kind: Literal["output"] = Field(description="divOut: the network's output divided by the product of the norms")
    target_power_steps: Whole = Field(ge=0, description="power iterations of the target network per update")

    def misfits(self, spec: Any) -> Iterator[str]:
        yield from super().misfits(spec)
        if "plain" not in spec.agent.heads:
            yield f"spectral output is for action values, which agent {spec.agent.kind} does not have"


class SpectralSchedule(Normed):
    code: ClassVar[str] = "agents.optim.spectral:meter_layers"
    schedule: ClassVar[str] = "agents.optim.scheduled:Schedule"
    target_power_steps: ClassVar[int] = 0  # its norms are not used
    kind: Literal["gradient", "epsilon", "lr"] = Field(
        description="divGrad: gradient / rho; mulEps: the optimizer's epsilon x rho; divLR: the learning rate / rho"
    )
    scope: Literal["layer", "product"] = Field(
        description="each layer by its own rho, or all parameters by the product over `layers`"
    )

    def codes(self) -> Iterator[str]:
        yield from (self.code, self.schedule)

    def misfits(self, spec: Any) -> Iterator[str]:
        yield from super().misfits(spec)
        if self.kind == "lr" and spec.learning.lr_decay_frames:
            yield "spectral lr and learning.lr_decay_frames both set the learning rate"


Spectral = Annotated[NoSpectral | SpectralWeights | SpectralOutput | SpectralSchedule, *OneOf]
