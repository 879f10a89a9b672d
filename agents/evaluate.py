"""Evaluation: fresh environments, a fixed epsilon, nothing learned.

An evaluation is a pure function of the networks, the seed and its number: interrupted, it is simply done again.
Each environment plays an equal share of the episodes or frames, so that short episodes are not favoured.
"""

import math
from collections.abc import Callable

import numpy as np

from agents import rng
from agents.actor import Actor
from agents.explore import Constant
from agents.spec import Spec
from agents.spec.environment import Trial
from agents.step import Episode


def evaluate(spec: Spec, suite, agent, device, number: int, keep_on: Callable[[], bool]) -> list[Episode] | None:
    """The episodes of evaluation `number`, in order of environment; None when `keep_on()` turned false."""
    rules = spec.evaluation
    streams = min(rules.streams, rules.episodes or rules.streams)
    stream = suite(spec.environment, streams, rules.cap_frames, spec.seed, "evaluation", number)
    dice = rng.generator(spec.seed, "evaluation", number, streams)
    actor = Actor(agent, stream, spec.environment.stack, Constant(rules.epsilon), dice, device)
    episodes = _shares(rules.episodes, streams)
    frames = _shares(rules.frames, streams)
    played: list[list[Episode]] = [[] for _ in range(streams)]
    spent = np.zeros(streams)  # frames
    active = np.ones(streams, bool)
    agent.online.train(rules.noise)
    try:
        while active.any():
            if not keep_on():
                return None
            step = actor.turn()
            spent += stream.ledger.repeat * ~step.last
            active &= spent < frames
            for episode in stream.ledger.take():
                i = episode.env
                if spent[i] <= frames[i] and len(played[i]) < episodes[i]:
                    played[i].append(episode)
                    active[i] &= len(played[i]) < episodes[i]
    finally:
        agent.online.train()
    return [episode for each in played for episode in each]


def trial(
    spec: Spec, suite, agent, device, number: int, wanted: Trial, truncated, keep_on: Callable[[], bool]
) -> dict[str, float] | None:
    """Evaluation `number` once more, under other conditions -> metrics; None when `keep_on()` turned false.

    `truncated` is what makes an agent forget (agents/truncated.py), for trials of kind memory.
    """
    if wanted.kind == "flicker":
        name = f"flicker_{wanted.chance:g}"
        changed = spec.environment.model_copy(update={"flicker": wanted.chance})
        spec, measured = spec.model_copy(update={"environment": changed}), dict
    else:
        name = "memory_all" if wanted.observations is None else f"memory_{wanted.observations}"
        agent = truncated(agent, wanted.observations)
        measured = agent.measured
    episodes = evaluate(spec, suite, agent, device, number, keep_on)
    if episodes is None:
        return None
    found = {f"{metric}_{name}": value for metric, value in measured().items()}
    return found | ({f"return_{name}": sum(e.score for e in episodes) / len(episodes)} if episodes else {})


def _shares(total: int | None, parts: int) -> np.ndarray:
    """`total` split as evenly as whole numbers allow; no limit when it is None."""
    if total is None:
        return np.full(parts, math.inf)
    return np.array([total // parts + (i < total % parts) for i in range(parts)], float)
