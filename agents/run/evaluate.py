"""Evaluation: fresh environments, a fixed epsilon, nothing learned.

An evaluation is a pure function of the networks, the seed and its number: interrupted, it is simply done again.

Whether an episode counts must not hang on how it goes, or the mean is of other episodes than those played. By
episodes: each environment plays a number of them that is fixed beforehand, however long they take. By frames: one
environment plays the budget, as the authors of DQN and its kin do, and the episode under way when the budget is spent
does not count. That one tends to be a long one, but it is missing from the sum and from the count alike, which cancel
but for a share of the order of (length / budget)^2: below 1 % of the mean where some twenty episodes fit into the
budget, whatever their lengths have to do with their returns. What is longer than the whole budget never counts, and
where no episode ends there is no score. Several environments with a share of the budget each would lose an episode
each, which does not cancel; hence agents/spec refuses them.
"""

import math
from collections.abc import Callable

import numpy as np

from agents.acting.actor import Actor
from agents.acting.exploration import Constant
from agents.agent import Agent, acting_networks
from agents.envs.stream import make_streams
from agents.rng import generator
from agents.spec.evaluation import Trial
from agents.spec.run import Spec
from agents.step import Episode, Step

See = Callable[[Step, np.ndarray], object]


def evaluate(
    spec: Spec, agent: Agent, device, number: int, keep_on: Callable[[], bool], see: See | None = None
) -> list[Episode] | None:
    """The episodes of evaluation `number`, in order of environment; None when `keep_on()` turned false.

    `see` is shown each row, and in which environments [B] an episode ended with it.
    """
    rules = spec.evaluation
    streams = min(rules.streams, rules.episodes or rules.streams)
    stream = make_streams(spec.environment, streams, rules.cap_frames, spec.seed, "evaluation", number)
    rng = generator(spec.seed, "evaluation", number, streams)
    actor = Actor(agent, stream, spec.environment.stack, Constant(rules.epsilon), rng, device)
    shares = _shares(rules.episodes, streams)
    budget = rules.frames or math.inf
    played: list[list[Episode]] = [[] for _ in range(streams)]
    networks = acting_networks(agent).values()
    for network in networks:
        network.train(rules.noise)
    try:
        while stream.statistics.frames < budget and any(map(_under, played, shares)):
            if not keep_on():
                return None
            step = actor.step()
            if see:
                see(step, stream.last)
            for episode in stream.statistics.take():
                if _under(played[episode.env], shares[episode.env]) and stream.statistics.frames <= budget:
                    played[episode.env].append(episode)
    finally:
        for network in networks:
            network.train()
    return [episode for each in played for episode in each]


def trial(
    spec: Spec, agent: Agent, device, number: int, wanted: Trial, keep_on: Callable[[], bool]
) -> dict[str, float] | None:
    """Evaluation `number` once more, as `wanted` says -> metrics; None when `keep_on()` turned false."""
    if wanted.kind in ("returns", "snapshots"):
        watcher = wanted.make(agent, spec.agent.discount)
        played = evaluate(spec, watcher.agent, device, number, keep_on, watcher.see)
        return None if played is None else watcher.measured()
    if wanted.kind == "flicker":
        name = f"flicker_{wanted.chance:g}"
        changed = spec.environment.model_copy(update={"flicker": wanted.chance})
        spec, measured = spec.model_copy(update={"environment": changed}), dict
    else:
        name = "memory_all" if wanted.observations is None else f"memory_{wanted.observations}"
        agent = wanted.make(agent)
        measured = agent.measured
    episodes = evaluate(spec, agent, device, number, keep_on)
    if episodes is None:
        return None
    found = {f"{metric}_{name}": value for metric, value in measured().items()}
    return found | ({f"return_{name}": sum(e.score for e in episodes) / len(episodes)} if episodes else {})


def _shares(total: int | None, parts: int) -> list[float]:
    """`total` split as evenly as whole numbers allow; no limit when it is None."""
    if total is None:
        return [math.inf] * parts
    return [total // parts + (i < total % parts) for i in range(parts)]


def _under(played: list[Episode], share: float) -> bool:
    return len(played) < share
