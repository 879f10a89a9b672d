"""AC(lambda): online actor-critic with eligibility traces (Young & Tian 2019, arXiv:1903.03176; Sutton & Barto 2018,
sections 12.2 and 13.5).

One transition per update: delta = r + gamma v(s') - v(s), z <- gamma lambda z + grad [v(s) + c log pi(a|s)], and a step
along delta z + beta grad H(pi(.|s')). As in the authors' examples/AC_lambda.py the entropy is that of the state
arrived at and stays out of the trace, which is zero again at every episode's first step. Their trace holds gradients
one update old; here, as in the book, they are taken at the parameters of the update.
"""

from typing import Any

import numpy as np
import torch

from agents.acting.sampling import explore, sample
from agents.agent import Given, Learned, restore, saved
from agents.losses.policy import entropy, log_probability, td_error
from agents.nets.network import Network
from agents.spec.policy import ACLambda as ACLambdaSpec
from agents.step import ActorInput, ActorOutput, Batch, SequenceSpec


class ACLambda:
    """Samples its policy; with probability epsilon an action is uniformly random instead."""

    acting = ("online",)
    sequence_spec = SequenceSpec(1, (0, 1))

    def __init__(self, spec: ACLambdaSpec, given: Given):
        self.spec, self.noise, self.n_actions = spec, given.noise, given.actions
        self.networks = {"online": given.online}
        self.step = given.step(given.online)
        self.steps = {"online": self.step}
        self.traces = [torch.zeros_like(p) for p in self.step.parameters]  # z
        self.online.resample(self.noise)

    @property
    def online(self) -> Network:
        return self.networks["online"]

    def act(self, inputs: ActorInput, epsilon: float | np.ndarray, rng: np.random.Generator) -> ActorOutput:
        """epsilon is one number or [B]."""
        random, actions = explore(rng, epsilon, len(inputs.obs), self.n_actions)
        with torch.inference_mode():
            probability = self.online(inputs.obs).logits.softmax(-1).cpu().numpy()
        return ActorOutput(np.where(random, actions, sample(probability, rng)))

    def learn(self, batch: Batch) -> Learned:
        """Batch of `sequence_spec` with B = 1; see agents/step.py. Optimizers go downhill, hence the signs."""
        spec, parameters = self.spec, self.step.parameters
        self.online.resample(self.noise)
        logits, value = self.online(batch.obs.flatten(0, 1))  # of s, then s'
        delta = td_error(value[:1], batch.reward[0], batch.discount[0], value[1:])
        remembered = value[:1] + spec.policy_weight * log_probability(logits[:1], batch.action[0], spec.floor)
        spread = entropy(logits[1:], spec.floor).sum()
        fresh = torch.autograd.grad(remembered.sum(), parameters, retain_graph=True, materialize_grads=True)
        torch._foreach_mul_(self.traces, 0.0 if batch.first[0].item() else spec.discount * spec.trace_decay)
        torch._foreach_add_(self.traces, fresh)
        beside = torch.autograd.grad(-spec.entropy_weight * spread, parameters, materialize_grads=True)
        norm = self.step.along(torch._foreach_add(beside, self.traces, alpha=-delta.item()))
        metrics = {"learned_td_error": delta.abs().sum(), "entropy": spread.detach(), "value_mean": value[0].detach()}
        return Learned(delta.abs(), metrics | {"grad_norm": norm})

    def outputs(self, obs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.online.first_outputs(obs)

    def state_dict(self) -> dict[str, Any]:
        return saved(self) | {"traces": self.traces}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        restore(self, state)
        torch._foreach_copy_(self.traces, state["traces"])
