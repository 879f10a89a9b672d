"""Memories: what is kept, which of it is drawn, and the clock of learning."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from agents.spec.base import Count, Frames, Part, Period, Probability, Real


class UniformSelect(Part):
    kind: Literal["uniform"]


class FifoSelect(Part):
    kind: Literal["fifo"] = Field(description="on-policy: every window once, in order; learning follows the rows")
    replay_share: Annotated[Real, Field(ge=0, lt=1)] = Field(
        description="share of a batch drawn uniformly from all complete windows in the memory instead (IMPALA, Table 2)"
    )

    def fresh(self, batch: int) -> int:
        """New windows in a batch; the others are replayed."""
        return max(1, batch - round(batch * self.replay_share))


class NewestSelect(Part):
    kind: Literal["newest"] = Field(description="every transition once, as it comes: no replay")


class SequentialSelect(Part):
    kind: Literal["sequential"] = Field(
        description="finished episodes from first row to last, one for each place of the batch (DRQN)"
    )


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
    initial: Literal["largest", "actor"] = Field(
        description="priority of a new row: the largest so far, or its TD error by the values it was acted on (Ape-X)"
    )

    @property
    def needs(self) -> tuple[str, ...]:
        """Extras that agents have to keep with each row."""
        return ("q_taken", "q_best") if self.initial == "actor" else ()

    @model_validator(mode="after")
    def _ranks_start_at_the_largest(self) -> "PrioritySelect":
        if self.initial == "actor" and self.kind != "proportional":
            raise ValueError("initial: actor is of proportional priorities only")
        return self


class Memory(Part):
    store: Literal["frames"] = Field(description="each observed frame kept once, stacks built at sampling")
    select: Annotated[
        UniformSelect | SequentialSelect | FifoSelect | NewestSelect | PrioritySelect, Field(discriminator="kind")
    ]
    capacity_steps: Count = Field(description="observations kept, agent steps; the oldest make room")
    copies: Count = Field(description="every step is kept this often, each copy drawn for itself (Ape-X, appendix)")


class Learning(Part):
    batch: Count = Field(description="transitions per update")
    start_frames: Frames = Field(description="no update before this frame")
    every_frames: Period = Field(description="one update per this many frames")
    target_every_frames: Period | None = Field(
        description="target network copied this often; null: there is none, the online network takes its place"
    )
    lr_decay_frames: Period | None = Field(
        description="the learning rate falls on a straight line to 0 at this frame; null: it is constant"
    )
    clip_norm: Annotated[Real, Field(gt=0)] | None = Field(description="global gradient norm; null: no clipping")

    @model_validator(mode="after")
    def _multiple(self) -> "Learning":
        if self.target_every_frames and self.target_every_frames % self.every_frames:
            raise ValueError("target_every_frames must be a multiple of every_frames")
        return self
