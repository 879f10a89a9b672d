"""DQN (Mnih et al. 2015), Double DQN (van Hasselt et al. 2016) and n-step returns, from the same few lines.

Double DQN is `selector: online`. What the network predicts is a value kind (losses/value.py); how transitions
are drawn is the memory's affair. The loss is the mean over the batch of weight x per-sample loss.
"""

import numpy as np
import torch

from agents.losses.returns import n_step
from agents.losses.value import Value, q_loss
from agents.nets.network import Network
from agents.spec import DQN as DQNSpec
from agents.step import Batch, Loss


class DQN:
    """Acts epsilon-greedily on `online`, bootstraps on `target`."""

    def __init__(self, spec: DQNSpec, value: Value, online: Network, target: Network, actions: int):
        self.spec, self.value, self.online, self.target = spec, value, online, target
        self.n_actions = actions
        self.moments = (0, spec.n_step)

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
        """Batch with T = n_step and moments (0, n_step); see agents/step.py."""
        r_t, discount_t = n_step(batch.reward, batch.discount)
        raw_tm1 = self.online(batch.obs[0])
        with torch.no_grad():
            raw_t = self.target(batch.obs[-1])
            selector = self.online(batch.obs[-1]) if self.spec.selector == "online" else raw_t
        losses, priorities = q_loss(self.value, raw_tm1, batch.action[0], r_t, discount_t, raw_t, selector)
        loss = (batch.weight * losses).mean()
        metrics = {"loss": loss.detach(), "q_mean": self.value.mean(raw_tm1.detach()).mean()}
        return Loss({"q": loss}, priorities, metrics)
