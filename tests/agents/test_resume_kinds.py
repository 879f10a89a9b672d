"""Exact resume for every kind of part: a run that is dropped and taken up again equals an undisturbed one.

tests/agents/test_resume.py kills real processes; here the same is done within one process, which is quicker, for
each agent, value kind, head, linear layer, selector, optimizer and use of spectral norms.
"""

import pytest

from agents.run.checkpoint import Checkpoints
from agents.run.loop import Run
from tests.agents.specs import NORMAL, prioritized, spec
from tests.agents.test_resume import assert_same

PRIORITY = {
    "exponent": 0.6,
    "beta": (0.4, 1.0, 500),
    "epsilon": 1e-6,
    "maximum": 1.0,
    "normalise": "batch",
    "stratified": True,
    "initial": "largest",
}
LEVELS = {
    "agent__value": {"kind": "implicit", "samples": 3, "target_samples": 4, "acting_samples": 2, "kappa": 1.0},
    "network__convolutions": [[4, 3, 1]],
}
SPECTRAL = {"spectral__layers": [-2, -3], "spectral__kind": "weights"}
ON_POLICY = {
    "learning__clock__start_frames": ...,
    "learning__target_every_frames": None,
    "environment__streams": 4,
    "learning__batch": 4,
    "network__units": [16],
}
UNROLLED = {
    "learning__clock__start_frames": ...,
    "environment__streams": 4,
    "network__units": [16],
    "exploration__end_frames": 400,
}
# All clocks within few frames: learning begins between the first two cuts, the memory is full and networks are
# evaluated just before the third, and each target network is fetched before and after it.
FRAMES = 450
SHORT = {
    "learning__clock__start_frames": 100,
    "learning__target_every_frames": 160,
    "memory__capacity_steps": 300,
    "evaluation__every_frames": 300,
    "evaluation__episodes": 2,
    "evaluation__cap_frames": 200,
    "record__learning_every_frames": 50,
}

DREAMS = {
    "agent__sequence": 6,
    "agent__horizon": 3,
    "agent__starts": 8,
    "network__convolutions": [[2, 3, 1]],
    "network__latent": {"kind": "categorical", "variables": 3, "classes": 4},
    "network__deter": 8,
    "network__hidden": 8,
    "network__decoder": {"kind": "dense", "units": [8]},
    "network__heads": {"reward": [8], "discount": [8], "actor": [8], "critic": [8]},
    "learning__batch": 3,
    "learning__clock__every_frames": 10,
    "exploration__warmup_frames": 150,
    "exploration__end_frames": 150,
}

POLE = {"environment__game": "inverted_pendulum", "learning__clock__start_frames": ...}

