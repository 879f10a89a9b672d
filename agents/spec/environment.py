"""Environments."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from agents.spec.base import INT32, Count, EachOnce, Frames, Game, Length, Part, Period, Probability, Whole, load

Channel = Annotated[Whole, Field(ge=0)]


def _in_turn(steps: list[tuple[int, float]]) -> list[tuple[int, float]]:
    frames = [frame for frame, _ in steps]
    if frames[0] != 0 or frames != sorted(set(frames)):
        raise ValueError(f"frames must begin at 0 and rise, not {frames}")
    return steps


Steps = Annotated[list[tuple[Frames, Probability]], Field(min_length=1), AfterValidator(_in_turn)]
Changing = Annotated[  # told apart before they are read, so that a mistake is told once
    Annotated[Probability, Tag("number")] | Annotated[Steps, Tag("steps")],
    Discriminator(lambda value: "steps" if isinstance(value, list) else "number"),
]


class Suite(Part):
    """What the environments of every suite have."""

    side: ClassVar[int]  # pixels of a square observation
    channels: ClassVar[int | None]  # of an observation; None: of a game that is not known yet
    binary: ClassVar[bool] = True  # whether all pixels are 0 or 1
    continuous: ClassVar[bool] = False  # whether actions are numbers, not one of a few
    partial: ClassVar[str] = "agents.envs.partial:obscure"

    game: Game = Field(description="name of the game, without its suite")
    streams: Count = Field(description="environments stepped together")
    stack: Count = Field(description="observations per network input")
    flicker: Probability = Field(description="chance that an observation is blank, at every step")
    hidden: Annotated[list[Channel], EachOnce] = Field(description="channels of the observation that are always blank")

    def misfits(self, spec: Any) -> Iterator[str]:
        if wrong := [channel for channel in self.hidden if channel >= (self.channels or INT32)]:
            yield f"environment.hidden {wrong}: environment.game {self.game} has {self.channels} channels, from 0"

    @property
    def made_by(self) -> str:
        """`code`, or what stands around it."""
        return self.code

    def codes(self) -> Iterator[str]:
        yield from dict.fromkeys((self.code, self.made_by))
        if self.flicker or self.hidden:
            yield self.partial

    def make(self, *given: Any, **named: Any) -> Any:
        return load(self.made_by)(self, *given, **named)


class MinAtar(Suite):
    code: ClassVar[str] = "agents.envs.minatar:MinAtar"
    changing: ClassVar[str] = "agents.envs.changing:Changing"
    repeat: ClassVar[int] = 1  # frames of an agent step
    side: ClassVar[int] = 10
    suite: Literal["minatar"] = Field(
        description="MinAtar's five games: 10 x 10 pixels in a few channels of 0 and 1 (Young & Tian 2019)"
    )
    sticky: Changing = Field(
        description="chance that the previous action is repeated; [[frame, chance], …]: from each frame of training "
        "on, while evaluations keep the first chance"
    )
    ramping: bool = Field(description="difficulty rises within an episode")
    actions: Literal["full", "minimal"] = Field(
        description="full: all six; minimal: those that do something in the game"
    )
    cap_frames: Length | None = Field(description="episodes are truncated at this length; null: never")

    @property
    def channels(self) -> int | None:
        known = {"asterix": 4, "breakout": 4, "freeway": 7, "seaquest": 10, "space_invaders": 6}
        return known.get(self.game)

    @property
    def made_by(self) -> str:
        return self.changing if isinstance(self.sticky, list) else self.code

    def misfits(self, spec: Any) -> Iterator[str]:
        yield from super().misfits(spec)
        if isinstance(self.sticky, list) and spec.executor.kind != "inline":
            yield (
                "environment.sticky changes with the frames of all environments, which one process counts: executor "
                f"inline, not {spec.executor.kind}"
            )


class Recall(Suite):
    code: ClassVar[str] = "agents.envs.recall:Recall"
    side: ClassVar[int] = 3
    repeat: ClassVar[int] = 1  # frames of an agent step
    suite: Literal["recall"] = Field(description="a cue, a delay, and the choice that the cue named")
    cues: Annotated[Whole, Field(ge=2)] = Field(description="and actions")
    delay: Annotated[Whole, Field(ge=0)] = Field(description="steps between cue and choice, without any hint")
    cap_frames: Length | None = Field(description="episodes are truncated at this length; null: never")

    @property
    def channels(self) -> int:
        return self.cues + 1


class MiniGrid(Suite):
    code: ClassVar[str] = "agents.envs.minigrid:MiniGrid"
    side: ClassVar[int] = 7
    channels: ClassVar[int] = 20  # kinds of object, colours, states of a door
    repeat: ClassVar[int] = 1  # frames of an agent step
    suite: Literal["minigrid"] = Field(description="rooms seen a few squares far: Farama's MiniGrid")
    actions: Literal["full", "movement"] = Field(description="movement: turn left, turn right, go forward")
    cap_frames: Length | None = Field(description="a lower limit on episodes; null: the game's own")


class Patience(Part):
    """A limit that is reached only where something is scored now and then."""

    kind: Literal["patience"]
    frames: Length = Field(description="episodes are truncated at this length")
    unrewarded_frames: Length = Field(description="and after so many frames in a row without a reward")

    @model_validator(mode="after")
    def _acts(self) -> "Patience":
        if self.unrewarded_frames >= self.frames:
            raise ValueError(f"unrewarded_frames {self.unrewarded_frames} never counts: frames is {self.frames}")
        return self


Cap = Annotated[  # told apart before they are read, so that a mistake is told once
    Annotated[Length, Tag("number")] | Annotated[Patience, Tag("patience")],
    Discriminator(lambda value: "patience" if isinstance(value, dict | Patience) else "number"),
]


class Atari(Suite):
    code: ClassVar[str] = "agents.envs.atari:Atari"
    patient: ClassVar[str] = "agents.envs.patient:Patient"
    channels: ClassVar[int] = 1
    binary: ClassVar[bool] = False
    suite: Literal["atari"] = Field(description="Atari 2600 games by ale-py")
    sticky: Probability = Field(description="chance, per frame, that the previous action is repeated")
    repeat: Count = Field(description="frames per agent step; the last two are max-pooled")
    noop_max: Whole = Field(
        ge=0, le=INT32, description="no-op frames at reset: 0 to noop_max - 1, each number as likely"
    )
    fire_reset: bool | Literal["lives"] = Field(
        description="press FIRE where the game has it. true: for one frame at reset; lives: in place of the action at "
        "the first row of a game, and of a life where it is one too (baselines' wrapper does so)"
    )
    life_loss: bool | Literal["reset", "penalty", "episode"] = Field(
        description="what a lost life is in training; the game goes on. true: the return's end; reset: and that of "
        "what the agent remembers; episode: and that of what counts as an episode, in evaluations too; penalty: a "
        "reward of -1 in place of what was scored; false: nothing"
    )
    clip_reward: bool = Field(description="training rewards clipped to [-1, 1]; recorded returns are raw")
    actions: Literal["full", "minimal"] = Field(
        description="full: all 18; minimal: those that do something in the game"
    )
    screen: Count = Field(description="pixels: side of the square grey observation")
    cap_frames: Cap = Field(description="episodes are truncated at this length")
    reseed_every_steps: Period = Field(
        description="agent steps after which the next episode starts from a fresh seed; bounds the replay at resume"
    )

    @property
    def side(self) -> int:
        return self.screen

    @property
    def made_by(self) -> str:
        return self.patient if isinstance(self.cap_frames, Patience) else self.code


class CartPole(Suite):
    code: ClassVar[str] = "agents.envs.cartpole:CartPole"
    side: ClassVar[int] = 1
    channels: ClassVar[int] = 4  # its four numbers
    binary: ClassVar[bool] = False
    repeat: ClassVar[int] = 1  # frames of an agent step
    suite: Literal["cartpole"] = Field(description="Gymnasium's CartPole: its four numbers in place of a screen")
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
    def limit(self) -> int:
        """Frames after which an episode is cut."""
        return {"v0": 200, "v1": 500}[self.game]


class Mujoco(Suite):
    code: ClassVar[str] = "agents.envs.mujoco:Mujoco"
    side: ClassVar[int] = 1
    channels: ClassVar[int] = 1  # a row of numbers
    binary: ClassVar[bool] = False
    continuous: ClassVar[bool] = True
    repeat: ClassVar[int] = 1  # frames of an agent step: time steps of the task, of several steps of the engine
    suite: Literal["mujoco"] = Field(
        description="Gymnasium's MuJoCo tasks, version 4: positions and speeds in place of a screen, actions in numbers"
    )
    cap_frames: Length | None = Field(description="a lower limit on episodes; null: the task's own")

    def misfits(self, spec: Any) -> Iterator[str]:
        yield from super().misfits(spec)
        if spec.agent.kind != "gaussian":
            yield f"environment.suite mujoco has numbers as actions: agent gaussian, not {spec.agent.kind}"


Environment = Annotated[MinAtar | Atari | CartPole | Recall | MiniGrid | Mujoco, Field(discriminator="suite")]
