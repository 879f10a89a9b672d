"""Two small agents that no paper knows: what an agent may do within its own file, for test_agent.py.

As a program this is a process whose forks, the actors, know them, in place of agents/executors/nursery.py.
"""

import copy
import math
import os
from typing import Any

import numpy as np
import torch
from torch import nn

from agents.acting.sampling import epsilon_greedy
from agents.agent import Given, Learned, restore, saved
from agents.executors import nursery
from agents.optim.objective import Backtracked, backtrack
from agents.optim.step import Follower, GradientStep
from agents.spec.agent import DQN
from agents.spec.optimizer import Adam as AdamSpec
from agents.step import ActorInput, ActorOutput, Batch, SequenceSpec

CHOSEN = "OWN_AGENT"  # the environment variable that tells processes which one it is


def use(name: str) -> None:
    """From here on `agent.kind: dqn` stands for the agent of this name."""
    os.environ[CHOSEN] = name
    DQN.code = f"tests.agents.own_agents:{name}"


class Table(nn.Module):
    """One weight for each pixel and action, 0 at first: [B, C, H, W] -> [B, A]."""

    def __init__(self, pixels: int, actions: int):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(pixels, actions))

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        return obs.flatten(1).float() @ self.weight


class Critics:
    """Acts greedily on policy + critic; each has an optimizer of its own and is followed by another network.

    An update is CRITIC_STEPS steps of the critic towards r + gamma max slow_critic, of which each is on the loss that
    the one before left, then one of the policy towards the critic's greedy action, held by the policy it was lately.
    """

    CRITIC_STEPS, TAU, COPY_EVERY = 3, 0.25, 3
    acting = ("policy", "critic")
    sequence_spec = SequenceSpec(1, (0, 1))

    def __init__(self, spec: DQN, given: Given, **parts: Any):
        self.noise = given.noise
        critic, policy = given.online, Table(400, given.actions)
        self.networks = {
            "critic": critic,
            "slow_critic": copy.deepcopy(critic).requires_grad_(False),
            "policy": policy,
            "late_policy": copy.deepcopy(policy).requires_grad_(False),
        }
        slow = AdamSpec(kind="adam", lr=1e-3, epsilon=1e-8, beta1=0.5, beta2=0.9)
        self.steps = {
            "critic": given.step(critic),
            "policy": GradientStep(slow.make(policy.parameters()), 0.05, []),
        }
        self.followers = [
            Follower(critic, self.networks["slow_critic"], every=1, tau=self.TAU),
            Follower(policy, self.networks["late_policy"], every=self.COPY_EVERY, tau=1),
        ]

    def act(self, inputs: ActorInput, epsilon: float | np.ndarray, rng: np.random.Generator) -> ActorOutput:
        with torch.no_grad():
            return ActorOutput(epsilon_greedy(preference(self.networks, inputs.obs), epsilon, rng))

    def learn(self, batch: Batch) -> Learned:
        critic, policy = self.networks["critic"], self.networks["policy"]
        with torch.no_grad():
            following = self.networks["slow_critic"](batch.obs[1])[..., 0].amax(-1)
            goal = batch.reward[0] + batch.discount[0] * following
        losses = []
        for _ in range(self.CRITIC_STEPS):
            q = critic(batch.obs[0])[..., 0]
            errors = goal - q.gather(-1, batch.action[0][:, None])[:, 0]
            losses.append(errors.square().mean())
            norm = self.steps["critic"].down(losses[-1])
        q, logits = critic(batch.obs[0])[..., 0], policy(batch.obs[0])
        with torch.no_grad():
            late = self.networks["late_policy"](batch.obs[0])
        value = (logits.softmax(-1) * q).sum(-1).mean()  # a way through the critic, which takes no step here
        policy_norm = self.steps["policy"].down((logits - late).square().mean() - value)
        for follower in self.followers:
            follower.after(self.steps["policy"].steps)
        metrics = {"loss": losses[0].detach(), "last_loss": losses[-1].detach(), "grad_norm": norm}
        return Learned(errors.detach().abs(), metrics | {"policy_grad_norm": policy_norm})

    def outputs(self, obs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (preference(self.networks, obs),)

    def state_dict(self) -> dict[str, Any]:
        return saved(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        restore(self, state)


def preference(networks: dict[str, nn.Module], obs: torch.Tensor) -> torch.Tensor:
    """What Critics acts on, [B, A]."""
    return networks["policy"](obs) + networks["critic"](obs)[..., 0]


class SquaredError:
    """An objective: TD errors of one batch towards fixed goals; divergence is how far all values moved, mean square."""

    def __init__(self, network: nn.Module, target: nn.Module, batch: Batch):
        self.network, self.batch = network, batch
        with torch.no_grad():
            self.goal = batch.reward[0] + batch.discount[0] * target(batch.obs[1])[..., 0].amax(-1)
            self.before = network(batch.obs[0])

    def errors(self) -> torch.Tensor:
        q = self.network(self.batch.obs[0])[..., 0]
        return self.goal - q.gather(-1, self.batch.action[0][:, None])[:, 0]

    def loss(self) -> torch.Tensor:
        return self.errors().square().mean()

    def divergence(self) -> torch.Tensor:
        return (self.network(self.batch.obs[0]) - self.before).square().mean()


class LineSearch:
    """Long strides downhill, each shortened until it helps within a trust region, or not made at all.

    No optimizer: how long the stride is to be is part of its state, like the direction that it last took.
    """

    SHRINK, TRIES, BOUND, STRIDE = 0.25, 2, 0.05, 4.0
    acting = ("online",)
    sequence_spec = SequenceSpec(1, (0, 1), extras={"version": ((), np.int64)})

    def __init__(self, spec: DQN, given: Given, **parts: Any):
        self.noise = given.noise
        self.networks = {"online": given.online, "target": copy.deepcopy(given.online).requires_grad_(False)}
        self.steps: dict[str, GradientStep] = {}
        self.parameters = list(given.online.parameters())
        self.target_copy = Follower(given.online, self.networks["target"], every=5, tau=1)
        self.updates, self.stride = 0, self.STRIDE
        self.direction = [torch.zeros_like(parameter) for parameter in self.parameters]

    def act(self, inputs: ActorInput, epsilon: float | np.ndarray, rng: np.random.Generator) -> ActorOutput:
        with torch.no_grad():
            return ActorOutput(epsilon_greedy(self.networks["online"](inputs.obs)[..., 0], epsilon, rng))

    def learn(self, batch: Batch) -> Learned:
        objective = SquaredError(self.networks["online"], self.networks["target"], batch)
        found = self.search(objective)
        self.updates += 1
        self.target_copy.after(self.updates)
        with torch.no_grad():
            priorities = objective.errors().abs()
        return Learned(priorities, {"loss": found.loss, "share": found.share, "divergence": found.divergence})

    def search(self, objective: SquaredError) -> Backtracked:
        """Downhill, with half of the way before; a stride that could be made whole is followed by a longer one."""
        gradients = torch.autograd.grad(objective.loss(), self.parameters)
        torch._foreach_mul_(self.direction, 0.5)
        torch._foreach_add_(self.direction, gradients, alpha=-1)
        step = torch._foreach_mul(self.direction, self.stride)
        found = backtrack(objective, self.parameters, step, self.SHRINK, self.TRIES, self.BOUND)
        self.stride = self.stride * 2 if found.share == 1 else max(self.stride * math.sqrt(found.share or 0.5), 1e-3)
        return found

    def outputs(self, obs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.networks["online"].first_outputs(obs)

    def state_dict(self) -> dict[str, Any]:
        return saved(self) | {"updates": self.updates, "stride": self.stride, "direction": self.direction}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        restore(self, state)
        self.updates, self.stride = state["updates"], state["stride"]
        torch._foreach_copy_(self.direction, state["direction"])


if __name__ == "__main__":
    use(os.environ[CHOSEN])
    nursery.main()
