"""Optimizers."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from agents.spec.base import OneOf, Part, Probability, Real

Decay = Annotated[Real, Field(ge=0, lt=1)]  # of an average, which at 1 never moves; corrected for its start, 0 / 0


class SGD(Part):
    code: ClassVar[str] = "agents.optim.sgd:SGD"
    kind: Literal["sgd"]
    lr: Annotated[Real, Field(gt=0)]
    momentum: Probability


class Adam(Part):
    code: ClassVar[str] = "agents.optim.adam:Adam"
    kind: Literal["adam"]
    lr: Annotated[Real, Field(gt=0)]
    epsilon: Annotated[Real, Field(gt=0, description="added to the root after bias correction (torch's form)")]
    beta1: Decay
    beta2: Decay


class AdamW(Adam):
    code: ClassVar[str] = "agents.optim.adamw:AdamW"
    kind: Literal["adamw"]
    decay: Annotated[Real, Field(ge=0, lt=1)] = Field(
        description="share of each parameter that is taken off it at every step, whatever the learning rate"
    )


class RMSprop(Part):
    code: ClassVar[str] = "agents.optim.rmsprop:RMSprop"
    kind: Literal["rmsprop"]
    lr: Annotated[Real, Field(gt=0)]
    epsilon: Annotated[Real, Field(gt=0)]
    decay: Decay = Field(description="of both running averages")
    centered: bool
    form: Literal["torch", "nature", "tensorflow", "debiased"] = Field(
        description="where epsilon stands: torch adds it to the root, nature (Mnih 2015) under it; tensorflow: under "
        "it, and the mean square starts at 1 instead of 0; debiased: under it, and the running averages are divided by "
        "1 - decay^(updates + 1) (Young & Tian 2019)"
    )


class Adadelta(Part):
    code: ClassVar[str] = "agents.optim.adadelta:Adadelta"
    kind: Literal["adadelta"]
    lr: Annotated[Real, Field(gt=0)] = Field(description="factor of Adadelta's own step; 1 in its paper")
    epsilon: Annotated[Real, Field(gt=0)]
    decay: Decay = Field(description="of both running averages")


Optimizer = Annotated[Adam | AdamW | RMSprop | SGD | Adadelta, *OneOf]
