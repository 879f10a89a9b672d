"""Optimizer steps in compiled calls: equal to the plain ones within rounding, on the optimizer's own state."""

import copy

import numpy as np
import pytest
import torch

from agents.compiled import optimizers
from agents.optim.small import SmallStep
from agents.optim.step import GradientStep
from agents.run.checkpoint import Checkpoints
from agents.run.loop import Run
from agents.spec.optimizer import SGD, Adam, RMSprop
from tests.agents.specs import spec
from tests.agents.test_compiled import C51, DUELING, NOISY, weights

SHAPES = ((16, 4, 3, 3), (16,), (7, 50), (7,), (3, 7), (3,))  # as many as MinAtar's network has
FORMS = ("torch", "nature", "tensorflow", "debiased")
OPTIMIZERS = [
    Adam(kind="adam", lr=1e-2, epsilon=1e-3, beta1=0.9, beta2=0.99),
    *(
        RMSprop(kind="rmsprop", lr=1e-2, epsilon=1e-2, decay=0.9, centered=centered, form=form)
        for form in FORMS
        for centered in (True, False)
    ),
    SGD(kind="sgd", lr=1e-2, momentum=0.9),  # has no compiled form
]


def steps_of(rule, clip: float | None) -> tuple[GradientStep, GradientStep]:
    torch.manual_seed(0)
    parameters = [torch.nn.Parameter(torch.randn(shape)) for shape in SHAPES]
    made = [rule.make(copies) for copies in (parameters, copy.deepcopy(parameters))]
    for optimizer in made:  # layers with rates and epsilons of their own, as schedules make them
        optimizer.rates[2], optimizer.epsilons[0] = 0.5 * optimizer.rates[2], 2 * optimizer.epsilons[0]
    return GradientStep(made[0], clip, []), GradientStep(made[1], clip, [])


@pytest.mark.parametrize("clip", [None, 0.5])
@pytest.mark.parametrize("rule", OPTIMIZERS, ids=lambda rule: f"{rule.kind}-{getattr(rule, 'form', '')}")
def test_twenty_steps_are_those_of_the_plain_optimizer(rule, clip):
    plain, compiled = steps_of(rule, clip)
    gradients = [torch.empty(shape) for shape in SHAPES]
    small = SmallStep(compiled, gradients)
    for k in range(20):
        for gradient in gradients:
            gradient.normal_(0, 0.1).mul_(torch.rand(()) < 0.8)
        norm = plain.along([gradient.clone() for gradient in gradients])
        assert small() == pytest.approx(norm.item(), rel=1e-5)
        for one, other in zip(plain.parameters, compiled.parameters, strict=True):
            assert torch.allclose(one, other, rtol=1e-5, atol=1e-6), k
    assert compiled.steps == 20
    one, other = (step.optimizer.state_dict() for step in (plain, compiled))
    for name, value in one.items():
        same = torch.allclose if isinstance(value, list) else None
        pairs = zip(value, other[name], strict=True) if same else [(value, other[name])]
        assert all(same(*pair, rtol=1e-4, atol=1e-7) if same else pair[0] == pair[1] for pair in pairs), name


def test_what_is_not_a_number_is_not_hidden():
    for rule in OPTIMIZERS:
        _, compiled = steps_of(rule, 1.0)
        gradients = [torch.zeros(shape) for shape in SHAPES]
        gradients[2][3, 4] = torch.nan
        assert np.isnan(SmallStep(compiled, gradients)())
        assert compiled.parameters[2][3, 4].isnan()


def test_each_function_is_compiled_for_one_combination_of_types():
    for functions in (optimizers.adam, optimizers.rmsprop, optimizers.clip):
        assert len(functions.signatures) <= 1


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"agent__selector": "online", "agent__n_step": 3},
        weights(),
        C51,
        DUELING,
        NOISY,
        {**C51, **DUELING, **NOISY, "agent__selector": "online"},
        {"spectral__kind": "gradient", "spectral__layers": [-2]},
        {"spectral__kind": "epsilon", "spectral__layers": [-2]},
        {
            "optimizer": {
                "kind": "rmsprop",
                "lr": 2.5e-4,
                "epsilon": 1e-2,
                "decay": 0.95,
                "centered": True,
                "form": "nature",
            }
        },
    ],
)
def test_parameters_after_500_frames_are_near_those_of_the_plain_agent(changes, tmp_path, monkeypatch):
    """In one of three seeds, that is: two actions whose values are a rounding apart may change places, and from there
    on neither training is nearer the truth. Measured: 1e-7 without such a pair, 1e-2 with one, in 1 seed of 10."""

    clock = {"learning__clock__start_frames": 100, "learning__clock__every_frames": 1}

    def trained(seed: int, folder: str) -> list[torch.Tensor]:
        plan = spec(budget=500, seed=seed, **clock, **changes)
        run = Run(plan, Checkpoints(tmp_path / folder / str(seed), {}, print))
        while run.frame < 500:
            assert run.iterate()
        return list(run.parts.learner.agent.online.parameters())

    def distance(seed: int) -> float:
        compiled = trained(seed, "compiled")
        with monkeypatch.context() as patch:
            patch.setattr("agents.nets.small.fits", lambda network: False)
            plain = trained(seed, "plain")
        return max((one - other).abs().max().item() for one, other in zip(compiled, plain, strict=True))

    assert any(distance(seed) < 1e-5 for seed in range(3))
