"""Agents: what is predicted, the loss, and how actions are explored."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from agents.spec.base import Count, Frames, Part, Probability, Real, Whole


class Scalar(Part):
    kind: Literal["scalar"] = Field(description="one expected return per action")
    loss: Literal["squared", "huber", "absolute"] = Field(description="of the TD error; mean over the batch")

    @property
    def size(self) -> int:
        """Numbers per action that the network gives."""
        return 1


class Categorical(Part):
    kind: Literal["categorical"] = Field(description="C51: a distribution over fixed returns (Bellemare et al. 2017)")
    low: Real = Field(description="smallest return of the support")
    high: Real = Field(description="largest return of the support")
    atoms: Annotated[Whole, Field(ge=2)]

    @property
    def size(self) -> int:
        return self.atoms

    @model_validator(mode="after")
    def _ordered(self) -> "Categorical":
        if self.high <= self.low:
            raise ValueError("high must lie above low")
        return self


class Quantile(Part):
    kind: Literal["quantile"] = Field(description="QR-DQN: quantiles of the return (Dabney et al. 2018)")
    quantiles: Count
    kappa: Annotated[Real, Field(ge=0)] = Field(description="width of the Huber region; 0: absolute error")

    @property
    def size(self) -> int:
        return self.quantiles


class NoPenalty(Part):
    kind: Literal["none"]


class GradientPenalty(Part):
    kind: Literal["gradient"] = Field(
        description="weight x mean (|d Q(s, a) / d s| - norm)^2, s being the network's scaled input"
    )
    weight: Annotated[Real, Field(gt=0)]
    norm: Annotated[Real, Field(ge=0)] = Field(description="the slope that is asked for")


# Beside its numbers, an agent says what it is built with: the heads it can act with, whether it has a target network,
# the numbers per action of its head (`outputs`) and the parts it is handed by name (`parts`: family -> part), and the
# agent steps of a sequence that it learns from (`learned`).


class DQN(Part):
    heads: ClassVar[tuple[str, ...]] = ("plain", "dueling")
    target: ClassVar[bool] = True
    learned: ClassVar[int] = 1
    kind: Literal["dqn"]
    discount: Probability = Field(description="gamma, per agent step")
    n_step: Count = Field(description="length of the return, agent steps")
    selector: Literal["target", "online"] = Field(
        description="the network whose argmax picks the bootstrap action; online is Double DQN"
    )
    value: Annotated[Scalar | Categorical | Quantile, Field(discriminator="kind")] = Field(
        description="what the network predicts and its loss"
    )
    penalty: Annotated[NoPenalty | GradientPenalty, Field(discriminator="kind")] = Field(
        description="what is added to the loss"
    )

    @property
    def outputs(self) -> int:
        return self.value.size

    @property
    def parts(self) -> dict[str, Part]:
        return {"value": self.value, "penalty": self.penalty}


class R2D2(Part):
    """Q-learning on sequences with a recurrent network."""

    heads: ClassVar[tuple[str, ...]] = ("plain", "dueling")
    target: ClassVar[bool] = True
    outputs: ClassVar[int] = 1
    parts: ClassVar[dict[str, Part]] = {}
    kind: Literal["r2d2"]
    discount: Probability = Field(description="gamma, per agent step")
    n_step: Count = Field(description="length of the return, agent steps; every row of a sequence has its full one")
    selector: Literal["target", "online"] = Field(
        description="the network whose argmax picks the bootstrap action; online is Double DQN"
    )
    sequence: Count = Field(description="m: rows of a sequence that are learned from")
    burn_in: Annotated[Whole, Field(ge=0)] = Field(
        description="l: rows before them that only bring the state up to date; none where an episode begins"
    )
    period: Count = Field(description="sequences start at every period-th row of an episode")
    state: Literal["zero", "stored", "carried"] = Field(
        description="the recurrent state a sequence starts from, before burn-in: zero, the one it was acted with, or "
        "the one that the update before ended with (wants memory.select sequential)"
    )
    rescale_epsilon: Annotated[Real, Field(gt=0)] | None = Field(
        description="of h(x) = sign(x) (sqrt(|x| + 1) - 1) + epsilon x, the scale that values are learned on; "
        "null: returns as they are"
    )
    priority_mix: Probability = Field(description="eta: priority = eta max |error| + (1 - eta) mean |error|")
    reduction: Literal["sum", "mean"] = Field(description="of half the squared errors over a sequence's rows")
    measure_delta_q: bool = Field(
        description="record how far Q lies from its value with the state it was acted with (costs a forward pass)"
    )

    @model_validator(mode="after")
    def _carried_without_a_gap(self) -> "R2D2":
        if self.state == "carried" and (self.burn_in or self.period != self.sequence):
            raise ValueError("state carried: sequences follow each other, so period is sequence, and burn_in 0")
        return self

    @property
    def learned(self) -> int:
        return self.sequence


class ACLambda(Part):
    """Online actor-critic with eligibility traces (Young & Tian 2019)."""

    heads: ClassVar[tuple[str, ...]] = ("actor_critic",)
    target: ClassVar[bool] = False
    outputs: ClassVar[int] = 1
    parts: ClassVar[dict[str, Part]] = {}
    learned: ClassVar[int] = 1
    kind: Literal["ac_lambda"]
    discount: Probability = Field(description="gamma, per agent step")
    trace_decay: Probability = Field(description="lambda; 0: one-step actor-critic")
    policy_weight: Annotated[Real, Field(ge=0)] = Field(description="of log pi beside the value in the trace")
    entropy_weight: Annotated[Real, Field(ge=0)] = Field(description="beta")
    floor: Annotated[Real, Field(ge=0)] = Field(description="added to probabilities inside logarithms")


class ActorCritic(Part):
    """Actor-critic on unrolls: A2C, A3C, IMPALA."""

    heads: ClassVar[tuple[str, ...]] = ("actor_critic",)
    target: ClassVar[bool] = False
    outputs: ClassVar[int] = 1
    parts: ClassVar[dict[str, Part]] = {}
    kind: Literal["actor_critic"]
    discount: Probability = Field(description="gamma, per agent step")
    unroll: Count = Field(description="T: agent steps of one stream that are learned from together")
    correction: Literal["none", "epsilon", "one_step", "vtrace"] = Field(
        description="for parameters that changed since acting: none; epsilon: 1e-6 added inside log pi; one_step: "
        "clipped ratio on the policy gradient only; vtrace (Espeholt et al. 2018, section 5.2.2)"
    )
    rho_bar: Annotated[Real, Field(gt=0)] = Field(description="clips the ratios of one_step and vtrace")
    c_bar: Annotated[Real, Field(gt=0)] = Field(description="clips the trace coefficients of vtrace")
    q: Literal["vs", "value"] = Field(description="policy gradient with r + gamma v_{s+1}, or r + gamma V(x_{s+1})")
    entropy_weight: Annotated[Real, Field(ge=0)]
    baseline_weight: Annotated[Real, Field(ge=0)] = Field(description="of 1/2 (v - V)^2")
    reduction: Literal["sum", "mean"] = Field(description="of the loss over the steps of a batch")

    @property
    def learned(self) -> int:
        return self.unroll

    @model_validator(mode="after")
    def _bars_ordered(self) -> "ActorCritic":
        if self.c_bar > self.rho_bar:
            raise ValueError("rho_bar must be at least c_bar")
        return self


class LinearExploration(Part):
    kind: Literal["linear"] = Field(description="one epsilon for all environments, annealed")
    start: Probability = Field(description="epsilon until warmup_frames")
    end: Probability = Field(description="epsilon from end_frames on, linear in between")
    warmup_frames: Frames
    end_frames: Frames

    @model_validator(mode="after")
    def _ordered(self) -> "LinearExploration":
        if self.end_frames < self.warmup_frames:
            raise ValueError("end_frames lies before warmup_frames")
        return self


class PerEpisodeExploration(Part):
    kind: Literal["per_episode"] = Field(
        description="epsilon = scale / (episode + offset), episodes from 0; one stream"
    )
    scale: Annotated[Real, Field(ge=0)]
    offset: Annotated[Real, Field(gt=0)]
    warmup_frames: Frames = Field(description="episodes that begin before are all random and not counted")


class LadderExploration(Part):
    kind: Literal["ladder"] = Field(
        description="environment i of N keeps epsilon_i = base^(1 + alpha i / (N - 1)) for the whole run (Ape-X)"
    )
    base: Probability = Field(description="epsilon of environment 0, and of a single one")
    alpha: Annotated[Real, Field(ge=0)]


class FixedExploration(Part):
    kind: Literal["fixed"] = Field(description="environment i keeps values[i mod their number] for the whole run")
    values: Annotated[list[Probability], Field(min_length=1)] = Field(description="epsilons")


Exploration = Annotated[
    LinearExploration | PerEpisodeExploration | LadderExploration | FixedExploration, Field(discriminator="kind")
]
