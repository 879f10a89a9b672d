"""A finished run's agent as it was kept: its spec, its facts, and its networks with their trained weights."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch

from agents.agent import load_acting
from agents.build import acting
from agents.run import store
from agents.spec.run import Spec, model_of


class Kept(NamedTuple):
    """`facts` are those of run.json; `agent` acts on the CPU, and cannot learn."""

    spec: Spec
    facts: dict[str, Any]
    agent: Any


class Still(NamedTuple):
    """Stands where training has what moves a network's parameters."""

    parameters: list[torch.nn.Parameter]


def still(network: torch.nn.Module, lr: float | None = None) -> Any:
    """In place of a step: nothing moves."""
    return Still(list(network.parameters()))


def facts_of(folder: Path) -> tuple[Any, dict[str, Any]]:
    """The spec and run.json of a finished run, by its folder in the store. SystemExit: it is not whole."""
    if isinstance(wrong := store.look(folder, thorough=True), str):
        raise SystemExit(f"{folder}: {wrong}")
    facts = json.loads((folder / "run.json").read_bytes())
    return model_of(facts["spec"]).model_validate_json(json.dumps(facts["spec"])), facts


def agent_of(spec: Spec, folder: Path) -> Any:
    """The agent that a run left: it acts with what it had learned at the end."""
    agent: Any = acting(spec, 1, torch.device("cpu"), still).agent
    load_acting(agent, torch.load(folder / "weights.pt", weights_only=True))
    return agent


def load(folder: Path) -> Kept:
    """The agent of a finished run. SystemExit: the result is not whole, or of a study that has no agent."""
    spec, facts = facts_of(folder)
    if not isinstance(spec, Spec) or not (folder / "weights.pt").exists():
        raise SystemExit(f"{facts['run']}: it left no agent that could play")
    return Kept(spec, facts, agent_of(spec, folder))


def after(spec: Spec, episode: int = 0) -> int:
    """The number of an evaluation after a run's last: its random streams are nobody else's."""
    return spec.budget_frames // spec.evaluation.every_frames + 1 + episode
