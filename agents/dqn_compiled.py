"""DQN on networks so small that calls cost more than arithmetic: the same agent, its arithmetic in one compiled call.

agents/dqn.py says what is computed, of which papers, and chooses between the two. Equal to it within rounding
(nets/small.py says for which networks); the parameters lie in the same tensors, so optimizers, checkpoints and probes
see no difference.
"""

import copy

import numpy as np
import torch

from agents.acting.sampling import epsilon_greedy_output
from agents.agent import Given, Learned, restore, saved
from agents.compiled.q_learning import q_learning
from agents.losses.returns import n_step
from agents.losses.value import Scalar
from agents.nets import small
from agents.nets.network import Network
from agents.optim.small import SmallStep
from agents.optim.step import Follower, GradientStep
from agents.spec.agent import DQN as DQNSpec
from agents.step import ActorInput, ActorOutput, Batch, SequenceSpec


class CompiledDQN:
    """As agents/dqn.py for one scalar value per action, with squared or Huber errors."""

    acting = ("online",)

    def __init__(self, spec: DQNSpec, given: Given, value: Scalar):
        self.spec, self.value, self.noise = spec, value, given.noise
        self.n_actions, self.keep = given.actions, given.keep
        self.networks = {"online": given.online, "target": copy.deepcopy(given.online).requires_grad_(False)}
        for network in self.networks.values():
            small.form(network)  # compiles now, before training begins, if that was never done here
        gradients = {parameter: torch.empty_like(parameter) for parameter in given.online.parameters()}
        self.gradients = list(gradients.values())
        in_order = [gradients[each] for each in small.form(given.online).parameters]
        self._gradient_arrays = small.Views(in_order, small.matrix)
        self.step = given.step(given.online)
        self.steps = {"online": self.step}
        learns = isinstance(self.step, GradientStep)  # an actor has nothing of the kind
        self._down = SmallStep(self.step, self.gradients) if learns else None
        self.target_copy = Follower(self.online, self.target, given.target_every, tau=1)
        extras = {name: ((), np.float32) for name in self.keep}
        self.sequence_spec = SequenceSpec(spec.n_step, (0, spec.n_step), extras=extras)

    @property
    def online(self) -> Network:
        return self.networks["online"]

    @property
    def target(self) -> Network:
        return self.networks["target"]

    def act(self, inputs: ActorInput, epsilon: float | np.ndarray, rng: np.random.Generator) -> ActorOutput:
        """Epsilon-greedy; epsilon is one number or [B]."""
        return epsilon_greedy_output(lambda: self._q(inputs.obs), inputs, self.n_actions, self.keep, epsilon, rng)

    def _q(self, obs: torch.Tensor) -> np.ndarray:
        return small.form(self.online).values(obs)

    def learn(self, batch: Batch) -> Learned:
        """One update; batch of `sequence_spec`."""
        learned = self.loss(batch)
        assert self._down is not None
        norm = self._down()
        self.target_copy.after(self.step.steps)
        return learned._replace(metrics={**learned.metrics, "grad_norm": norm})

    def loss(self, batch: Batch) -> Learned:
        """The gradients of the loss go to `gradients`."""
        r_t, discount_t = n_step(batch.reward, batch.discount)
        online, target = small.form(self.online), small.form(self.target)
        obs, scales, gradients = small.flat(batch.obs), online.scales(), self._gradient_arrays()
        priorities, loss, q_mean = q_learning(
            obs[0],
            batch.action[0].numpy(),
            r_t.numpy(),
            discount_t.numpy(),
            obs[1],
            batch.weight.numpy(),
            online.seen,
            online.arrays(),
            target.arrays(),
            small.factors(scales),
            small.factors(target.scales()),
            self.spec.selector == "online",
            self.value.huber,
            gradients,
        )
        online.to_plain(gradients, scales)
        return Learned(torch.from_numpy(priorities), {"loss": loss, "q_mean": q_mean})

    def outputs(self, obs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.online.first_outputs(obs)

    def state_dict(self) -> dict:
        return saved(self)

    def load_state_dict(self, state: dict) -> None:
        restore(self, state)
