"""Actor-critics that learn from unrolls.

A2C and A3C (Mnih et al. 2016, arXiv:1602.01783, Algorithm S3), IMPALA (Espeholt et al. 2018, arXiv:1802.01561).

They differ in how many unrolls make an update, whose parameters acted (agents/executors) and what `correction`
makes up for the difference:

    none      pi log-gradient with n-step returns, whoever acted
    epsilon   none, with 1e-6 added to pi(a) inside the logarithm (GA3C, arXiv:1611.06256; IMPALA, section 5.2.2)
    one_step  min(rho_bar, pi/mu) on the policy's gradient only (section 5.2.2)
    vtrace    V-trace, targets and gradient (sections 4.1 and 4.2)
    gae       none, with generalised advantage estimation (arXiv:1506.02438) in place of n-step returns

ACKTR (Wu et al. 2017, arXiv:1708.05144) is A2C whose steps are K-FAC's (agents/optim/kfac.py).
"""

from typing import Any

import numpy as np
import torch

from agents.acting.sampling import sample_logits
from agents.agent import Given, Learned, restore, saved
from agents.losses.policy import (
    baseline_loss,
    entropy,
    gaussian_log_likelihood,
    kl_divergence,
    log_probability,
    policy_gradient_loss,
)
from agents.losses.vtrace import Corrected, gae, n_step_targets, vtrace
from agents.nets.network import Network
from agents.nets.policy import PolicyValue
from agents.spec.optimizer import AdaptiveCritic, Critic, GaussNewton
from agents.spec.policy import ActorCritic as ActorCriticSpec
from agents.step import ActorInput, ActorOutput, Batch, SequenceSpec

FLOOR = 1e-6  # of the epsilon-correction
LEAST = 1e-6  # variance of a critic that predicts without error, in squared returns


def critic_spread(critic: GaussNewton | AdaptiveCritic, error: torch.Tensor) -> torch.Tensor:
    """Standard deviation, scalar, of the Gaussian that a value counts as (arXiv:1708.05144, section 3.1).

    `error`: the value's mean square error in the batch, scalar.
    """
    return error.clamp(min=LEAST).sqrt() if critic.kind == "adaptive" else torch.full_like(error, critic.sigma)


class Unrolls:
    """The loss on one batch of unrolls, an objective (agents/optim/objective.py).

    Rows at which nothing was done (an episode's last) give no loss.
    """

    def __init__(self, agent: "ActorCritic", batch: Batch):
        self.agent, self.batch, self.acted = agent, batch, ~batch.last[:-1]
        self.count = self.acted.sum().clamp(min=1)  # unrolls of one row may all be an episode's last
        self.before: torch.Tensor | None = None  # logits of the first loss

    def loss(self) -> torch.Tensor:
        spec, batch, acted, count = self.agent.spec, self.batch, self.acted, self.count
        self.out = self.agent.unroll(batch)
        logits, values = self.out.logits[:-1], self.out.value
        if self.before is None:
            self.before = logits.detach()
        behaviour = log_probability(batch.extras["logits"][:-1], batch.action, 0.0)
        self.log_pi = log_probability(logits, batch.action, 0.0)
        log_ratio = self.log_pi.detach() - behaviour
        vs, rho, advantage = self._corrected(values.detach(), log_ratio)
        floored = spec.correction.kind == "epsilon"
        log_pi = log_probability(logits, batch.action, FLOOR) if floored else self.log_pi
        share = 1.0 if spec.reduction == "sum" else 1 / count

        def total(x: torch.Tensor) -> torch.Tensor:
            return (x * acted).sum()

        policy = total(policy_gradient_loss(log_pi, advantage, rho))
        baseline = total(baseline_loss(values[:-1], vs))
        spread = total(entropy(logits, 0.0))
        self.learned = Learned(
            advantage.abs().amax(0),
            {
                "policy_loss": policy.detach() / count,
                "baseline_loss": baseline.detach() / count,
                "entropy": spread.detach() / count,
                "value_mean": total(values[:-1].detach()) / count,
                "ratio_mean": total(log_ratio.exp()) / count,
            },
        )
        return share * policy + share * spec.baseline_weight * baseline - share * spec.entropy_weight * spread

    def _corrected(self, values: torch.Tensor, log_ratio: torch.Tensor) -> Corrected:
        """Targets, ratios and advantages as `correction` says; values [T + 1, B] without gradient."""
        correction, q = self.agent.spec.correction, self.agent.spec.q
        experience = (values, self.batch.reward, self.batch.discount)
        if correction.kind == "vtrace":
            return vtrace(*experience, log_ratio, self.acted, correction.rho_bar, correction.c_bar, q)
        if correction.kind == "gae":
            return gae(*experience, self.acted, correction.trace_decay)
        found = n_step_targets(*experience, self.acted, q)
        if correction.kind == "one_step":
            return found._replace(rho=log_ratio.exp().clamp(max=correction.rho_bar))
        return found

    def likelihood(self, critic: Critic) -> tuple[torch.Tensor, torch.Tensor]:
        """log p(a, v | s) of the actions taken and of values drawn now (arXiv:1708.05144, section 3.1).

        A Euclidean critic has no distribution, and its own layers no Fisher matrix.
        """
        log_p, values = self.log_pi, self.out.value[:-1]
        if critic.kind != "euclidean":
            sigma = critic_spread(critic, self.learned.metrics["baseline_loss"] * 2)
            noise = torch.randn(values.shape, generator=self.agent.noise, device=values.device)
            log_p = log_p + gaussian_log_likelihood(values, noise, sigma)
        nothing = torch.zeros_like(self.acted[:1])  # the row that is only bootstrapped from
        return (log_p * self.acted).sum(), torch.cat([self.acted, nothing]).flatten()

    @torch.no_grad()
    def divergence(self) -> torch.Tensor:
        """Mean KL divergence of the policy now from what it was at the first loss, over all actions."""
        logits = self.agent.unroll(self.batch).logits[:-1]
        return (kl_divergence(self.before, logits) * self.acted).sum() / self.count


