"""Whatever a spec is put together from, it runs, or is refused with a sentence that names the two parts at odds.

Shipped algorithms of MinAtar, a few of whose parts are drawn anew from all kinds that agents/spec/ knows.
"""

import random
import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from agents.run.checkpoint import Checkpoints
from agents.run.heartbeat import Heartbeat
from agents.run.loop import Run, train
from agents.spec.run import LEARNERS, Spec, model_of
from analysis.spec.complaints import complaints
from tests.agents.specs import ROOT, has, prioritized
from workflow.config import Project
from workflow.overlay import merge, nested

COMBINATIONS, FRAMES = 300, 300
ALGORITHMS = (
    "dqn_minatar", "dqn_minatar_sn", "rainbow_minatar", "drqn_minatar", "r2d2_minatar", "apex_minatar", "a2c_minatar",
    "impala_minatar", "ac_lambda_minatar", "dqn_minatar_no_replay", "acktr_minatar", "a2c_gae_minatar",
    "trpo_minatar", "acer_minatar", "dreamer_minatar", "iqn_minatar", "m_dqn_minatar", "m_iqn_minatar",
    "unrolled_q_minatar", "acktr_mujoco", "trpo_mujoco",
)  # fmt: skip

METERED = {"layers": [-1], "power_steps": 1, "warmup_steps": 2, "only_shrink": False}
WORKERS = {"actors": 2, "slots": 2, "chunk_steps": 5, "pull_every_steps": 10}
VALUE_AGENT = {"discount": 0.99, "n_step": 2, "selector": "online"}
KFAC = {"kind": "kfac", "lr": 0.1, "momentum": 0.9, "radius": 1e-3, "decay": 0.9, "inverse_every": 2}
ADAM = {"kind": "adam", "lr": 1e-3, "epsilon": 1e-8, "beta1": 0.9, "beta2": 0.9}
RMSPROP = {"kind": "rmsprop", "lr": 1e-4, "epsilon": 1e-2, "decay": 0.9, "centered": True}
ATARI = {
    "suite": "atari", "game": "pong", "streams": 1, "stack": 1, "flicker": 0.0, "hidden": [], "sticky": 0.25,
    "repeat": 4, "noop_max": 3, "fire_reset": True, "life_loss": True, "clip_reward": True, "actions": "minimal",
    "screen": 16, "cap_frames": 400, "reseed_every_steps": 50,
}  # fmt: skip

PATIENT = {**ATARI, "cap_frames": {"kind": "patience", "frames": 400, "unrewarded_frames": 80}}

