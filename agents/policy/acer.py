"""ACER for discrete actions (Wang et al. 2017, arXiv:1611.01224, Algorithm 2), synchronous as openai/baselines@ea25b9e.

A policy and action values learn from trajectories, new and replayed: Retrace targets, importance weights truncated with
their bias corrected, and a trust region around the running average of past policies.
"""

import copy
from typing import Any

import numpy as np
import torch

from agents.acting.sampling import sample_logits
from agents.agent import Given, Learned, restore, saved
from agents.losses.policy import entropy
from agents.losses.retrace import TINY, retrace, truncated_weights, trust_region_loss
from agents.nets.network import Network
from agents.optim.step import Follower
from agents.spec.policy import ACER as ACERSpec
from agents.step import ActorInput, ActorOutput, Batch, SequenceSpec


class ACER:
    """Samples its policy and keeps the logits it sampled from: mu is the whole policy that acted."""

    acting = ("online",)

    def __init__(self, spec: ACERSpec, given: Given):
        self.spec, self.noise = spec, given.noise
        average = copy.deepcopy(given.online).requires_grad_(False)
        self.networks = {"online": given.online, "average": average}
        self.step = given.step(given.online)
        self.steps = {"online": self.step}
        self.averaging = Follower(given.online, average, every=1, tau=1 - spec.average_decay)
        self.online.resample(self.noise)
        extras = {"logits": ((given.actions,), np.float32), "version": ((), np.int64)}
        rows = tuple(range(spec.unroll + 1))
        self.sequence_spec = SequenceSpec(
            spec.unroll, rows, cross_episodes=True, bootstrap_on_current=True, extras=extras
        )

    @property
    def online(self) -> Network:
        return self.networks["online"]

    def act(self, inputs: ActorInput, epsilon: float | np.ndarray, rng: np.random.Generator) -> ActorOutput:
        """A draw from the softmax. Epsilon is 0 for this agent (agents/spec), since the logits must tell all."""
        with torch.inference_mode():
            logits = self.online(inputs.obs).logits.cpu().numpy()
        return ActorOutput(sample_logits(logits, rng), {"logits": logits})

    def learn(self, batch: Batch) -> Learned:
        """One step down the loss; then the average follows."""
        loss, learned = self.loss(batch)
        norm = self.step.down(loss)
        self.averaging.after(self.step.steps)
        self.online.resample(self.noise)
        return learned._replace(metrics={**learned.metrics, "grad_norm": norm})

    def loss(self, batch: Batch) -> tuple[torch.Tensor, Learned]:
        """Batch of `sequence_spec`; rows at which nothing was done (an episode's last) give no loss."""
        spec, acted = self.spec, ~batch.last[:-1]
        out = self.online.unroll(batch.obs, None, None, None)[0]
        logits, q = out.logits[:-1], out.q[:-1]
        with torch.no_grad():
            average = self.networks["average"].unroll(batch.obs[:-1], None, None, None)[0].logits.softmax(-1)
            mu = batch.extras["logits"][:-1].softmax(-1)
            values = (out.logits.softmax(-1) * out.q).sum(-1)
            pi, log_pi = logits.softmax(-1), logits.log_softmax(-1)
            ratio = at(pi, batch.action) / at(mu, batch.action).clamp(min=TINY)
        taken = at(q, batch.action)
        target = retrace(values, taken, batch.reward, batch.discount, ratio, acted)
        weights, correction = truncated_weights(pi, mu, q.detach(), batch.action, target, spec.truncation)
        spread = -spec.entropy_weight * pi * (log_pi + 1)  # its gradient is sum_a -pi(a) (log pi(a) + 1) grad log pi(a)
        climbed = trust_region_loss(logits, average, weights + spread, spec.radius, spec.statistics)
        count = acted.sum().clamp(min=1)

        def mean(x: torch.Tensor) -> torch.Tensor:
            return (x * acted).sum() / count

        error = target - taken
        critic = mean(0.5 * error.square())
        loss = mean(climbed) + spec.q_weight * critic
        metrics = {
            "policy_loss": mean(-(weights * log_pi).sum(-1)),
            "baseline_loss": critic.detach(),
            "entropy": mean(entropy(logits.detach(), 0.0)),
            "q_mean": mean(q.detach().mean(-1)),
            "ratio_mean": mean(ratio),
            "corrected": mean((correction != 0).any(-1).float()),
        }
        return loss, Learned(error.detach().abs().amax(0), metrics)

    def outputs(self, obs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.online.first_outputs(obs)

    def state_dict(self) -> dict[str, Any]:
        return saved(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        restore(self, state)


def at(x: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
    """x [T, B, A] at action [T, B] -> [T, B]."""
    return x.gather(-1, action[..., None])[..., 0]
