"""Optimizers."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from agents.spec.base import Count, OneOf, Part, Probability, Real
from agents.spec.executor import on_policy

Decay = Annotated[Real, Field(ge=0, lt=1)]  # of an average, which at 1 never moves; corrected for its start, 0 / 0


class Rule(Part):
    """What moves parameters, and the gradient step around it (`step`)."""

    step: ClassVar[str] = "agents.optim.step:GradientStep"

    def on(self, network: Any) -> Any:
        """The optimizer of a network's parameters."""
        return self.make(network.parameters())


class SGD(Rule):
    code: ClassVar[str] = "agents.optim.sgd:SGD"
    kind: Literal["sgd"] = Field(description="along the gradient")
    lr: Annotated[Real, Field(gt=0)] = Field(description="step size")
    momentum: Probability = Field(description="share of the last step that is added to each, per update; 0: none")


class Momentum(Rule):
    code: ClassVar[str] = "agents.optim.sgd:averaged"
    kind: Literal["momentum"] = Field(description="along a running average of gradients (Mnih et al. 2016)")
    lr: Annotated[Real, Field(gt=0)] = Field(description="step size")
    decay: Decay = Field(description="alpha: m <- alpha m + (1 - alpha) g; 1 - alpha times as fast as sgd")


class Adam(Rule):
    code: ClassVar[str] = "agents.optim.adam:Adam"
    kind: Literal["adam"] = Field(description="by running means of gradients and of their squares (Kingma & Ba 2015)")
    lr: Annotated[Real, Field(gt=0)] = Field(description="step size")
    epsilon: Annotated[Real, Field(gt=0, description="added to the root after bias correction (torch's form)")]
    beta1: Decay = Field(description="of the running mean of gradients, per update")
    beta2: Decay = Field(description="of that of their squares, per update")


class AdamW(Adam):
    code: ClassVar[str] = "agents.optim.adamw:AdamW"
    kind: Literal["adamw"] = Field(
        description="Adam with weight decay apart from the gradient (Loshchilov & Hutter 2019)"
    )
    decay: Annotated[Real, Field(ge=0, lt=1)] = Field(
        description="share of each parameter that is taken off it at every step, whatever the learning rate"
    )


class RMSprop(Rule):
    code: ClassVar[str] = "agents.optim.rmsprop:RMSprop"
    kind: Literal["rmsprop"] = Field(
        description="gradients over the root of a running mean of their squares (Tieleman & Hinton 2012)"
    )
    lr: Annotated[Real, Field(gt=0)] = Field(description="step size")
    epsilon: Annotated[Real, Field(gt=0)] = Field(description="keeps the divisor from 0; where it stands, `form` says")
    decay: Decay = Field(description="of both running averages")
    centered: bool = Field(description="the running mean of gradients is squared and taken off that of their squares")
    form: Literal["torch", "nature", "tensorflow", "debiased"] = Field(
        description="where epsilon stands: torch adds it to the root, nature (Mnih 2015) under it; tensorflow: under "
        "it, and the mean square starts at 1 instead of 0; debiased: under it, and the running averages are divided by "
        "1 - decay^(updates + 1) (Young & Tian 2019)"
    )


class Adadelta(Rule):
    code: ClassVar[str] = "agents.optim.adadelta:Adadelta"
    kind: Literal["adadelta"] = Field(description="steps in proportion to their own running size (Zeiler 2012)")
    lr: Annotated[Real, Field(gt=0)] = Field(description="factor of Adadelta's own step; 1 in its paper")
    epsilon: Annotated[Real, Field(gt=0)] = Field(description="added to both mean squares, under the root")
    decay: Decay = Field(description="of both running averages")


class PlainDamping(Part):
    kind: Literal["plain"] = Field(description="epsilon added to the eigenvalues of A (x) G")
    epsilon: Annotated[Real, Field(gt=0)] = Field(description="on the scale of the eigenvalues")


