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


class NoCore(Part):
    kind: Literal["none"]


class Lstm(Part):
    kind: Literal["lstm"] = Field(description="between torso and head; the head's own hidden layers follow it")
    before: list[Count] = Field(description="width of each fully connected layer between torso and LSTM, ReLU")
    units: Count
    inputs: bool = Field(description="the LSTM also sees the previous action, one-hot, and the previous reward")


class Activations(Part):
    convolutions: Literal["relu", "silu"] = Field(description="after each convolution")
    units: Literal["relu", "dsilu"] = Field(
        description="after each hidden fully connected layer; dsilu: the derivative of SiLU (Elfwing et al. 2018)"
    )


class Network(Part):
    torso: Literal["convolutional", "residual"] = Field(
        description="residual: sections of a convolution, max-pooling and two residual blocks (IMPALA's deep net)"
    )
    convolutions: list[tuple[Count, Count, Count]] = Field(
        description="[channels, kernel, stride] of each layer, no padding; residual: of each section, the "
        "stride being its pooling's, its convolutions padded"
    )
    core: Annotated[NoCore | Lstm, Field(discriminator="kind")] = Field(description="what remembers between steps")
    units: list[Count] = Field(description="width of each fully connected hidden layer")
    activations: Activations
    head: Literal["plain", "dueling", "actor_critic"] = Field(
        description="dueling: value and advantage streams, each with its own hidden layers (Wang et al. 2016); "
        "actor_critic: a policy and a state value from the same hidden layers"
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
