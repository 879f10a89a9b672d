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
from agents.losses.categorical import Categorical
from agents.losses.returns import n_step
from agents.losses.value import Scalar
from agents.nets import small
from agents.nets.network import Network
from agents.optim.small import SmallStep
from agents.optim.step import Follower, GradientStep
from agents.spec.agent import DQN as DQNSpec
from agents.step import ActorInput, ActorOutput, Batch, SequenceSpec


class CompiledDQN:
    """As agents/dqn.py for one scalar value per action, with squared or Huber errors, and for C51."""

    acting = ("online",)

    def __init__(self, spec: DQNSpec, given: Given, value: Scalar | Categorical):
        self.spec, self.value, self.noise = spec, value, given.noise
        self.n_actions, self.keep = given.actions, given.keep
        self.networks = {"online": given.online, "target": copy.deepcopy(given.online).requires_grad_(False)}
        for network in self.networks.values():
            small.form(network)  # compiles now, before training begins, if that was never done here
        self._support = value.support.numpy()
        gradients = {parameter: torch.empty_like(parameter) for parameter in given.online.parameters()}
        self.gradients = list(gradients.values())
        form = small.form(given.online)
        self._gradient_arrays = small.Views([gradients[each] for each in form.parameters], small.matrix)
        self._sigma_gradients = small.Views([gradients[each] for each in form.sigmas], small.matrix)
        self.step = given.step(given.online)
        self.steps = {"online": self.step}
        learns = isinstance(self.step, GradientStep)  # an actor has nothing of the kind
        self._down = SmallStep(self.step, self.gradients) if learns else None
        self.target_copy = Follower(self.online, self.target, given.target_every, tau=1)
        extras = {name: ((), np.float32) for name in self.keep}
        self.sequence_spec = SequenceSpec(spec.n_step, (0, spec.n_step), extras=extras)
        self.online.resample(self.noise)

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
        return small.form(self.online).values(obs, self._support)[1]

    def learn(self, batch: Batch) -> Learned:
        """One update; batch of `sequence_spec`."""
        learned = self.loss(batch)
        assert self._down is not None
        norm = self._down()
        self.target_copy.after(self.step.steps)
        return learned._replace(metrics={**learned.metrics, "grad_norm": norm})

    def loss(self, batch: Batch) -> Learned:
        """The gradients of the loss go to `gradients`; noise is drawn as agents/dqn.py says."""
        r_t, discount_t = n_step(batch.reward, batch.discount)
        online, target, obs = small.form(self.online), small.form(self.target), batch.obs
        self.target.resample(self.noise)
        raw_t, q_t = target.values(obs[-1], self._support)
        if self.spec.selector == "online":
            self.online.resample(self.noise)
            _, q_t = online.values(obs[-1], self._support)
        self.online.resample(self.noise)
        scales, gradients = online.scales(), self._gradient_arrays()
        priorities, loss, q_mean = q_learning(
            small.flat(obs[0]),
            batch.action[0].numpy(),
            r_t.numpy(),
            discount_t.numpy(),
            raw_t,
            q_t,
            batch.weight.numpy(),
            online.seen,
            online.weights(),
            small.factors(scales),
            self._support,
            self.value.huber,
            small.both_streams(gradients),
        )
        online.to_sigmas(gradients, self._sigma_gradients())
        online.to_plain(gradients, scales)
        self.online.resample(self.noise)
        return Learned(torch.from_numpy(priorities), {"loss": loss, "q_mean": q_mean})

    def outputs(self, obs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.online.first_outputs(obs)

    def state_dict(self) -> dict:
        return saved(self)

    def load_state_dict(self, state: dict) -> None:
        restore(self, state)