class FactoredDamping(Part):
    kind: Literal["factored"] = Field(
        description="factored Tikhonov: pi sqrt(epsilon) added to those of A, sqrt(epsilon) / pi to those of G, pi^2 "
        "being the ratio of their means (Martens & Grosse 2015)"
    )
    epsilon: Annotated[Real, Field(gt=0)] = Field(description="on the scale of the eigenvalues of A (x) G")


class GaussNewton(Part):
    kind: Literal["gauss_newton"] = Field(description="that of a Gaussian around the value")
    sigma: Annotated[Real, Field(gt=0)] = Field(description="its standard deviation, in training returns")


class EuclideanCritic(Part):
    kind: Literal["euclidean"] = Field(description="none: the gradient as it is")


class AdaptiveCritic(Part):
    kind: Literal["adaptive"] = Field(description="that of a Gaussian as wide as the value's error in the batch")


Critic = Annotated[GaussNewton | EuclideanCritic | AdaptiveCritic, *OneOf]


class NoColdStart(Part):
    kind: Literal["none"] = Field(description="natural gradients from the first update on")
    updates: ClassVar[int] = 0


class ColdStart(Part):
    kind: Literal["momentum"] = Field(description="the first updates go along the gradient, while factors are gathered")
    updates: Count = Field(description="that go along the gradient")
    lr: Annotated[Real, Field(gt=0)] = Field(description="step size of these updates")
    clip_norm: Annotated[Real, Field(gt=0)] | None = Field(description="global gradient norm; null: no bound")


class KFAC(Rule):
    code: ClassVar[str] = "agents.optim.kfac:KFAC"
    step: ClassVar[str] = "agents.optim.kfac:NaturalStep"
    kind: Literal["kfac"] = Field(
        description="natural gradient with Kronecker-factored curvature, within a trust region (Wu et al. 2017)"
    )
    lr: Annotated[Real, Field(gt=0)] = Field(description="the largest step, of natural gradients")
    momentum: Decay = Field(description="m; each step is lr (1 - m) times the sum of the past ones")
    radius: Annotated[Real, Field(gt=0)] = Field(
        description="delta: natural gradients are scaled down to lr^2 <F^-1 g, g> = delta, nats; twice a KL divergence"
    )
    damping: Annotated[PlainDamping | FactoredDamping, *OneOf] = Field(
        description="what is added to the curvature's eigenvalues"
    )
    decay: Decay = Field(description="of the running averages of A and G, per update")
    start: Literal["zero", "first"] = Field(description="what the averages start from: 0, or the first batch's factors")
    inverse_every: Count = Field(description="updates between eigendecompositions of A and G")
    critic: Critic = Field(description="the value's metric")
    cold: Annotated[NoColdStart | ColdStart, *OneOf] = Field(
        description="what the first updates do, before there are factors"
    )
    measure_kl: bool = Field(
        description="record the policy's exact KL divergence over each update (costs a forward pass)"
    )

    def on(self, network: Any) -> Any:
        return self.make(network)

    def misfits(self, spec: Any) -> Iterator[str]:
        """Its Fisher matrix is that of a policy, sampled by the rollout, with weights used once and as they are."""
        if spec.agent.kind == "gaussian":
            return  # which asks for all of this itself
        if spec.agent.kind != "actor_critic":
            yield f"optimizer kfac needs a policy to measure: agent actor_critic, not {spec.agent.kind}"
            return
        if spec.network.core.kind != "none":
            yield f"optimizer kfac knows no weights shared over time: network.core none, not {spec.network.core.kind}"
        if spec.network.linear.kind != "plain":
            yield f"optimizer kfac does not know noisy layers: network.linear plain, not {spec.network.linear.kind}"
        if spec.spectral.kind != "none":
            yield f"optimizer kfac measures weights as they are: spectral none, not {spec.spectral.kind}"
        yield from on_policy("optimizer kfac takes actions for draws from the policy that learns", spec)


Optimizer = Annotated[Adam | AdamW | RMSprop | SGD | Momentum | Adadelta | KFAC, *OneOf]
