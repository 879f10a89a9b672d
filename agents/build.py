"""From a spec to the parts of a run. Each part of the spec says which code it is made by; it is imported then."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from agents.agent import Agent, Given
from agents.envs.stream import make_streams
from agents.learner import Learner
from agents.memory.replay import Replay
from agents.memory.store import FrameStore
from agents.optim.step import GradientStep
from agents.rng import generator, integer_seed
from agents.spec.base import load
from agents.spec.run import Spec


class Parts(NamedTuple):
    actor: Any  # an Actor, or the Rows of distributed ones
    memory: Replay
    learner: Learner
    executor: Any
    device: torch.device
    lit: torch.Tensor  # a stacked observation [1, S * C, H, W] that is all ones as the networks scale it
    probes: Callable[[int], dict[str, float]]  # number of the evaluation -> metrics; reads, changes nothing

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name).state_dict() for name in ("actor", "memory", "learner", "executor")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, part in state.items():
            getattr(self, name).load_state_dict(part)


class Acting(NamedTuple):
    """What it takes to act: environments and an agent; `rng` is the spectral norms'."""

    stream: Any
    agent: Agent
    rng: np.random.Generator


MakeStep = Callable[..., GradientStep]  # of a network, and of a learning rate in place of the optimizer's


class Central(NamedTuple):
    """For a learner among several that share their parameters (agents/executors/hogwild/)."""

    step: Callable[[nn.Module, MakeStep], Any]  # what its agent takes steps by; makes the shared one
    version: Callable[[], int]  # updates that all have made


def acting(spec: Spec, streams: int, device: torch.device, step: MakeStep, *index: int) -> Acting:
    """`streams` environments and an agent at frame 0, whose parameters are moved by what `step` makes.

    `index` sets the random streams of distributed actors apart.
    """
    stream = make_streams(spec.environment, streams, spec.environment.cap_frames, spec.seed, "environment", *index)
    parts = {name: part.make() for name, part in spec.agent.parts.items()}
    rng = generator(spec.seed, "spectral")
    online = _network(spec, stream, rng).to(device)
    noise = torch.Generator(device).manual_seed(integer_seed(spec.seed, "noise", *index))
    learning, keep = spec.learning, spec.memory.select.keep
    given = Given(
        online,
        len(stream.actions),
        noise,
        step,
        learning.target_every,
        learning.target_every_frames,
        keep,
        lambda: stream.statistics.frames,
    )
    return Acting(stream, spec.agent.make(given, **parts), rng)


def build(spec: Spec, *index: int, central: Central | None = None) -> Parts:
    """All parts of a run at frame 0; `index` as for `acting`."""
    seed, device = spec.seed, torch.device(spec.device)
    here = spec.environment.streams if spec.executor.kind == "inline" else 1  # else one that only shows its shape

    def frames() -> int:
        return actor.frames

    def step(network: nn.Module, lr: float | None = None) -> GradientStep:
        return _step(spec, network, frames, lr)

    stream, agent, rng = acting(
        spec, here, device, (lambda network: central.step(network, step)) if central else step, *index
    )
    memory = _memory(spec, stream, agent, generator(seed, "memory", *index), device)
    gauges, tracked, readers = _gauges(spec, agent, rng)
    learner = Learner(agent, gauges, tracked, readers, central.version if central else None)
    executor, actor = load(spec.executor.code)(spec, learner, memory, stream, device, *index)

    def probes(number: int) -> dict[str, float]:
        found: dict[str, float] = {}
        for probe in spec.record.probes:  # each with the same draws: none depends on which others there are
            found |= probe.make(agent, memory, generator(seed, "probe", number))
        return found

    channels, *sides = stream.shape
    lit = torch.full((1, spec.environment.stack * channels, *sides), 1 / stream.scale, device=device)
    return Parts(actor, memory, learner, executor, device, lit, probes)


def _step(spec: Spec, network: nn.Module, frames: Callable[[], int], lr: float | None) -> GradientStep:
    """What moves a network's parameters; `frames` of the run are what the learning rate's decay goes by."""
    part = spec.optimizer if lr is None else spec.optimizer.model_copy(update={"lr": lr})
    optimizer = part.on(network)
    schedules = []
    if spec.spectral.schedule:
        schedules.append(load(spec.spectral.schedule)(spec.spectral, network, optimizer))
    if spec.learning.lr_decay_frames:
        schedules.append(load(spec.learning.decay)(optimizer, frames, spec.learning.lr_decay_frames))
    return load(spec.optimizer.step)(optimizer, spec.learning.clip_norm, schedules)


def _memory(spec: Spec, stream: Any, agent: Agent, rng: np.random.Generator, device: torch.device) -> Replay:
    copies = spec.memory.copies
    store = FrameStore(
        spec.memory.capacity_steps,
        spec.environment.streams * copies,
        stream.shape,
        stream.dtype,
        spec.environment.stack,
        agent.sequence_spec,
        spec.agent.discount,
    )
    select = spec.memory.select.make(store)
    return Replay(store, select, rng, spec.learning.batch, device, copies)


def _network(spec: Spec, stream: Any, rng: np.random.Generator) -> nn.Module:
    """The online network."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(integer_seed(spec.seed, "initialisation"))
        channels, *sides = stream.shape
        shape = (channels * spec.environment.stack, *sides)
        online = spec.network.make(shape, stream.scale, len(stream.actions), spec.agent.outputs)
    if spec.spectral.kind != "none":
        spec.spectral.make(online, rng)
    return online


def _gauges(spec: Spec, agent: Agent, rng: np.random.Generator) -> tuple[list, list, list]:
    """The meters in use, those of the online network that are only read, each with its power iterations; readers.

    There are none for an agent without a network of that name.
    """
    gauges, tracked, online = [], [], agent.networks.get("online")
    if online is None:
        return [], [], []
    if spec.spectral.kind != "none":
        attached = load(spec.spectral.attached)
        gauges.append((attached(online), spec.spectral.power_steps))
        if target := agent.networks.get("target"):
            gauges.append((attached(target), spec.spectral.target_power_steps))
    if spec.record.norms.kind != "none":
        tracked.append((spec.record.norms.make(online, rng), spec.record.norms.power_steps))
    return gauges, tracked, [online.sigma]
