"""Every shipped algorithm file against the numbers of its source, written down here a second time."""

import pytest

from agents.spec import model_of
from tests.agents.specs import ROOT, fields

STEP = 4  # Atari frames per agent step

NATURE = {  # Mnih et al. 2015, Extended Data Table 1; frames as in dqn_zoo/dqn/run_atari.py
    "learning.batch": 32,
    "memory.capacity_steps": 1_000_000,
    "environment.stack": 4,
    "environment.repeat": 4,
    "environment.noop_max": 30,
    "environment.cap_frames": 108_000,
    "environment.sticky": 0.0,
    "learning.every_frames": 4 * STEP,
    "agent.discount": 0.99,
    "network.convolutions": [(32, 8, 4), (64, 4, 2), (64, 3, 1)],
    "network.units": [512],
    "evaluation.every_frames": 1_000_000,
    "evaluation.frames": 500_000,
}
ADAM_C51 = {"optimizer.kind": "adam", "optimizer.lr": 2.5e-4, "optimizer.epsilon": 0.01 / 32}
SUPPORT = {"agent.value.low": -10.0, "agent.value.high": 10.0, "agent.value.atoms": 51}
TUNED = {"agent.selector": "online", "network.shared_bias": True, "learning.target_every_frames": 120_000}
SILENT = {"exploration.start": 0.0, "exploration.end": 0.0}
ON_POLICY = {**SILENT, "agent.kind": "actor_critic", "memory.select.kind": "fifo", "evaluation.epsilon": 0.0}
INSIDE = {"optimizer.kind": "rmsprop", "optimizer.decay": 0.99, "optimizer.centered": False, "optimizer.form": "nature"}
A2C = {  # openai/baselines a2c/a2c.py: learn()
    **ON_POLICY,
    **INSIDE,
    "agent.unroll": 5,
    "agent.correction": "none",
    "agent.entropy_weight": 0.01,
    "agent.baseline_weight": 0.5 * 2,
    "agent.reduction": "mean",
    "agent.discount": 0.99,
    "environment.streams": 16,
    "learning.batch": 16,
    "learning.clip_norm": 0.5,
    "optimizer.lr": 7e-4,
    "optimizer.epsilon": 1e-5,
}
A3C = {  # Mnih et al. 2016, supplement 8
    **ON_POLICY,
    **INSIDE,
    "agent.unroll": 5,
    "agent.entropy_weight": 0.01,
    "agent.reduction": "sum",
    "environment.streams": 16,
    "environment.repeat": 4,
    "learning.batch": 1,
    "optimizer.epsilon": 0.1,
    "network.convolutions": [(16, 8, 4), (32, 4, 2)],
    "network.units": [256],
}
IMPALA = {  # Espeholt et al. 2018, Table G.1
    **ON_POLICY,
    **INSIDE,
    "agent.unroll": 20,
    "agent.correction": "vtrace",
    "agent.rho_bar": 1.0,
    "agent.c_bar": 1.0,
    "agent.entropy_weight": 0.01,
    "agent.baseline_weight": 0.5,
    "agent.reduction": "sum",
    "agent.discount": 0.99,
    "learning.clip_norm": 40.0,
    "optimizer.lr": 6e-4,
    "optimizer.epsilon": 0.01,
}

