"""Networks: torso, head, and what their layers are made of."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from agents.spec.base import Count, Numbers, OneOf, Part, Real, Whole


class PlainLinear(Numbers):
    code: ClassVar[str] = "agents.nets.layers:Linear"
    kind: Literal["plain"] = Field(description="weights and a bias, without noise")


class FactorisedLinear(Numbers):
    code: ClassVar[str] = "agents.nets.noisy:Factorised"
    kind: Literal["factorised"] = Field(
        description="Gaussian noise on every weight, the product of two shared factors (Fortunato et al. 2018)"
    )
    sigma: Annotated[Real, Field(gt=0)] = Field(description="initial noise: sigma / sqrt(inputs); 0.5 in the paper")


class IndependentLinear(Numbers):
    code: ClassVar[str] = "agents.nets.noisy:Independent"
    kind: Literal["independent"] = Field(description="Gaussian noise on every weight, one draw for each")
    sigma: Annotated[Real, Field(gt=0)] = Field(description="initial noise; 0.017 in the paper")


class NoCore(Part):
    kind: Literal["none"] = Field(description="nothing is remembered between steps: torso, then head")


class Lstm(Part):
    code: ClassVar[str] = "agents.nets.recurrent:Lstm"
    kind: Literal["lstm"] = Field(description="between torso and head; the head's own hidden layers follow it")
    before: list[Count] = Field(description="width of each fully connected layer between torso and LSTM, ReLU")
    units: Count = Field(description="width of the LSTM's state")
    inputs: bool = Field(description="the LSTM also sees the previous action, one-hot, and the previous reward")

    def misfits(self, spec: Any) -> Iterator[str]:
        if not spec.agent.recurrent:
            yield f"network.core lstm needs an agent that learns from sequences, not agent {spec.agent.kind}"


class Activations(Part):
    convolutions: Literal["relu", "silu", "elu"] = Field(description="after each convolution")
    units: Literal["relu", "dsilu", "elu", "none"] = Field(
        description="after each hidden fully connected layer; dsilu: the derivative of SiLU (Elfwing et al. 2018)"
    )


class ConvolutionalTorso(Numbers):
    code: ClassVar[str] = "agents.nets.torsos:Convolutional"
    kind: Literal["convolutional"] = Field(description="convolutions without padding, each with its activation")

    def misfits(self, spec: Any) -> Iterator[str]:
        side = spec.environment.side
        for _, kernel, stride in spec.network.convolutions:
            if kernel > side:
                yield (
                    f"network.convolutions of environment {spec.environment.suite}: a {kernel}x{kernel} kernel does "
                    f"not fit into {side}x{side} pixels"
                )
                return
            side = (side - kernel) // stride + 1


class ResidualTorso(Numbers):
    code: ClassVar[str] = "agents.nets.residual:Residual"
    kind: Literal["residual"] = Field(
        description="sections of a convolution, max-pooling and two residual blocks (IMPALA's deep net)"
    )

    def misfits(self, spec: Any) -> Iterator[str]:
        for _, kernel, _ in spec.network.convolutions:
            if kernel % 2 == 0:
                yield f"network.torso residual needs odd kernels, not the {kernel}x{kernel} of network.convolutions"


class PlainHead(Numbers):
    code: ClassVar[str] = "agents.nets.heads:Plain"
    kind: Literal["plain"] = Field(description="action values from the last hidden layer")


class DuelingHead(Numbers):
    code: ClassVar[str] = "agents.nets.heads:Dueling"
    kind: Literal["dueling"] = Field(
        description="value and advantage streams, each with its own hidden layers (Wang et al. 2016)"
    )


class ImplicitHead(Numbers):
    code: ClassVar[str] = "agents.nets.implicit:Implicit"
    kind: Literal["implicit"] = Field(
        description="features times ReLU(linear(cos(pi i tau))) of a quantile level tau, then hidden layers (IQN)"
    )
    cosines: Count = Field(description="how many i; 64 in the paper")
    first: Annotated[Whole, Field(ge=0, le=1)] = Field(
        description="the first i: 0 in the paper, 1 in dopamine and dqn_zoo"
    )

    def misfits(self, spec: Any) -> Iterator[str]:
        if spec.agent.kind != "dqn":
            yield f"network.head implicit needs agent dqn, not {spec.agent.kind}"
        elif spec.agent.value.kind != "implicit":
            yield f"network.head implicit needs agent.value implicit, not {spec.agent.value.kind}"


class ActorCriticHead(Numbers):
    code: ClassVar[str] = "agents.nets.policy:ActorCritic"
    kind: Literal["actor_critic"] = Field(description="a policy and a state value from the same hidden layers")

    def misfits(self, spec: Any) -> Iterator[str]:
        if spec.network.shared_bias:
            yield "network.shared_bias is for heads of action values, not network.head actor_critic"


class ActorQHead(Numbers):
    code: ClassVar[str] = "agents.nets.policy:ActorQ"
    kind: Literal["actor_q"] = Field(description="a policy and action values from the same hidden layers (ACER)")

    def misfits(self, spec: Any) -> Iterator[str]:
        if spec.network.shared_bias:
            yield "network.shared_bias is for heads of action values alone, not network.head actor_q"


class NoNormalisation(Numbers):
    code: ClassVar[str] = "agents.nets.normalisation:none"
    kind: Literal["none"] = Field(description="what layers give is left as it is")


class BatchNormalisation(Numbers):
    code: ClassVar[str] = "agents.nets.normalisation:Batch"
    kind: Literal["batch"] = Field(
        description="between each convolution or hidden layer and its activation; batch statistics only in the pass "
        "that is learned from, running ones everywhere else"
    )

    def misfits(self, spec: Any) -> Iterator[str]:
        if spec.agent.kind != "dqn" or spec.network.torso.kind != "convolutional":
            yield (
                "network.normalisation batch is for network.torso convolutional and agent dqn, not "
                f"{spec.network.torso.kind} and {spec.agent.kind}"
            )
        if spec.learning.batch == 1:
            yield "network.normalisation batch needs a learning.batch above 1: one value has no variance"


class Network(Part):
    code: ClassVar[str] = "agents.nets.network:assemble"

    torso: Annotated[ConvolutionalTorso | ResidualTorso, *OneOf] = Field(
        description="what makes features of the screen"
    )
    convolutions: list[tuple[Count, Count, Count]] = Field(
        description="[channels, kernel, stride] of each layer, no padding; residual: of each section, the "
        "stride being its pooling's, its convolutions padded"
    )
    core: Annotated[NoCore | Lstm, *OneOf] = Field(description="what remembers between steps")
    units: list[Count] = Field(description="width of each fully connected hidden layer")
    activations: Activations = Field(description="after the layers")
    head: Annotated[PlainHead | DuelingHead | ImplicitHead | ActorCriticHead | ActorQHead, *OneOf] = Field(
        description="what makes values or a policy of the features"
    )
    linear: Annotated[PlainLinear | FactorisedLinear | IndependentLinear, *OneOf] = Field(
        description="what all fully connected layers are made of"
    )
    normalisation: Annotated[NoNormalisation | BatchNormalisation, *OneOf] = Field(
        description="of what layers give, before their activation"
    )
    shared_bias: bool = Field(description="one bias for all actions in the output layer (tuned Double DQN)")
    initialisation: Literal["xavier_uniform", "fan_in_uniform", "torch"] = Field(
        description="of the weights; xavier_uniform and fan_in_uniform set biases to zero; fan_in_uniform: up to "
        "3^(1/4) / sqrt(inputs), as dopamine's C51, Rainbow and IQN; torch: weights and biases up to 1 / sqrt(inputs)"
    )

    @property
    def depth(self) -> int:
        """Layers that spectral norms can be taken of, counted from the output; padded convolutions have none."""
        hidden = len(self.units)
        two = hidden + 2
        heads = {"plain": hidden + 1, "dueling": 2 * (hidden + 1), "implicit": two, "actor_critic": two, "actor_q": two}
        head = heads[self.head.kind]
        core = len(self.core.before) if self.core.kind == "lstm" else 0
        return head + core + (len(self.convolutions) if self.torso.kind == "convolutional" else 0)
