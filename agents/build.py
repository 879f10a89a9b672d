"""From a spec to the parts of a run. Names become classes here and only here, imported when a spec names them."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch

from agents.learner import Agent, Learner
from agents.memory.replay import Replay
from agents.nets.heads import Hidden
from agents.nets.layers import ACTIVATIONS
from agents.nets.network import Network, initialise
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
    probes: Callable[[int], dict[str, float]]  # number of the evaluation -> metrics; reads, changes nothing

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name).state_dict() for name in ("actor", "memory", "learner", "executor")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, part in state.items():
            getattr(self, name).load_state_dict(part)


class Acting(NamedTuple):
    """What it takes to act: environments and an agent; `rng` are the spectral norms'."""

    suite: Callable[..., Any]
    stream: Any
    agent: Agent
    rng: np.random.Generator


def acting(spec: Spec, streams: int, device: torch.device, *index: int) -> Acting:
    """`streams` environments and an agent at frame 0; `index` sets the random streams of distributed actors apart."""
    suite = _suite(spec)
    stream = suite(spec.environment, streams, spec.environment.cap_frames, spec.seed, "environment", *index)
    parts = {family: component(family, part.kind)(**_fields(part)) for family, part in spec.agent.parts.items()}
    rng = generator(spec.seed, "spectral")
    online = _network(spec, stream, rng).to(device)
    if keep := getattr(spec.memory.select, "needs", ()):
        parts["keep"] = keep
    noise = torch.Generator(device).manual_seed(integer_seed(spec.seed, "noise", *index))
    agent = component("agent", spec.agent.kind)(spec.agent, online, len(stream.actions), noise, **parts)
    return Acting(suite, stream, agent, rng)


def build(spec: Spec, *index: int) -> Parts:
    """All parts of a run at frame 0; `index` as for `acting`."""
    seed, device = spec.seed, torch.device(spec.device)
    here = spec.environment.streams if spec.executor.kind == "inline" else 1  # else one that only shows its shape
    suite, stream, agent, rng = acting(spec, here, device, *index)
    executor, actor = component("executor", spec.executor.kind)(spec, agent, stream, device, *index)
    store = component("store", spec.memory.store)(
        spec.memory.capacity_steps,
        spec.environment.streams * spec.memory.copies,
        stream.shape,
        stream.dtype,
        spec.environment.stack,
        agent.sequence_spec,
        spec.agent.discount,
    )
    select = component("select", spec.memory.select.kind)(spec.memory.select, store)
    memory = Replay(store, select, generator(seed, "memory", *index), spec.learning.batch, device, spec.memory.copies)
    optimizer = component("optimizer", spec.optimizer.kind)(agent.online.parameters(), spec.optimizer)
    gauges, tracked = _gauges(spec.spectral, agent, rng)
    schedules = []
    if spec.spectral.scheduled:
        schedules.append(component("spectral", "schedule")(agent.online, spec.spectral, optimizer))
    if spec.learning.lr_decay_frames:
        decay = component("schedule", "decay")
        schedules.append(decay(optimizer, lambda: actor.frames, spec.learning.lr_decay_frames))
    period = spec.learning.target_every_frames
    learner = Learner(
        agent,
        component("gradient", spec.agent.gradient)(optimizer.parameters),
        optimizer,
        target_every=period and period // spec.learning.every_frames,
        clip_norm=spec.learning.clip_norm,
        schedules=schedules,
        gauges=gauges,
        tracked=tracked,
        warmup_steps=spec.spectral.warmup_steps,
        listeners=[executor.updated],
    )
    chosen = [component("probe", name) for name in spec.record.probes]

    def probes(number: int) -> dict[str, float]:
        found: dict[str, float] = {}
        for probe in chosen:  # each with the same rng: none depends on which others there are
            found |= probe(agent, memory, generator(seed, "probe", number), spec.record.probe_states)
        return found

    return Parts(suite, actor, memory, learner, executor, device, probes)


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


def _gauges(spectral: Spectral, agent: Any, rng: np.random.Generator) -> tuple[list, list]:
    """The meters in use, with their steps per update, and those of the online network that are only read."""
    gauges, tracked = [], []
    if spectral.layers:
        gauges.append((component("spectral", "attached")(agent.online), spectral.power_steps))
        if getattr(agent, "target", None) is not None:
            gauges.append((component("spectral", "attached")(agent.target), spectral.target_power_steps))
    if spectral.track:
        tracked.append(component("spectral", "measure")(agent.online, spectral.track, spectral.warmup_steps, rng))
    return gauges, tracked
