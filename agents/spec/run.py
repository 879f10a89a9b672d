"""The typed description of one training run, and its digest.

A `Spec` holds every number that determines a run's result and nothing else: no names for display, no
resources, no paths. It is complete (the code holds no defaults), so that its canonical JSON identifies
the run. This package knows pydantic only: `workflow/` imports it without paying for torch.
"""

from typing import Annotated, Any, ClassVar

from pydantic import Field, ValidationInfo, field_validator, model_validator

from agents.spec.agent import DQN, R2D2, UnrolledQ
from agents.spec.base import Identified, parts
from agents.spec.control import GaussianActorCritic, Gaussians
from agents.spec.dreamer import Dreamer, Dreams
from agents.spec.environment import Environment
from agents.spec.evaluation import Evaluation
from agents.spec.executor import Executors
from agents.spec.exploration import Exploration
from agents.spec.memory import Learning, Memory
from agents.spec.network import Network
from agents.spec.offline import OfflineCliffwalk, OfflineCorridor, OfflineDigits, OfflineVTrace
from agents.spec.optimizer import Optimizer
from agents.spec.policy import ACER, TRPO, ACLambda, ActorCritic
from agents.spec.record import Record
from agents.spec.spectral import Spectral

VERSION = 1


class Spec(Identified):
    """One training run, fully resolved.

    ValueError with a sentence for each two parts that do not go together.
    """

    driver: ClassVar[str] = "agents.run.loop"
    clock: ClassVar[str] = "frames"

    agent: Annotated[DQN | R2D2 | UnrolledQ | ACLambda | ActorCritic | TRPO | ACER, Field(discriminator="kind")] = (
        Field(description="what acts, what it learns from, and how")
    )
    network: Network = Field(description="torso, core and head, and what their layers are made of")
    spectral: Spectral = Field(
        description="whether layers' largest singular values are followed, and what is done with them"
    )
    exploration: Exploration = Field(description="how often an action is random")
    memory: Memory = Field(description="what is kept of the past, and what is drawn of it")
    learning: Learning = Field(description="when updates are made, of how much")
    optimizer: Optimizer = Field(description="what moves the parameters")
    environment: Environment = Field(description="the game's suite, and the rules that it is played by")
    evaluation: Evaluation = Field(description="how often and by which rules the agent is evaluated")
    executor: Executors = Field(description="where acting and learning happen")
    record: Record = Field(description="what is recorded, how often")

    @field_validator("network", mode="before")
    @classmethod
    def _of_the_agent(cls, value: Any, info: ValidationInfo) -> Any:
        """A network of the other kind is refused as a whole, not key by key."""
        agent, own = info.data.get("agent"), OWN.get(cls.model_fields["network"].annotation)
        found = next((key for key in OWN.values() if isinstance(value, dict) and key in value), None)
        if agent and isinstance(value, dict) and found != own:
            wanted = f"one with network.{own}" if own else f"one without network.{found}"
            raise ValueError(f"agent {agent.kind} needs another kind of network: {wanted}")
        return value

    @model_validator(mode="after")
    def _parts_fit(self) -> "Spec":
        inside = (part for part in parts(self) if part is not self)
        if found := dict.fromkeys(sentence for part in inside for sentence in part.misfits(self)):
            raise ValueError("\n".join(found))
        return self

    @property
    def gpu(self) -> bool:
        return self.executor.gpu

    @property
    def cores(self) -> int:
        return self.executor.processes(self.threads)

    @property
    def launcher(self) -> str:
        return self.executor.launcher

    @property
    def first_update_frame(self) -> int:
        """Training frame at which the first update falls due.

        On-policy, where learning follows the rows: if no episode ends before, since its last row takes no frame.
        """
        row = self.environment.streams * self.environment.repeat  # frames go by in rows of all streams
        clock = self.learning.clock
        if clock.kind == "unrolls":
            fresh = self.memory.select.fresh(self.learning.batch)
            return (-(-fresh // self.environment.streams) * self.agent.learned + self.agent.waits) * row
        return -(-(clock.start_frames + clock.every_frames) // row) * row

    @property
    def learns(self) -> bool:
        """Whether the budget reaches the first update."""
        return self.first_update_frame < self.budget_frames + self.environment.streams * self.environment.repeat


class DreamerSpec(Spec):
    """A training run whose agent learns a world model: its networks are of their own kind."""

    agent: Dreamer = Field(description="the agent with a world model")
    network: Dreams = Field(description="the networks of the world model, the actor and the critic")


class ControlSpec(Spec):
    """A training run whose actions are numbers: its networks are of their own kind."""

    agent: GaussianActorCritic = Field(description="the agent with a normal policy")
    network: Gaussians = Field(description="the networks of the policy and of the value")


OWN: dict[Any, str] = {Dreams: "decoder", Gaussians: "policy"}  # a key that networks of this kind alone have
LEARNERS: dict[str, type[Spec]] = {  # agents whose specs have parts of their own
    "dreamer": DreamerSpec,
    "gaussian": ControlSpec,
}
OFFLINE: dict[str, type[Identified]] = {
    "q_learning": OfflineCliffwalk,
    "classifier": OfflineDigits,
    "policy_evaluation": OfflineCorridor,
    "vtrace_operator": OfflineVTrace,
}


def model_of(tree: Any) -> type[Identified]:
    """The kind of spec that raw data describes, by its agent: an offline experiment's, else a training run's."""
    agent = tree.get("agent") if isinstance(tree, dict) else None
    kind = agent.get("kind") if isinstance(agent, dict) else None
    return {**LEARNERS, **OFFLINE}.get(kind, Spec) if isinstance(kind, str) else Spec
