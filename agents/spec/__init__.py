"""The typed description of one training run, and its digest.

A `Spec` holds every number that determines a run's result and nothing else: no names for display, no
resources, no paths. It is complete (the code holds no defaults), so that its canonical JSON identifies
the run. This package knows pydantic only: `workflow/` imports it without paying for torch.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from agents.spec.agent import DQN, R2D2, ACLambda, ActorCritic, Exploration
from agents.spec.base import Count, Identified, Part, Period, Whole
from agents.spec.components import COMPONENTS
from agents.spec.environment import Atari, CartPole, Evaluation, MinAtar, MiniGrid, Recall
from agents.spec.executor import Executor
from agents.spec.memory import Learning, Memory
from agents.spec.network import Network
from agents.spec.offline import OfflineCliffwalk, OfflineDigits
from agents.spec.optimizer import SGD, Adadelta, Adam, RMSprop, Spectral

VERSION = 1


class Record(Part):
    learning_every_frames: Period = Field(description="one row per metric in learning.parquet this often")
    bins: Count = Field(description="rows per metric in summary.parquet")
    probes: list[Literal["feature_rank", "lipschitz", "td_error", "fresh_delta_q"]] = Field(
        description="measured at every evaluation after the first update; td_error needs a prioritized memory, "
        "fresh_delta_q an agent of kind r2d2"
    )
    probe_states: Annotated[Whole, Field(ge=2)] = Field(description="states drawn from the memory for each probe")


class Spec(Identified):
    """One training run, fully resolved."""

    driver: ClassVar[str] = "agents.run.loop"
    clock: ClassVar[str] = "frames"

    agent: Annotated[DQN | R2D2 | ACLambda | ActorCritic, Field(discriminator="kind")]
    network: Network
    spectral: Spectral
    exploration: Exploration
    memory: Memory
    learning: Learning
    optimizer: Annotated[Adam | RMSprop | SGD | Adadelta, Field(discriminator="kind")]
    environment: Annotated[MinAtar | Atari | CartPole | Recall | MiniGrid, Field(discriminator="suite")]
    evaluation: Evaluation
    executor: Executor
    record: Record

    @model_validator(mode="after")
    def _layers_exist(self) -> "Spec":
        hidden = len(self.network.units)
        head = {"plain": hidden + 1, "dueling": 2 * (hidden + 1), "actor_critic": hidden + 2}[self.network.head]
        # spectral norms are those of convolutions without padding
        depth = len(self.network.convolutions) * (self.network.torso == "convolutional")
        depth += len(getattr(self.network.core, "before", [])) + head
        beyond = [i for i in (*self.spectral.layers, *self.spectral.track) if i < -depth]
        if beyond:
            raise ValueError(f"spectral layers {beyond} lie beyond the network's {depth} layers")
        return self

    @model_validator(mode="after")
    def _equal_actors(self) -> "Spec":
        actors = getattr(self.executor, "actors", 1)
        if self.environment.streams % actors:
            raise ValueError(f"{self.environment.streams} streams cannot be shared equally by {actors} actors")
        return self

    @model_validator(mode="after")
    def _memory_to_truncate(self) -> "Spec":
        if "memory" in self.trials and self.agent.kind != "r2d2":
            raise ValueError("trials of kind memory need an agent of kind r2d2")
        return self

    @property
    def trials(self) -> set[str]:
        """Kinds of the evaluation's trials."""
        return {trial.kind for trial in self.evaluation.trials}

    @property
    def obscured(self) -> bool:
        """Whether observations are blanked, in training or in a trial."""
        return bool(self.environment.flicker or self.environment.hidden or "flicker" in self.trials)

    @model_validator(mode="after")
    def _probes_fit(self) -> "Spec":
        if "td_error" in self.record.probes and not getattr(self.memory.select, "exponent", 0):
            raise ValueError("the probe td_error needs a prioritized memory with an exponent above 0")
        if "fresh_delta_q" in self.record.probes and self.agent.kind != "r2d2":
            raise ValueError("the probe fresh_delta_q needs an agent of kind r2d2")
        return self

    @model_validator(mode="after")
    def _carried_states(self) -> "Spec":
        carried = getattr(self.agent, "state", None) == "carried"
        if carried != (self.memory.select.kind == "sequential"):
            raise ValueError("agent.state carried and memory.select sequential go together")
        if carried and "fresh_delta_q" in self.record.probes:
            raise ValueError("the probe fresh_delta_q does not go with agent.state carried")
        return self

    @model_validator(mode="after")
    def _errors_of_scalar_values(self) -> "Spec":
        initial = getattr(self.memory.select, "initial", "largest")
        if initial == "actor" and getattr(getattr(self.agent, "value", None), "kind", None) != "scalar":
            raise ValueError("initial: actor wants an agent that predicts one scalar value per action")
        return self

    @model_validator(mode="after")
    def _agent_fits(self) -> "Spec":
        agent, network = self.agent, self.network
        if network.head not in agent.heads:
            raise ValueError(f"agent {agent.kind} needs network.head {' or '.join(agent.heads)}, not {network.head}")
        if agent.target == (self.learning.target_every_frames is None):
            raise ValueError(f"learning.target_every_frames must be {'a number' if agent.target else 'null'} here")
        if network.normalisation != "none" and (agent.kind != "dqn" or network.torso != "convolutional"):
            raise ValueError("network.normalisation is for the convolutional torso and agent dqn")
        if network.shared_bias and network.head == "actor_critic":
            raise ValueError("network.shared_bias is for heads of action values")
        if isinstance(agent, ACLambda):
            online = (self.memory.select.kind, self.environment.streams, self.learning.batch) == ("newest", 1, 1)
            if not online:
                raise ValueError(
                    "agent ac_lambda learns from one stream as it goes: memory.select newest, environment.streams 1, "
                    "learning.batch 1"
                )
        return self

    @model_validator(mode="after")
    def _one_count_of_episodes(self) -> "Spec":
        if self.exploration.kind == "per_episode" and (self.environment.streams > 1 or self.executor.kind != "inline"):
            raise ValueError("exploration per_episode needs environment.streams 1 and executor inline")
        return self

    @model_validator(mode="after")
    def _on_policy(self) -> "Spec":
        if isinstance(self.agent, ActorCritic):
            if self.memory.select.kind != "fifo":
                raise ValueError("agent actor_critic learns from unrolls in order: memory.select fifo")
            chances = [getattr(self.exploration, end, 1) for end in ("start", "end")]
            if any((*chances, self.evaluation.epsilon)):
                raise ValueError("agent actor_critic samples its policy: exploration and evaluation.epsilon must be 0")
        if self.learning.lr_decay_frames and self.spectral.use == "lr":
            raise ValueError("learning.lr_decay_frames and spectral.use lr both set the learning rate")
        return self

    @model_validator(mode="after")
    def _lags_as_said(self) -> "Spec":
        """Several updates made of one unroll of all streams would add their number to the lags that were asked for."""
        if isinstance(self.agent, ActorCritic) and any(getattr(self.executor, "lags_updates", [])):
            streams, fresh = self.environment.streams, self.memory.select.fresh(self.learning.batch)
            if streams != fresh:
                raise ValueError(
                    f"executor.lags_updates are those of acting and learning only where an unroll of all streams makes "
                    f"one update: {streams} environment.streams, but {fresh} new unrolls in learning.batch"
                )
        return self

    @model_validator(mode="after")
    def _ranks_tell_rows_apart(self) -> "Spec":
        rows = 2 * self.budget_frames // self.environment.repeat * self.memory.copies  # steps, and the ends of episodes
        if self.memory.select.kind == "rank" and rows >= 2**32:
            most = 2**31 * self.environment.repeat // self.memory.copies
            raise ValueError(f"memory.select rank numbers rows with 32 bits: budget_frames must lie below {most} here")
        return self

    @property
    def first_update_frame(self) -> int:
        """Training frame at which the first update falls due.

        On-policy, where learning follows the rows: if no episode ends before, since its last row takes no frame.
        """
        row = self.environment.streams * self.environment.repeat  # frames go by in rows of all streams
        if self.memory.select.kind == "fifo":
            fresh = self.memory.select.fresh(self.learning.batch)
            return -(-fresh // self.environment.streams) * self.agent.learned * row
        return -(-(self.learning.start_frames + self.learning.every_frames) // row) * row

    @property
    def learns(self) -> bool:
        """Whether the budget reaches the first update."""
        return self.first_update_frame < self.budget_frames + self.environment.streams * self.environment.repeat

    @model_validator(mode="after")
    def _hogwild(self) -> "Spec":
        """What lock-free actor-learners can do; each has its memory and its own copy of the network."""
        if self.executor.kind != "hogwild":
            return self
        each = self.environment.streams // self.executor.actors
        wanted = {
            "agent actor_critic": self.agent.kind == "actor_critic",
            "optimizer rmsprop of form nature, torch or tensorflow": getattr(self.optimizer, "form", "debiased")
            != "debiased",
            f"learning.batch {each}, an unroll of each of an actor's streams": self.learning.batch == each,
            "memory.select fifo without replay_share": not getattr(self.memory.select, "replay_share", 1),
            "memory.copies 1": self.memory.copies == 1,
            "spectral.use none": self.spectral.use == "none",
            "record.probes []": not self.record.probes,
            "device cpu": self.device == "cpu",
        }
        for what, given in wanted.items():
            if not given:
                raise ValueError(f"executor hogwild needs {what}")
        return self

    def components(self) -> list[str]:
        """The "module:attribute" of every part the spec names: what its code fingerprint follows."""
        chosen = {
            "agent": [self.agent.kind],
            **{family: [part.kind] for family, part in self.agent.parts.items()},
            "torso": [self.network.torso],
            "core": [self.network.core.kind] * (self.network.core.kind != "none"),
            "head": [self.network.head],
            "store": [self.memory.store],
            "select": [self.memory.select.kind],
            "linear": [self.network.linear.kind],
            "normalisation": [self.network.normalisation],
            "probe": self.record.probes,
            "optimizer": [self.optimizer.kind],
            "executor": [self.executor.kind],
            "worker": [self.executor.kind] * (self.executor.kind in COMPONENTS["worker"]),
            "exploration": [self.exploration.kind],
            "schedule": ["decay"] * (self.learning.lr_decay_frames is not None),
            "suite": [self.environment.suite, *["partial"] * self.obscured],
            "trial": ["memory"] * ("memory" in self.trials),
            "spectral": [
                *[self.spectral.use] * bool(self.spectral.layers),
                *["schedule"] * self.spectral.scheduled,
                *["measure"] * bool(self.spectral.track),
            ],
        }
        return sorted({COMPONENTS[family][name] for family, names in chosen.items() for name in names})


OFFLINE: dict[str, type[Identified]] = {"q_learning": OfflineCliffwalk, "classifier": OfflineDigits}


def model_of(tree: Any) -> type[Identified]:
    """The kind of spec that raw data describes, by its agent: a study's, else a training run's."""
    agent = tree.get("agent") if isinstance(tree, dict) else None
    kind = agent.get("kind") if isinstance(agent, dict) else None
    return OFFLINE.get(kind, Spec) if isinstance(kind, str) else Spec
