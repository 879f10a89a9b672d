"""Drawing actions: at random, greedily but for epsilon, from a policy."""

from collections.abc import Callable

import numpy as np
import torch

from agents.step import ActorInput, ActorOutput


def explore(
    rng: np.random.Generator, epsilon: float | np.ndarray, size: int, actions: int
) -> tuple[np.ndarray, np.ndarray]:
    """Who acts at random (epsilon is one number or [size]), and uniform actions. -> [size] bool, [size] int64

    The same draws are made whether or not they are used, so that no later draw depends on what was decided.
    """
    return rng.random(size) < epsilon, rng.integers(actions, size=size)


def quantile_levels(rng: np.random.Generator, size: int, count: int) -> tuple[torch.Tensor, ...]:
    """New levels tau ~ U(0, 1) [size, count] for a network that is to be asked at such; none where count is 0."""
    return (torch.from_numpy(rng.random((size, count), np.float32)),) if count else ()


def epsilon_greedy_output(
    values: Callable[[], np.ndarray],
    inputs: ActorInput,
    actions: int,
    keep: tuple[str, ...],
    epsilon: float | np.ndarray,
    rng: np.random.Generator,
) -> ActorOutput:
    """The epsilon-greedy actions on `values()` [B, A], which is not called where all act at random and nothing is kept.

    `keep` ("q_taken", "q_best"): the values of the action taken and of the best one, kept with the step.
    """
    random, chosen = explore(rng, epsilon, len(inputs.obs), actions)
    if not keep and False not in random.tolist():
        return ActorOutput(chosen)
    q = values()
    return with_values(np.where(random, chosen, q.argmax(-1)), q, keep)


def with_values(chosen: np.ndarray, q: np.ndarray, keep: tuple[str, ...]) -> ActorOutput:
    """Actions [B] on values [B, A], of which those are kept that `keep` asks for."""
    return ActorOutput(chosen, {"q_taken": q[np.arange(len(q)), chosen], "q_best": q.max(1)} if keep else {})


def epsilon_greedy(q: torch.Tensor, epsilon: float | np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """q [B, A] -> actions [B], a random one with the chance epsilon (a number or [B])."""
    random, actions = explore(rng, epsilon, *q.shape)
    return np.where(random, actions, q.argmax(-1).cpu().numpy())


def sample_logits(logits: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One draw from the softmax of each row of [B, A] logits -> [B] int64."""
    return sample(np.exp(logits - logits.max(-1, keepdims=True)), rng)


def sample(probability: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One draw from each row of [B, A] probabilities by inverting its distribution function -> [B] int64."""
    heights = probability.cumsum(-1, dtype=np.float64)
    marks = rng.random(len(heights)) * heights[:, -1]  # rounding may leave the sum beside 1
    return (heights[:, :-1] <= marks[:, None]).sum(-1)
