"""Environments and the protocol of evaluation."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from agents.spec.base import INT32, Count, Game, Length, Part, Period, Probability, Whole

Channel = Annotated[Whole, Field(ge=0)]


class Suite(Part):
    """What the environments of every suite have."""

    game: Game
    streams: Count = Field(description="environments stepped together")
    stack: Count = Field(description="observations per network input")
    flicker: Probability = Field(description="chance that an observation is blank, at every step")
    hidden: list[Channel] = Field(description="channels of the observation that are always blank")


class MinAtar(Suite):
    suite: Literal["minatar"]
    sticky: Probability = Field(description="chance that the previous action is repeated")
    ramping: bool = Field(description="difficulty rises within an episode")
    actions: Literal["full", "minimal"]
    cap_frames: Length | None = Field(description="episodes are truncated at this length; null: never")

    @property
    def repeat(self) -> int:
        return 1


class Recall(Suite):
    suite: Literal["recall"] = Field(description="a cue, a delay, and the choice that the cue named")
    cues: Annotated[Whole, Field(ge=2)] = Field(description="and actions")
    delay: Annotated[Whole, Field(ge=0)] = Field(description="steps between cue and choice, without any hint")
    cap_frames: Length | None = Field(description="episodes are truncated at this length; null: never")

    @property
    def repeat(self) -> int:
        return 1


class MiniGrid(Suite):
    suite: Literal["minigrid"] = Field(description="rooms seen a few squares far: Farama's MiniGrid")
    actions: Literal["full", "movement"] = Field(description="movement: turn left, turn right, go forward")
    cap_frames: Length | None = Field(description="a lower limit on episodes; null: the game's own")

    @property
    def repeat(self) -> int:
        return 1


class Atari(Suite):
    suite: Literal["atari"]
    sticky: Probability = Field(description="chance, per frame, that the previous action is repeated")
    repeat: Count = Field(description="frames per agent step; the last two are max-pooled")
    noop_max: Whole = Field(
        ge=0, le=INT32, description="no-op frames at reset: 0 to noop_max - 1, each number as likely"
    )
    fire_reset: bool = Field(description="press FIRE for one frame at reset where the game has it")
    life_loss: bool | Literal["reset", "penalty"] = Field(
        description="what a lost life is in training; the episode goes on. true: the return's end; reset: and that of "
        "what the agent remembers; penalty: a reward of -1 in place of what was scored; false: nothing"
    )
    clip_reward: bool = Field(description="training rewards clipped to [-1, 1]; recorded returns are raw")
    actions: Literal["full", "minimal"]
    screen: Count = Field(description="pixels: side of the square grey observation")
    cap_frames: Length = Field(description="episodes are truncated at this length")
    reseed_every_steps: Period = Field(
        description="agent steps after which the next episode starts from a fresh seed; bounds the replay at resume"
    )


class Flicker(Part):
    kind: Literal["flicker"] = Field(description="with another chance of blank observations than in training")
    chance: Probability


class Truncation(Part):
    kind: Literal["memory"] = Field(description="the recurrent state starts from zero at every step")
    observations: Annotated[Whole, Field(ge=0)] | None = Field(
        description="earlier ones that it is brought up to date with; null: all of them"
    )


Trial = Annotated[Flicker | Truncation, Field(discriminator="kind")]


class CartPole(Suite):
    suite: Literal["cartpole"]
    game: Game = Field(description="v0: episodes of at most 200 steps; v1: 500")
    reward: Literal["standard", "goal"] = Field(
        description="standard: 1 per step, the time limit truncates; goal: 0 per step, and at the end -1, or 1 "
        "after 196 steps or more; there the time limit ends the return too"
    )
    solved_length: Period = Field(
        description="frames; solved when the last 100 episodes are this long on average, those not yet played "
        "counting as 0; episodes are counted from the first one that begins after learning starts"
    )
    solved_episodes: Count = Field(description="a run not solved after so many counted episodes has given up")
    cap_frames: Length | None = Field(description="a lower limit on episodes; null: the game's own")

    @property
    def repeat(self) -> int:
        return 1

    @property
    def limit(self) -> int:
        """Frames after which an episode is cut."""
        return {"v0": 200, "v1": 500}[self.game]


class Evaluation(Part):
    every_frames: Period = Field(description="training frames between evaluations; the first one is at frame 0")
    epsilon: Probability
    streams: Count = Field(description="environments played side by side, each an equal share of the episodes")
    episodes: Count | None = Field(description="episodes per evaluation; null: no limit")
    frames: Period | None = Field(
        description="frames per evaluation, in one environment; null: no limit; the episode under way at the end does "
        "not count"
    )
    cap_frames: Length = Field(description="evaluation episodes are truncated at this length")
    trials: list[Trial] = Field(description="further evaluations under other conditions, when training is over")
    noise: bool = Field(description="noisy layers keep the noise of their last draw; false: they use their means")

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
