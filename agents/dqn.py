"""DQN (Mnih et al. 2015) and what the value family made of it, from the same few lines.

Double DQN (van Hasselt et al. 2016) is `selector: online`. C51 and QR-DQN are value kinds, dueling is a head, noisy
nets are a kind of linear layer, n-step returns the length of the memory's window, prioritized replay a selector:
Rainbow (Hessel et al. 2018) names all six. The loss is the mean over the batch of weight x per-sample loss.
"""

import copy

import numpy as np
import torch

from agents.acting.sampling import explore
from agents.compiled.q_learning import q_learning
from agents.losses.penalty import Nothing, Penalty
from agents.losses.returns import n_step
from agents.losses.value import Scalar, Value, at_action, q_loss
from agents.nets import small
from agents.nets.network import Network
from agents.spec.agent import DQN as DQNSpec
from agents.step import ActorInput, ActorOutput, Batch, Loss, SequenceSpec


class DQN:
    """Acts epsilon-greedily on `online`, bootstraps on `target`; `noise` feeds noisy layers.

    `keep` names what to keep with each row: the values of the action taken and of the best one.
    """

    def __init__(
        self,
        spec: DQNSpec,
        online: Network,
        actions: int,
        noise: torch.Generator,
        value: Value,
        penalty: Penalty,
        keep: tuple[str, ...] = (),
    ):
        self.spec, self.value, self.penalty, self.online, self.noise = spec, value, penalty, online, noise
        if isinstance(value, Scalar) and value.compiled and isinstance(penalty, Nothing) and small.fits(online):
            online.small = small.Small.of(online)
        self.target = copy.deepcopy(online).requires_grad_(False)
        self.n_actions = actions
        self.keep = keep
        self.sequence_spec = SequenceSpec(
            spec.n_step, (0, spec.n_step), extras={name: ((), np.float32) for name in keep}
        )
        self.online.resample(noise)

    def act(self, inputs: ActorInput, epsilon: float | np.ndarray, rng: np.random.Generator) -> ActorOutput:
        """Epsilon-greedy; epsilon is one number or [B]. The network is spared where nobody asks it."""
        random, actions = explore(rng, epsilon, len(inputs.obs), self.n_actions)
        if random.all() and not self.keep:
            return ActorOutput(actions)
        if self.online.small:
            q = self.online.small.values(inputs.obs)
        else:
            with torch.inference_mode():
                q = self.value.mean(self.online(inputs.obs)).cpu().numpy()
        actions = np.where(random, actions, q.argmax(-1))
        if not self.keep:
            return ActorOutput(actions)
        return ActorOutput(actions, {"q_taken": q[np.arange(len(q)), actions], "q_best": q.max(1)})

    def loss(self, batch: Batch) -> Loss:
        """Batch of `sequence_spec`: T = n_step, observations 0 and n_step; see agents/step.py.

        With noisy layers, Q(s, .), the argmax at s' and its value are three independent draws, each shared by the
        whole batch (Fortunato et al. 2018, Algorithm 1); acting goes on with a fourth until the next update.
        """
        r_t, discount_t = n_step(batch.reward, batch.discount)
        if self.online.small:
            return self._compiled(batch, r_t, discount_t)
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
        return Loss({"q": loss, **penalties}, priorities, metrics)

    def _compiled(self, batch: Batch, r_t: torch.Tensor, discount_t: torch.Tensor) -> Loss:
        """`loss` and its gradients where network and loss have a compiled form."""
        online, target = self.online.small, self.target.small
        gradients, gradients = online.gradients
        obs = small.flat(batch.obs)
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
            self.spec.selector == "online",
            self.value.huber,
            gradients,
        )
        metrics = {"loss": loss, "q_mean": q_mean}
        return Loss({"q": torch.tensor(loss)}, torch.from_numpy(priorities), metrics, gradients=gradients)