TABLES = {
    "dqn_nature": {
        **NATURE,
        "learning.start_frames": 50_000 * STEP,
        "learning.target_every_frames": 10_000 * STEP,
        "exploration.end": 0.1,
        "optimizer.lr": 0.00025,
        "optimizer.decay": 0.95,
        "optimizer.epsilon": 0.01 / 32**2,
        "optimizer.form": "nature",
        "evaluation.epsilon": 0.05,
    },
    "double_dqn_tuned": {**NATURE, **TUNED, "exploration.end": 0.01},
    "prioritized_proportional": {
        **NATURE,
        **TUNED,
        "memory.select.exponent": 0.6,
        "memory.select.weight_start": 0.4,
        "memory.select.weight_end": 1.0,
        "optimizer.lr": 0.00025 / 4,
        "optimizer.epsilon": 0.01 / 32**2 / 16,
    },
    "prioritized_rank": {
        **NATURE,
        **TUNED,
        "memory.select.exponent": 0.7,
        "memory.select.weight_start": 0.5,
        "memory.select.weight_end": 1.0,
        "optimizer.lr": 0.00025 / 4,
    },
    "c51": {**NATURE, **ADAM_C51, **SUPPORT, "agent.selector": "target", "exploration.end": 0.01},
    "qr_dqn": {**NATURE, "agent.value.quantiles": 200, "agent.value.kappa": 1.0, "optimizer.lr": 5e-5},
    "dueling": {**NATURE, "network.head": "dueling", "learning.clip_norm": 10.0, "optimizer.lr": 6.25e-5},
    "noisy_dqn": {**NATURE, **SILENT, "network.linear.kind": "factorised", "network.linear.sigma": 0.5},
    "noisy_dueling": {**NATURE, **SILENT, "network.head": "dueling", "network.linear.sigma": 0.5},
    "rainbow": {  # Hessel et al. 2018, Table 1
        **NATURE,
        **SUPPORT,
        **SILENT,
        "learning.start_frames": 80_000,
        "optimizer.lr": 0.0000625,
        "optimizer.epsilon": 1.5e-4,
        "network.linear.sigma": 0.5,
        "network.head": "dueling",
        "learning.target_every_frames": 32_000,
        "memory.select.kind": "proportional",
        "memory.select.exponent": 0.5,
        "memory.select.weight_start": 0.4,
        "memory.select.weight_end": 1.0,
        "agent.n_step": 3,
        "agent.selector": "online",
    },
    "c51_sn": {  # floringogianu/snrl configs/g55_c51/default.yaml
        **NATURE,
        **ADAM_C51,
        **SUPPORT,
        "exploration.end": 0.01,
        "exploration.end_frames": 1_000_000 * STEP,
        "exploration.warmup_frames": 50_000 * STEP,
        "learning.target_every_frames": 10_000 * STEP,
        "evaluation.every_frames": 250_000 * STEP,
        "evaluation.frames": 125_000 * STEP,
        "evaluation.epsilon": 0.001,
        "network.initialisation": "xavier_uniform",
        "learning.clip_norm": None,
    },
    "dqn_adam_sn": {  # floringogianu/snrl configs/g20_dqnR_sweep/default.yaml
        **NATURE,
        **ADAM_C51,
        "exploration.end_frames": 250_000 * STEP,
        "learning.start_frames": 20_000 * STEP,
        "learning.target_every_frames": 8_000 * STEP,
        "agent.value.loss": "huber",
    },
    "dqn_minatar_sn": {  # floringogianu/snrl configs/minatar_dqn_size/default.yaml
        **ADAM_C51,
        "agent.value.loss": "squared",
        "exploration.end": 0.01,
        "exploration.end_frames": 250_000,
        "learning.start_frames": 5_000,
        "learning.every_frames": 4,
        "learning.target_every_frames": 4_000,
        "memory.capacity_steps": 100_000,
        "environment.sticky": 0.1,
        "evaluation.frames": 125_000,
        "network.convolutions": [(16, 3, 1)],
        "network.units": [128],
    },
    "dqn_minatar": {  # kenjyoung/MinAtar examples/dqn.py
        "optimizer.kind": "rmsprop",
        "optimizer.lr": 0.00025,
        "optimizer.decay": 0.95,
        "optimizer.epsilon": 0.01,
        "optimizer.centered": True,
        "learning.batch": 32,
        "memory.capacity_steps": 100_000,
        "learning.start_frames": 5_000,
        "learning.every_frames": 1,
        "learning.target_every_frames": 1_000,
        "exploration.end": 0.1,
        "exploration.end_frames": 5_000 + 100_000,
        "agent.value.loss": "huber",
        "agent.discount": 0.99,
    },
    "dqn_minatar_no_replay": {  # kenjyoung/MinAtar examples/dqn.py --replayoff
        "memory.select.kind": "newest",
        "learning.batch": 1,
        "learning.start_frames": 1,
        "learning.every_frames": 1,
        "learning.target_every_frames": 1_000,
        "exploration.end": 0.1,
        "exploration.end_frames": 100_000,
        "exploration.warmup_frames": 0,
        "agent.value.loss": "huber",
        "agent.discount": 0.99,
        "optimizer.lr": 0.00025,
        "optimizer.decay": 0.95,
        "optimizer.epsilon": 0.01,
        "optimizer.centered": True,
        "optimizer.form": "torch",
    },
    "ac_lambda_minatar": {  # kenjyoung/MinAtar examples/AC_lambda.py
        **SILENT,
        "agent.trace_decay": 0.8,
        "agent.discount": 0.99,
        "agent.policy_weight": 0.5,
        "agent.entropy_weight": 0.01,
        "agent.floor": 0.0001,
        "optimizer.lr": 2**-11,
        "optimizer.decay": 0.999,
        "optimizer.epsilon": 0.0001,
        "optimizer.centered": False,
        "optimizer.form": "debiased",
        "network.convolutions": [(16, 3, 1)],
        "network.units": [128],
        "network.activations.convolutions": "silu",
        "network.activations.units": "dsilu",
        "memory.select.kind": "newest",
        "learning.batch": 1,
        "learning.every_frames": 1,
        "learning.target_every_frames": None,
        "evaluation.epsilon": 0.0,
    },
    "cartpole_dueling_double": {  # the blog's repository
        "agent.selector": "online",
        "network.head": "dueling",
        "network.convolutions": [(32, 1, 1), (32, 1, 1)],
        "network.units": [],
        "agent.discount": 0.99,
        "learning.batch": 32,
        "learning.start_frames": 1_000,
        "learning.every_frames": 1,
        "learning.target_every_frames": 1,
        "memory.capacity_steps": 10_000,
        "optimizer.kind": "adam",
        "optimizer.lr": 1e-4,
        "exploration.scale": 0.5,
        "exploration.offset": 1.001,
        "environment.reward": "goal",
        "environment.solved_length": 150,
    },
    "cliffwalk": {"agent.step_size": 0.25, "agent.tolerance": 1e-3, "agent.values": "tabular"},
    "digits": {"environment.kept": 0.01, "agent.rare_weight": 1.0},
    "a2c": {  # openai/baselines a2c
        **A2C,
        "network.convolutions": NATURE["network.convolutions"],
        "network.units": [512],
        "learning.lr_decay_frames": 80_000_000 * STEP,
        "environment.stack": 4,
    },
    "a2c_minatar": {**A2C, "network.convolutions": [(16, 3, 1)], "network.units": [128]},
    "a3c_ff": A3C,
    "a3c_lstm": {**A3C, "network.core.before": [256], "network.core.units": 256, "network.units": []},
    "noisy_a3c": {  # Fortunato et al. 2018, section 3.2
        **A3C,
        "network.linear.kind": "independent",
        "network.linear.sigma": 0.017,
        "agent.entropy_weight": 0.0,
        "learning.batch": 16,
    },
    "impala_shallow": {
        **IMPALA,
        "learning.batch": 32,
        "learning.lr_decay_frames": 200_000_000,
        "network.convolutions": NATURE["network.convolutions"],
        "environment.life_loss": True,
        "environment.clip_reward": True,
    },
    "impala_deep": {
        **IMPALA,
        "learning.batch": 32,
        "network.torso": "residual",
        "network.convolutions": [(16, 3, 2), (32, 3, 2), (32, 3, 2)],
        "network.units": [256],
    },
    "impala_minatar": {**IMPALA, "network.convolutions": [(16, 3, 1)]},
    "apex": {  # uber-research/ape-x; Kapturowski et al. 2019 on Ape-X
        "environment.streams": 360,
        "exploration.base": 0.4,
        "exploration.alpha": 7.0,
        "agent.n_step": 3,
        "agent.selector": "online",
        "agent.discount": 0.99,
        "learning.batch": 512,
        "learning.start_frames": 50_000 * STEP,
        "learning.target_every_frames": 2_500 * 394 * STEP,
        "learning.every_frames": round(512 / 1.3) * STEP,
        "learning.clip_norm": 40.0,
        "memory.capacity_steps": 2_000_000,
        "memory.select.exponent": 0.6,
        "memory.select.weight_start": 0.4,
        "memory.select.weight_end": 0.4,
        "memory.select.initial": "actor",
        "optimizer.lr": 0.00025 / 4,
        "optimizer.epsilon": 1.5e-7,
        "optimizer.decay": 0.95,
        "optimizer.centered": True,
        "network.head": "dueling",
        "executor.pull_every_steps": 400 // STEP,
    },
    "apex_minatar": {
        "exploration.base": 0.4,
        "exploration.alpha": 7.0,
        "agent.n_step": 3,
        "memory.select.initial": "actor",
        "learning.clip_norm": 40.0,
        "learning.every_frames": 16,
        "environment.streams": 16,
    },
    "rainbow_minatar": {
        **SILENT,
        "agent.n_step": 3,
        "agent.value.high": 100.0,
        "learning.start_frames": 1_000,
        "learning.target_every_frames": 1_000,
        "optimizer.lr": 2.5e-4,
        "optimizer.epsilon": 3.125e-4,
    },
}


def complete(name: str) -> dict:
    """The file's spec with the values that experiments give."""
    tree = fields(name)
    tree["environment"]["game"] = "breakout"
    return tree | {"version": 1, "seed": 0, "budget_frames": 1, "device": "cpu", "threads": 1}


def shipped() -> list[str]:
    return sorted(path.stem for path in (ROOT / "config" / "algorithms").glob("*.yaml"))


def test_every_shipped_algorithm_has_its_table():
    assert shipped() == sorted(TABLES)


@pytest.mark.parametrize("name", sorted(TABLES))
def test_the_file_holds_the_sources_numbers(name):
    tree = complete(name)
    spec = model_of(tree).model_validate(tree)
    for dotted, expected in TABLES[name].items():
        value = spec
        for part in dotted.split("."):
            value = getattr(value, part)
        assert value == (pytest.approx(expected) if isinstance(expected, float) else expected), dotted
