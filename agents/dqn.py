"""DQN (Mnih et al. 2015) and what the value family made of it, from the same few lines.

Double DQN (van Hasselt et al. 2016) is `selector: online`. C51 and QR-DQN are value kinds, dueling is a head, noisy
nets are a kind of linear layer, n-step returns the length of the memory's window, prioritized replay a selector:
Rainbow (Hessel et al. 2018) names all six. The loss is the mean over the batch of weight x per-sample loss.
"""

from typing import Any

import numpy as np
import torch

from agents.losses.returns import n_step
from agents.losses.value import Value, q_loss
from agents.nets.network import Network
from agents.spec.agent import DQN as DQNSpec
from agents.step import Batch, Loss


class DQN:
    """Acts epsilon-greedily on `online`, bootstraps on `target`; `noise` feeds noisy layers."""

    def __init__(
        self,
        spec: DQNSpec,
        value: Value,
        online: Network,
        target: Network,
        actions: int,
        noise: torch.Generator,
    ):
        self.spec, self.value, self.online, self.target, self.noise = spec, value, online, target, noise
        self.n_actions = actions
        self.moments = (0, spec.n_step)
        self.online.resample(noise)

    def act(self, obs: torch.Tensor, epsilon: float, dice: np.random.Generator) -> np.ndarray:
        """obs [B, C, H, W] uint8 -> actions [B] int64. The same draws are made whether or not they are used."""
        explore = dice.random(len(obs)) < epsilon
        actions = dice.integers(self.n_actions, size=len(obs))
        if not explore.all():
            with torch.inference_mode():
                greedy = self.value.mean(self.online(obs)).argmax(-1).cpu().numpy()
            actions = np.where(explore, actions, greedy)
        return actions

    def loss(self, batch: Batch) -> Loss:
        """Batch with T = n_step and moments (0, n_step); see agents/step.py.

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
        raw_tm1 = self.online(batch.obs[0])
        self.online.resample(self.noise)
        losses, priorities = q_loss(self.value, raw_tm1, batch.action[0], r_t, discount_t, raw_t, selector)
        loss = losses.dot(batch.weight / len(losses))
        metrics = {"loss": loss.detach(), "q_mean": self.value.mean(raw_tm1.detach()).mean()}
        return Loss({"q": loss}, priorities, metrics)

    def state_dict(self) -> dict[str, Any]:
        """What is not in the networks: the state of the noise."""
        return {"noise": self.noise.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.noise.set_state(state["noise"])
