"""TRPO (Schulman et al. 2015, arXiv:1502.05477) for discrete actions, with generalised advantage estimation.

The policy takes one step per batch: along the natural gradient, as far as the trust region reaches, and shortened until
it helps. A network of its own learns the value. As in openai/baselines@ea25b9e, trpo_mpi/trpo_mpi.py.
"""

from typing import Any

import numpy as np
import torch
from torch import nn

from agents.acting.sampling import sample_logits
from agents.agent import Given, Learned, restore, saved
from agents.losses.policy import (
    baseline_loss,
    entropy,
    kl_divergence,
    log_probability,
    standardised,
    surrogate,
)
from agents.losses.vtrace import gae
from agents.nets.policy import parted
from agents.optim.conjugate import Fisher, softmax_metric
from agents.optim.objective import Backtracked, minibatches
from agents.optim.trust_region import trust_region_step
from agents.spec.policy import TRPO as TRPOSpec
from agents.step import ActorInput, ActorOutput, Batch, SequenceSpec


class Surrogate:
    """-L = -mean_s pi(a|s) / pi_old(a|s) A - weight x entropy, an objective (agents/optim/objective.py).

    obs [N, …], action [N], advantage [N] of N states; pi_old is the policy at the first loss.
    """

    def __init__(
        self,
        policy: nn.Module,
        obs: torch.Tensor,
        action: torch.Tensor,
        advantage: torch.Tensor,
        entropy_weight: float,
    ):
        self.policy, self.obs, self.action, self.advantage = policy, obs, action, advantage
        self.entropy_weight = entropy_weight
        self.before: torch.Tensor | None = None  # logits of pi_old

    def loss(self) -> torch.Tensor:
        self.logits = self.policy(self.obs)
        if self.before is None:
            self.before = self.logits.detach()
        log_ratio = log_probability(self.logits, self.action, 0.0) - log_probability(self.before, self.action, 0.0)
        gain = surrogate(log_ratio, self.advantage) + self.entropy_weight * entropy(self.logits, 0.0)
        return -gain.mean()

    def divergence(self) -> torch.Tensor:
        """Mean KL(pi_old || pi)."""
        return kl_divergence(self.before, self.policy(self.obs)).mean()


class TRPO:
    """Samples its policy."""

    acting = ("policy",)

    def __init__(self, spec: TRPOSpec, given: Given):
        self.spec, self.noise = spec, given.noise  # which also shuffles what the value is fitted to
        self.networks = dict(zip(("policy", "value"), parted(given.online), strict=True))
        self.steps = {"value": given.step(self.networks["value"])}
        rows = tuple(range(spec.unroll + 1))
        extras = {"version": ((), np.int64)}
        self.sequence_spec = SequenceSpec(
            spec.unroll, rows, cross_episodes=True, bootstrap_on_current=True, extras=extras
        )

    def act(self, inputs: ActorInput, epsilon: float | np.ndarray, rng: np.random.Generator) -> ActorOutput:
        """A draw from the softmax. Epsilon is 0 for this agent (agents/spec): actions are draws from the policy."""
        with torch.inference_mode():
            logits = self.networks["policy"](inputs.obs).cpu().numpy()
        return ActorOutput(sample_logits(logits, rng))

    def learn(self, batch: Batch) -> Learned:
        """Batch of `sequence_spec`: a step of the policy, then the value's fit to targets from before it.

        Rows at which nothing was done (an episode's last) are left out.
        """
        spec, acted = self.spec, ~batch.last[:-1]
        with torch.no_grad():
            values = self.networks["value"](batch.obs.flatten(0, 1)).view(batch.obs.shape[:2])
        found = gae(values, batch.reward, batch.discount, acted, spec.trace_decay)
        obs, advantage = batch.obs[:-1][acted], standardised(found.advantage[acted])
        objective = Surrogate(self.networks["policy"], obs, batch.action[acted], advantage, spec.entropy_weight)
        moved, norm = self.improve(objective)
        metrics = {
            "policy_loss": moved.loss,
            "policy_kl": moved.divergence,
            "step_share": moved.share,
            "entropy": entropy(objective.before, 0.0).mean(),
            "value_mean": values[:-1][acted].mean(),
            "baseline_loss": baseline_loss(values[:-1], found.vs)[acted].mean(),
            "grad_norm": norm,
        }
        self.fit(obs, found.vs[acted])
        return Learned(found.advantage.abs().amax(0), metrics)

    def improve(self, objective: Surrogate) -> tuple[Backtracked, torch.Tensor]:
        """The trust region's step; -> how it ended, and the gradient's norm."""
        spec, parameters = self.spec, list(self.networks["policy"].parameters())

        def fisher() -> Fisher:
            logits = objective.logits[:: spec.fisher_every]
            return Fisher(logits, softmax_metric(logits), parameters, spec.damping)

        return trust_region_step(objective, parameters, fisher, spec.radius, spec.slack, spec.iterations, spec.tries)

    def fit(self, obs: torch.Tensor, targets: torch.Tensor) -> None:
        """Passes over obs [N, …] and targets [N]."""
        for _ in range(self.spec.value_passes):
            for rows in minibatches(len(obs), self.spec.minibatch, self.noise):
                self.steps["value"].down(2 * baseline_loss(self.networks["value"](obs[rows]), targets[rows]).mean())

    def outputs(self, obs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(output for network in self.networks.values() for output in network.first_outputs(obs))

    def state_dict(self) -> dict[str, Any]:
        return saved(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        restore(self, state)