# Dotted part -> what it may be.
PARTS: dict[str, list[Any]] = {
    "agent": [
        {"kind": "dqn", **VALUE_AGENT, "value": {"kind": "scalar", "loss": "huber"}, "penalty": "none"},
        {
            "kind": "r2d2", **VALUE_AGENT, "sequence": 4, "burn_in": 2, "period": 2, "state": "stored",
            "rescale_epsilon": 1e-3, "priority_mix": 0.9, "reduction": "mean", "measure_delta_q": True,
        },
        {
            "kind": "r2d2", **VALUE_AGENT, "sequence": 4, "burn_in": 0, "period": 4, "state": "carried",
            "rescale_epsilon": None, "priority_mix": None, "reduction": "sum", "measure_delta_q": True,
        },
        {
            "kind": "ac_lambda", "discount": 0.99, "trace_decay": 0.8, "policy_weight": 1.0, "entropy_weight": 0.01,
            "floor": 1e-6,
        },
        {
            "kind": "actor_critic", "discount": 0.99, "unroll": 4, "correction": "none", "q": "vs",
            "entropy_weight": 0.01, "baseline_weight": 0.5, "reduction": "mean",
        },
        {
            "kind": "unrolled_q", "discount": 0.99, "unroll": 4, "form": "one_step_sarsa", "loss": "huber",
            "reduction": "mean",
        },
        {
            "kind": "trpo", "discount": 0.99, "unroll": 4, "trace_decay": 0.9, "entropy_weight": 0.01, "radius": 0.01,
            "slack": 1.5, "tries": 3, "damping": 0.1, "iterations": 4, "fisher_every": 2, "value_passes": 2,
            "minibatch": 8,
        },
        {
            "kind": "gaussian", "discount": 0.99, "unroll": 20, "trace_decay": 0.9, "weight_decay": 1e-3,
            "step": {"kind": "fixed", "optimizer": ADAM}, "value_passes": 2, "minibatch": 7,
        },
        {
            "kind": "acer", "discount": 0.99, "unroll": 4, "truncation": 2.0, "average_decay": 0.9, "radius": 0.1,
            "statistics": "logits", "q_weight": 0.5, "entropy_weight": 0.01,
        },
        {
            "kind": "dreamer", "discount": 0.99, "sequence": 5, "reward": "identity", "image": "gaussian",
            "kl": {"kind": "plain", "free_nats": 0.1}, "kl_weight": 1.0, "reward_weight": 1.0, "discount_weight": 1.0,
            "shapes_state": ["image", "discount"], "starts": None, "horizon": 2, "return_decay": 0.5,
            "reinforce": {"kind": "constant", "value": 0.0}, "actor_lr": 1e-4, "critic_lr": 1e-4,
            "entropy_weight": {"kind": "linear", "start": 0.1, "end": 0.0, "start_frames": 90, "end_frames": 200},
        },
    ],
    "agent.form": ["one_step_q", "one_step_sarsa", "n_step_q"],
    "agent.image": ["gaussian", "bernoulli"],
    "agent.kl": [{"kind": "balanced", "balance": 0.5, "free_nats": 1.0}, {"kind": "plain", "free_nats": 0.0}],
    "agent.discount_weight": [None, 5.0],
    "agent.starts": [None, 4, 400],
    "agent.reinforce": [
        {"kind": "constant", "value": 0.5},
        {"kind": "linear", "start": 0.0, "end": 1.0, "start_frames": 90, "end_frames": 200},
    ],
    "network.latent": [
        {"kind": "categorical", "variables": 2, "classes": 3},
        {"kind": "gaussian", "variables": 3, "form": "sigmoid2", "least": 0.1},
    ],
    "network.cell": ["bare", "gru"],
    "network.decoder": [
        {"kind": "dense", "units": []},
        {"kind": "transposed", "channels": 4, "convolutions": [[4, 4, 1]], "last": [4, 2]},
        {"kind": "transposed", "channels": 4, "convolutions": [], "last": [3, 1]},
    ],
    "network.heads.discount": [None, [8]],
    "agent.priority_mix": [None, 0.9],
    "agent.value": [
        {"kind": "scalar", "loss": "absolute"}, {"kind": "categorical", "low": -5.0, "high": 5.0, "atoms": 11},
        {"kind": "quantile", "quantiles": 5, "kappa": 1.0},
        {"kind": "implicit", "samples": 3, "target_samples": 4, "acting_samples": 2, "kappa": 0.5},
    ],
    "agent.selector": ["target", "online", {"kind": "munchausen", "temperature": 0.1, "alpha": 0.5, "lowest": -2.0}],
    "agent.n_step": [1, 3],
    "agent.penalty": ["none", {"kind": "gradient", "weight": 0.1, "norm": 1.0}],
    "agent.correction": [
        "none", "epsilon", {"kind": "one_step", "rho_bar": 1.0}, {"kind": "vtrace", "rho_bar": 1.0, "c_bar": 0.9},
        {"kind": "gae", "trace_decay": 0.9},
    ],
    "network.torso": ["convolutional", "residual"],
    "network.convolutions": [[], [[4, 3, 1]], [[4, 3, 2], [4, 3, 1]], [[4, 12, 1]]],
    "network.core": [
        "none", {"kind": "lstm", "before": [], "units": 8, "inputs": True},
        {"kind": "lstm", "before": [8], "units": 8, "inputs": False},
    ],
    "network.units": [[], [16], [16, 8]],
    "network.activations.units": ["relu", "dsilu", "none"],
    "network.head": ["plain", "dueling", {"kind": "implicit", "cosines": 4, "first": 0}, "actor_critic", "actor_q"],
    "network.linear": ["plain", {"kind": "factorised", "sigma": 0.5}, {"kind": "independent", "sigma": 0.017}],
    "network.normalisation": ["none", "batch"],
    "network.shared_bias": [True, False],
    "spectral": [
        "none", {"kind": "weights", **METERED, "target_power_steps": 1, "bound": 1.0, "flow": "all"},
        {"kind": "weights", **METERED, "layers": [-1, -2, -4], "target_power_steps": 1, "bound": 2.0, "flow": "none"},
        {"kind": "output", **METERED, "target_power_steps": 1},
        *({"kind": kind, **METERED, "scope": scope} for kind, scope in
          (("gradient", "layer"), ("epsilon", "product"), ("lr", "layer"))),
    ],
    "exploration": [
        "none", {"kind": "linear", "start": 1.0, "end": 0.1, "warmup_frames": 20, "end_frames": 200},
        {"kind": "per_episode", "scale": 1.0, "offset": 1.0, "warmup_frames": 40},
        {"kind": "ladder", "base": 0.4, "alpha": 7.0}, {"kind": "fixed", "values": [0.5, 0.1]},
        {"kind": "sampled", "start": 1.0, "ends": [0.1, 0.5], "chances": [0.4, 0.6], "end_frames": 200},
    ],
    "memory.select": [
        "uniform", {"kind": "fifo", "replay_share": 0.0}, {"kind": "fifo", "replay_share": 0.5}, "newest", "sequential",
        {"kind": "trajectories", "replay_ratio": 2, "start_steps": 50},
        prioritized("proportional", beta=None), prioritized("rank", beta=0.5),
        prioritized("proportional", initial="actor"),
    ],
    "memory.copies": [1, 2],
    "memory.capacity_steps": [20, 200],
    "learning.batch": [1, 2, 4],
    "learning.clock": [{"kind": "frames", "start_frames": 80, "every_frames": 4}, "unrolls"],
    "learning.target_every_frames": [None, 40],
    "learning.lr_decay_frames": [None, 200],
    "learning.clip_norm": [None, 1.0],
    "optimizer": [
        {"kind": "adam", "lr": 1e-4, "epsilon": 1e-4, "beta1": 0.9, "beta2": 0.999},
        {"kind": "adamw", "lr": 1e-4, "epsilon": 1e-4, "beta1": 0.9, "beta2": 0.999, "decay": 1e-3},
        *({**RMSPROP, "form": form} for form in ("torch", "nature", "tensorflow", "debiased")),
        {"kind": "sgd", "lr": 1e-4, "momentum": 0.9}, {"kind": "momentum", "lr": 1e-3, "decay": 0.9},
        {"kind": "adadelta", "lr": 0.1, "epsilon": 1e-6, "decay": 0.95},
        {
            **KFAC, "start": "zero", "damping": {"kind": "plain", "epsilon": 0.01}, "critic": "adaptive",
            "cold": {"kind": "momentum", "updates": 3, "lr": 0.01, "clip_norm": 0.5}, "measure_kl": True,
        },
        {
            **KFAC, "start": "first", "damping": {"kind": "factored", "epsilon": 0.1}, "critic": "euclidean",
            "cold": {"kind": "none"}, "measure_kl": False,
        },
    ],
    "optimizer.critic": [{"kind": "gauss_newton", "sigma": 0.5}, "euclidean", "adaptive"],
    "environment": [
        {
            "suite": "minatar", "game": "freeway", "streams": 1, "stack": 2, "flicker": 0.2, "hidden": [0],
            "sticky": 0.1, "ramping": False, "actions": "minimal", "cap_frames": 50,
        },
        {
            "suite": "cartpole", "game": "v1", "streams": 1, "stack": 1, "flicker": 0.0, "hidden": [],
            "reward": "standard", "solved_length": 195, "solved_episodes": 100, "cap_frames": 40,
        },
        {
            "suite": "recall", "game": "cue", "streams": 1, "stack": 1, "flicker": 0.0, "hidden": [], "cues": 3,
            "delay": 4, "cap_frames": None,
        },
        {
            "suite": "minigrid", "game": "memory_s7", "streams": 1, "stack": 1, "flicker": 0.0, "hidden": [],
            "actions": "movement", "cap_frames": 40,
        },
        ATARI, PATIENT,
        {
            "suite": "mujoco", "game": "inverted_pendulum", "streams": 1, "stack": 2, "flicker": 0.1, "hidden": [],
            "cap_frames": 40,
        },
    ],
    "agent.step": [
        {"kind": "fixed", "optimizer": {"kind": "sgd", "lr": 1e-3, "momentum": 0.9}},
        {
            "kind": "steered", "kl": 0.01, "slack": 1.5, "factor": 2.0,
            "optimizer": {**KFAC, "start": "first", "damping": {"kind": "factored", "epsilon": 0.1}, "cold": "none",
                          "critic": "euclidean", "measure_kl": False},
        },
        {
            "kind": "searched", "radius": 0.01, "slack": 1.5, "tries": 3, "damping": 0.1, "iterations": 4,
            "fisher_every": 2,
        },
    ],
    "agent.minibatch": [None, 7],
    "environment.streams": [1, 2, 4],
    "evaluation.trials": [
        [], [{"kind": "flicker", "chance": 0.5}], [{"kind": "memory", "observations": 2}],
        ["returns"], [{"kind": "snapshots", "steps": [3]}],
    ],
    "evaluation.epsilon": [0.0, 0.05],
    "executor": [
        *[{"kind": "inline", "lags_updates": lags} for lags in ([0], [0], [0, 2], [0, 2])],
        {"kind": "processes", **WORKERS}, {"kind": "hogwild", "actors": 2},
        {"kind": "hogwild_own", "actors": 2},
    ],
    "record.norms": ["none", {"kind": "spectral", "layers": [-1, -2], "power_steps": 2}],
    "record.probes": [
        [], [{"kind": "feature_rank", "states": 8}], [{"kind": "lipschitz", "states": 8}], ["td_error"],
        [{"kind": "fresh_delta_q", "states": 4}],
    ],
}  # fmt: skip

