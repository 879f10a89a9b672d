"""Every shipped algorithm file against the numbers of its source, written down here a second time."""

import pytest

from agents.spec import Spec
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
    "rainbow_minatar": {
        **SILENT,
        "agent.n_step": 3,
        "agent.value.high": 100.0,
        "learning.start_frames": 1_000,
        "learning.target_every_frames": 1_000,
        "optimizer.lr": 2.5e-4,
        "optimizer.epsilon": 3.125e-4,
    },
    "r2d2": {  # Kapturowski et al. 2019, Table 2
        "agent.sequence": 80,
        "agent.burn_in": 40,
        "agent.period": 40,
        "agent.discount": 0.997,
        "agent.n_step": 5,
        "agent.selector": "online",
        "agent.state": "stored",
        "agent.rescale_epsilon": 1e-3,
        "agent.priority_mix": 0.9,
        "memory.capacity_steps": 4_000_000,
        "memory.select.exponent": 0.9,
        "memory.select.weight_start": 0.6,
        "memory.select.weight_end": 0.6,
        "learning.batch": 64,
        "learning.target_every_frames": 2500 * 53_248,
        "learning.clip_norm": 40.0,
        "optimizer.lr": 1e-4,
        "optimizer.epsilon": 1e-3,
        "network.convolutions": [(32, 8, 4), (64, 4, 2), (64, 3, 1)],
        "network.core.units": 512,
        "network.core.inputs": True,
        "network.units": [512],
        "network.head": "dueling",
        "environment.streams": 256,
        "environment.stack": 4,
        "environment.sticky": 0.0,
        "environment.life_loss": False,
        "environment.clip_reward": False,
        "environment.actions": "full",
        "environment.cap_frames": 108_000,
    },
    "r2d2_minatar": {
        "agent.sequence": 20,
        "agent.burn_in": 10,
        "agent.period": 10,
        "network.core.units": 64,
        "environment.streams": 16,
        "learning.batch": 16,
        "memory.select.exponent": 0.9,
    },
    "r2d2_recall": {"environment.delay": 6, "agent.sequence": 5, "agent.burn_in": 0, "agent.period": 1},
    "drqn": {  # mhauskn/dqn, branch recurrent
        "agent.sequence": 10,
        "agent.burn_in": 0,
        "agent.period": 1,
        "agent.n_step": 1,
        "agent.state": "zero",
        "agent.selector": "target",
        "agent.rescale_epsilon": None,
        "agent.discount": 0.99,
        "memory.select.kind": "uniform",
        "memory.capacity_steps": 400_000,
        "learning.batch": 32,
        "learning.start_frames": 50_000 * STEP,
        "learning.every_frames": STEP,
        "learning.target_every_frames": 10_000 * STEP,
        "learning.clip_norm": 10.0,
        "optimizer.kind": "adadelta",
        "optimizer.lr": 0.1,
        "optimizer.decay": 0.95,
        "exploration.end": 0.1,
        "exploration.end_frames": 200_000 + 1_000_000 * STEP,
        "environment.stack": 1,
        "network.core.units": 512,
        "network.core.inputs": False,
        "network.units": [],
        "network.head": "plain",
        "evaluation.epsilon": 0.05,
        "evaluation.every_frames": 50_000 * STEP,
        "evaluation.episodes": 10,
    },
    "drqn_minatar": {
        "agent.sequence": 10,
        "agent.state": "zero",
        "memory.select.kind": "uniform",
        "optimizer.lr": 2.5e-4,
        "optimizer.epsilon": 3.125e-4,
        "network.core.units": 128,
        "learning.clip_norm": 10.0,
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
    spec = Spec.model_validate(complete(name))
    for dotted, expected in TABLES[name].items():
        value = spec
        for part in dotted.split("."):
            value = getattr(value, part)
        assert value == (pytest.approx(expected) if isinstance(expected, float) else expected), dotted
