"""The protocol of evaluation."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from agents.spec.base import Count, EachOnce, Length, Numbers, OneOf, Part, Period, Probability, Whole
from agents.spec.environment import Suite


class Flicker(Part):
    code: ClassVar[str] = Suite.partial
    always: ClassVar[bool] = False  # whether it is made at every evaluation, not only when training is over
    kind: Literal["flicker"] = Field(description="with another chance of blank observations than in training")
    chance: Probability = Field(description="that an observation is blank, at every step")


class Returns(Part):
    code: ClassVar[str] = "agents.measure.played:Returns"
    always: ClassVar[bool] = True
    kind: Literal["returns"] = Field(
        description="max Q of the states that are played against the discounted returns that follow, at every "
        "evaluation (van Hasselt et al. 2016, Figure 3)"
    )

    def misfits(self, spec: Any) -> Iterator[str]:
        if spec.agent.kind != "dqn":
            yield f"evaluation.trials of kind returns need agent dqn, not {spec.agent.kind}"


class Snapshots(Part):
    code: ClassVar[str] = "agents.measure.played:Snapshots"
    always: ClassVar[bool] = False
    kind: Literal["snapshots"] = Field(
        description="the distribution of returns of each action at single steps (Bellemare et al. 2017, Figures 4, 5)"
    )
    steps: Annotated[list[Count], EachOnce, Field(min_length=1)] = Field(
        description="agent steps since the start of the evaluation, from 1"
    )

    def misfits(self, spec: Any) -> Iterator[str]:
        if spec.agent.kind != "dqn" or spec.agent.value.kind != "categorical":
            value = f" with agent.value {spec.agent.value.kind}" if spec.agent.kind == "dqn" else ""
            yield (
                "evaluation.trials of kind snapshots need agent dqn with agent.value categorical, not "
                f"{spec.agent.kind}{value}"
            )


class Truncation(Numbers):
    code: ClassVar[str] = "agents.measure.truncated:Truncated"
    always: ClassVar[bool] = False
    kind: Literal["memory"] = Field(description="the recurrent state starts from zero at every step")
    observations: Annotated[Whole, Field(ge=0)] | None = Field(
        description="earlier ones that it is brought up to date with; null: all of them"
    )

    def misfits(self, spec: Any) -> Iterator[str]:
        if spec.agent.kind != "r2d2":
            yield f"evaluation.trials of kind memory need agent r2d2, not {spec.agent.kind}"


Trial = Annotated[Flicker | Truncation | Returns | Snapshots, *OneOf]


class Evaluation(Part):
    every_frames: Period = Field(description="training frames between evaluations; the first one is at frame 0")
    epsilon: Probability = Field(description="chance of a random action in evaluations")
    streams: Count = Field(description="environments played side by side, each an equal share of the episodes")
    episodes: Count | None = Field(description="episodes per evaluation; null: no limit")
    frames: Period | None = Field(
        description="frames per evaluation, in one environment; null: no limit; the episode under way at the end does "
        "not count"
    )
    cap_frames: Length = Field(description="evaluation episodes are truncated at this length")
    trials: Annotated[list[Trial], EachOnce] = Field(
        description="further evaluations, under other conditions or of more than the score, when training is over"
    )
    noise: bool = Field(
        description="noisy layers keep the noise of their last draw, agent dreamer samples its policy; false: they use "
        "their means, and it takes the likeliest action"
    )

    @model_validator(mode="after")
    def _bounded(self) -> "Evaluation":
        if self.episodes is None and self.frames is None:
            raise ValueError("give episodes, frames or both")
        if self.frames is not None and self.streams > 1:
            raise ValueError(
                f"a budget of frames is played in one environment, not {self.streams}: each would cut off the episode "
                "at the end of its share, mostly a long one, and the mean would lack them; give streams 1, or episodes "
                "and frames null"
            )
        return self

    @property
    def certain(self) -> bool:
        """Whether every evaluation is bound to have an episode that ends in time to count."""
        return self.frames is None or self.frames >= self.cap_frames
