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


class Linear(Part):
    kind: Literal["linear"] = Field(description="one epsilon for all environments, annealed")
    start: Probability = Field(description="epsilon until warmup_frames")
    end: Probability = Field(description="epsilon from end_frames on, linear in between")
    warmup_frames: Frames
    end_frames: Frames

    @model_validator(mode="after")
    def _ordered(self) -> "Linear":
        if self.end_frames < self.warmup_frames:
            raise ValueError("end_frames lies before warmup_frames")
        return self


class Ladder(Part):
    kind: Literal["ladder"] = Field(
        description="environment i of N keeps epsilon_i = base^(1 + alpha i / (N - 1)) for the whole run (Ape-X)"
    )
    base: Probability = Field(description="epsilon of environment 0, and of a single one")
    alpha: Annotated[Real, Field(ge=0)]


class Fixed(Part):
    kind: Literal["fixed"] = Field(description="environment i keeps values[i mod their number] for the whole run")
    values: Annotated[list[Probability], Field(min_length=1)] = Field(description="epsilons")


Exploration = Annotated[Linear | Ladder | Fixed, Field(discriminator="kind")]
