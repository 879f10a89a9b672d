"""Agents that learn a policy: what they learn from, and how."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from agents.spec.agent import Agent
from agents.spec.base import Count, OneOf, Part, Probability, Real, Whole
from agents.spec.executor import on_policy
from agents.spec.optimizer import Decay


class NoCorrection(Part):
    kind: Literal["none"] = Field(description="n-step returns and the policy's gradient, whoever acted")


class EpsilonCorrection(Part):
    kind: Literal["epsilon"] = Field(description="none, with 1e-6 added to pi(a) inside the logarithm (GA3C)")


class OneStepCorrection(Part):
    kind: Literal["one_step"] = Field(description="min(rho_bar, pi / mu) on the policy's gradient only")
    rho_bar: Annotated[Real, Field(gt=0)] = Field(description="clips pi / mu")


class VTrace(Part):
    kind: Literal["vtrace"] = Field(description="V-trace, targets and gradient (Espeholt et al. 2018)")
    rho_bar: Annotated[Real, Field(gt=0)] = Field(description="clips pi / mu in the temporal differences")
    c_bar: Annotated[Real, Field(gt=0)] = Field(description="clips the trace coefficients")

    @model_validator(mode="after")
    def _bars_ordered(self) -> "VTrace":
        if self.c_bar > self.rho_bar:
            raise ValueError("rho_bar must be at least c_bar")
        return self


class GAE(Part):
    kind: Literal["gae"] = Field(
        description="none, whoever acted, with generalised advantage estimation in place of n-step returns (Schulman "
        "et al. 2016)"
    )
    trace_decay: Probability = Field(description="lambda; 1: n-step returns")


class ACLambda(Agent):
    """Online actor-critic with eligibility traces (Young & Tian 2019)."""

    code: ClassVar[str] = "agents.policy.ac_lambda:ACLambda"
    heads: ClassVar[tuple[str, ...]] = ("actor_critic",)
    target: ClassVar[bool] = False
    kind: Literal["ac_lambda"]
    discount: Probability = Field(description="gamma, per agent step")
    trace_decay: Probability = Field(description="lambda; 0: one-step actor-critic")
    policy_weight: Annotated[Real, Field(ge=0)] = Field(description="of log pi beside the value in the trace")
    entropy_weight: Annotated[Real, Field(ge=0)] = Field(description="beta")
    floor: Annotated[Real, Field(ge=0)] = Field(description="added to probabilities inside logarithms")

    def misfits(self, spec: Any) -> Iterator[str]:
        yield from super().misfits(spec)
        if (spec.memory.select.kind, spec.environment.streams, spec.learning.batch) != ("newest", 1, 1):
            yield (
                "agent ac_lambda learns from one stream as it goes: memory.select newest, environment.streams 1, "
                "learning.batch 1"
            )


class OnUnrolls(Agent):
    """What learns from unrolls of each stream, of actions drawn from its policy."""

    target: ClassVar[bool] = False
    unroll: Count = Field(description="T: agent steps of one stream that are learned from together")

    @property
    def learned(self) -> int:
        return self.unroll

    @property
    def window(self) -> int:
        return self.unroll

    def misfits(self, spec: Any) -> Iterator[str]:
        yield from super().misfits(spec)
        if spec.exploration.kind != "none" or spec.evaluation.epsilon:
            yield f"agent {self.kind} samples its policy: exploration none and evaluation.epsilon 0"

    def in_order(self, spec: Any) -> Iterator[str]:
        """A sentence where unrolls are not learned from as they come."""
        if spec.memory.select.kind != "fifo":
            yield f"agent {self.kind} learns from unrolls in order: memory.select fifo, not {spec.memory.select.kind}"


class ActorCritic(OnUnrolls):
    """Actor-critic on unrolls: A2C, A3C, IMPALA."""

    code: ClassVar[str] = "agents.policy.actor_critic:ActorCritic"
    recurrent: ClassVar[bool] = True
    shares: ClassVar[bool] = True
    heads: ClassVar[tuple[str, ...]] = ("actor_critic",)
    kind: Literal["actor_critic"]
    discount: Probability = Field(description="gamma, per agent step")
    correction: Annotated[NoCorrection | EpsilonCorrection | OneStepCorrection | VTrace | GAE, *OneOf] = Field(
        description="for parameters that changed since acting (Espeholt et al. 2018, section 5.2.2)"
    )
    q: Literal["vs", "value"] = Field(description="policy gradient with r + gamma v_{s+1}, or r + gamma V(x_{s+1})")
    entropy_weight: Annotated[Real, Field(ge=0)] = Field(description="beta: of the policy's entropy, nats, in the loss")
    baseline_weight: Annotated[Real, Field(ge=0)] = Field(description="of 1/2 (v - V)^2")
    reduction: Literal["sum", "mean"] = Field(description="of the loss over the steps of a batch")

    def misfits(self, spec: Any) -> Iterator[str]:
        yield from super().misfits(spec)
        yield from self.in_order(spec)
        if self.correction.kind == "gae" and self.q != "vs":
            yield f"agent.q {self.q} says nothing with agent.correction gae, whose advantages have no q: vs"


class TRPO(OnUnrolls):
    """Trust region policy optimisation (Schulman et al. 2015)."""

    code: ClassVar[str] = "agents.policy.trpo:TRPO"
    heads: ClassVar[tuple[str, ...]] = ("actor_critic",)
    kind: Literal["trpo"] = Field(description="the optimizer is the value's, which has a network of its own")
    discount: Probability = Field(description="gamma, per agent step")
    unroll: Annotated[Whole, Field(ge=2)] = Field(
        description="T: agent steps of one stream that are learned from together"
    )
    trace_decay: Probability = Field(description="lambda of generalised advantage estimation")
    entropy_weight: Annotated[Real, Field(ge=0)] = Field(
        description="of the policy's entropy, nats, beside the surrogate"
    )
    radius: Annotated[Real, Field(gt=0)] = Field(description="delta: KL divergence that a step is made for, nats")
    slack: Annotated[Real, Field(gt=0)] = Field(description="a step is taken up to slack x radius")
    tries: Count = Field(description="of the line search, each half as long as the one before")
    damping: Annotated[Real, Field(gt=0)] = Field(description="added to the Fisher matrix's diagonal")
    iterations: Count = Field(description="of conjugate gradients")
    fisher_every: Count = Field(description="the Fisher matrix is that of every such state of the batch")
    value_passes: Count = Field(description="over the batch, per update")
    minibatch: Count = Field(description="states in a gradient step of the value")

    def misfits(self, spec: Any) -> Iterator[str]:
        yield from super().misfits(spec)
        yield from self.in_order(spec)
        if spec.network.linear.kind != "plain":
            yield f"agent trpo searches a policy without noise: network.linear plain, not {spec.network.linear.kind}"
        if spec.spectral.kind != "none":
            yield f"agent trpo measures weights as they are: spectral none, not {spec.spectral.kind}"
        if spec.record.norms.kind != "none":
            yield f"agent trpo has two networks: record.norms none, not {spec.record.norms.kind}"
        yield from on_policy("agent trpo takes actions for draws from the policy that learns", spec)


class ACER(OnUnrolls):
    """Actor-critic with experience replay (Wang et al. 2017)."""

    code: ClassVar[str] = "agents.policy.acer:ACER"
    heads: ClassVar[tuple[str, ...]] = ("actor_q",)
    kind: Literal["acer"]
    discount: Probability = Field(description="gamma, per agent step")
    truncation: Annotated[Real, Field(gt=0)] = Field(description="c: importance weights count up to here")
    average_decay: Decay = Field(description="alpha of the running average of policies, per update")
    radius: Annotated[Real, Field(gt=0)] = Field(
        description="delta: what a step may add to the KL divergence from the average policy, to first order"
    )
    statistics: Literal["probabilities", "logits"] = Field(
        description="what the trust region bounds the gradient by (the paper's phi)"
    )
    q_weight: Annotated[Real, Field(ge=0)] = Field(description="of 1/2 (Q^ret - Q)^2")
    entropy_weight: Annotated[Real, Field(ge=0)] = Field(description="of the entropy, inside the trust region")

    def misfits(self, spec: Any) -> Iterator[str]:
        yield from super().misfits(spec)
        if spec.memory.select.kind != "trajectories":
            yield f"agent acer learns from trajectories: memory.select trajectories, not {spec.memory.select.kind}"