# What makes every draw a run of a second.
SMALL: dict[str, Any] = {
    "network.convolutions": [[4, 3, 1]],
    "network.units": [16],
    "network.policy": [8],
    "network.value": [8],
    "agent.value_passes": 2,
    "network.deter": 8,
    "network.hidden": 8,
    "agent.starts": 8,
    "memory.capacity_steps": 200,
    "learning.batch": 4,
    "environment.streams": 4,
    "evaluation.every_frames": 150,
    "evaluation.streams": 1,
    "evaluation.episodes": 1,
    "evaluation.frames": None,
    "evaluation.cap_frames": 30,
    "record.learning_every_frames": 50,
    "record.bins": 5,
}
FIRST = {
    "learning.clock.start_frames": 80,
    "learning.clock.every_frames": 4,
    "learning.target_every_frames": 40,
    "learning.lr_decay_frames": 400,
}
# Numbers within a part that may be at odds with each other.
WITHIN = {"target_every_frames", "clock", "burn_in", "period", "sequence"}


def drawn(number: int) -> dict[str, Any]:
    """The tree of one combination: an algorithm with one to four of its parts drawn anew."""
    rng = random.Random(number)
    algorithm = Project(ROOT).algorithm(ALGORITHMS[number % len(ALGORITHMS)])
    changes: dict[str, Any] = SMALL | FIRST
    if algorithm.spec["agent"]["kind"] == "ac_lambda":
        changes |= {"environment.streams": 1, "learning.batch": 1}
    if algorithm.spec["agent"]["kind"] == "gaussian":
        changes |= {"environment.streams": 1, "learning.batch": 1, "agent.unroll": 20}
    if algorithm.spec["learning"]["target_every_frames"] is None:
        del changes["learning.target_every_frames"]
    for key in rng.sample(sorted(PARTS), rng.randint(1, 4)):
        changes[key] = rng.choice(PARTS[key])
    game = "inverted_pendulum" if algorithm.spec["environment"]["suite"] == "mujoco" else "breakout"
    tree = merge(algorithm.spec, {"environment": {"game": game}})
    for key, value in sorted(changes.items(), key=lambda change: change[0].count(".")):
        if has(tree, key):
            tree = merge(tree, nested(key, value), algorithm.alternatives)
    return tree | {"version": 1, "seed": 0, "budget_frames": FRAMES, "device": "cpu", "threads": 1}


