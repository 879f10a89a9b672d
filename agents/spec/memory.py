"""Memories: what is kept, which of it is drawn, and the clock of learning."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from agents.spec.base import Count, Frames, OneOf, Part, Period, Probability, Real, Whole


class Select(Part):
    prioritized: ClassVar[bool] = False  # whether it draws by the priorities that agents give
    keep: ClassVar[tuple[str, ...]] = ()  # extras that agents have to keep with each step
    follows: ClassVar[bool] = False  # whether learning follows the rows, not a clock of frames

    def steps(self, spec: Any, streams: int) -> int:
        """Steps of each of `streams` that the memory must hold for a draw."""
        return spec.agent.window

    def fresh(self, batch: int) -> int:
        """New windows in a batch, where learning follows the rows; the others are replayed."""
        return batch


class UniformSelect(Select):
    code: ClassVar[str] = "agents.memory.select:Uniform"
    kind: Literal["uniform"] = Field(description="every step in the memory alike, with replacement")


class FifoSelect(Select):
    code: ClassVar[str] = "agents.memory.select:Fifo"
    follows: ClassVar[bool] = True
    kind: Literal["fifo"] = Field(description="on-policy: every window once, in order; learning follows the rows")
    replay_share: Annotated[Real, Field(ge=0, lt=1)] = Field(
        description="share of a batch drawn uniformly from all complete windows in the memory instead (IMPALA, Table 2)"
    )

    def misfits(self, spec: Any) -> Iterator[str]:
        if spec.learning.clock.kind != "unrolls":
            yield f"memory.select fifo needs learning.clock unrolls, not {spec.learning.clock.kind}"

    def steps(self, spec: Any, streams: int) -> int:
        return -(-self.fresh(spec.learning.batch) // streams) * spec.agent.window

    def fresh(self, batch: int) -> int:
        return max(1, batch - round(batch * self.replay_share))


class TrajectoriesSelect(Select):
    code: ClassVar[str] = "agents.memory.trajectories:Trajectories"
    follows: ClassVar[bool] = True
    kind: Literal["trajectories"] = Field(
        description="every window once, in order, as they come; after each batch of them others, replayed (ACER)"
    )
    replay_ratio: Annotated[Real, Field(ge=0, le=1_000)] = Field(
        description="replayed batches for each new one, mean of a Poisson distribution"
    )
    start_steps: Annotated[Whole, Field(ge=0)] = Field(description="agent steps of all streams before the first replay")

    def misfits(self, spec: Any) -> Iterator[str]:
        if spec.learning.clock.kind != "unrolls":
            yield f"memory.select trajectories needs learning.clock unrolls, not {spec.learning.clock.kind}"
        if spec.agent.kind != "acer":
            yield f"memory.select trajectories is for agent acer, not {spec.agent.kind}"
        streams = spec.executor.streams(spec) * spec.memory.copies
        if spec.learning.batch % streams:
            yield (
                f"memory.select trajectories: learning.batch must be a multiple of environment.streams times "
                f"memory.copies, {streams}, not {spec.learning.batch}"
            )

    def steps(self, spec: Any, streams: int) -> int:
        return -(-spec.learning.batch // streams) * spec.agent.window


class NewestSelect(Select):
    code: ClassVar[str] = "agents.memory.select:Newest"
    kind: Literal["newest"] = Field(description="every transition once, as it comes: no replay")

    def steps(self, spec: Any, streams: int) -> int:
        """Those before learning starts wait in line, and each may have ended an episode, which takes a row more."""
        return 2 * -(-spec.first_update_frame * spec.memory.copies // (spec.environment.repeat * streams))

    def misfits(self, spec: Any) -> Iterator[str]:
        if spec.agent.window != 1:
            yield f"memory.select newest is for single transitions, not agent {spec.agent.kind} on {spec.agent.window}"
        if spec.learning.clock.kind == "frames":
            made = spec.learning.clock.every_frames * spec.memory.copies / spec.environment.repeat
            if made != spec.learning.batch:
                yield (
                    f"memory.select newest learns from every transition once: learning.batch {spec.learning.batch}, "
                    f"but {made:g} are made in learning.clock.every_frames"
                )


class SequentialSelect(Select):
    code: ClassVar[str] = "agents.memory.sequential:Sequential"
    kind: Literal["sequential"] = Field(
        description="finished episodes from first row to last, one for each place of the batch (DRQN)"
    )


class NoWeights(Part):
    code: ClassVar[str] = "agents.memory.priorities:no_weights"
    kind: Literal["none"] = Field(description="beta 0: every draw counts the same")


class ConstantWeights(Part):
    code: ClassVar[str] = "agents.memory.priorities:constant"
    kind: Literal["constant"] = Field(description="w = (N P)^-beta / max w")
    beta: Probability = Field(description="how much of the correction is made; 1: all of it")
    normalise: Literal["batch", "memory"] = Field(description="whose largest weight becomes 1")


class AnnealedWeights(Part):
    code: ClassVar[str] = "agents.memory.priorities:annealed"
    kind: Literal["annealed"] = Field(description="w = (N P)^-beta / max w, beta changing with the frames")
    start: Probability = Field(description="beta at frame 0")
    end: Probability = Field(description="beta from end_frames on, linear in between")
    end_frames: Frames = Field(description="environment frame from which on beta stays")
    normalise: Literal["batch", "memory"] = Field(description="whose largest weight becomes 1")


class PrioritySelect(Select):
    """Prioritized replay (Schaul et al. 2016, arXiv:1511.05952). P(i) = p_i^exponent / sum p^exponent."""

    prioritized: ClassVar[bool] = True

    exponent: Annotated[Real, Field(ge=0)] = Field(description="alpha; 0 is uniform")
    weights: Annotated[NoWeights | ConstantWeights | AnnealedWeights, *OneOf] = Field(
        description="what corrects for it"
    )
    maximum: Annotated[Real, Field(gt=0)] | None = Field(description="|error| is clipped here; null: not clipped")
    stratified: bool = Field(description="one draw from each of `batch` equal shares of probability")


class ProportionalSelect(PrioritySelect):
    code: ClassVar[str] = "agents.memory.proportional:Proportional"
    kind: Literal["proportional"] = Field(description="p_i = |error| + epsilon")
    epsilon: Annotated[Real, Field(ge=0)] = Field(description="added to |error|")
    initial: Literal["largest", "actor"] = Field(
        description="priority of a new row: the largest so far, or its TD error by the values it was acted on (Ape-X)"
    )

    @property
    def keep(self) -> tuple[str, ...]:
        return ("q_taken", "q_best") if self.initial == "actor" else ()

    def misfits(self, spec: Any) -> Iterator[str]:
        if self.initial == "actor" and (spec.agent.kind != "dqn" or spec.agent.value.kind != "scalar"):
            yield f"memory.select.initial actor needs agent dqn with agent.value scalar, not {_predicts(spec.agent)}"


class AnnealedExponent(Part):
    start: Annotated[Real, Field(ge=0)] = Field(description="alpha at frame 0")
    end: Annotated[Real, Field(ge=0)] = Field(description="alpha from end_frames on, linear in between")
    end_frames: Period = Field(description="environment frame from which on alpha stays")


class RankSelect(PrioritySelect):
    code: ClassVar[str] = "agents.memory.rank:Rank"
    kind: Literal["rank"] = Field(description="p_i = 1 / rank(|error|)")
    exponent: Annotated[Real, Field(ge=0)] | AnnealedExponent = Field(  # type: ignore[assignment]
        description="alpha; 0 is uniform; a number, or one that changes with the frames"
    )

    def misfits(self, spec: Any) -> Iterator[str]:
        rows = 2 * spec.budget_frames // spec.environment.repeat * spec.memory.copies  # steps, and the ends of episodes
        if rows >= 2**32:
            most = 2**31 * spec.environment.repeat // spec.memory.copies
            yield f"memory.select rank numbers rows with 32 bits: budget_frames must lie below {most} here"


def _predicts(agent: Any) -> str:
    return f"{agent.kind} with agent.value {agent.value.kind}" if agent.kind == "dqn" else agent.kind


class Memory(Part):
    select: Annotated[
        UniformSelect
        | SequentialSelect
        | FifoSelect
        | TrajectoriesSelect
        | NewestSelect
        | ProportionalSelect
        | RankSelect,
        *OneOf,
    ] = Field(description="which of what is kept is drawn")
    capacity_steps: Count = Field(description="observations kept, agent steps; the oldest make room")
    copies: Count = Field(description="every step is kept this often, each copy drawn for itself (Ape-X, appendix)")

    def misfits(self, spec: Any) -> Iterator[str]:
        agent, stack, streams = spec.agent, spec.environment.stack, spec.executor.streams(spec) * self.copies
        rows, steps = self.capacity_steps // streams, self.select.steps(spec, streams)
        if rows < steps + stack + 1:
            yield (
                f"memory.capacity_steps {self.capacity_steps:,} are {rows:,} rows of each of {streams} streams: too "
                f"few for memory.select {self.select.kind} ({steps} steps of agent {agent.kind}, and an "
                f"environment.stack of {stack})"
            )


class FrameClock(Part):
    kind: Literal["frames"] = Field(description="an update every so many frames")
    start_frames: Frames = Field(description="no update before this frame")
    every_frames: Period = Field(description="one update per this many frames")

    def misfits(self, spec: Any) -> Iterator[str]:
        window, row = spec.agent.window, spec.environment.repeat * spec.environment.streams
        ready = (window + 1) * row
        follows = spec.memory.select.follows or spec.memory.select.kind == "sequential"
        if not follows and spec.learns and spec.first_update_frame < ready:
            yield (
                f"learning.clock.start_frames {self.start_frames:,}: the first update comes at frame "
                f"{spec.first_update_frame:,}, when memory.select {spec.memory.select.kind} has no whole window of "
                f"agent {spec.agent.kind} yet: at least {max(0, ready - self.every_frames):,} are wanted"
            )


class UnrollClock(Part):
    kind: Literal["unrolls"] = Field(description="an update whenever there are unrolls for one")

    def misfits(self, spec: Any) -> Iterator[str]:
        if not spec.memory.select.follows:
            yield f"learning.clock unrolls is for memory.select fifo or trajectories, not {spec.memory.select.kind}"


class Learning(Part):
    batch: Count = Field(description="transitions per update")
    clock: Annotated[FrameClock | UnrollClock, *OneOf] = Field(description="when updates are made")
    target_every_frames: Period | None = Field(
        description="target network copied this often; null: there is none, the online network takes its place"
    )
    lr_decay_frames: Period | None = Field(
        description="the learning rate falls on a straight line to 0 at this frame; null: it is constant"
    )
    clip_norm: Annotated[Real, Field(gt=0)] | None = Field(description="global gradient norm; null: no clipping")

    decay: ClassVar[str] = "agents.optim.decay:Decay"

    def codes(self) -> Iterator[str]:
        if self.lr_decay_frames is not None:
            yield self.decay

    @property
    def target_every(self) -> int | None:
        """Updates between copies to the target network; None also where these follow the frames."""
        by_updates = self.target_every_frames is not None and self.clock.kind == "frames"
        return self.target_every_frames // self.clock.every_frames if by_updates else None

    @model_validator(mode="after")
    def _multiple(self) -> "Learning":
        by_updates = self.target_every_frames is not None and self.clock.kind == "frames"
        if by_updates and self.target_every_frames % self.clock.every_frames:
            raise ValueError("target_every_frames must be a multiple of clock.every_frames")
        return self
