"""sheeprl: DreamerV2's update (`dreamer_v2.train`) by its own configuration for MsPacman, at the sizes of `dreamer`.

Its batch is random, already in tensors: it draws from no memory, while ours does. No losses are logged, nothing is
compiled, as its configuration has it.
"""

from collections.abc import Callable

import gymnasium as gym
import numpy as np
import torch
from hydra import compose, initialize_config_module
from lightning import Fabric
from sheeprl.algos.dreamer_v2.agent import build_agent
from sheeprl.algos.dreamer_v2.dreamer_v2 import train
from sheeprl.algos.dreamer_v2.utils import build_optimizer
from sheeprl.utils.utils import dotdict

from benchmarks.suites import DREAMER, SUITES

ACTIONS = 18  # all of the console's, as ours
NETWORK, ROWS, SEQUENCES = DREAMER["network"], DREAMER["agent"]["sequence"], DREAMER["learning"]["batch"]
SIZES = {
    "algo.cnn_keys.encoder": "[rgb]",
    "algo.mlp_keys.encoder": "[]",
    "algo.per_rank_batch_size": SEQUENCES,
    "algo.per_rank_sequence_length": ROWS,
    "algo.horizon": DREAMER["agent"]["horizon"],
    "algo.dense_units": NETWORK["heads"]["reward"][0],
    "algo.mlp_layers": len(NETWORK["heads"]["reward"]),
    "algo.world_model.stochastic_size": NETWORK["latent"]["variables"],
    "algo.world_model.discrete_size": NETWORK["latent"]["classes"],
    "algo.world_model.encoder.cnn_channels_multiplier": NETWORK["convolutions"][0][0],
    "algo.world_model.recurrent_model.recurrent_state_size": NETWORK["deter"],
    "algo.world_model.transition_model.hidden_size": NETWORK["hidden"],
    "algo.world_model.representation_model.hidden_size": NETWORK["hidden"],
}


def make(suite: str) -> Callable[[int], object]:
    """What does the updates of so many frames."""
    torch.set_num_threads(1)
    torch.distributions.Distribution.set_default_validate_args(False)  # as its command line does
    with initialize_config_module("sheeprl.configs", version_base="1.3"):
        words = ["exp=dreamer_v2_ms_pacman", *(f"{key}={value}" for key, value in SIZES.items())]
        cfg = dotdict(compose("config", words))
    fabric = Fabric(accelerator="cpu", devices=1)
    space = gym.spaces.Dict({"rgb": gym.spaces.Box(0, 255, (1, 64, 64), np.uint8)})
    world, actor, critic, target, _ = build_agent(fabric, [ACTIONS], False, cfg, space)
    optimizers = [
        fabric.setup_optimizers(build_optimizer(part.optimizer, network.parameters()))
        for part, network in ((cfg.algo.world_model, world), (cfg.algo.actor, actor), (cfg.algo.critic, critic))
    ]
    batch = {
        "rgb": torch.randint(0, 256, (ROWS, SEQUENCES, 1, 64, 64)).float(),
        "actions": torch.eye(ACTIONS)[torch.randint(0, ACTIONS, (ROWS, SEQUENCES))],
        "rewards": torch.rand(ROWS, SEQUENCES, 1),
        "terminated": torch.zeros(ROWS, SEQUENCES, 1),
        "is_first": torch.zeros(ROWS, SEQUENCES, 1),
    }

    def advance(frames: int) -> None:
        for _ in range(frames // SUITES[suite].every):
            train(fabric, world, actor, critic, target, *optimizers, dict(batch), None, cfg, [ACTIONS])

    return advance