KINDS = {
    "rainbow": (
        "rainbow_minatar",
        {"learning__clock__start_frames": 100, "network__linear__sigma": 0.5},
    ),
    "qr-dueling": (
        "dqn_minatar_sn",
        {"agent__value": {"kind": "quantile", "quantiles": 5, "kappa": 1.0}, "network__head": "dueling"},
    ),
    "iqn": (
        "iqn_minatar",
        {
            **LEVELS,
            "agent__selector": "online",
            "network__linear": {"kind": "factorised", "sigma": 0.5},
            "memory__select": prioritized("proportional", **PRIORITY),
            "environment__streams": 2,
        },
    ),
    "m-dqn": ("m_dqn_minatar", {"network__head": "dueling"}),
    "m-iqn": (
        "m_iqn_minatar",
        {**LEVELS, **SPECTRAL, "executor__lags_updates": [0, 2], "environment__streams": 2},
    ),
    "rank": ("dqn_minatar_sn", {"memory__select": prioritized("rank", **PRIORITY), "environment__streams": 2}),
    "rank_annealed": (
        "dqn_minatar_sn",
        {
            "memory__select": prioritized(
                "rank", **PRIORITY | {"beta": None, "exponent": {"start": 0.5, "end": 0.0, "end_frames": 3_000}}
            )
        },
    ),
    "proportional": (
        "dqn_minatar_sn",
        {"memory__select": prioritized("proportional", **PRIORITY), "environment__streams": 2, "agent__n_step": 3},
    ),
    "apex": (
        "dqn_minatar_sn",
        {
            "memory__select": prioritized("proportional", **PRIORITY | {"initial": "actor"}),
            "exploration": {"kind": "ladder", "base": 0.4, "alpha": 7.0},
            "environment__streams": 3,
            "agent__n_step": 3,
            "memory__copies": 2,
        },
    ),
    "independent-noise": ("dqn_minatar_sn", {"network__linear": {"kind": "independent", "sigma": 0.1}}),
    "no-replay": (
        "dqn_minatar_no_replay",
        {"environment__streams": 2, "learning__clock__start_frames": 2, "learning__target_every_frames": 100},
    ),
    "traces": (
        "ac_lambda_minatar",
        {
            "learning__clock__start_frames": 1,
            "learning__target_every_frames": None,
            "exploration": {"kind": "linear", "start": 0.0, "end": 0.05, "warmup_frames": 0, "end_frames": 0},
        },
    ),
    "rmsprop": ("dqn_minatar", {"learning__clock__every_frames": 4}),
    "sgd-changing-stickiness": (
        "dqn_minatar_sn",
        {
            "optimizer": {"kind": "sgd", "lr": 1e-3, "momentum": 0.9},
            "environment__sticky": [[0, 0.0], [220, 0.9], [520, 0.2]],
        },
    ),
    "batch-norm": ("dqn_minatar_sn", {"network__normalisation": "batch", "agent__selector": "online"}),
    "gradient-penalty": ("dqn_minatar_sn", {"agent__penalty": {"kind": "gradient", "weight": 1.0, "norm": 2.0}}),
    "probes": (
        "rainbow_minatar",
        {
            "record__probes": [{"kind": "feature_rank", "states": 64}, {"kind": "lipschitz", "states": 64}, "td_error"],
            "evaluation__trials": ["returns", {"kind": "snapshots", "steps": [2, 5]}],
            "learning__clock__start_frames": 100,
        },
    ),
    "r2d2": (
        "r2d2_minatar",
        {
            "agent__sequence": 6,
            "agent__burn_in": 3,
            "agent__period": 3,
            "agent__measure_delta_q": True,
            "record__probes": [{"kind": "fresh_delta_q", "states": 64}],
            "network__core": {"kind": "lstm", "before": [8], "units": 8, "inputs": True},
            "environment__streams": 4,
            "environment__flicker": 0.5,
            "environment__hidden": [2],
            "learning__clock__every_frames": 20,
            "evaluation__trials": [{"kind": "memory", "observations": 2}, {"kind": "flicker", "chance": 0.2}],
        },
    ),
    "drqn": (
        "drqn_minatar",
        {
            "network__core": {"kind": "lstm", "before": [], "units": 8, "inputs": False},
            "optimizer": {"kind": "adadelta", "lr": 0.1, "epsilon": 1e-8, "decay": 0.95},
        },
    ),
    "drqn_sequential": (
        "drqn_minatar",
        {
            "network__core": {"kind": "lstm", "before": [], "units": 8, "inputs": False},
            "agent__state": "carried",
            "agent__sequence": 5,
            "agent__period": 5,
            "memory__select": {"kind": "sequential"},
        },
    ),
    "recall": (
        "r2d2_recall",
        {"game": "cue", "environment__delay": 5, "environment__flicker": 0.1, "environment__cap_frames": 6},
    ),
    "minigrid": (
        "r2d2_minigrid",
        {
            "game": "memory_s7",
            "environment__streams": 4,
            "learning__clock__start_frames": 160,
        },  # a window is 31 rows long
    ),
    **{use: ("dqn_minatar_sn", {**SPECTRAL, "spectral__kind": use}) for use in ("output", "gradient", "epsilon", "lr")},
    "n-step-q": ("unrolled_q_minatar", {**UNROLLED, "learning__lr_decay_frames": FRAMES}),
    "sarsa-momentum-lags": (
        "unrolled_q_minatar",
        {
            **UNROLLED,
            "agent__form": "one_step_sarsa",
            "optimizer": {"kind": "momentum", "lr": 1e-3, "decay": 0.9},
            "learning__batch": 4,
            "executor__lags_updates": [0, 3],
        },
    ),
    "a2c": ("a2c_minatar", {**ON_POLICY, "learning__lr_decay_frames": FRAMES}),
    "a2c-gae": ("a2c_gae_minatar", ON_POLICY),
    "acktr": (
        "acktr_minatar",
        {
            **ON_POLICY,
            "learning__lr_decay_frames": FRAMES,
            "optimizer__cold__updates": 3,
            "optimizer__inverse_every": 4,
        },
    ),
    "acktr-factored": (
        "acktr_minatar",
        {
            **ON_POLICY,
            "optimizer__cold": "none",
            "optimizer__start": "first",
            "optimizer__damping": {"kind": "factored", "epsilon": 0.01},
            "optimizer__critic": "adaptive",
            "optimizer__measure_kl": True,
        },
    ),
    "trpo": (
        "trpo_minatar",
        {**ON_POLICY, "agent__unroll": 10, "agent__minibatch": 12, "learning__lr_decay_frames": FRAMES},
    ),
    "acer": (
        "acer_minatar",
        {**ON_POLICY, "agent__unroll": 5, "memory__select__start_steps": 100, "learning__lr_decay_frames": FRAMES},
    ),
    "acer-logits": (
        "acer_minatar",
        {
            **ON_POLICY,
            "agent__unroll": 5,
            "agent__statistics": "logits",
            "memory__select__start_steps": 0,
            "network__linear": {"kind": "factorised", "sigma": 0.5},
            "executor__lags_updates": [0, 3],
        },
    ),
    "impala-lstm-lags": (
        "impala_minatar",
        {
            **ON_POLICY,
            "agent__unroll": 7,
            "network__core": {"kind": "lstm", "before": [16], "units": 8, "inputs": True},
            "executor__lags_updates": [0, 3],
        },
    ),
    "impala-replay": (
        "impala_minatar",
        {
            **ON_POLICY,
            "learning__batch": 8,  # half of it new: one unroll of each stream
            "memory__select": {"kind": "fifo", "replay_share": 0.5},
            "executor__lags_updates": [2],
        },
    ),
    "dreamer": ("dreamer_minatar", {**DREAMS, "environment__streams": 2}),
    "dreamer-gaussian-lags": (
        "dreamer_minatar",
        {
            **DREAMS,
            "network__latent": {"kind": "gaussian", "variables": 3, "form": "softplus", "least": 0.1},
            "network__cell": "gru",
            "agent__kl": {"kind": "plain", "free_nats": 0.1},
            "agent__reinforce": {"kind": "linear", "start": 0.2, "end": 0.9, "start_frames": 200, "end_frames": 600},
            "learning__target_every_frames": None,
            "environment__streams": 2,
            "executor__lags_updates": [0, 3],
        },
    ),
    "acktr-normal": ("acktr_mujoco", {**NORMAL, **POLE, "optimizer__cold__updates": 3}),
    "trpo-normal": ("trpo_mujoco", {**NORMAL, **POLE, "agent__minibatch": 7}),
    "noisy-a3c": ("a2c_minatar", {**ON_POLICY, "network__linear": {"kind": "independent", "sigma": 0.017}}),
}


