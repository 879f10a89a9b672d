"""Agents: what is predicted, and the loss."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_serializer, model_validator

from agents.spec.base import Count, Numbers, OneOf, Part, Probability, Real, Whole, load


class Scalar(Numbers):
    code: ClassVar[str] = "agents.losses.value:Scalar"
    kind: Literal["scalar"] = Field(description="one expected return per action")
    loss: Literal["squared", "huber", "absolute"] = Field(description="of the TD error; mean over the batch")

    @property
    def size(self) -> int:
        """Numbers per action that the network gives."""
        return 1


class Categorical(Numbers):
    code: ClassVar[str] = "agents.losses.categorical:Categorical"
    kind: Literal["categorical"] = Field(description="C51: a distribution over fixed returns (Bellemare et al. 2017)")
    low: Real = Field(description="smallest return of the support")
    high: Real = Field(description="largest return of the support")
    atoms: Annotated[Whole, Field(ge=2)] = Field(description="N: returns of the support, equally far apart")

    @property
    def size(self) -> int:
        return self.atoms

    @model_validator(mode="after")
    def _ordered(self) -> "Categorical":
        if self.high <= self.low:
            raise ValueError("high must lie above low")
        return self


class Quantile(Numbers):
    code: ClassVar[str] = "agents.losses.quantile:Quantile"
    kind: Literal["quantile"] = Field(description="QR-DQN: quantiles of the return (Dabney et al. 2018)")
    quantiles: Count = Field(description="N: at the levels (i + 0.5) / N")
    kappa: Annotated[Real, Field(ge=0)] = Field(description="width of the Huber region; 0: absolute error")

    @property
    def size(self) -> int:
        return self.quantiles


class Implicit(Numbers):
    code: ClassVar[str] = "agents.losses.implicit:Implicit"
    size: ClassVar[int] = 1
    kind: Literal["implicit"] = Field(
        description="IQN: the return at quantile levels that are drawn (Dabney et al. 2018)"
    )
    samples: Count = Field(description="N: levels drawn of the action that learns; the loss is a sum over them")
    target_samples: Count = Field(description="N': levels drawn of the action to bootstrap from; a mean over them")
    acting_samples: Count = Field(description="K: levels whose mean return is an action value")
    kappa: Annotated[Real, Field(gt=0)] = Field(description="width of the Huber region; the loss is divided by it")

    def misfits(self, spec: Any) -> Iterator[str]:
        if spec.network.head.kind != "implicit":
            yield f"agent.value implicit needs network.head implicit, not {spec.network.head.kind}"


class Greedy(Part):
    kind: Literal["target", "online"] = Field(
        description="the value of one action, which this network chooses; online is Double DQN"
    )

    def make(self) -> Any:
        return load("agents.losses.bootstrap:Greedy")(self.kind)  # which every DQN's code reaches: it needs no root

    @model_serializer
    def _word(self) -> str:
        """A spec holds the word alone: so the digests of runs have known it from the first."""
        return self.kind


class Munchausen(Numbers):
    code: ClassVar[str] = "agents.losses.munchausen:Munchausen"
    kind: Literal["munchausen"] = Field(
        description="soft values of the target network, and its log-policy added to the reward (Vieillard et al. 2020)"
    )
    temperature: Annotated[Real, Field(gt=0)] = Field(description="tau, of the policy softmax(q / tau)")
    alpha: Probability = Field(description="weight of the log-policy; 0: soft Q-learning")
    lowest: Annotated[Real, Field(le=0)] = Field(description="l0: tau ln pi counts as at least this")

    def misfits(self, spec: Any) -> Iterator[str]:
        if spec.agent.value.kind == "categorical":
            yield (
                "agent.selector munchausen needs agent.value scalar, quantile or implicit, whose numbers are returns, "
                "not categorical"
            )
        if spec.agent.n_step > 1:
            yield (
                "agent.selector munchausen adds the log-policy to each reward, and knows that of the first alone: "
                f"agent.n_step 1, not {spec.agent.n_step}"
            )
        select = spec.memory.select
        if select.kind == "proportional" and select.initial == "actor":
            yield (
                "agent.selector munchausen has TD errors that the values acted on do not tell: memory.select.initial "
                "largest, not actor"
            )


class NoPenalty(Numbers):
    code: ClassVar[str] = "agents.losses.penalty:Nothing"
    kind: Literal["none"] = Field(description="nothing is added to the loss")


class GradientPenalty(Numbers):
    code: ClassVar[str] = "agents.losses.penalty:Gradient"
    kind: Literal["gradient"] = Field(
        description="weight x mean (|d Q(s, a) / d s| - norm)^2, s being the network's scaled input"
    )
    weight: Annotated[Real, Field(gt=0)] = Field(description="of the penalty beside the loss of the TD error")
    norm: Annotated[Real, Field(ge=0)] = Field(description="the slope that is asked for")


class Agent(Part):
    """What is common to all: the heads it can act with, and whether it has a target network.

    An agent also says the numbers per action that its head gives (`outputs`), the parts it is handed by name (`parts`)
    and the agent steps of a sequence that it draws (`window`) and that it learns from (`learned`).
    """

    heads: ClassVar[tuple[str, ...]] = ("plain", "dueling")
    target: ClassVar[bool] = True
    recurrent: ClassVar[bool] = False  # whether it learns from sequences, as a network with a memory needs it
    outputs: ClassVar[int] = 1
    parts: ClassVar[dict[str, Part]] = {}
    learned: ClassVar[int] = 1
    window: ClassVar[int] = 1
    waits: ClassVar[int] = 0  # rows that have to follow what is learned from, beside the one in view
    by_frames: ClassVar[bool] = False  # whether it copies its target network by frames, not after so many updates
    shares: ClassVar[bool] = False  # whether several of it can learn the same parameters without locks

    def misfits(self, spec: Any) -> Iterator[str]:
        if self.heads and spec.network.head.kind not in self.heads:  # without: its networks are of their own kind
            heads = " or ".join(self.heads)
            yield f"agent {self.kind} needs network.head {heads}, not {spec.network.head.kind}"
        if self.target == (spec.learning.target_every_frames is None):
            number = "a number" if self.target else "null"
            yield f"learning.target_every_frames must be {number} with agent {self.kind}"
        elif self.target and spec.learning.clock.kind == "unrolls" and not self.by_frames:
            yield f"agent {self.kind} copies its target network by the clock: learning.clock frames, not unrolls"


class DQN(Agent):
    code: ClassVar[str] = "agents.dqn:make"
    heads: ClassVar[tuple[str, ...]] = ("plain", "dueling", "implicit")
    kind: Literal["dqn"] = Field(
        description="Q-learning from replayed transitions, with a target network (Mnih et al. 2015)"
    )
    discount: Probability = Field(description="gamma, per agent step")
    n_step: Count = Field(description="length of the return, agent steps")
    selector: Annotated[Greedy | Munchausen, *OneOf] = Field(description="what picks the value to bootstrap from")
    value: Annotated[Scalar | Categorical | Quantile | Implicit, *OneOf] = Field(
        description="what the network predicts and its loss"
    )
    penalty: Annotated[NoPenalty | GradientPenalty, *OneOf] = Field(description="what is added to the loss")

    @property
    def outputs(self) -> int:
        return self.value.size

    @property
    def window(self) -> int:
        return self.n_step

    @property
    def parts(self) -> dict[str, Part]:
        return {"value": self.value, "penalty": self.penalty, "bootstrap": self.selector}


class R2D2(Agent):
    """Q-learning on sequences with a recurrent network."""

    code: ClassVar[str] = "agents.r2d2:R2D2"
    recurrent: ClassVar[bool] = True
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
    priority_mix: Probability | None = Field(
        description="eta: priority = eta max |error| + (1 - eta) mean |error|; null where the memory has no priorities"
    )
    reduction: Literal["sum", "mean"] = Field(description="of half the squared errors over a sequence's rows")
    measure_delta_q: bool = Field(
        description="record how far Q lies from its value with the state it was acted with (costs a forward pass)"
    )

    @field_validator("selector", mode="before")
    @classmethod
    def _greedy(cls, value: Any) -> Any:
        kind = value.get("kind") if isinstance(value, dict) else value
        if kind == "munchausen":
            raise ValueError("munchausen needs agent dqn, not agent r2d2: target or online here")
        return value

    @model_validator(mode="after")
    def _carried_without_a_gap(self) -> "R2D2":
        if self.state == "carried" and (self.burn_in or self.period != self.sequence):
            raise ValueError("state carried: sequences follow each other, so period is sequence, and burn_in 0")
        return self

    @property
    def learned(self) -> int:
        return self.sequence

    @property
    def window(self) -> int:
        return self.burn_in + self.sequence + self.n_step - 1

    def misfits(self, spec: Any) -> Iterator[str]:
        yield from super().misfits(spec)
        if (self.state == "carried") != (spec.memory.select.kind == "sequential"):
            yield f"agent.state {self.state} with memory.select {spec.memory.select.kind}: carried needs sequential"
        if (self.priority_mix is None) == spec.memory.select.prioritized:
            number = "a number" if spec.memory.select.prioritized else "null"
            yield f"agent.priority_mix must be {number} with memory.select {spec.memory.select.kind}"


class Targets(Part):
    """What values learn towards: a function of agents/losses/unrolled.py."""

    waits: ClassVar[int] = 0

    def make(self) -> Any:
        return load(self.code)


class OneStepQ(Targets):
    code: ClassVar[str] = "agents.losses.unrolled:one_step_q"
    kind: Literal["one_step_q"] = Field(description="r + gamma max_a Q(s', a), at each row")


class OneStepSarsa(Targets):
    code: ClassVar[str] = "agents.losses.unrolled:one_step_sarsa"
    waits: ClassVar[int] = 1
    kind: Literal["one_step_sarsa"] = Field(description="r + gamma Q(s', a'), a' being the action taken next")


class NStepQ(Targets):
    code: ClassVar[str] = "agents.losses.unrolled:n_step_q"
    kind: Literal["n_step_q"] = Field(
        description="at each row the longest return that the unroll has, then max_a Q (forward view)"
    )


class UnrolledQ(Agent):
    """Values learned from unrolls as they come: the asynchronous value methods (Mnih et al. 2016)."""

    code: ClassVar[str] = "agents.unrolled_q:UnrolledQ"
    by_frames: ClassVar[bool] = True
    shares: ClassVar[bool] = True
    kind: Literal["unrolled_q"]
    discount: Probability = Field(description="gamma, per agent step")
    unroll: Count = Field(description="agent steps of one stream whose gradients make an update (t_max, I_AsyncUpdate)")
    form: Annotated[OneStepQ | OneStepSarsa | NStepQ, *OneOf] = Field(description="the target; all on a target network")
    loss: Literal["squared", "huber"] = Field(description="of y - Q: half the square, or Huber's of width 1")
    reduction: Literal["sum", "mean"] = Field(description="of the loss over the steps of a batch")

    @property
    def learned(self) -> int:
        return self.unroll

    @property
    def window(self) -> int:
        return self.unroll

    @property
    def waits(self) -> int:  # type: ignore[override]
        return self.form.waits

    @property
    def parts(self) -> dict[str, Part]:
        return {"targets": self.form}

    def misfits(self, spec: Any) -> Iterator[str]:
        yield from super().misfits(spec)
        select, streams, batch = spec.memory.select, spec.environment.streams * spec.memory.copies, spec.learning.batch
        if select.kind != "fifo":
            yield f"agent unrolled_q learns from unrolls in order, none twice: memory.select fifo, not {select.kind}"
        elif select.replay_share:
            yield f"agent unrolled_q learns no unroll twice: memory.select.replay_share 0, not {select.replay_share:g}"
        if spec.executor.kind in ("processes", "ray"):
            yield f"agent unrolled_q learns where it acts: executor inline or hogwild, not {spec.executor.kind}"
        if spec.network.linear.kind != "plain":
            yield f"agent unrolled_q explores by epsilon alone: network.linear plain, not {spec.network.linear.kind}"
        if streams % batch and batch % streams:
            yield (
                f"agent unrolled_q learns from unrolls before the next ones are made: learning.batch {batch} must "
                f"divide environment.streams times memory.copies, {streams}, or be a multiple of it"
            )
