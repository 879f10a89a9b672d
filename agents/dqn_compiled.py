"""DQN on networks so small that calls cost more than arithmetic: the same agent, its arithmetic in one compiled call.

agents/dqn.py says what is computed, of which papers, and chooses between the two. Equal to it within rounding
(nets/small.py says for which networks); the parameters lie in the same tensors, so optimizers, checkpoints and probes
see no difference.
"""

import copy

import numpy as np
import torch

from agents.acting.sampling import with_values
from agents.agent import Given, Learned, restore, saved
from agents.compiled.conv import Lit, lit_of
from agents.compiled.q_learning import q_learning
from agents.compiled.rows import prepare as prepare_rows
from agents.compiled.rows import transitions
from agents.losses.bootstrap import Greedy
from agents.losses.categorical import Categorical
from agents.losses.returns import n_step
from agents.losses.value import Scalar
from agents.nets import small
from agents.nets.network import Network
from agents.optim.small import SmallStep
from agents.optim.step import Follower, GradientStep
from agents.spec.agent import DQN as DQNSpec
from agents.step import ActorInput, ActorOutput, Batch, SequenceSpec, Stored


class CompiledDQN:
    """As agents/dqn.py for one scalar value per action, with squared or Huber errors, and for C51.

    It bootstraps from one action, by either network's choice.
    """

    acting = ("online",)

    def __init__(self, spec: DQNSpec, given: Given, value: Scalar | Categorical, bootstrap: Greedy):
        self.spec, self.value, self.bootstrap, self.noise = spec, value, bootstrap, given.noise
        self.n_actions, self.keep = given.actions, given.keep
        self.networks = {"online": given.online, "target": copy.deepcopy(given.online).requires_grad_(False)}
        for network in self.networks.values():
            small.form(network)  # compiles now, before training begins, if that was never done here
        prepare_rows()
        self._support = value.support.numpy()
        gradients = {parameter: torch.empty_like(parameter) for parameter in given.online.parameters()}
        self.gradients = list(gradients.values())
        form = small.form(given.online)
        self._gradients_of = small.Places([gradients[each] for each in form.parameters], small.ROWS)
        self._sigma_gradients_of = small.Places([gradients[each] for each in form.sigmas])
        self.step = given.step(given.online)
        self.steps = {"online": self.step}
        learns = isinstance(self.step, GradientStep)  # an actor has nothing of the kind
        self._down = SmallStep(self.step, self.gradients) if learns else None
        self.target_copy = Follower(self.online, self.target, given.target_every, tau=1)
        extras = {name: ((), np.float32) for name in self.keep}
        self.sequence_spec = SequenceSpec(spec.n_step, (0, spec.n_step), extras=extras, in_place=True)
        self.online.resample(self.noise)

    @property
    def online(self) -> Network:
        return self.networks["online"]

    @property
    def target(self) -> Network:
        return self.networks["target"]

    def act(self, inputs: ActorInput, epsilon: float | np.ndarray, rng: np.random.Generator) -> ActorOutput:
        """Epsilon-greedy; epsilon is one number or [B]."""
        chosen, q = small.form(self.online).act(inputs.obs, self._support, epsilon, rng, bool(self.keep))
        return with_values(chosen, q, self.keep)

    def learn(self, batch: Batch | Stored) -> Learned:
        """One update; batch of `sequence_spec`."""
        learned = self.loss(batch)
        assert self._down is not None
        norm = self._down()
        self.target_copy.after(self.step.steps)
        return learned._replace(metrics={**learned.metrics, "grad_norm": norm})

    def loss(self, batch: Batch | Stored) -> Learned:
        """The gradients of the loss go to `gradients`; noise is drawn as agents/dqn.py says."""
        online, target = small.form(self.online), small.form(self.target)
        self.target.resample(self.noise)
        target_weights = target.weights()
        selector = target_weights
        if self.bootstrap.double:
            self.online.resample(self.noise)
            selector = online.weights(1)
        self.online.resample(self.noise)
        scales, gradients = online.scales(), self._gradients_of.table()
        priorities, loss, q_mean = q_learning(
            *(self._stored(batch) if isinstance(batch, Stored) else self._laid_out(batch)),
            online.seen,
            online.weights(),
            selector,
            target_weights,
            small.factors(scales),
            small.factors(target.scales()),
            self._support,
            self.bootstrap.double,
            self.value.huber,
            gradients,
        )
        online.to_sigmas(gradients, self._sigma_gradients_of.table())
        online.to_plain(self._gradients_of.arrays(), scales)
        self.online.resample(self.noise)
        return Learned(torch.from_numpy(priorities), {"loss": loss, "q_mean": q_mean})

    def _stored(self, batch: Stored) -> tuple[Lit | np.ndarray, ...]:
        """s, a, n-step reward and discount, s' and weights [B] of what lies in the memory still."""
        store = batch.store
        if store.stack > 1 or store.dtype != np.uint8:
            return self._laid_out(store.gather(batch.key, batch.weight))
        parts = (store.by_slot(name) for name in ("action", "reward", "discount", "last"))
        return *transitions(batch.key, store.by_slot("obs"), *parts, store.streams, self.spec.n_step), batch.weight

    def _laid_out(self, batch: Batch) -> tuple[Lit | np.ndarray, ...]:
        """The same of rows that were put together."""
        obs, returns = small.flat(batch.obs), n_step(batch.reward, batch.discount)
        parts = (part.numpy() for part in (batch.action[0], *returns))
        return lit_of(obs[0]), *parts, lit_of(obs[1]), batch.weight.numpy()

    def outputs(self, obs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.online.first_outputs(obs)

    def state_dict(self) -> dict:
        return saved(self)

    def load_state_dict(self, state: dict) -> None:
        restore(self, state)
