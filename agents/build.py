"""From a spec to the parts of a run. Names become classes here and only here, imported when a spec names them."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import torch

from agents import rng
from agents.actor import Actor
from agents.clock import linear
from agents.learner import Learner
from agents.memory.replay import Replay
from agents.nets.network import Network, initialise
from agents.spec import Spec
from agents.spec.components import COMPONENTS
from agents.spec.optimizer import Spectral


class Parts(NamedTuple):
    suite: Callable[..., Any]
    actor: Actor
    memory: Replay
    learner: Learner
    device: torch.device

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
    suite = _suite(spec)
    stream = suite(spec.environment, spec.environment.streams, spec.environment.cap_frames, seed, "environment")
    parts = {
        name: component(name, getattr(spec.agent, name).kind)(**_fields(getattr(spec.agent, name)))
        for name in ("value",)
        if hasattr(spec.agent, name)
    }
    size = parts["value"].size if "value" in parts else 1
    dice = rng.generator(seed, "spectral")
    online = _network(spec, stream, size, dice).to(device)
    noise = torch.Generator(device).manual_seed(rng.integer(seed, "noise"))
    agent = component("agent", spec.agent.kind)(spec.agent, online, len(stream.actions), noise, **parts)

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
        agent.demand,
        spec.agent.discount,
    )
    select = component("select", spec.memory.select.kind)(spec.memory.select, store)
    memory = Replay(store, select, rng.generator(seed, "memory"), spec.learning.batch, device)
    optimizer = component("optimizer", spec.optimizer.kind)(online.parameters(), spec.optimizer)
    gauges, tracked = _gauges(spec.spectral, agent, dice)
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
    return Parts(suite, actor, memory, learner, device)


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


def _network(spec: Spec, stream: Any, size: int, dice: np.random.Generator) -> Network:
    """The online network; with `size` numbers for each action where the head predicts values."""
    network, actions = spec.network, len(stream.actions)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(rng.integer(spec.seed, "initialisation"))
        channels, *sides = stream.shape
        torso = component("torso", network.torso)(network, (channels * spec.environment.stack, *sides))
        linear = partial(component("linear", network.linear.kind), **_fields(network.linear))
        core = None
        if network.core.kind != "none":
            core = component("core", network.core.kind)(network.core, linear, torso.size, actions)
        features = core.size if core else torso.size
        head = component("head", network.head)(linear, features, network.units, actions, size, network.shared_bias)
        online = Network(torso, core, head, stream.scale)
        initialise(online, network.initialisation)
    if spec.spectral.layers:
        component("spectral", spec.spectral.use)(online, spec.spectral, dice)
    return online


def _gauges(spectral: Spectral, agent: Any, dice: np.random.Generator) -> tuple[list, list]:
    """The meters in use, with their steps per update, and those of the online network that are only read."""
    gauges, tracked = [], []
    if spectral.layers:
        gauges.append((component("spectral", "attached")(agent.online), spectral.power_steps))
        if getattr(agent, "target", None) is not None:
            gauges.append((component("spectral", "attached")(agent.target), spectral.target_power_steps))
    if spectral.track:
        tracked.append(component("spectral", "measure")(agent.online, spectral.track, spectral.warmup_steps, dice))
    return gauges, tracked
