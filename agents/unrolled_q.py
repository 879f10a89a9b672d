"""Action values learned from short unrolls as they are made, without a replay memory.

The asynchronous one-step Q-learning, one-step Sarsa and n-step Q-learning of Mnih et al. 2016 (arXiv:1602.01783):
`form` says which targets (agents/losses/unrolled.py), the executor whether workers take turns or run without locks.

    row       t            t+1          …   t+T                 T = unroll
    n-step    r_t + γ r_t+1 + … + γ^T max_a Q_target(s_t+T, a)   the first row; each later one is shorter
    one-step  r_t + γ max_a Q_target(s_t+1, a)                   Sarsa: the action taken at t+1
              gradients of the T rows are accumulated, then there is one step

Sarsa learns an unroll when the row after it has been acted on: the action is chosen by the parameters from before the
update, as in the paper. The target network is copied when the run's frames pass a multiple of its period.
"""

import copy
from typing import Any

import numpy as np
import torch

from agents.acting.sampling import epsilon_greedy_output
from agents.agent import Given, Learned, restore, saved
from agents.losses.unrolled import at_actions, td_loss
from agents.nets.network import Network
from agents.spec.agent import UnrolledQ as UnrolledQSpec
from agents.step import ActorInput, ActorOutput, Batch, SequenceSpec


class UnrolledQ:
    """Acts epsilon-greedily on `online`, bootstraps on `target`; `targets` is one of agents/losses/unrolled.py."""

    acting = ("online",)

    def __init__(self, spec: UnrolledQSpec, given: Given, targets: Any):
        self.spec, self.targets, self.noise = spec, targets, given.noise
        self.n_actions, self.frames, self.target_every_frames = given.actions, given.frames, given.target_every_frames
        self.networks = {"online": given.online, "target": copy.deepcopy(given.online).requires_grad_(False)}
        self.step = given.step(given.online)
        self.steps = {"online": self.step}
        self.copies = torch.zeros(1, dtype=torch.int64)  # times that the target's period was over
        extras: dict[str, tuple[tuple[int, ...], type]] = {"version": ((), np.int64)}
        self._ahead = spec.waits > 0
        if self._ahead:
            extras["taken"] = ((), np.int64)  # the action, of the row after the unroll too
        self.sequence_spec = SequenceSpec(
            spec.unroll,
            tuple(range(spec.unroll + 1)),
            cross_episodes=True,
            bootstrap_on_current=not self._ahead,
            extras=extras,
        )

    @property
    def online(self) -> Network:
        return self.networks["online"]

    @property
    def target(self) -> Network:
        return self.networks["target"]

    @property
    def common(self) -> list[torch.Tensor]:
        """What lock-free learners share beside parameters and statistics: one target, copied once for all."""
        return [*self.target.parameters(), self.copies]

    def act(self, inputs: ActorInput, epsilon: float | np.ndarray, rng: np.random.Generator) -> ActorOutput:
        """Epsilon-greedy; epsilon is one number or [B]."""
        output = epsilon_greedy_output(lambda: self._q(inputs.obs), inputs, self.n_actions, (), epsilon, rng)
        return output._replace(extras={"taken": output.action}) if self._ahead else output

    @torch.inference_mode()
    def _q(self, obs: torch.Tensor) -> np.ndarray:
        return self.online(obs)[..., 0].cpu().numpy()

    def learn(self, batch: Batch) -> Learned:
        """One step down the loss; then the target network, when its time has come."""
        loss, learned = self.loss(batch)
        norm = self.step.down(loss)
        self.follow()
        return learned._replace(metrics={**learned.metrics, "grad_norm": norm})

    def loss(self, batch: Batch) -> tuple[torch.Tensor, Learned]:
        """Batch of `sequence_spec`; rows at which nothing was done (an episode's last) give no loss."""
        spec, acted = self.spec, ~batch.last[:-1]
        count = acted.sum().clamp(min=1)  # unrolls of one row may all be an episode's last
        with torch.no_grad():
            q_target = self.target.unroll(batch.obs, None, None, None)[0][..., 0]
        action = batch.extras["taken"] if self._ahead else batch.action
        targets = self.targets(q_target, action, batch.reward, batch.discount, acted)
        q = self.online.unroll(batch.obs[:-1], None, None, None)[0][..., 0]
        total = (td_loss(q, batch.action, targets, spec.loss) * acted).sum()
        error = (targets - at_actions(q.detach(), batch.action)) * acted
        metrics = {
            "loss": total.detach() / count,
            "q_mean": (q.detach().mean(-1) * acted).sum() / count,
            "learned_td_error": error.abs().sum() / count,
        }
        return total if spec.reduction == "sum" else total / count, Learned(error.abs().amax(0), metrics)

    @torch.no_grad()
    def follow(self) -> None:
        """Copy the newest parameters into the target network if its period is over: those that the step moved.

        They are not those of `online` where workers have copies of their own.
        """
        due = self.frames() // self.target_every_frames
        if due > self.copies.item():
            self.copies.fill_(due)
            ours, theirs = [*self.target.parameters()], self.step.moved
            torch._foreach_copy_([*ours, *self.target.buffers()], [*theirs, *self.online.buffers()])

    def outputs(self, obs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.online.first_outputs(obs)

    def state_dict(self) -> dict[str, Any]:
        return saved(self) | {"copies": self.copies}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        restore(self, state)
        self.copies.copy_(state["copies"])
