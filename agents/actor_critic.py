"""Actor-critics that learn from unrolls.

A2C and A3C (Mnih et al. 2016, arXiv:1602.01783, Algorithm S3), IMPALA (Espeholt et al. 2018, arXiv:1802.01561).

They differ in how many unrolls make an update, whose parameters acted (agents/executors) and what `correction`
makes up for the difference:

    none      pi log-gradient with n-step returns, whoever acted
    epsilon   none, with 1e-6 added to pi(a) inside the logarithm (GA3C, arXiv:1611.06256; IMPALA, section 5.2.2)
    one_step  min(rho_bar, pi/mu) on the policy's gradient only (section 5.2.2)
    vtrace    V-trace, targets and gradient (sections 4.1 and 4.2)
"""

from typing import Any

import numpy as np
import torch

from agents.acting.sampling import sample
from agents.agent import Given, Learned, restore, saved
from agents.losses.policy import baseline_loss, entropy, log_probability, policy_gradient_loss
from agents.losses.vtrace import n_step_targets, vtrace
from agents.nets.network import Network
from agents.spec.agent import ActorCritic as ActorCriticSpec
from agents.step import ActorInput, ActorOutput, Batch, SequenceSpec

FLOOR = 1e-6  # of the epsilon-correction


class ActorCritic:
    """Samples its policy and keeps the logits it sampled from; a recurrent one also the state and inputs of each row.

    Noise of noisy layers is drawn anew after every update: with as many unrolls per update as streams, acting and
    learning see one draw per unroll (Fortunato et al. 2018, arXiv:1706.10295, section 3.2), here shared by all streams.
    """

    acting = ("online",)

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
        # Noise drawn in one update is used in the next, and is not where a graph would look for it then.
        self.update = self._update if self.online.noisy else given.capture(self._update, self.steps)

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
                return ActorOutput(self._draw(logits, rng), {"logits": logits})
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
        return ActorOutput(self._draw(logits, rng), extras, after.clone())

    @staticmethod
    def _draw(logits: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        heights = np.exp(logits - logits.max(-1, keepdims=True))
        return sample(heights, rng)

    def learn(self, batch: Batch) -> Learned:
        """One step down the loss."""
        return self.update(batch)

    def _update(self, batch: Batch) -> Learned:
        loss, learned = self.loss(batch)
        norm = self.step.down(loss)
        self.new_noise()
        return learned._replace(metrics={**learned.metrics, "grad_norm": norm})

    def loss(self, batch: Batch) -> tuple[torch.Tensor, Learned]:
        """Batch of `sequence_spec`; rows at which nothing was done (an episode's last) give no loss."""
        spec = self.spec
        out = self._unroll(batch)
        logits, values = out.logits[:-1], out.value
        acted = ~batch.last[:-1]
        behaviour = log_probability(batch.extras["logits"][:-1], batch.action, 0.0)
        log_pi = log_probability(logits, batch.action, 0.0)
        log_ratio = log_pi.detach() - behaviour
        experience = (values.detach(), batch.reward, batch.discount)
        if spec.correction.kind == "vtrace":
            vs, rho, advantage = vtrace(
                *experience, log_ratio, acted, spec.correction.rho_bar, spec.correction.c_bar, spec.q
            )
        else:
            vs, rho, advantage = n_step_targets(*experience, acted, spec.q)
        if spec.correction.kind == "one_step":
            rho = log_ratio.exp().clamp(max=spec.correction.rho_bar)
        if spec.correction.kind == "epsilon":
            log_pi = log_probability(logits, batch.action, FLOOR)

        count = acted.sum().clamp(min=1)  # unrolls of one row may all be an episode's last
        share = 1.0 if spec.reduction == "sum" else 1 / count

        def total(x: torch.Tensor) -> torch.Tensor:
            return (x * acted).sum()

        policy = total(policy_gradient_loss(log_pi, advantage, rho))
        baseline = total(baseline_loss(values[:-1], vs))
        spread = total(entropy(logits, 0.0))
        loss = share * policy + share * spec.baseline_weight * baseline - share * spec.entropy_weight * spread
        metrics = {
            "policy_loss": policy.detach() / count,
            "baseline_loss": baseline.detach() / count,
            "entropy": spread.detach() / count,
            "value_mean": total(values[:-1].detach()) / count,
            "ratio_mean": total(log_ratio.exp()) / count,
        }
        return loss, Learned(advantage.abs().amax(0), metrics)

    def _unroll(self, batch: Batch) -> Any:
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