def drive(run: Run, frames: int) -> None:
    while True:
        if run.frame >= run.evaluated * run.spec.evaluation.every_frames:
            run.evaluation(lambda: True)
        elif run.frame >= frames:
            return
        else:
            assert run.iterate()


@pytest.mark.parametrize("kind", KINDS)
def test_a_dropped_run_ends_like_an_undisturbed_one(kind, tmp_path):
    algorithm, changes = KINDS[kind]
    plan = spec(algorithm, budget=FRAMES, **SHORT | changes)

    def begin(folder: str) -> Run:
        return Run(plan, Checkpoints(tmp_path / folder, {}, print))

    calm = begin("calm")
    drive(calm, FRAMES)
    for cut in (75, 170, 305):  # saved there, then 30 frames further are lost
        run = begin("dropped")
        drive(run, cut)
        run.save()
        drive(run, cut + 30)
    run = begin("dropped")
    assert run.resumes == 3
    drive(run, FRAMES)
    assert_same(calm.parts.state_dict(), run.parts.state_dict())
    one, two = (each.parts.memory.store for each in (calm, run))
    assert_same(one.extract(one.count - one.rows, one.count), two.extract(two.count - two.rows, two.count))
    for table, rows in calm.recorder.tables().items():
        saved = [row for part in run.checkpoints.history(table) for row in part.to_pylist()]
        assert rows.to_pylist() == saved + run.recorder.tables()[table].to_pylist()
