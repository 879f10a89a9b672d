"""AC(lambda): online actor-critic with eligibility traces (Young & Tian 2019; Sutton & Barto 2018, section 13.5).

One transition per update: delta = r + gamma v(s') - v(s), z <- gamma lambda z + grad [v(s) + c log pi(a|s)], and a step
along delta z + beta grad H(pi(.|s')). As in the authors' examples/AC_lambda.py the entropy is that of the state
arrived at and stays out of the trace, which starts anew with every episode. Their trace holds gradients one update
old; here, as in the book, they are taken at the parameters of the update.
"""

import numpy as np
import torch

from agents.acting.sampling import explore, sample
from agents.losses.policy import entropy, log_probability, td_error
from agents.nets.network import Network
from agents.spec.agent import ACLambda as ACLambdaSpec
from agents.step import ActorInput, ActorOutput, Batch, Loss, SequenceSpec, Trace


class ACLambda:
    """Samples its policy; with probability epsilon an action is uniformly random instead."""

    sequence_spec = SequenceSpec(1, (0, 1))

    def __init__(self, spec: ACLambdaSpec, online: Network, actions: int, noise: torch.Generator):
        self.spec, self.online, self.noise = spec, online, noise
        self.n_actions = actions
        self.online.resample(noise)

    def act(self, inputs: ActorInput, epsilon: float | np.ndarray, rng: np.random.Generator) -> ActorOutput:
        """epsilon is one number or [B]."""
        random, actions = explore(rng, epsilon, len(inputs.obs), self.n_actions)
        with torch.inference_mode():
            probability = self.online(inputs.obs).logits.softmax(-1).cpu().numpy()
        return ActorOutput(np.where(random, actions, sample(probability, rng)))

    def loss(self, batch: Batch) -> Loss:
        """Batch of `sequence_spec` with B = 1; see agents/step.py."""
        spec = self.spec
        self.online.resample(self.noise)
        logits, value = self.online(batch.obs.flatten(0, 1))  # of s, then s'
        delta = td_error(value[:1], batch.reward[0], batch.discount[0], value[1:])
        potential = value[:1] + spec.policy_weight * log_probability(logits[:1], batch.action[0], spec.floor)
        spread = entropy(logits[1:], spec.floor).sum()
        keep = 0.0 if batch.first[0].item() else spec.discount * spec.trace_decay
        return Loss(
            {"entropy": -spec.entropy_weight * spread},
            delta.abs(),
            {"learned_td_error": delta.abs().sum(), "entropy": spread.detach(), "value_mean": value[0].detach()},
            Trace(potential.sum(), delta.item(), keep),
        )
