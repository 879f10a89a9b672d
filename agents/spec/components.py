"""Names of parts, and the code behind them."""

from importlib import import_module
from typing import Any

# What a config name stands for: family -> name -> "module:attribute", imported on demand by `component`.
# A run's code fingerprint follows exactly the entries that its spec names (see Spec.components).
COMPONENTS: dict[str, dict[str, str]] = {
    "agent": {
        "dqn": "agents.dqn:make",
        "r2d2": "agents.r2d2:R2D2",
        "ac_lambda": "agents.ac_lambda:ACLambda",
        "actor_critic": "agents.actor_critic:ActorCritic",
    },
    "suite": {
        "minatar": "agents.envs.minatar:MinAtar",
        "atari": "agents.envs.atari:Atari",
        "cartpole": "agents.envs.cartpole:CartPole",
        "recall": "agents.envs.recall:Recall",
        "minigrid": "agents.envs.minigrid:MiniGrid",
        "partial": "agents.envs.partial:obscure",
    },
    "exploration": {
        "linear": "agents.acting.exploration:Linear",
        "per_episode": "agents.acting.exploration:PerEpisode",
        "ladder": "agents.acting.exploration:climb",
        "fixed": "agents.acting.exploration:fix",
    },
    "offline": {"q_learning": "agents.offline.cliffwalk:perform", "classifier": "agents.offline.digits:perform"},
    "trial": {"memory": "agents.measure.truncated:Truncated"},
    "store": {"frames": "agents.memory.store:FrameStore"},
    "select": {
        "uniform": "agents.memory.select:Uniform",
        "sequential": "agents.memory.sequential:Sequential",
        "fifo": "agents.memory.select:Fifo",
        "proportional": "agents.memory.proportional:Proportional",
        "rank": "agents.memory.rank:Rank",
        "newest": "agents.memory.select:Newest",
    },
    "torso": {"convolutional": "agents.nets.torsos:Convolutional", "residual": "agents.nets.residual:Residual"},
    "core": {"lstm": "agents.nets.recurrent:Lstm"},
    "head": {
        "plain": "agents.nets.heads:Plain",
        "dueling": "agents.nets.heads:Dueling",
        "actor_critic": "agents.nets.policy:ActorCritic",
    },
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
    "schedule": {"decay": "agents.optim.decay:Decay"},
    "executor": {
        "inline": "agents.executors.inline:make",
        "processes": "agents.executors.actors.processes:make",
        "ray": "agents.executors.actors.ray:make",
        "hogwild": "agents.executors.hogwild.executor:make",
    },
    "worker": {
        "processes": "agents.executors.actors.processes:play",
        "hogwild": "agents.executors.hogwild.actor_learner:race",
    },
    "penalty": {"none": "agents.losses.penalty:Nothing", "gradient": "agents.losses.penalty:Gradient"},
    "normalisation": {"none": "agents.nets.normalisation:none", "batch": "agents.nets.normalisation:Batch"},
    "probe": {
        **{name: f"agents.measure.probes:{name}" for name in ("feature_rank", "lipschitz", "td_error")},
        "fresh_delta_q": "agents.measure.delta_q:fresh_delta_q",
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


def component(family: str, name: str) -> Any:
    """The class or function behind a config name."""
    module, _, attribute = COMPONENTS[family][name].partition(":")
    return getattr(import_module(module), attribute)
