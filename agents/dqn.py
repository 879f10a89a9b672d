"""DQN (Mnih et al. 2015, Nature 518:529) and what the value family made of it, from the same few lines.

Double DQN (van Hasselt et al. 2016, arXiv:1509.06461) is `selector: online`. C51 (arXiv:1707.06887) and QR-DQN
(arXiv:1710.10044) are value kinds, dueling (arXiv:1511.06581) is a head, noisy nets (arXiv:1706.10295) are a kind of
linear layer, n-step returns the length of the memory's window, prioritized replay (arXiv:1511.05952) a selector:
Rainbow (Hessel et al. 2018, arXiv:1710.02298) names all six.

    time      t          t+1        …     t+n-1        t+n
    obs       S_t                                      S_t+n
    action    A_t        A_t+1      …     A_t+n-1
    reward    R_t+1      R_t+2      …     R_t+n                  row k of the batch: what action A_t+k gave
    target    R_t+1 + γ R_t+2 + … + γ^n-1 R_t+n + γ^n max_a Q_target(S_t+n, a)

Only the first and the last observation are drawn. A discount of 0 at an episode's end cuts the sum there.
"""

import copy

import numpy as np
import torch

from agents.acting.sampling import epsilon_greedy_output
from agents.agent import Given, Learned, restore, saved
from agents.dqn_compiled import CompiledDQN
from agents.losses.categorical import Categorical
from agents.losses.penalty import Nothing, Penalty
from agents.losses.returns import n_step
from agents.losses.value import Scalar, Value, at_action, q_loss
from agents.nets import small
from agents.nets.network import Network
from agents.optim.step import Follower
from agents.spec.agent import DQN as DQNSpec
from agents.step import ActorInput, ActorOutput, Batch, SequenceSpec


def make(spec: DQNSpec, given: Given, value: Value, penalty: Penalty) -> "DQN | CompiledDQN":
    """The agent in its compiled form where network and loss have one; else the plain one."""
    known = isinstance(value, Scalar | Categorical) and value.compiled
    if known and isinstance(penalty, Nothing) and small.fits(given.online):
        return CompiledDQN(spec, given, value)
    return DQN(spec, given, value, penalty)


class DQN:
    """Acts epsilon-greedily on `online`, bootstraps on `target`; `noise` feeds noisy layers.

    `keep` names what to keep with each row: the values of the action taken and of the best one.
    """

    acting = ("online",)

    def __init__(self, spec: DQNSpec, given: Given, value: Value, penalty: Penalty):
        self.spec, self.value, self.penalty, self.noise = spec, value, penalty, given.noise
        self.n_actions, self.keep = given.actions, given.keep
        self.networks = {"online": given.online, "target": copy.deepcopy(given.online).requires_grad_(False)}
        self.step = given.step(given.online)
        self.steps = {"online": self.step}
        self.target_copy = Follower(self.online, self.target, given.target_every, tau=1)
        extras = {name: ((), np.float32) for name in self.keep}
        self.sequence_spec = SequenceSpec(spec.n_step, (0, spec.n_step), extras=extras)
        self.online.resample(self.noise)
        self.update = given.capture(self._update, self.steps)

    @property
    def online(self) -> Network:
        return self.networks["online"]

    @property
    def target(self) -> Network:
        return self.networks["target"]

    def act(self, inputs: ActorInput, epsilon: float | np.ndarray, rng: np.random.Generator) -> ActorOutput:
        """Epsilon-greedy; epsilon is one number or [B]. The network is spared where nobody asks it."""
        return epsilon_greedy_output(lambda: self._q(inputs.obs), inputs, self.n_actions, self.keep, epsilon, rng)

    @torch.inference_mode()
    def _q(self, obs: torch.Tensor) -> np.ndarray:
        return self.value.mean(self.online(obs)).cpu().numpy()

    def learn(self, batch: Batch) -> Learned:
        """One step down the mean over the batch of weight x loss; then the target network, when its time has come."""
        learned = self.update(batch)
        self.target_copy.after(self.step.steps)
        return learned

    def _update(self, batch: Batch) -> Learned:
        loss, learned = self.loss(batch)
        norm = self.step.down(loss)
        return learned._replace(metrics={**learned.metrics, "grad_norm": norm})

    def loss(self, batch: Batch) -> tuple[torch.Tensor, Learned]:
        """Batch of `sequence_spec`: T = n_step, observations 0 and n_step; see agents/step.py. -> scalar, the rest

        With noisy layers, Q(s, .), the argmax at s' and its value are three independent draws, each shared by the
        whole batch (Fortunato et al. 2018, Algorithm 1); acting goes on with a fourth until the next update.
        """
        r_t, discount_t = n_step(batch.reward, batch.discount)
        with torch.no_grad():
            self.target.resample(self.noise)
            raw_t = selector = self.target(batch.obs[-1])
            if self.spec.selector == "online":
                self.online.resample(self.noise)
                selector = self.online(batch.obs[-1])
        self.online.resample(self.noise)
        s_tm1 = self.penalty.watch(self.online.scaled(batch.obs[0]))
        raw_tm1 = self.online.values(s_tm1)
        self.online.resample(self.noise)
        losses, priorities = q_loss(self.value, raw_tm1, batch.action[0], r_t, discount_t, raw_t, selector)
        loss = (batch.weight * losses).mean()
        metrics = {"loss": loss.detach(), "q_mean": self.value.mean(raw_tm1.detach()).mean()}
        penalties = self.penalty.terms(self.value.mean(at_action(raw_tm1, batch.action[0])), s_tm1)
        metrics |= {name: term.detach() for name, term in penalties.items()}
        return sum(penalties.values(), loss), Learned(priorities, metrics)

    def outputs(self, obs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.online.first_outputs(obs)

    def state_dict(self) -> dict:
        return saved(self)

    def load_state_dict(self, state: dict) -> None:
        restore(self, state)
