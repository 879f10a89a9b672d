"""Measurements of an agent at an evaluation: pure functions (agent, memory, rng, states) -> metric -> value.

They read networks and memory and change neither; `rng` is their own. Networks are measured as they are evaluated
without noise: noisy layers by their means, batch normalisation by its running statistics.

| metric                | unit           | meaning                                                                 |
|-----------------------|----------------|-------------------------------------------------------------------------|
| feature_rank          | 1              | effective rank of what the output layer sees                            |
| lipschitz             | return / input | largest |Q(s) - Q(s')| / |s - s'| over all pairs of drawn states        |
| input_gradient[mean]  | return / input | mean of |d max_a Q(s, a) / d s| over the drawn states                   |
| input_gradient[max]   | return / input | its maximum                                                             |
| td_error[qP]          | return         | P-th percentile over the memory of the last seen |TD error| (what the   |
|                       |                | selector keeps: clipped if it clips; for rows never drawn its initial)  |
| fresh_delta_q_first   | 1              | Delta Q of replayed sequences against a freshly unrolled state; see      |
| fresh_delta_q_last    |                | agents/measure/delta_q.py                                               |
| replay_probability[qP]| 1              | P-th percentile over the memory of a row's chance at a single draw      |
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from agents.memory.replay import Replay
from agents.memory.select import Uniform
from agents.nets.network import Network
from agents.spec.memory import UniformSelect

PERCENTILES = (1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9, 99.99)
SAME = 1e-4  # states nearer than this are one state: pixels are 1/255 apart or more, and rounding is less


def srank(features: torch.Tensor, delta: float) -> int:
    """Smallest k whose k largest singular values make up a share 1 - delta of their sum (Kumar et al. 2021).

    features [N, F]; 0 when all are zero. Raises ValueError for values that are not finite.
    """
    if not features.isfinite().all():
        raise ValueError("features are not finite")
    sums = torch.linalg.svdvals(features.double()).cumsum(0)
    return int((sums < (1 - delta) * sums[-1]).sum()) + 1 if sums[-1] > 0 else 0


def steepest(q: torch.Tensor, x: torch.Tensor) -> float:
    """Largest |q_i - q_j| / |x_i - x_j| over all pairs, Euclidean norms. q [N, A], x [N, F]; 0 without a pair."""
    apart = torch.cdist(x.double(), x.double())
    ratio = torch.where(apart > SAME, torch.cdist(q.double(), q.double()) / apart, 0.0)
    return float(ratio.max())


def feature_rank(agent, memory: Replay, rng: np.random.Generator, states: int) -> dict[str, float]:
    """delta = 0.01, as in the paper that defines it. Not a number once the features are not finite."""
    with _measured(agent.online) as online, torch.no_grad():
        features = online.features(_states(agent.online, memory, rng, states))
    return {"feature_rank": float(srank(features, 0.01)) if features.isfinite().all() else np.nan}


def lipschitz(agent, memory: Replay, rng: np.random.Generator, states: int) -> dict[str, float]:
    """The pairs, and the gradient norm of the greedy value that Gogianu et al. 2021 measured (along greedy play)."""
    with _measured(agent.online) as online, torch.enable_grad():
        x = _states(online, memory, rng, states).requires_grad_()
        q = agent.value.mean(online.values(x))
        (grad,) = torch.autograd.grad(q.amax(1).sum(), x)
    norms = grad.flatten(1).norm(dim=1)
    pairs = steepest(q.detach(), x.detach().flatten(1))
    return {
        "lipschitz": pairs,
        "input_gradient[mean]": float(norms.mean()),
        "input_gradient[max]": float(norms.max()),
    }


def td_error(agent, memory: Replay, rng: np.random.Generator) -> dict[str, float]:
    """All rows of the memory that may be drawn, not a sample (Schaul et al. 2016, Figures 10 and 11)."""
    errors, probabilities = memory.select.seen()
    found: dict[str, float] = {}
    for name, values in (("td_error", errors), ("replay_probability", probabilities)):
        at = np.percentile(values, PERCENTILES)
        found |= {f"{name}[q{p:g}]": float(value) for p, value in zip(PERCENTILES, at, strict=True)}
    return found


@contextmanager
def _measured(network: Network) -> Iterator[Network]:
    """The network in evaluation mode, and back."""
    network.eval()
    try:
        yield network
    finally:
        network.train()


def _states(network: Network, memory: Replay, rng: np.random.Generator, states: int) -> torch.Tensor:
    """Scaled states [N, C, H, W], drawn uniformly with replacement whatever the memory's own selector is."""
    keys, weight = Uniform(UniformSelect(kind="uniform"), memory.store).draw(rng, states, 0)
    return network.scaled(memory.store.gather(keys, weight).obs[0].to(memory.device))
