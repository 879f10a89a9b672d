"""Actor-critics on batches of one policy, with independent normal actions.

ACKTR for continuous control (Wu et al. 2017, arXiv:1708.05144, sections 3.1 and 5; openai/baselines@3f676f7,
acktr/acktr_cont.py) where both optimizers are K-FAC's (agents/optim/kfac.py), A2C where they are not, and TRPO
(Schulman et al. 2015, arXiv:1502.05477) where the policy's step is searched. Of each batch:

    A    advantages by GAE, from values before they are fitted, standardised
    V    passes of steps on 1/2 (R - V)^2, R being the discounted return, bootstrapped where it was cut off
    pi   one step on -pi(a|s) / pi_old(a|s) A (agents/policy/moves.py)
"""

from typing import Any

import numpy as np
import torch
from torch import nn

from agents.agent import Given, Learned, restore, saved
from agents.losses.gaussian import entropy, kl_divergence, log_probability
from agents.losses.policy import baseline_loss, gaussian_log_likelihood, standardised, surrogate
from agents.losses.vtrace import gae, n_step_targets
from agents.nets.gaussian import Normal, Policy, value_inputs
from agents.optim.conjugate import Fisher, normal_metric
from agents.optim.objective import minibatches
from agents.policy.actor_critic import critic_spread
from agents.spec.control import GaussianActorCritic as GaussianSpec
from agents.spec.optimizer import Critic
from agents.step import ActorInput, ActorOutput, Batch, SequenceSpec


def weight_squares(network: nn.Module) -> torch.Tensor:
    """1/2 the sum of squared weights, scalar; biases and spreads, which are vectors, are left out."""
    return 0.5 * torch.stack([p.square().sum() for p in network.parameters() if p.ndim > 1]).sum()


class Climb:
    """-mean pi(a|s) / pi_old(a|s) A + weight decay, an objective (agents/policy/moves.py) of N states.

    obs [N, S, D, 1], action [N, A], advantage [N]; pi_old is the policy at the first loss, where the gradient is that
    of -mean log pi(a|s) A.
    """

    def __init__(self, policy: Policy, obs: torch.Tensor, action: torch.Tensor, advantage: torch.Tensor, decay: float):
        self.policy, self.obs, self.action, self.advantage, self.decay = policy, obs, action, advantage, decay
        with torch.no_grad():
            self.before = Normal(*(tensor.clone() for tensor in policy(obs)))
            self.log_old = log_probability(self.before.mean, self.before.log_std, action)

    def loss(self) -> torch.Tensor:
        self.out = self.policy(self.obs)
        self.log_pi = log_probability(self.out.mean, self.out.log_std, self.action)
        return self.decay * weight_squares(self.policy) - surrogate(self.log_pi - self.log_old, self.advantage).mean()

    def likelihood(self, critic: Critic) -> tuple[torch.Tensor, torch.Tensor]:
        """Of the actions that were taken, all of whose rows count; `critic` says nothing of a policy."""
        return self.log_pi.sum(), torch.ones(len(self.obs), dtype=torch.bool, device=self.obs.device)

    def fisher(self, every: int, parameters: list[nn.Parameter], damping: float) -> Fisher:
        mean = self.out.mean[::every]
        outputs = torch.cat([mean, self.out.log_std.expand_as(mean)], 1)
        return Fisher(outputs, normal_metric(self.out.log_std), parameters, damping)

    @torch.no_grad()
    def divergence(self) -> torch.Tensor:
        """Mean KL divergence of the policy now from what it was."""
        now = self.policy(self.obs)
        return kl_divergence(self.before.mean, self.before.log_std, now.mean, now.log_std).mean()


class Fit:
    """mean 1/2 (R - V)^2 + weight decay, an objective of inputs [N, F] and targets R [N]."""

    def __init__(self, value: nn.Module, inputs: torch.Tensor, targets: torch.Tensor, decay: float, noise: Any):
        self.value, self.inputs, self.targets, self.decay, self.noise = value, inputs, targets, decay, noise

    def loss(self) -> torch.Tensor:
        self.values = self.value(self.inputs)
        self.error = baseline_loss(self.values, self.targets).mean()
        return self.error + self.decay * weight_squares(self.value)

    def likelihood(self, critic: Critic) -> tuple[torch.Tensor, torch.Tensor]:
        """Of values drawn now, from a normal distribution around each."""
        noise = torch.randn(self.values.shape, generator=self.noise, device=self.values.device)
        log_p = gaussian_log_likelihood(self.values, noise, critic_spread(critic, 2 * self.error.detach()))
        return log_p.sum(), torch.ones(len(self.inputs), dtype=torch.bool, device=self.inputs.device)


