"""The typed description of one training run, and its digest.

A `Spec` holds every number that determines a run's result and nothing else: no names for display, no
resources, no paths. It is complete (the code holds no defaults), so that its canonical JSON identifies
the run. This package knows pydantic only: `workflow/` imports it without paying for torch.
"""

import hashlib
import json
from typing import Annotated, Literal

from pydantic import Field, model_validator

from agents.spec.agent import DQN, R2D2, Exploration
from agents.spec.base import Count, Part, Period, Whole
from agents.spec.components import COMPONENTS
from agents.spec.environment import Atari, Evaluation, MinAtar, Recall
from agents.spec.memory import Learning, Memory
from agents.spec.network import Network
from agents.spec.optimizer import SGD, Adadelta, Adam, RMSprop, Spectral

VERSION = 1


class Record(Part):
    learning_every_frames: Period = Field(description="one row per metric in learning.parquet this often")
    bins: Count = Field(description="rows per metric in summary.parquet")


class Spec(Part):
    """One training run, fully resolved."""

    version: Literal[1]
    agent: Annotated[DQN | R2D2, Field(discriminator="kind")]
    network: Network
    spectral: Spectral
    exploration: Exploration
    memory: Memory
    learning: Learning
    optimizer: Annotated[Adam | RMSprop | SGD | Adadelta, Field(discriminator="kind")]
    environment: Annotated[MinAtar | Atari | Recall, Field(discriminator="suite")]
    evaluation: Evaluation
    record: Record
    budget_frames: Period
    seed: Whole = Field(ge=0)
    device: Literal["cpu", "cuda"]
    threads: Count = Field(description="torch threads; they change the bits of a result, so they identify a run")

    @model_validator(mode="after")
    def _layers_exist(self) -> "Spec":
        streams = 2 if self.network.head == "dueling" else 1
        depth = len(self.network.convolutions) + streams * (len(self.network.units) + 1)
        depth += len(getattr(self.network.core, "before", []))
        beyond = [i for i in (*self.spectral.layers, *self.spectral.track) if i < -depth]
        if beyond:
            raise ValueError(f"spectral layers {beyond} lie beyond the network's {depth} layers")
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

    def canonical(self) -> str:
        """The JSON text that identifies the run: sorted keys, no spaces."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    def digest(self) -> str:
        """SHA-256 of the canonical JSON, hexadecimal."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    def name(self) -> str:
        """Folder name of the run: agent.suite-game.seed.digest."""
        env = self.environment
        return f"{self.agent.kind}.{env.suite}-{env.game}.s{self.seed}.{self.digest()[:12]}"

    def components(self) -> list[str]:
        """The "module:attribute" of every part the spec names: what its code fingerprint follows."""
        chosen = {
            "agent": [self.agent.kind],
            "value": [value.kind for value in [getattr(self.agent, "value", None)] if value],
            "torso": [self.network.torso],
            "core": [self.network.core.kind] * (self.network.core.kind != "none"),
            "head": [self.network.head],
            "store": [self.memory.store],
            "select": [self.memory.select.kind],
            "linear": [self.network.linear.kind],
            "optimizer": [self.optimizer.kind],
            "suite": [self.environment.suite, *["partial"] * self.obscured],
            "trial": ["memory"] * ("memory" in self.trials),
            "spectral": [
                *[self.spectral.use] * bool(self.spectral.layers),
                *["schedule"] * self.spectral.scheduled,
                *["measure"] * bool(self.spectral.track),
            ],
        }
        return sorted({COMPONENTS[family][name] for family, names in chosen.items() for name in names})
