"""How often an agent acts at random."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from agents.spec.base import Frames, OneOf, Part, Period, Probability, Real


class NoExploration(Part):
    code: ClassVar[str] = "agents.acting.exploration:never"
    kind: Literal["none"] = Field(description="the agent's own actions: of a sampled policy, or of noisy layers")


class LinearExploration(Part):
    code: ClassVar[str] = "agents.acting.exploration:Linear"
    kind: Literal["linear"] = Field(description="one epsilon for all environments, annealed")
    start: Probability = Field(description="epsilon until warmup_frames")
    end: Probability = Field(description="epsilon from end_frames on, linear in between")
    warmup_frames: Frames = Field(description="environment frames before epsilon changes")
    end_frames: Frames = Field(description="environment frame from which on epsilon stays")

    @model_validator(mode="after")
    def _ordered(self) -> "LinearExploration":
        if self.end_frames < self.warmup_frames:
            raise ValueError("end_frames lies before warmup_frames")
        return self


class PerEpisodeExploration(Part):
    code: ClassVar[str] = "agents.acting.exploration:PerEpisode"
    kind: Literal["per_episode"] = Field(
        description="epsilon = scale / (episode + offset), episodes from 0; one stream"
    )
    scale: Annotated[Real, Field(ge=0)] = Field(description="numerator of epsilon, episodes")
    offset: Annotated[Real, Field(gt=0)] = Field(description="added to the episode's number, episodes")
    warmup_frames: Frames = Field(description="episodes that begin before are all random and not counted")

    def misfits(self, spec: Any) -> Iterator[str]:
        if spec.environment.streams > 1 or spec.executor.kind != "inline":
            yield "exploration per_episode needs environment.streams 1 and executor inline"


class LadderExploration(Part):
    code: ClassVar[str] = "agents.acting.exploration:climb"
    kind: Literal["ladder"] = Field(
        description="environment i of N keeps epsilon_i = base^(1 + alpha i / (N - 1)) for the whole run (Ape-X)"
    )
    base: Probability = Field(description="epsilon of environment 0, and of a single one")
    alpha: Annotated[Real, Field(ge=0)] = Field(
        description="how steeply epsilon falls from environment to environment; 0: all have the base"
    )


class FixedExploration(Part):
    code: ClassVar[str] = "agents.acting.exploration:fix"
    kind: Literal["fixed"] = Field(description="environment i keeps values[i mod their number] for the whole run")
    values: Annotated[list[Probability], Field(min_length=1)] = Field(description="epsilons")


class SampledExploration(Part):
    code: ClassVar[str] = "agents.acting.exploration:Sampled"
    kind: Literal["sampled"] = Field(
        description="each environment draws the epsilon that it ends at, once, and goes there from `start` (Mnih et "
        "al. 2016)"
    )
    start: Probability = Field(description="epsilon of all environments at frame 0")
    ends: Annotated[list[Probability], Field(min_length=1)] = Field(description="final epsilons to draw from")
    chances: list[Probability] = Field(description="of each of `ends`; together 1")
    end_frames: Period = Field(description="the final epsilons from here on, linear before")

    @model_validator(mode="after")
    def _distribution(self) -> "SampledExploration":
        if len(self.chances) != len(self.ends) or abs(sum(self.chances) - 1) > 1e-9:
            raise ValueError(f"chances must be one for each of the {len(self.ends)} ends, and 1 together")
        return self


Exploration = Annotated[
    NoExploration
    | LinearExploration
    | PerEpisodeExploration
    | LadderExploration
    | FixedExploration
    | SampledExploration,
    *OneOf,
]
