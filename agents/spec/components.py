"""Names of parts, and the code behind them."""

# What a config name stands for: family -> name -> "module:attribute", imported on demand by agents/build.py.
# A run's code fingerprint follows exactly the entries that its spec names (see Spec.components).
COMPONENTS: dict[str, dict[str, str]] = {
    "agent": {"dqn": "agents.dqn:DQN", "r2d2": "agents.r2d2:R2D2"},
    "suite": {
        "minatar": "agents.envs.minatar:MinAtar",
        "atari": "agents.envs.atari:Atari",
        "recall": "agents.envs.recall:Recall",
        "partial": "agents.envs.partial:obscure",
    },
    "trial": {"memory": "agents.truncated:Truncated"},
    "store": {"frames": "agents.memory.store:FrameStore"},
    "select": {
        "uniform": "agents.memory.select:Uniform",
        "fifo": "agents.memory.select:Fifo",
        "proportional": "agents.memory.proportional:Proportional",
        "rank": "agents.memory.rank:Rank",
    },
    "torso": {"convolutional": "agents.nets.torsos:Convolutional"},
    "core": {"lstm": "agents.nets.recurrent:Lstm"},
    "head": {"plain": "agents.nets.heads:Plain", "dueling": "agents.nets.heads:Dueling"},
    "linear": {
        "plain": "agents.nets.layers:Linear",
        "factorised": "agents.nets.noisy:Factorised",
        "independent": "agents.nets.noisy:Independent",
    },
    "value": {
        "scalar": "agents.losses.value:Scalar",
        "categorical": "agents.losses.categorical:Categorical",
        "quantile": "agents.losses.quantile:Quantile",
    },
    "optimizer": {
        "adadelta": "agents.optim.adadelta:Adadelta",
        "adam": "agents.optim.adam:Adam",
        "rmsprop": "agents.optim.rmsprop:RMSprop",
        "sgd": "agents.optim.sgd:SGD",
    },
    "spectral": {
        "weights": "agents.optim.spectral:normalise",
        "output": "agents.optim.scheduled:divide_output",
        **dict.fromkeys(("gradient", "epsilon", "lr"), "agents.optim.spectral:meter_layers"),
        "schedule": "agents.optim.scheduled:Schedule",
        "attached": "agents.optim.spectral:attached",
        "measure": "agents.optim.spectral:measure",
    },
}
