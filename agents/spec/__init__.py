"""The typed description of one training run, and its digest.

A `Spec` holds every number that determines a run's result and nothing else: no names for display, no
resources, no paths. It is complete (the code holds no defaults), so that its canonical JSON identifies
the run. This package knows pydantic only: `workflow/` imports it without paying for torch.
"""

import hashlib
import json
from typing import Annotated, Literal

from pydantic import Field, model_validator

from agents.spec.agent import DQN, Exploration
from agents.spec.base import Count, Part, Period, Whole
from agents.spec.components import COMPONENTS
from agents.spec.environment import Atari, Evaluation, MinAtar
from agents.spec.memory import Learning, Memory
from agents.spec.network import Network
from agents.spec.optimizer import SGD, Adam, RMSprop, Spectral

VERSION = 1


class Record(Part):
    learning_every_frames: Period = Field(description="one row per metric in learning.parquet this often")
    bins: Count = Field(description="rows per metric in summary.parquet")
    probes: list[Literal["feature_rank", "lipschitz", "td_error"]] = Field(
        description="measured at every evaluation after the first update; td_error needs a prioritized memory"
    )
    probe_states: Annotated[Whole, Field(ge=2)] = Field(description="states drawn from the memory for each probe")


class Spec(Part):
    """One training run, fully resolved."""

    version: Literal[1]
    agent: DQN
    network: Network
    spectral: Spectral
    exploration: Exploration
    memory: Memory
    learning: Learning
    optimizer: Annotated[Adam | RMSprop | SGD, Field(discriminator="kind")]
    environment: Annotated[MinAtar | Atari, Field(discriminator="suite")]
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
        beyond = [i for i in (*self.spectral.layers, *self.spectral.track) if i < -depth]
        if beyond:
            raise ValueError(f"spectral layers {beyond} lie beyond the network's {depth} layers")
        return self

    @model_validator(mode="after")
    def _errors_are_kept(self) -> "Spec":
        if "td_error" in self.record.probes and not getattr(self.memory.select, "exponent", 0):
            raise ValueError("the probe td_error needs a prioritized memory with an exponent above 0")
        return self

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
            "value": [self.agent.value.kind],
            "torso": [self.network.torso],
            "head": [self.network.head],
            "store": [self.memory.store],
            "select": [self.memory.select.kind],
            "linear": [self.network.linear.kind],
            "normalisation": [self.network.normalisation],
            "penalty": [self.agent.penalty.kind],
            "probe": self.record.probes,
            "optimizer": [self.optimizer.kind],
            "suite": [self.environment.suite],
            "spectral": [
                *[self.spectral.use] * bool(self.spectral.layers),
                *["schedule"] * self.spectral.scheduled,
                *["measure"] * bool(self.spectral.track),
            ],
        }
        return sorted({COMPONENTS[family][name] for family, names in chosen.items() for name in names})