class GaussianActorCritic:
    """Draws each action from a normal distribution."""

    acting = ("policy",)

    def __init__(self, spec: GaussianSpec, given: Given):
        self.spec, self.noise = spec, given.noise
        policy, value = given.online.policy, given.online.value
        self.networks = {"policy": policy, "value": value}
        self.move = spec.step.make(policy)
        self.steps = {"value": given.step(value), **self.move.steps}
        rows = tuple(range(spec.unroll + 1))
        self.sequence_spec = SequenceSpec(
            spec.unroll,
            rows,
            cross_episodes=True,
            action=((given.actions,), np.float32),
            bootstrap_on_current=True,
            extras={"time": ((), np.int64)},
        )

    def act(self, inputs: ActorInput, epsilon: float | np.ndarray, rng: np.random.Generator) -> ActorOutput:
        """A draw from the policy; epsilon is 0 for this agent (agents/spec). The state: each episode's time, steps."""
        before = np.full(len(inputs.first), -1) if inputs.state is None else inputs.state
        time = np.where(inputs.first, 0, before + 1)
        with torch.inference_mode():
            out = self.networks["policy"](inputs.obs)
            mean, spread = out.mean.cpu().numpy(), out.log_std.exp().cpu().numpy()
        action = mean + spread * rng.standard_normal(mean.shape, np.float32)
        return ActorOutput(action, {"time": time}, time)

    def learn(self, batch: Batch) -> Learned:
        """Batch of `sequence_spec`. Rows at which nothing was done (an episode's last) are left out."""
        spec, policy, acted = self.spec, self.networks["policy"], ~batch.last[:-1]
        with torch.no_grad():
            inputs = value_inputs(policy(batch.obs.flatten(0, 1)), times(batch).flatten())
            values = self.networks["value"](inputs).view(batch.last.shape)
        experience = (values, batch.reward, batch.discount, acted)
        advantage = gae(*experience, spec.trace_decay).advantage
        targets = n_step_targets(*experience, "vs").vs[acted]
        self.fit(inputs.view(*batch.last.shape, -1)[:-1][acted], targets)
        obs, climbed = batch.obs[:-1][acted], standardised(advantage[acted])
        climb = Climb(policy, obs, batch.action[acted], climbed, spec.weight_decay)
        moved = self.move(climb)
        policy.seen.show(obs[:, -1].flatten(1))
        before = values[:-1][acted]
        metrics = {
            "policy_loss": -(climb.log_pi.detach() * climbed).mean(),
            "entropy": entropy(climb.before.log_std),
            "value_mean": before.mean(),
            "baseline_loss": baseline_loss(before, targets).mean(),
        }
        return Learned(advantage.abs().amax(0), {**moved, **metrics})

    def fit(self, inputs: torch.Tensor, targets: torch.Tensor) -> None:
        """Passes of the value over inputs [N, F] and targets [N]."""
        spec, value = self.spec, self.networks["value"]
        for _ in range(spec.value_passes):
            everything = [slice(None)]
            parts = everything if spec.minibatch is None else minibatches(len(inputs), spec.minibatch, self.noise)
            for rows in parts:
                self.steps["value"].descend(Fit(value, inputs[rows], targets[rows], spec.weight_decay, self.noise))

    def outputs(self, obs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        out: Normal = self.networks["policy"](obs)
        return out.mean, self.networks["value"](value_inputs(out, torch.zeros(len(obs), device=obs.device)))

    def state_dict(self) -> dict[str, Any]:
        return saved(self) | {"move": self.move.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        restore(self, state)
        self.move.load_state_dict(state["move"])


def times(batch: Batch) -> torch.Tensor:
    """Steps since the start of its episode, of each row [T + 1, B]: the last row's own is not kept yet."""
    row = torch.arange(len(batch.first), device=batch.first.device)[:, None]
    begin = torch.where(batch.first, row, -(2**62))
    begin[0] = -batch.extras["time"][0]
    return row - begin.cummax(0).values
