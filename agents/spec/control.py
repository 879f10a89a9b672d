"""Actor-critics whose actions are numbers: ACKTR on MuJoCo's tasks, and its networks."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from agents.spec.base import Count, Numbers, OneOf, Part, Probability, Real, Whole
from agents.spec.executor import on_policy
from agents.spec.optimizer import Optimizer
from agents.spec.policy import OnUnrolls


class Gaussians(Numbers):
    """The networks of agent gaussian: a policy and a value that share nothing."""

    code: ClassVar[str] = "agents.nets.gaussian:Gaussians"
    depth: ClassVar[int] = 0  # layers that spectral norms can be taken of

    policy: list[Count] = Field(description="width of each hidden layer of the policy, tanh")
    value: list[Count] = Field(description="width of each hidden layer of the value, ELU")
    clip: Annotated[Real, Field(gt=0)] = Field(
        description="observations are taken in units of their standard deviation from their mean, and no further from "
        "0 than this"
    )
    gain: Annotated[Real, Field(gt=0)] = Field(description="Euclidean norm of the weights to each mean at the start")


class Descent(Part):
    """Steps of an optimizer."""

    code: ClassVar[str] = "agents.policy.moves:Descent"
    optimizer: Optimizer = Field(description="what moves the policy")

    def misfits(self, spec: Any) -> Iterator[str]:
        if self.optimizer.kind == "kfac" and self.optimizer.critic.kind != "euclidean":
            yield (
                f"agent.step.optimizer.critic {self.optimizer.critic.kind} says nothing of a policy alone: euclidean, "
                "for the value has an optimizer of its own"
            )
        if self.optimizer.kind == "kfac" and self.optimizer.measure_kl:
            yield "agent.step.optimizer.measure_kl true: agent gaussian measures it at every update, false"


class Fixed(Descent):
    kind: Literal["fixed"] = Field(description="as long as the optimizer makes them")

    def rate_after(self, rate: float, divergence: float) -> float:
        """The rate of the next step, after one at `rate` that moved the policy by `divergence`, nats."""
        return rate


class Steered(Descent):
    kind: Literal["steered"] = Field(
        description="optimizer.lr at first; after a step that moved the policy too far less, after one that moved it "
        "too little more"
    )
    kl: Annotated[Real, Field(gt=0)] = Field(description="KL divergence of an update that is aimed at, nats")
    slack: Annotated[Real, Field(gt=1)] = Field(
        description="more than slack x kl is too far, less than kl / slack too little"
    )
    factor: Annotated[Real, Field(gt=1)] = Field(description="what the rate is divided or multiplied by")

    def rate_after(self, rate: float, divergence: float) -> float:
        """As in `Fixed` (openai/baselines@3f676f7, acktr/acktr_cont.py)."""
        if divergence > self.slack * self.kl:
            return rate / self.factor
        return rate * self.factor if divergence < self.kl / self.slack else rate


class Searched(Part):
    code: ClassVar[str] = "agents.policy.moves:Searched"
    kind: Literal["searched"] = Field(description="TRPO's, as long as a line search finds (Schulman et al. 2015)")
    radius: Annotated[Real, Field(gt=0)] = Field(description="delta: KL divergence that a step is made for, nats")
    slack: Annotated[Real, Field(gt=0)] = Field(description="a step is taken up to slack x radius")
    tries: Count = Field(description="of the line search, each half as long as the one before")
    damping: Annotated[Real, Field(gt=0)] = Field(description="added to the Fisher matrix's diagonal")
    iterations: Count = Field(description="of conjugate gradients")
    fisher_every: Count = Field(description="the Fisher matrix is that of every such state of the batch")


class GaussianActorCritic(OnUnrolls):
    """Actor-critic with independent normal actions: A2C, ACKTR and TRPO for continuous control."""

    code: ClassVar[str] = "agents.policy.gaussian:GaussianActorCritic"
    heads: ClassVar[tuple[str, ...]] = ()  # its networks are of their own kind
    kind: Literal["gaussian"] = Field(description="the optimizer is the value's")
    discount: Probability = Field(description="gamma, per agent step")
    unroll: Annotated[Whole, Field(ge=2)] = Field(
        description="T: agent steps of one stream that are learned from together"
    )
    trace_decay: Probability = Field(description="lambda of generalised advantage estimation")
    weight_decay: Annotated[Real, Field(ge=0)] = Field(
        description="of 1/2 the weights' squares, biases left out, in both losses"
    )
    step: Annotated[Fixed | Steered | Searched, *OneOf] = Field(description="how the policy moves")
    value_passes: Count = Field(description="over the batch, per update, before the policy moves")
    minibatch: Count | None = Field(description="states in a gradient step of the value; null: the whole batch")

    def misfits(self, spec: Any) -> Iterator[str]:
        yield from super().misfits(spec)
        yield from self.in_order(spec)
        if not spec.environment.continuous:
            yield (
                f"agent {self.kind} does numbers: environment.suite mujoco, whose actions they are, not "
                f"{spec.environment.suite}"
            )
        if spec.spectral.kind != "none":
            yield f"agent {self.kind} has networks without spectral norms: spectral none, not {spec.spectral.kind}"
        if spec.record.norms.kind != "none":
            yield f"agent {self.kind} has networks of their own: record.norms none, not {spec.record.norms.kind}"
        fit = spec.optimizer
        if fit.kind == "kfac" and fit.critic.kind == "euclidean":
            yield "optimizer kfac of agent gaussian measures a value: critic gauss_newton or adaptive, not euclidean"
        if fit.kind == "kfac" and fit.measure_kl:
            yield "optimizer.measure_kl true: the optimizer of agent gaussian has no policy to measure, false"
        yield from on_policy(f"agent {self.kind} takes actions for draws from the policy that learns", spec)
