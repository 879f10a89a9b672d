"""Agents: what is predicted, the loss, and how actions are explored."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from agents.spec.base import Count, Frames, Part, Probability, Real, Whole


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


class R2D2(Part):
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
    state: Literal["zero", "stored"] = Field(
        description="the recurrent state a sequence starts from, before burn-in: zero, or the one it was acted with"
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
