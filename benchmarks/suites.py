"""What is compared: the suites, the contestants, and the numbers that all of them share. Imports nothing heavy.

Every suite but the last five of SUITES is a value method on MinAtar Breakout with one network (one convolution of 16
3x3 filters, 128 hidden units), an update every frame (`fourth` and `sn_fourth`: every fourth, as in the paper on
spectral normalisation), a batch of 32, a memory of 100,000 steps and a target network copied every 1,000 updates.
`atari` has the network of Mnih et al. 2015, an update every four steps (16 frames) and a memory of 10,000 steps.
`r2d2`, `a2c` and `impala` are the shipped `*_minatar` algorithms as they are. `dreamer` is DreamerV2 on 64 x 64 pixels,
all its sizes small.
"""

from typing import Any, NamedTuple

ACTIONS = 6  # of all MinAtar games
START_FRAMES = 1_000  # before learning begins, where it waits for a memory
WARM_FRAMES = 1_500  # done before the clock starts
BATCH, MEMORY_STEPS, TARGET_UPDATES = 32, 100_000, 1_000
LR, ADAM_EPSILON, DISCOUNT, EPSILON = 2.5e-4, 3.125e-4, 0.99, 0.1  # EPSILON of exploration, throughout


class Suite(NamedTuple):
    """`algorithm` of config/algorithms with `changes`; `every` frames an update; `window` frames in a turn."""

    algorithm: str
    every: int
    window: int
    changes: dict[str, Any]
    steps: bool = True  # whether single steps are drawn from a memory, with the numbers above
    relative: bool = False  # whether ours is also compared with our own `dqn`


HUBER = {"agent": {"value": {"kind": "scalar", "loss": "huber"}}}
C51 = {"agent": {"value": {"kind": "categorical", "low": -100.0, "high": 100.0, "atoms": 51}}}
SPECTRAL = {"spectral": {"kind": "weights", "layers": [-2]}}
NOISY = {"network": {"linear": {"kind": "factorised", "sigma": 0.5}}, "exploration": {"kind": "none"}}
DOUBLE = {"agent": {**HUBER["agent"], "selector": "online"}}
# Channels are multiples of 8 instead of 48, layers of 128 units; 16 sequences of 16 steps, 10 imagined from each.
DREAMER = {
    "agent": {"sequence": 16, "horizon": 10},
    "network": {
        "convolutions": [[8, 4, 2], [16, 4, 2], [32, 4, 2], [64, 4, 2]],
        "latent": {"kind": "categorical", "variables": 16, "classes": 16},
        "deter": 128,
        "hidden": 128,
        "decoder": {"channels": 256, "convolutions": [[32, 5, 2], [16, 5, 2], [8, 6, 2]]},
        "heads": {key: [128, 128] for key in ("reward", "discount", "actor", "critic")},
    },
    "learning": {"batch": 16},
    "memory": {"capacity_steps": 10_000},
}
SUITES = {
    "dqn": Suite("dqn_minatar_sn", 1, 500, HUBER),
    "rmsprop": Suite("dqn_minatar", 1, 500, {}, relative=True),
    "double": Suite("dqn_minatar_sn", 1, 500, DOUBLE, relative=True),
    "sn": Suite("dqn_minatar_sn", 1, 500, HUBER | SPECTRAL, relative=True),
    "fourth": Suite("dqn_minatar_sn", 4, 1_000, HUBER),
    "sn_fourth": Suite("dqn_minatar_sn", 4, 1_000, HUBER | SPECTRAL),
    "prioritized": Suite(
        "dqn_minatar_sn", 1, 500, HUBER | {"memory": {"select": {"kind": "proportional"}}}, relative=True
    ),
    "c51": Suite("dqn_minatar_sn", 1, 250, C51, relative=True),
    "dueling": Suite("dqn_minatar_sn", 1, 250, {**HUBER, "network": {"head": "dueling"}}, relative=True),
    "noisy": Suite("dqn_minatar_sn", 1, 250, HUBER | NOISY, relative=True),
    "rainbow": Suite("rainbow_minatar", 1, 250, {}, relative=True),
    "atari": Suite("dqn_adam_sn", 16, 800, {}),
    "r2d2": Suite("r2d2_minatar", 80, 4_000, {}, steps=False),
    "a2c": Suite("a2c_minatar", 80, 8_000, {}, steps=False),
    "impala": Suite("impala_minatar", 320, 12_800, {}, steps=False),
    "dreamer": Suite("dreamerv2", 16, 64, DREAMER, steps=False),
}
QUICK = ("dqn", "sn", "double", "atari")


class Contestant(NamedTuple):
    """`module` has `make(suite)`, which gives a function that does so many frames; `package` is what it needs."""

    module: str
    suites: tuple[str, ...]
    package: str = ""


VALUE = ("dqn", "rmsprop", "double", "sn", "fourth", "sn_fourth", "c51", "dueling", "noisy", "rainbow", "atari")
CONTESTANTS = {
    "ours": Contestant("benchmarks.ours", tuple(SUITES)),
    "modules": Contestant("benchmarks.modules", (*VALUE, "r2d2")),
    "sb3": Contestant("benchmarks.peers.sb3", ("dqn", "atari", "a2c"), "stable_baselines3"),
    "tianshou": Contestant("benchmarks.peers.tianshou", ("dqn",), "tianshou"),
    "torchrl": Contestant("benchmarks.peers.torchrl", ("dqn",), "torchrl"),
    "sheeprl": Contestant("benchmarks.peers.sheeprl", ("dreamer",), "sheeprl"),
    "pfrl": Contestant("benchmarks.peers.pfrl", ("dqn",), "pfrl"),
}