class ActorCritic:
    """Samples its policy and keeps the logits it sampled from; a recurrent one also the state and inputs of each row.

    Noise of noisy layers is drawn anew after every update: with as many unrolls per update as streams, acting and
    learning see one draw per unroll (Fortunato et al. 2018, arXiv:1706.10295, section 3.2), here shared by all streams.
    """

    acting = ("online",)
    common: tuple[torch.Tensor, ...] = ()  # what lock-free learners share beside parameters and statistics

    def __init__(self, spec: ActorCriticSpec, given: Given):
        self.spec, self.noise = spec, given.noise
        self.networks = {"online": given.online}
        self.step = given.step(given.online)
        self.steps = {"online": self.step}
        self.new_noise()
        extras: dict[str, tuple[tuple[int, ...], type]] = {
            "logits": ((given.actions,), np.float32),
            "version": ((), np.int64),
        }
        self._recurrent = self.online.core is not None
        if self._recurrent:
            extras |= {
                "state": ((2, self.online.core.size), np.float32),
                "previous_action": ((), np.int64),
                "previous_reward": ((), np.float32),
            }
        rows = tuple(range(spec.unroll + 1))
        self.sequence_spec = SequenceSpec(
            spec.unroll, rows, cross_episodes=True, bootstrap_on_current=True, extras=extras
        )

    @property
    def online(self) -> Network:
        return self.networks["online"]

    def new_noise(self) -> None:
        """Draw noise for acting and learning until the next update."""
        self.online.resample(self.noise)

    def act(self, inputs: ActorInput, epsilon: float | np.ndarray, rng: np.random.Generator) -> ActorOutput:
        """A draw from the softmax. Epsilon is 0 for this agent (agents/spec), since the logits must tell all."""
        with torch.inference_mode():
            if not self._recurrent:
                logits = self.online(inputs.obs).logits.cpu().numpy()
                return ActorOutput(sample_logits(logits, rng), {"logits": logits})
            size, device = len(inputs.obs), inputs.obs.device
            state = self.online.initial(size) if inputs.state is None else inputs.state
            state = state * torch.from_numpy(~inputs.first).to(device)[:, None, None]
            action, reward = torch.from_numpy(inputs.action).to(device), torch.from_numpy(inputs.reward).to(device)
            out, after = self.online.unroll(inputs.obs[None], action[None], reward[None], state)
            logits = out.logits[0].cpu().numpy()
        extras = {
            "logits": logits,
            "state": state.cpu().numpy(),
            "previous_action": inputs.action,
            "previous_reward": inputs.reward,
        }
        return ActorOutput(sample_logits(logits, rng), extras, after.clone())

    def learn(self, batch: Batch) -> Learned:
        """One step on the objective."""
        objective = Unrolls(self, batch)
        moved = self.step.descend(objective)
        self.new_noise()
        learned = objective.learned
        return learned._replace(metrics={**learned.metrics, **moved})

    def loss(self, batch: Batch) -> tuple[torch.Tensor, Learned]:
        """Batch of `sequence_spec`; what its update would go down, and what would come of it."""
        objective = Unrolls(self, batch)
        return objective.loss(), objective.learned

    def unroll(self, batch: Batch) -> PolicyValue:
        """Policy and value of all T + 1 rows; the state is zero again where an episode begins."""
        if not self._recurrent:
            return self.online.unroll(batch.obs, None, None, None)[0]
        action = torch.cat([batch.extras["previous_action"][:1], batch.action]) * ~batch.first
        reward = torch.cat([batch.extras["previous_reward"][:1], batch.reward]) * ~batch.first
        return self.online.unroll(batch.obs, action, reward, batch.extras["state"][0], batch.first)[0]

    def outputs(self, obs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.online.first_outputs(obs)

    def state_dict(self) -> dict[str, Any]:
        return saved(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        restore(self, state)
