"""From a spec to the parts of a run. Names become classes here and only here, imported when a spec names them."""

import copy
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

import torch

from agents import rng
from agents.actor import Actor
from agents.clock import linear
from agents.learner import Learner
from agents.memory.replay import Replay
from agents.nets.network import Network, initialise
from agents.spec import Spec
from agents.spec.components import COMPONENTS


class Parts(NamedTuple):
    suite: Callable[..., Any]
    actor: Actor
    memory: Replay
    learner: Learner
    device: torch.device
    probes: Callable[[int], dict[str, float]]  # number of the evaluation -> metrics; reads, changes nothing

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name).state_dict() for name in ("actor", "memory", "learner")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, part in state.items():
            getattr(self, name).load_state_dict(part)


def component(family: str, name: str) -> Any:
    """The class or function behind a config name."""
    module, _, attribute = COMPONENTS[family][name].partition(":")
    return getattr(import_module(module), attribute)


def build(spec: Spec) -> Parts:
    """All parts of a run at frame 0."""
    seed, device = spec.seed, torch.device(spec.device)
    suite = component("suite", spec.environment.suite)
    stream = suite(spec.environment, spec.environment.streams, spec.environment.cap_frames, seed, "environment")
    value = component("value", spec.agent.value.kind)(**spec.agent.value.model_dump(exclude={"kind"}))
    penalty = component("penalty", spec.agent.penalty.kind)(**spec.agent.penalty.model_dump(exclude={"kind"}))
    online, target, gauges, tracked = _networks(spec, stream, value.size, device)
    noise = torch.Generator(device).manual_seed(rng.integer(seed, "noise"))
    agent = component("agent", spec.agent.kind)(spec.agent, value, penalty, online, target, len(stream.actions), noise)

    explore = spec.exploration
    actor = Actor(
        agent,
        stream,
        spec.environment.stack,
        lambda frame: linear(frame, explore.start, explore.end, explore.warmup_frames, explore.end_frames),
        rng.generator(seed, "exploration"),
        device,
    )
    store = component("store", spec.memory.store)(
        spec.memory.capacity_steps,
        spec.environment.streams,
        stream.shape,
        spec.environment.stack,
        window=spec.agent.n_step,
        moments=agent.moments,
        discount=spec.agent.discount,
    )
    select = component("select", spec.memory.select.kind)(spec.memory.select, store)
    memory = Replay(store, select, rng.generator(seed, "memory"), spec.learning.batch, device)
    optimizer = component("optimizer", spec.optimizer.kind)(online.parameters(), spec.optimizer)
    schedules = []
    if spec.spectral.scheduled:
        schedules.append(component("spectral", "schedule")(online, spec.spectral, optimizer))
    learner = Learner(
        agent,
        optimizer,
        target_every=spec.learning.target_every_frames // spec.learning.every_frames,
        clip_norm=spec.learning.clip_norm,
        schedules=schedules,
        gauges=gauges,
        tracked=tracked,
        warmup_steps=spec.spectral.warmup_steps,
    )
    chosen = [component("probe", name) for name in spec.record.probes]

    def probes(number: int) -> dict[str, float]:
        found: dict[str, float] = {}
        for probe in chosen:  # each with the same dice: none depends on which others there are
            found |= probe(agent, memory, rng.generator(seed, "probe", number), spec.record.probe_states)
        return found

    return Parts(suite, actor, memory, learner, device, probes)


def _networks(spec: Spec, stream: Any, size: int, device: torch.device) -> tuple[Network, Network, list, list]:
    """The online network, its target copy, the meters in use (of both) and those only read (of online)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(rng.integer(spec.seed, "initialisation"))
        channels, *sides = stream.shape
        norm = component("normalisation", spec.network.normalisation)
        torso = component("torso", spec.network.torso)(spec.network, (channels * spec.environment.stack, *sides), norm)
        linear = partial(
            component("linear", spec.network.linear.kind), **spec.network.linear.model_dump(exclude={"kind"})
        )
        head = component("head", spec.network.head)(
            linear, norm, torso.size, spec.network.units, len(stream.actions), size, spec.network.shared_bias
        )
        online = Network(torso, head, stream.scale)
        initialise(online, spec.network.initialisation)
    online.to(device)
    dice, spectral = rng.generator(spec.seed, "spectral"), spec.spectral
    if spectral.layers:
        component("spectral", spectral.use)(online, spectral, dice)
    target = copy.deepcopy(online).requires_grad_(False)
    steps = {online: spectral.power_steps, target: spectral.target_power_steps}
    gauges = [(component("spectral", "attached")(net), n) for net, n in steps.items() if spectral.layers]
    tracked = [
        component("spectral", "measure")(online, layers, spectral.warmup_steps, dice)
        for layers in [spectral.track]
        if layers
    ]
    return online, target, gauges, tracked
