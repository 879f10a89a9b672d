"""The typed description of one training run, and its digest.

A `Spec` holds every number that determines a run's result and nothing else: no names for display, no
resources, no paths. It is complete (the code holds no defaults), so that its canonical JSON identifies
the run. This module knows pydantic only: `workflow/` imports it without paying for torch.
"""

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

VERSION = 1


def _number(value: Any) -> Any:
    if isinstance(value, bool | str):
        raise ValueError(f"a number is wanted, not {value!r}")
    return value


Whole = Annotated[int, BeforeValidator(_number)]
Real = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Frames = Annotated[Whole, Field(ge=0, description="environment frames")]
Period = Annotated[Whole, Field(ge=1, description="environment frames")]
Count = Annotated[Whole, Field(ge=1)]
Probability = Annotated[Real, Field(ge=0, le=1)]
Game = Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


# What a config name stands for: family -> name -> "module:attribute", imported on demand by agents/build.py.
# A run's code fingerprint follows exactly the entries that its spec names (see Spec.components).
COMPONENTS: dict[str, dict[str, str]] = {
    "agent": {"dqn": "agents.dqn:DQN"},
    "suite": {"minatar": "agents.envs.minatar:MinAtar", "atari": "agents.envs.atari:Atari"},
    "store": {"frames": "agents.memory.store:FrameStore"},
    "select": {
        "uniform": "agents.memory.select:Uniform",
        "proportional": "agents.memory.proportional:Proportional",
        "rank": "agents.memory.rank:Rank",
    },
    "torso": {"convolutional": "agents.nets.torsos:Convolutional"},
    "head": {"plain": "agents.nets.heads:Plain", "dueling": "agents.nets.heads:Dueling"},
    "linear": {
        "plain": "agents.nets.layers:Linear",
        "factorised": "agents.nets.noisy:Factorised",
        "independent": "agents.nets.noisy:Independent",
    },
    "value": {
        "scalar": "agents.losses.value:Scalar",
        "categorical": "agents.losses.categorical:Categorical",
        "quantile": "agents.losses.quantile:Quantile",
    },
    "optimizer": {
        "adam": "agents.optim.adam:Adam",
        "rmsprop": "agents.optim.rmsprop:RMSprop",
        "sgd": "agents.optim.sgd:SGD",
    },
    "spectral": {
        "weights": "agents.optim.spectral:normalise",
        "output": "agents.optim.scheduled:divide_output",
        **dict.fromkeys(("gradient", "epsilon", "lr"), "agents.optim.spectral:meter_layers"),
        "schedule": "agents.optim.scheduled:Schedule",
        "attached": "agents.optim.spectral:attached",
        "measure": "agents.optim.spectral:measure",
    },
}


class Scalar(Part):
    kind: Literal["scalar"] = Field(description="one expected return per action")
    loss: Literal["squared", "huber"] = Field(description="of the TD error; mean over the batch")


class Categorical(Part):
    kind: Literal["categorical"] = Field(description="C51: a distribution over fixed returns (Bellemare et al. 2017)")
    low: Real = Field(description="smallest return of the support")
    high: Real = Field(description="largest return of the support")
    atoms: Annotated[Whole, Field(ge=2)]

    @model_validator(mode="after")
    def _ordered(self) -> "Categorical":
        if self.high <= self.low:
            raise ValueError("high must lie above low")
        return self


class Quantile(Part):
    kind: Literal["quantile"] = Field(description="QR-DQN: quantiles of the return (Dabney et al. 2018)")
    quantiles: Count
    kappa: Annotated[Real, Field(ge=0)] = Field(description="width of the Huber region; 0: absolute error")


class DQN(Part):
    kind: Literal["dqn"]
    discount: Probability = Field(description="gamma, per agent step")
    n_step: Count = Field(description="length of the return, agent steps")
    selector: Literal["target", "online"] = Field(
        description="the network whose argmax picks the bootstrap action; online is Double DQN"
    )
    value: Annotated[Scalar | Categorical | Quantile, Field(discriminator="kind")] = Field(
        description="what the network predicts and its loss"
    )


class Exploration(Part):
    start: Probability = Field(description="epsilon until warmup_frames")
    end: Probability = Field(description="epsilon from end_frames on, linear in between")
    warmup_frames: Frames
    end_frames: Frames

    @model_validator(mode="after")
    def _ordered(self) -> "Exploration":
        if self.end_frames < self.warmup_frames:
            raise ValueError("end_frames lies before warmup_frames")
        return self


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
    shared_bias: bool = Field(description="one bias for all actions in the output layer (tuned Double DQN)")
    initialisation: Literal["xavier_uniform", "torch"] = Field(
        description="of the weights; xavier_uniform sets biases to zero"
    )


class UniformSelect(Part):
    kind: Literal["uniform"]


class PrioritySelect(Part):
    """Prioritized replay (Schaul et al. 2016). P(i) = p_i^exponent / sum p^exponent."""

    kind: Literal["proportional", "rank"] = Field(description="p_i = |error| + epsilon, or 1 / rank(|error|)")
    exponent: Annotated[Real, Field(ge=0)] = Field(description="alpha; 0 is uniform")
    weight_start: Probability = Field(description="beta at frame 0: w = (N P)^-beta / max w; 0: no weights")
    weight_end: Probability = Field(description="beta from weight_end_frames on, linear in between")
    weight_end_frames: Frames
    epsilon: Annotated[Real, Field(ge=0)] = Field(description="added to |error| (proportional)")
    maximum: Annotated[Real, Field(gt=0)] | None = Field(description="|error| is clipped here; null: not clipped")
    normalise: Literal["batch", "memory"] = Field(description="whose largest weight becomes 1")
    stratified: bool = Field(description="one draw from each of `batch` equal shares of probability")
    sort_every: Count = Field(description="updates between full sorts (rank)")


