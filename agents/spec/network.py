"""Networks: torso, head, and what their layers are made of."""

from typing import Annotated, Literal

from pydantic import Field

from agents.spec.base import Count, Part, Real


class PlainLinear(Part):
    kind: Literal["plain"]


class NoisyLinear(Part):
    kind: Literal["factorised", "independent"] = Field(
        description="Gaussian noise on every weight (Fortunato et al. 2018): shared factors, or one draw per weight"
    )
    sigma: Annotated[Real, Field(gt=0)] = Field(
        description="initial noise: sigma / sqrt(inputs) for factorised (0.5 in the paper), as it is for independent"
    )


class Network(Part):
    torso: Literal["convolutional"]
    convolutions: list[tuple[Count, Count, Count]] = Field(
        description="[channels, kernel, stride] of each layer, no padding, ReLU"
    )
    units: list[Count] = Field(description="width of each fully connected hidden layer, ReLU")
    head: Literal["plain", "dueling"] = Field(
        description="dueling: value and advantage streams, each with its own hidden layers (Wang et al. 2016)"
    )
    linear: Annotated[PlainLinear | NoisyLinear, Field(discriminator="kind")] = Field(
        description="what all fully connected layers are made of"
    )
    normalisation: Literal["none", "batch"] = Field(
        description="batch: between each convolution or hidden layer and its ReLU; batch statistics only in the pass "
        "that is learned from, running ones everywhere else"
    )
    shared_bias: bool = Field(description="one bias for all actions in the output layer (tuned Double DQN)")
    initialisation: Literal["xavier_uniform", "torch"] = Field(
        description="of the weights; xavier_uniform sets biases to zero"
    )
