"""DQN (Mnih et al. 2015, Nature 518:529) and what the value family made of it, from the same few lines.

Double DQN (van Hasselt et al. 2016, arXiv:1509.06461) is `selector: online`, Munchausen DQN (arXiv:2007.14430) another
way to bootstrap. C51 (arXiv:1707.06887), QR-DQN (arXiv:1710.10044) and IQN (arXiv:1806.06923) are value kinds, dueling
(arXiv:1511.06581) is a head, noisy nets (arXiv:1706.10295) are a kind of linear layer, n-step returns the length of the
memory's window, prioritized replay (arXiv:1511.05952) a selector: Rainbow (Hessel et al. 2018, arXiv:1710.02298) names
six of these.

    time      t          t+1        …     t+n-1        t+n
    obs       S_t                                      S_t+n
    action    A_t        A_t+1      …     A_t+n-1
    reward    R_t+1      R_t+2      …     R_t+n                  row k of the batch: what action A_t+k gave
    target    R_t+1 + γ R_t+2 + … + γ^n-1 R_t+n + γ^n max_a Q_target(S_t+n, a)

Only the first and the last observation are drawn. A discount of 0 at an episode's end cuts the sum there.
"""

import copy
from functools import partial

import numpy as np
import torch

from agents.acting.sampling import epsilon_greedy_output, quantile_levels
from agents.agent import Given, Learned, restore, saved
from agents.dqn_compiled import CompiledDQN
from agents.losses.bootstrap import Bootstrap, Greedy
from agents.losses.categorical import Categorical
from agents.losses.penalty import Nothing, Penalty
from agents.losses.returns import n_step
from agents.losses.value import Scalar, Value, at_action, q_loss
from agents.nets import small
from agents.nets.network import Network
from agents.optim.step import Follower
from agents.spec.agent import DQN as DQNSpec
from agents.step import ActorInput, ActorOutput, Batch, SequenceSpec


def make(spec: DQNSpec, given: Given, value: Value, penalty: Penalty, bootstrap: Bootstrap) -> "DQN | CompiledDQN":
    """The agent in its compiled form where network, loss and bootstrap have one; else the plain one."""
    known = isinstance(value, Scalar | Categorical) and value.compiled and isinstance(bootstrap, Greedy)
    if known and isinstance(penalty, Nothing) and small.fits(given.online):
        return CompiledDQN(spec, given, value, bootstrap)
    return DQN(spec, given, value, penalty, bootstrap)


class DQN:
    """Acts epsilon-greedily on `online`, bootstraps on `target`; `noise` feeds noisy layers and quantile levels.

    Levels to act with come from the generator that explores, so that evaluations move nothing of what is learned from.
    `keep` names what to keep with each row: the values of the action taken and of the best one.
    """

    acting = ("online",)

    def __init__(self, spec: DQNSpec, given: Given, value: Value, penalty: Penalty, bootstrap: Bootstrap):
        self.value, self.penalty, self.bootstrap, self.noise = value, penalty, bootstrap, given.noise
        self.n_actions, self.keep = given.actions, given.keep
        self.networks = {"online": given.online, "target": copy.deepcopy(given.online).requires_grad_(False)}
        self.step = given.step(given.online)
        self.steps = {"online": self.step}
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
        """Epsilon-greedy; epsilon is one number or [B]. The network is spared where nobody asks it."""
        tau = quantile_levels(rng, len(inputs.obs), self.value.samples.acting)
        q = partial(self._q, inputs.obs, *tau)
        return epsilon_greedy_output(q, inputs, self.n_actions, self.keep, epsilon, rng)

    @torch.inference_mode()
    def _q(self, obs: torch.Tensor, *tau: torch.Tensor) -> np.ndarray:
        return self.value.mean(self.online(obs, *(each.to(obs.device) for each in tau))).cpu().numpy()

    def _levels(self, count: int, size: int) -> tuple[torch.Tensor, ...]:
        """New levels tau ~ U(0, 1) [size, count] to learn with; none where count is 0."""
        return (torch.rand(size, count, generator=self.noise, device=self.noise.device),) if count else ()

    def _ask(self, batch: Batch, network: str, row: int, *counts: int) -> tuple[torch.Tensor, ...]:
        """What a bootstrap asks of the networks (losses/bootstrap.py)."""
        self.networks[network].resample(self.noise)
        tau = self._levels(sum(counts), batch.obs.shape[1])
        raw = self.networks[network](batch.obs[row], *tau)
        return raw.split(counts, -1) if tau else (raw,) * len(counts)

    def learn(self, batch: Batch) -> Learned:
        """One step down the mean over the batch of weight x loss; then the target network, when its time has come."""
        loss, learned = self.loss(batch)
        norm = self.step.down(loss)
        self.target_copy.after(self.step.steps)
        return learned._replace(metrics={**learned.metrics, "grad_norm": norm})

    def loss(self, batch: Batch) -> tuple[torch.Tensor, Learned]:
        """Batch of `sequence_spec`: T = n_step, observations 0 and n_step; see agents/step.py. -> scalar, the rest

        With noisy layers, Q(s, .), the argmax at s' and its value are three independent draws, each shared by the
        whole batch (Fortunato et al. 2018, Algorithm 1); acting goes on with a fourth until the next update.
        Quantile levels are drawn for each of them and for each state.
        """
        r_t, discount_t = n_step(batch.reward, batch.discount)
        with torch.no_grad():
            r_t, raw_t = self.bootstrap(self.value, partial(self._ask, batch), batch.action[0], r_t)
        self.online.resample(self.noise)
        tau = self._levels(self.value.samples.predicted, len(r_t))
        s_tm1 = self.penalty.watch(self.online.scaled(batch.obs[0]))
        raw_tm1 = self.online.values(s_tm1, *tau)
        self.online.resample(self.noise)
        losses, priorities = q_loss(self.value, raw_tm1, batch.action[0], r_t, discount_t, raw_t, *tau)
        loss = (batch.weight * losses).mean()
        metrics = {"loss": loss.detach(), "q_mean": self.value.mean(raw_tm1.detach()).mean()}
        penalties = self.penalty.terms(self.value.mean(at_action(raw_tm1, batch.action[0])), s_tm1)
        metrics |= {name: term.detach() for name, term in penalties.items()}
        return sum(penalties.values(), loss), Learned(priorities, metrics)

    def outputs(self, obs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        k = self.value.samples.acting
        # At fixed levels, since looking must change no later draw.
        middles = [((torch.arange(k, device=obs.device) + 0.5) / k).expand(len(obs), k)] if k else []
        return self.online.first_outputs(obs, *middles)

    def state_dict(self) -> dict:
        return saved(self)

    def load_state_dict(self, state: dict) -> None:
        restore(self, state)
