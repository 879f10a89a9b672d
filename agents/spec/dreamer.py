"""DreamerV2 and Dreamer: the agent, and its networks."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from agents.spec.agent import Agent
from agents.spec.base import Count, EachOnce, Frames, Numbers, OneOf, Part, Probability, Real, Whole
from agents.spec.network import Activations, ConvolutionalTorso, ResidualTorso

Units = list[Count]


class Constant(Numbers):
    code: ClassVar[str] = "agents.clock:Constant"
    kind: Literal["constant"] = Field(description="the same at all frames")
    value: Annotated[Real, Field(ge=0)] = Field(description="at all frames")


class Line(Numbers):
    code: ClassVar[str] = "agents.clock:Line"
    kind: Literal["linear"] = Field(description="a straight line over training frames")
    start: Annotated[Real, Field(ge=0)] = Field(description="until start_frames")
    end: Annotated[Real, Field(ge=0)] = Field(description="from end_frames on")
    start_frames: Frames = Field(description="environment frame at which the line begins")
    end_frames: Frames = Field(description="environment frame at which it ends")

    @model_validator(mode="after")
    def _ordered(self) -> "Line":
        if self.end_frames < self.start_frames:
            raise ValueError("end_frames lies before start_frames")
        return self


Schedule = Annotated[Constant | Line, *OneOf]


class CategoricalLatent(Numbers):
    code: ClassVar[str] = "agents.losses.latent:Categorical"
    kind: Literal["categorical"] = Field(description="one-hot vectors, with straight-through gradients (DreamerV2)")
    variables: Count = Field(description="number of vectors")
    classes: Annotated[Whole, Field(ge=2)] = Field(description="of each")


class GaussianLatent(Numbers):
    code: ClassVar[str] = "agents.losses.latent:Gaussian"
    kind: Literal["gaussian"] = Field(description="independent normal variables, reparameterised (Dreamer)")
    variables: Count = Field(description="numbers of z")
    form: Literal["softplus", "sigmoid2"] = Field(
        description="of the standard deviation, from a layer's output x: softplus(x) or 2 sigmoid(x / 2)"
    )
    least: Annotated[Real, Field(gt=0)] = Field(description="added to the standard deviation")


class DenseDecoder(Numbers):
    code: ClassVar[str] = "agents.nets.decoders:Dense"
    kind: Literal["dense"] = Field(description="fully connected layers to all pixels")
    units: Units = Field(description="width of each hidden layer")


class TransposedDecoder(Numbers):
    code: ClassVar[str] = "agents.nets.decoders:Transposed"
    kind: Literal["transposed"] = Field(description="a linear layer to 1 x 1 pixels, then transposed convolutions")
    channels: Count = Field(description="of the 1 x 1 pixels")
    convolutions: list[tuple[Count, Count, Count]] = Field(description="[channels, kernel, stride] of each layer")
    last: tuple[Count, Count] = Field(description="kernel and stride of the layer that gives the image's channels")

    def misfits(self, spec: Any) -> Iterator[str]:
        side, wanted = 1, spec.environment.side
        for kernel, stride in [*(each[1:] for each in self.convolutions), self.last]:
            side = (side - 1) * stride + kernel
        if side != wanted:
            yield (
                f"network.decoder makes images of {side}x{side} pixels: environment {spec.environment.suite} has "
                f"{wanted}x{wanted}"
            )


class Heads(Part):
    """Width of each hidden layer of what reads a state."""

    reward: Units = Field(description="widths of the layers that predict rewards")
    discount: Units | None = Field(description="null: the discount of every imagined step is agent.discount")
    actor: Units = Field(description="widths of the policy's layers")
    critic: Units = Field(description="widths of the value's layers")


class Dreams(Part):
    """The networks of agent dreamer."""

    code: ClassVar[str] = "agents.nets.world_model:Dreams"
    depth: ClassVar[int] = 0  # layers that spectral norms can be taken of

    torso: Annotated[ConvolutionalTorso | ResidualTorso, *OneOf] = Field(
        description="what makes features of the screen"
    )
    convolutions: list[tuple[Count, Count, Count]] = Field(description="as in other networks; []: pixels as they are")
    offset: Annotated[Real, Field(ge=0)] = Field(description="taken from observations scaled to [0, 1]")
    latent: Annotated[CategoricalLatent | GaussianLatent, *OneOf] = Field(description="z")
    deter: Count = Field(description="numbers of h, the recurrent part of the state")
    hidden: Count = Field(description="width of the layers before h, and between h (and the image) and z")
    cell: Literal["layer_norm", "bare", "gru"] = Field(
        description="layer_norm: DreamerV2's GRU, normalised; bare: the same without; gru: the common GRU (Dreamer)"
    )
    decoder: Annotated[DenseDecoder | TransposedDecoder, *OneOf] = Field(description="what makes an image of a state")
    heads: Heads
    activations: Activations = Field(description="after the layers")
    initialisation: Literal["xavier_uniform", "torch"] = Field(
        description="of the weights; xavier_uniform sets biases to zero"
    )


class GaussianImage(Numbers):
    code: ClassVar[str] = "agents.losses.prediction:GaussianImage"
    kind: Literal["gaussian"] = Field(description="pixels of unit variance")


class BernoulliImage(Numbers):
    code: ClassVar[str] = "agents.losses.prediction:BernoulliImage"
    kind: Literal["bernoulli"] = Field(description="pixels that are 0 or 1")

    def misfits(self, spec: Any) -> Iterator[str]:
        if not spec.environment.binary:
            yield f"agent.image bernoulli needs pixels of 0 and 1, which environment {spec.environment.suite} lacks"
        if spec.network.offset:
            yield f"agent.image bernoulli needs network.offset 0, not {spec.network.offset:g}"


class PlainKL(Numbers):
    code: ClassVar[str] = "agents.losses.latent:PlainKL"
    kind: Literal["plain"] = Field(description="KL(posterior || prior), one gradient for both (Dreamer)")
    free_nats: Annotated[Real, Field(ge=0)] = Field(description="the mean counts as at least this")


class BalancedKL(Numbers):
    code: ClassVar[str] = "agents.losses.latent:BalancedKL"
    kind: Literal["balanced"] = Field(description="with a share of the gradient for each (DreamerV2)")
    balance: Probability = Field(description="alpha: the prior's share; the posterior has the rest")
    free_nats: Annotated[Real, Field(ge=0)] = Field(description="each term's mean counts as at least this")


class Dreamer(Agent):
    """Learns a world model from sequences, and a policy inside it."""

    code: ClassVar[str] = "agents.dreamer:Dreamer"
    heads: ClassVar[tuple[str, ...]] = ()  # its networks are of their own kind
    recurrent: ClassVar[bool] = True
    kind: Literal["dreamer"]
    discount: Probability = Field(description="gamma, per agent step")
    sequence: Count = Field(description="L: rows of a sequence; sequences run on into the next episode")
    reward: Literal["identity", "tanh"] = Field(description="what becomes of rewards before they are learned")
    image: Annotated[GaussianImage | BernoulliImage, *OneOf] = Field(
        description="what the image's decoder says: its loss"
    )
    kl: Annotated[PlainKL | BalancedKL, *OneOf] = Field(
        description="between the belief about z before and after the image is seen"
    )
    kl_weight: Annotated[Real, Field(ge=0)] = Field(description="beta; the image's loss has weight 1")
    reward_weight: Annotated[Real, Field(ge=0)] = Field(description="of the reward's loss; the image's has weight 1")
    discount_weight: Annotated[Real, Field(ge=0)] | None = Field(description="null where there is no such head")
    shapes_state: Annotated[list[Literal["image", "reward", "discount"]], EachOnce] = Field(
        description="heads whose gradient reaches the states they predict from; the others only read them"
    )
    starts: Count | None = Field(description="states of a batch to imagine from, drawn; null: all of them")
    horizon: Annotated[Whole, Field(ge=2)] = Field(description="H: imagined steps")
    return_decay: Probability = Field(description="lambda of the returns")
    reinforce: Schedule = Field(description="rho: 1 is the policy gradient alone, 0 that through the dynamics alone")
    entropy_weight: Schedule = Field(description="eta")
    actor_lr: Annotated[Real, Field(gt=0)] = Field(description="optimizer.lr is the world model's")
    critic_lr: Annotated[Real, Field(gt=0)] = Field(description="step size of the critic")

    @property
    def learned(self) -> int:
        return self.sequence

    @property
    def window(self) -> int:
        return self.sequence

    @property
    def parts(self) -> dict[str, Part]:
        return {name: getattr(self, name) for name in ("image", "kl", "reinforce", "entropy_weight")}

    @model_validator(mode="after")
    def _rho_is_a_share(self) -> "Dreamer":
        rho = self.reinforce
        if max([rho.value] if rho.kind == "constant" else [rho.start, rho.end]) > 1:
            raise ValueError("reinforce is a share, at most 1")
        return self

    def misfits(self, spec: Any) -> Iterator[str]:
        if spec.executor.kind != "inline":
            yield f"agent dreamer learns where it acts: executor inline, not {spec.executor.kind}"
        if spec.memory.select.kind != "uniform":
            yield f"agent dreamer draws all rows alike: memory.select uniform, not {spec.memory.select.kind}"
        if spec.spectral.kind != "none":
            yield f"agent dreamer has networks without spectral norms: spectral none, not {spec.spectral.kind}"
        if self.starts is not None and self.starts > spec.learning.batch * self.sequence:
            yield (
                f"agent.starts {self.starts:,}: learning.batch {spec.learning.batch} of agent.sequence {self.sequence} "
                f"has only {spec.learning.batch * self.sequence:,} states"
            )
        if (self.discount_weight is None) != (spec.network.heads.discount is None):
            yield "agent.discount_weight and network.heads.discount: both null, or none"
        if self.discount_weight is None and "discount" in self.shapes_state:
            yield "agent.shapes_state discount needs network.heads.discount"
