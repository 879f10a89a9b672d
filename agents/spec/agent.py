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


class NoPenalty(Part):
    kind: Literal["none"]


class GradientPenalty(Part):
    kind: Literal["gradient"] = Field(
        description="weight x mean (|d Q(s, a) / d s| - norm)^2, s being the network's scaled input"
    )
    weight: Annotated[Real, Field(gt=0)]
    norm: Annotated[Real, Field(ge=0)] = Field(description="the slope that is asked for")


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
    penalty: Annotated[NoPenalty | GradientPenalty, Field(discriminator="kind")] = Field(
        description="what is added to the loss"
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
