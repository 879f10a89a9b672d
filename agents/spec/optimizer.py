"""Optimizers, and spectral normalisation with the schedules made of its norms."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from agents.spec.base import Count, Part, Probability, Real, Whole


class SGD(Part):
    kind: Literal["sgd"]
    lr: Annotated[Real, Field(gt=0)]
    momentum: Probability


class Adam(Part):
    kind: Literal["adam"]
    lr: Annotated[Real, Field(gt=0)]
    epsilon: Annotated[Real, Field(gt=0, description="added to the root after bias correction (torch's form)")]
    beta1: Probability
    beta2: Probability


class RMSprop(Part):
    kind: Literal["rmsprop"]
    lr: Annotated[Real, Field(gt=0)]
    epsilon: Annotated[Real, Field(gt=0)]
    decay: Probability = Field(description="of both running averages")
    centered: bool
    form: Literal["torch", "nature", "tensorflow", "debiased"] = Field(
        description="where epsilon stands: torch adds it to the root, nature (Mnih 2015) under it; tensorflow: under "
        "it, and the mean square starts at 1 instead of 0; debiased: under it, and the running averages are divided by "
        "1 - decay^(updates + 1) (Young & Tian 2019)"
    )


class Adadelta(Part):
    kind: Literal["adadelta"]
    lr: Annotated[Real, Field(gt=0)] = Field(description="factor of Adadelta's own step; 1 in its paper")
    epsilon: Annotated[Real, Field(gt=0)]
    decay: Probability = Field(description="of both running averages")


class Spectral(Part):
    """Spectral normalisation by layer index from the output: -1 is the last layer."""

    use: Literal["none", "weights", "output", "gradient", "epsilon", "lr"] = Field(
        description="weights: W / rho in every forward pass (SN). With plain weights: output / product (divOut), "
        "gradient / rho (divGrad), optimizer epsilon x rho (mulEps), learning rate / rho (divLR)"
    )
    scope: Literal["layer", "product"] = Field(
        description="divGrad, mulEps, divLR: each layer by its own rho, or all parameters by the product over `layers`"
    )
    layers: list[Annotated[Whole, Field(le=-1)]] = Field(description="layers that `use` acts on")
    track: list[Annotated[Whole, Field(le=-1)]] = Field(description="layers whose norm rho is only recorded")
    power_steps: Count = Field(description="power iterations of the online network per update")
    target_power_steps: Whole = Field(ge=0, description="power iterations of the target network per update")
    warmup_steps: Count = Field(description="power iterations at initialisation and at each record of a tracked layer")
    bound: Annotated[Real, Field(gt=0)] = Field(description="lambda: the norm after normalisation")
    only_shrink: bool = Field(description="true: W / max(rho / lambda, 1)")
    flow: Literal["none", "linear", "all"] = Field(description="layers whose gradient passes through rho")

    @property
    def scheduled(self) -> bool:
        """Whether the norms act on gradients or the optimizer."""
        return self.use in ("gradient", "epsilon", "lr")

    @model_validator(mode="after")
    def _used(self) -> "Spectral":
        if (self.use == "none") != (not self.layers):
            raise ValueError("`use: none` goes with `layers: []`, any other use with at least one layer")
        return self
