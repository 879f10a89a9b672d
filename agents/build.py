"""From a spec to the parts of a run. Names become classes here and only here, imported when a spec names them."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from agents.agent import Agent, Given
from agents.learner import Learner
from agents.memory.replay import Replay
from agents.nets.heads import Hidden
from agents.nets.layers import ACTIVATIONS
from agents.nets.network import Network, initialise
from agents.optim.step import GradientStep
from agents.rng import generator, integer_seed
from agents.spec import Spec
from agents.spec.components import component
from agents.spec.optimizer import Spectral


class Parts(NamedTuple):
    suite: Callable[..., Any]
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

    suite: Callable[..., Any]
    stream: Any
    agent: Agent
    rng: np.random.Generator


MakeStep = Callable[[nn.Module], GradientStep]


class Central(NamedTuple):
    """For a learner among several that share their parameters (agents/executors/hogwild/)."""

    step: Callable[[nn.Module, MakeStep], Any]  # what its agent takes steps by; makes the shared one
    version: Callable[[], int]  # updates that all have made


def acting(spec: Spec, streams: int, device: torch.device, step: MakeStep, *index: int) -> Acting:
    """`streams` environments and an agent at frame 0, whose parameters are moved by what `step` makes.

    `index` sets the random streams of distributed actors apart.
    """
    suite = _suite(spec)
    stream = suite(spec.environment, streams, spec.environment.cap_frames, spec.seed, "environment", *index)
    parts = {family: component(family, part.kind)(**_fields(part)) for family, part in spec.agent.parts.items()}
    rng = generator(spec.seed, "spectral")
    online = _network(spec, stream, rng).to(device)
    if keep := getattr(spec.memory.select, "needs", ()):
        parts["keep"] = keep
    noise = torch.Generator(device).manual_seed(integer_seed(spec.seed, "noise", *index))
    period = spec.learning.target_every_frames
    given = Given(online, len(stream.actions), noise, step, period and period // spec.learning.every_frames)
    return Acting(suite, stream, component("agent", spec.agent.kind)(spec.agent, given, **parts), rng)


def build(spec: Spec, *index: int, central: Central | None = None) -> Parts:
    """All parts of a run at frame 0; `index` as for `acting`."""
    seed, device = spec.seed, torch.device(spec.device)
    here = spec.environment.streams if spec.executor.kind == "inline" else 1  # else one that only shows its shape

    def frames() -> int:
        return actor.frames

    def step(network: nn.Module) -> GradientStep:
        return _step(spec, network, frames)

    suite, stream, agent, rng = acting(
        spec, here, device, (lambda network: central.step(network, step)) if central else step, *index
    )
    memory = _memory(spec, stream, agent, generator(seed, "memory", *index), device)
    gauges, tracked, readers = _gauges(spec.spectral, agent, rng)
    learner = Learner(agent, gauges, tracked, spec.spectral.warmup_steps, readers, central.version if central else None)
    executor, actor = component("executor", spec.executor.kind)(spec, learner, memory, stream, device, *index)
    chosen = [component("probe", name) for name in spec.record.probes]

    def probes(number: int) -> dict[str, float]:
        found: dict[str, float] = {}
        for probe in chosen:  # each with the same draws: none depends on which others there are
            found |= probe(agent, memory, generator(seed, "probe", number), spec.record.probe_states)
        return found

    channels, *sides = stream.shape
    lit = torch.full((1, spec.environment.stack * channels, *sides), 1 / stream.scale, device=device)
    return Parts(suite, actor, memory, learner, executor, device, lit, probes)


def _step(spec: Spec, network: nn.Module, frames: Callable[[], int]) -> GradientStep:
    """What moves a network's parameters; `frames` of the run are what the learning rate's decay goes by."""
    optimizer = component("optimizer", spec.optimizer.kind)(network.parameters(), spec.optimizer)
    schedules = []
    if spec.spectral.scheduled:
        schedules.append(component("spectral", "schedule")(network, spec.spectral, optimizer))
    if spec.learning.lr_decay_frames:
        schedules.append(component("schedule", "decay")(optimizer, frames, spec.learning.lr_decay_frames))
    return GradientStep(optimizer, spec.learning.clip_norm, schedules)


def _memory(spec: Spec, stream: Any, agent: Agent, rng: np.random.Generator, device: torch.device) -> Replay:
    copies = spec.memory.copies
    store = component("store", spec.memory.store)(
        spec.memory.capacity_steps,
        spec.environment.streams * copies,
        stream.shape,
        stream.dtype,
        spec.environment.stack,
        agent.sequence_spec,
        spec.agent.discount,
    )
    select = component("select", spec.memory.select.kind)(spec.memory.select, store)
    return Replay(store, select, rng, spec.learning.batch, device, copies)


def _suite(spec: Spec) -> Callable[..., Any]:
    """What makes streams of the spec's environment, as they may be seen."""
    suite = component("suite", spec.environment.suite)
    if not spec.obscured:
        return suite
    obscure = component("suite", "partial")

    def seen(environment: Any, streams: int, cap_frames: int | None, *where: Any) -> Any:
        return obscure(environment, suite(environment, streams, cap_frames, *where), *where)

    return seen


def _fields(part: Any) -> dict[str, Any]:
    return part.model_dump(exclude={"kind"})


def _network(spec: Spec, stream: Any, rng: np.random.Generator) -> Network:
    """The online network."""
    network, actions = spec.network, len(stream.actions)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(integer_seed(spec.seed, "initialisation"))
        channels, *sides = stream.shape
        norm = component("normalisation", network.normalisation)
        torso = component("torso", network.torso)(network, (channels * spec.environment.stack, *sides), norm)
        linear = partial(component("linear", network.linear.kind), **_fields(network.linear))
        core = None
        if network.core.kind != "none":
            core = component("core", network.core.kind)(network.core, linear, torso.size, actions)
        features = core.size if core else torso.size
        hidden = partial(Hidden, linear, norm, features, network.units, ACTIVATIONS[network.activations.units])
        head = component("head", network.head)(hidden, linear, actions, spec.agent.outputs, network.shared_bias)
        online = Network(torso, core, head, stream.scale)
        initialise(online, network.initialisation)
    if spec.spectral.layers:
        component("spectral", spec.spectral.use)(online, spec.spectral, rng)
    return online


def _gauges(spectral: Spectral, agent: Agent, rng: np.random.Generator) -> tuple[list, list, list]:
    """The meters in use, with their steps per update, those of the online network that are only read, and readers.

    There are none for an agent without a network of that name.
    """
    gauges, tracked, online = [], [], agent.networks.get("online")
    if online is None:
        return [], [], []
    if spectral.layers:
        gauges.append((component("spectral", "attached")(online), spectral.power_steps))
        if target := agent.networks.get("target"):
            gauges.append((component("spectral", "attached")(target), spectral.target_power_steps))
    if spectral.track:
        tracked.append(component("spectral", "measure")(online, spectral.track, spectral.warmup_steps, rng))
    return gauges, tracked, [online.sigma]