class Memory(Part):
    store: Literal["frames"] = Field(description="each observed frame kept once, stacks built at sampling")
    select: Annotated[UniformSelect | PrioritySelect, Field(discriminator="kind")]
    capacity_steps: Count = Field(description="observations kept, agent steps")


class Learning(Part):
    batch: Count = Field(description="transitions per update")
    start_frames: Frames = Field(description="no update before this frame")
    every_frames: Period = Field(description="one update per this many frames")
    target_every_frames: Period = Field(description="target network copied this often")
    clip_norm: Annotated[Real, Field(gt=0)] | None = Field(description="global gradient norm; null: no clipping")

    @model_validator(mode="after")
    def _multiple(self) -> "Learning":
        if self.target_every_frames % self.every_frames:
            raise ValueError("target_every_frames must be a multiple of every_frames")
        return self


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
    form: Literal["torch", "nature"] = Field(
        description="where epsilon stands: torch adds it to the root, nature (Mnih 2015) under it"
    )


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


class MinAtar(Part):
    suite: Literal["minatar"]
    game: Game
    streams: Count = Field(description="environments stepped together")
    stack: Count = Field(description="observations per network input")
    sticky: Probability = Field(description="chance that the previous action is repeated")
    ramping: bool = Field(description="difficulty rises within an episode")
    actions: Literal["full", "minimal"]
    cap_frames: Period | None = Field(description="episodes are truncated at this length; null: never")

    @property
    def repeat(self) -> int:
        return 1


class Atari(Part):
    suite: Literal["atari"]
    game: Game
    streams: Count = Field(description="environments stepped together")
    stack: Count = Field(description="observations per network input")
    sticky: Probability = Field(description="chance, per frame, that the previous action is repeated")
    repeat: Count = Field(description="frames per agent step; the last two are max-pooled")
    noop_max: Whole = Field(ge=0, description="random no-op frames at reset, at most")
    fire_reset: bool = Field(description="press FIRE at reset where the game has it")
    life_loss: bool = Field(description="a lost life ends the return in training (not the episode)")
    clip_reward: bool = Field(description="training rewards clipped to [-1, 1]; recorded returns are raw")
    actions: Literal["full", "minimal"]
    screen: Count = Field(description="pixels: side of the square grey observation")
    cap_frames: Period = Field(description="episodes are truncated at this length")
    reseed_every_steps: Period = Field(
        description="agent steps after which the next episode starts from a fresh seed; bounds the replay at resume"
    )


class Evaluation(Part):
    every_frames: Period = Field(description="training frames between evaluations; the first one is at frame 0")
    epsilon: Probability
    streams: Count = Field(description="environments played side by side; each plays an equal share")
    episodes: Count | None = Field(description="episodes per evaluation; null: no limit")
    frames: Period | None = Field(description="frames per evaluation; null: no limit; unfinished episodes do not count")
    cap_frames: Period = Field(description="evaluation episodes are truncated at this length")
    noise: bool = Field(description="noisy layers keep the noise of their last draw; false: they use their means")

    @model_validator(mode="after")
    def _bounded(self) -> "Evaluation":
        if self.episodes is None and self.frames is None:
            raise ValueError("give episodes, frames or both")
        return self


class Record(Part):
    learning_every_frames: Period = Field(description="one row per metric in learning.parquet this often")
    bins: Count = Field(description="rows per metric in summary.parquet")


class Spec(Part):
    """One training run, fully resolved."""

    version: Literal[1]
    agent: DQN
    network: Network
    spectral: Spectral
    exploration: Exploration
    memory: Memory
    learning: Learning
    optimizer: Annotated[Adam | RMSprop | SGD, Field(discriminator="kind")]
    environment: Annotated[MinAtar | Atari, Field(discriminator="suite")]
    evaluation: Evaluation
    record: Record
    budget_frames: Period
    seed: Whole = Field(ge=0)
    device: Literal["cpu", "cuda"]
    threads: Count = Field(description="torch threads; they change the bits of a result, so they identify a run")

    @model_validator(mode="after")
    def _layers_exist(self) -> "Spec":
        streams = 2 if self.network.head == "dueling" else 1
        depth = len(self.network.convolutions) + streams * (len(self.network.units) + 1)
        beyond = [i for i in (*self.spectral.layers, *self.spectral.track) if i < -depth]
        if beyond:
            raise ValueError(f"spectral layers {beyond} lie beyond the network's {depth} layers")
        return self

    def canonical(self) -> str:
        """The JSON text that identifies the run: sorted keys, no spaces."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    def digest(self) -> str:
        """SHA-256 of the canonical JSON, hexadecimal."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    def name(self) -> str:
        """Folder name of the run: agent.suite-game.seed.digest."""
        env = self.environment
        return f"{self.agent.kind}.{env.suite}-{env.game}.s{self.seed}.{self.digest()[:12]}"

    def components(self) -> list[str]:
        """The "module:attribute" of every part the spec names: what its code fingerprint follows."""
        chosen = {
            "agent": [self.agent.kind],
            "value": [self.agent.value.kind],
            "torso": [self.network.torso],
            "head": [self.network.head],
            "store": [self.memory.store],
            "select": [self.memory.select.kind],
            "linear": [self.network.linear.kind],
            "optimizer": [self.optimizer.kind],
            "suite": [self.environment.suite],
            "spectral": [
                *[self.spectral.use] * bool(self.spectral.layers),
                *["schedule"] * self.spectral.scheduled,
                *["measure"] * bool(self.spectral.track),
            ],
        }
        return sorted({COMPONENTS[family][name] for family, names in chosen.items() for name in names})