def kinds(model: Any) -> Iterator[str]:
    """All that tells parts apart in a model and in what it is made of."""
    for name, field in getattr(model, "model_fields", {}).items():
        if name in ("kind", "suite"):
            yield from get_args(field.annotation)
        todo = [field.annotation]
        for each in todo:
            todo += get_args(each)
            yield from kinds(each)


def named(options: Any) -> Iterator[str]:
    """Words and kinds that stand in a list of parts."""
    for each in options:
        if isinstance(each, list):
            yield from named(each)
        elif isinstance(each, dict):
            yield from (each[key] for key in ("kind", "suite") if key in each)
            yield from named([value for value in each.values() if isinstance(value, dict | str)])
        elif isinstance(each, str):
            yield each


def named_in(sentence: str) -> set[str]:
    """The parts, by the first two steps of their dotted names, that a sentence names."""
    tops = set(Spec.model_fields)
    words = (word.split(".")[:2] for word in re.findall(r"[a-z_]+(?:\.[a-z_]+)*", sentence))
    return {".".join(word) for word in words if word[0] in tops or word[0] in WITHIN}


@pytest.mark.parametrize("number", range(COMBINATIONS))
def test_it_runs_or_is_refused_by_name(number, tmp_path):
    tree = drawn(number)
    try:
        spec = model_of(tree).model_validate(tree)
    except ValidationError as error:
        for location, sentence, *_ in complaints(error, model_of(tree), tree):
            assert len(named_in(f"{'.'.join(map(str, location))} {sentence}")) >= 2, (location, sentence)
        return
    run = Run(spec, Checkpoints(tmp_path / "checkpoints", {}, print))
    heartbeat = Heartbeat(tmp_path / "heartbeat.json", "run", FRAMES, 0)
    outcome = train(run, heartbeat, lambda: False, lambda: None, 1e9)
    assert outcome.status == "finished" and run.frame >= FRAMES and run.evaluated >= 2
    assert run.parts.learner.updates > 0 or not spec.learns


def test_every_kind_of_part_is_drawn():
    """But for Ray's actors: the library is not there in every place where tests run."""
    every = {kind for model in (Spec, *LEARNERS.values()) for kind in kinds(model)}
    assert every - set(named(PARTS.values())) == {"ray"}
