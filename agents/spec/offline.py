"""Offline experiments: small computations beside training runs, with the same names, outputs and pipeline.

Such an experiment computes its summary in one go; it has no stream of frames, no checkpoints and no episodes. Its
`budget_frames` and the frames of its summary count what `clock` says.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from agents.spec.base import Count, Game, Identified, OneOf, Part, Period, Probability, Real, Whole


class Cliffwalk(Part):
    """n states in a row; of two actions the right one leads on, the wrong one ends the episode with nothing.

    The last right action gives 1. The memory holds the 2^(n+1) - 2 transitions of all 2^n sequences of actions.
    """

    suite: Literal["cliffwalk"]
    game: Game = Field(description="blind")


class TabularValues(Part):
    kind: Literal["tabular"] = Field(description="from 0")


class LinearValues(Part):
    kind: Literal["linear"] = Field(description="one-hot features and a bias, from Gaussian weights")
    initial: Annotated[Real, Field(ge=0)] = Field(description="standard deviation of the first weights")


class UniformReplay(Part):
    kind: Literal["uniform"] = Field(description="any transition")


class OracleReplay(Part):
    kind: Literal["oracle"] = Field(description="the one after whose update the error is least")


class GreedyReplay(Part):
    kind: Literal["greedy"] = Field(description="the one with the largest last TD error")


class RankReplay(Part):
    kind: Literal["rank"] = Field(description="drawn by the rank of its last TD error")
    exponent: Annotated[Real, Field(ge=0)] = Field(description="alpha")


class ProportionalReplay(Part):
    kind: Literal["proportional"] = Field(description="drawn by the size of its last TD error or loss")
    exponent: Annotated[Real, Field(ge=0)] = Field(description="alpha; without importance weights (beta 0)")
    epsilon: Annotated[Real, Field(ge=0)] = Field(description="added to the size")


class QLearning(Part):
    """One update per drawn transition until Q is known (Schaul et al. 2016, section 3.1)."""

    code: ClassVar[str] = "agents.offline.cliffwalk:perform"
    kind: Literal["q_learning"]
    values: Annotated[TabularValues | LinearValues, *OneOf] = Field(description="how Q is kept")
    step_size: Probability = Field(description="of an update")
    select: Annotated[UniformReplay | OracleReplay | GreedyReplay | RankReplay | ProportionalReplay, *OneOf] = Field(
        description="the transition to replay"
    )
    tolerance: Annotated[Real, Field(gt=0)] = Field(
        description="learned when the mean squared error of Q over all states and actions is below this"
    )
    cap_updates: Period = Field(description="updates after which a memory counts as not learned")

    @model_validator(mode="after")
    def _oracle_gets_stuck(self) -> "QLearning":
        if self.values.kind == "linear" and self.select.kind == "oracle":
            raise ValueError("an oracle needs tabular values: with a shared bias it comes to where no update helps")
        return self


class OfflineCliffwalk(Identified):
    """Updates until Q is known, for every n from 2 on whose memory fits the budget of transitions."""

    driver: ClassVar[str] = "agents.run.offline"
    clock: ClassVar[str] = "transitions"

    agent: QLearning
    environment: Cliffwalk


class Corridor(Part):
    """Three corridors in a line of states: up, to the right, up; the last state's exit gives 1 and ends the episode.

    Actions: up, down, left, right, and some that do nothing. What leads against a wall does nothing either.
    """

    suite: Literal["corridor"]
    game: Game = Field(description="dueling")
    lengths: Annotated[list[Count], Field(min_length=3, max_length=3)] = Field(
        description="states of the lower, the middle and the upper corridor"
    )
    actions: Annotated[Whole, Field(ge=4)] = Field(description="four directions, the others do nothing")


class Evaluator(Part):
    """A small network that learns the action values of a given policy by TD(0) (Wang et al. 2016, section 4.1)."""

    code: ClassVar[str] = "agents.offline.corridor:perform"
    kind: Literal["policy_evaluation"]
    head: Literal["single", "dueling"] = Field(description="one stream, or values and advantages apart")
    units: Annotated[list[Count], Field(min_length=1)] = Field(
        description="width of each hidden layer; dueling: all but the first are halved in each of the two streams"
    )
    discount: Probability = Field(description="gamma, per step")
    epsilon: Probability = Field(description="of the policy that is followed and evaluated: else an optimal action")
    step_size: Annotated[Real, Field(gt=0)] = Field(description="of gradient descent")
    batch: Count = Field(description="walkers, each a transition per update")
    test_every_updates: Period = Field(description="updates between comparisons with the true values")


class OfflineCorridor(Identified):
    """Squared error of all action values against updates (Wang et al. 2016, Figure 3)."""

    driver: ClassVar[str] = "agents.run.offline"
    clock: ClassVar[str] = "updates"

    agent: Evaluator
    environment: Corridor


class Digits(Part):
    """The 8x8 digits of scikit-learn: a third for the test, and few of the digits 0 to 4 in the rest."""

    suite: Literal["digits"]
    game: Game = Field(description="imbalanced")
    kept: Probability = Field(description="share of the digits 0 to 4 that stays in the training set")


class Classifier(Part):
    """A small network of fully connected layers with ReLU, trained by gradient descent on its log-likelihood."""

    code: ClassVar[str] = "agents.offline.digits:perform"
    kind: Literal["classifier"]
    units: list[Count] = Field(description="width of each hidden layer")
    step_size: Annotated[Real, Field(gt=0)] = Field(description="of gradient descent")
    batch: Count = Field(description="examples in an update")
    select: Annotated[UniformReplay | ProportionalReplay, *OneOf] = Field(description="the examples of an update")
    rare_weight: Annotated[Real, Field(gt=0)] = Field(
        description="factor of the gradient of digits 0 to 4: 1 / kept for who is informed of the imbalance"
    )
    test_every_updates: Period = Field(description="updates between tests on all test examples")


class OfflineDigits(Identified):
    """Test error and loss against updates on an imbalanced training set (Schaul et al. 2016, Figure 5)."""

    driver: ClassVar[str] = "agents.run.offline"
    clock: ClassVar[str] = "updates"

    agent: Classifier
    environment: Digits


class RandomMDP(Part):
    """A small random MDP: every action leads to a few states, by chance, for a Gaussian reward."""

    suite: Literal["random_mdp"]
    game: Game = Field(description="garnet")
    states: Count = Field(description="number of states")
    actions: Annotated[Count, Field(ge=2)] = Field(description="of every state")
    successors: Count = Field(description="states that an action may lead to")

    @model_validator(mode="after")
    def _enough_states(self) -> "RandomMDP":
        if self.successors > self.states:
            raise ValueError(f"successors {self.successors}: there are {self.states} states, and none comes twice")
        return self


class VTraceOperator(Part):
    """Values of one policy from what another does, by V-trace in expectation (Espeholt et al. 2018, section 4.1)."""

    code: ClassVar[str] = "agents.offline.vtrace:perform"
    kind: Literal["vtrace_operator"]
    rho_bar: Annotated[Real, Field(gt=0)] = Field(description="clips the ratios of TD errors")
    c_bar: Annotated[Real, Field(ge=0)] = Field(description="clips the ratios of traces; at most rho_bar")
    unroll: Count = Field(description="steps of a target")
    discount: Annotated[Real, Field(ge=0, lt=1)] = Field(description="gamma, per step")
    logits: Annotated[Real, Field(ge=0)] = Field(description="standard deviation of both policies' logits")

    @model_validator(mode="after")
    def _traces_are_cut_first(self) -> "VTraceOperator":
        if self.c_bar > self.rho_bar:
            raise ValueError(
                f"c_bar {self.c_bar:g} is above rho_bar {self.rho_bar:g}: V-trace needs it at most as large"
            )
        return self


class OfflineVTrace(Identified):
    """Distance from the fixed point by applications of the operator, and where the fixed point lies."""

    driver: ClassVar[str] = "agents.run.offline"
    clock: ClassVar[str] = "applications"

    agent: VTraceOperator
    environment: RandomMDP
