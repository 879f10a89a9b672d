"""What a kept agent plays after its training: episodes to be counted, and one to be watched."""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch

from agents.acting.actor import Actor
from agents.acting.exploration import Constant
from agents.agent import acting_networks
from agents.envs.stream import make_streams
from agents.kept.load import Kept, after
from agents.kept.screens import action_names, screens
from agents.nets.rssm import State
from agents.rng import generator
from agents.run.evaluate import evaluate
from agents.spec.run import Spec
from agents.step import ActorInput, ActorOutput, Episode

CPU = torch.device("cpu")
VALUES = ("dqn", "r2d2", "unrolled_q")  # kinds of agents that choose by action values; others have a policy
SCHEMA = pa.schema(
    [
        pa.field("step", pa.int32(), metadata={"unit": "agent steps", "meaning": "within the episode"}),
        pa.field("action", pa.int32(), metadata={"unit": "1", "meaning": "done on this screen, place in the actions"}),
        pa.field("reward", pa.float64(), metadata={"unit": "game score", "meaning": "of that action"}),
        pa.field("values", pa.list_(pa.float32()), metadata={"unit": "return or 1", "meaning": "of each action"}),
        pa.field("screen", pa.binary(), metadata={"unit": "1/255", "meaning": "[C, H, W] or [H, W, 3], uint8, flat"}),
    ]
)


class Rules(NamedTuple):
    """What evaluations do otherwise than the run's own; None: as they did."""

    episodes: int
    sticky: float | None = None
    epsilon: float | None = None
    repetition: int = 0


def under(spec: Spec, rules: Rules) -> Spec:
    """The run's spec as it is evaluated by `rules`. SystemExit for what its environment does not know."""
    environment, evaluation = spec.environment, spec.evaluation
    if rules.sticky is not None:
        if spec.environment.suite not in ("minatar", "atari"):
            raise SystemExit(f"environment {environment.suite}/{environment.game} has no sticky actions")
        environment = environment.model_copy(update={"sticky": rules.sticky})
    changes: dict[str, Any] = {"episodes": rules.episodes, "frames": None}
    changes["streams"] = max(n for n in range(1, evaluation.streams + 1) if rules.episodes % n == 0)  # equal shares
    if rules.epsilon is not None:
        changes["epsilon"] = rules.epsilon
    return spec.model_copy(update={"environment": environment, "evaluation": evaluation.model_copy(update=changes)})


def played(kept: Kept, rules: Rules) -> list[Episode]:
    """The episodes of an evaluation by `rules`, a function of the run, them and nothing else."""
    spec = under(kept.spec, rules)
    found = evaluate(spec, kept.agent, CPU, after(spec, rules.repetition), lambda: True)
    assert found is not None
    return found


class Watched:
    """An agent whose every reading is kept. `greedy`: it does what it values most, or what its policy likes best."""

    def __init__(self, kept: Kept, greedy: bool):
        self.kept, self.greedy = kept, greedy
        self.readings: list[np.ndarray] = []

    def act(self, inputs: ActorInput, epsilon: float | np.ndarray, rng: np.random.Generator) -> ActorOutput:
        """As the agent does, or greedily."""
        output = self.kept.agent.act(inputs, epsilon, rng)
        found = reading(self.kept.spec.agent.kind, self.kept, inputs, output)
        self.readings.append(found[0])
        return output._replace(action=found.argmax(-1)) if self.greedy else output


def reading(kind: str, kept: Kept, inputs: ActorInput, output: ActorOutput) -> np.ndarray:
    """Action values or probabilities [B, A] float32 of an agent of that kind, at what it saw and did."""
    agent, obs = kept.agent, inputs.obs
    with torch.inference_mode():
        match kind:
            case "dqn":
                value = kept.spec.agent.parts["value"].make()
                count = value.samples.acting  # quantile levels: those in the middle of equal shares
                levels = [((torch.arange(count) + 0.5) / count).expand(len(obs), count)] if count else []
                return value.mean(agent.networks["online"](obs, *levels)).numpy()
            case "r2d2":
                return agent.values(inputs)[0].numpy()
            case "unrolled_q":
                return agent.networks["online"](obs)[..., 0].numpy()
            case "dreamer":
                sizes = [part.shape[-1] for part in agent.model.rssm.initial(1)]
                logits = agent.networks["actor"](State(*output.state.split(sizes, -1)))
            case "trpo":
                logits = agent.networks["policy"](obs)
            case "ac_lambda":
                logits = agent.networks["online"](obs).logits
            case _:  # actor_critic and acer keep theirs
                logits = torch.from_numpy(output.extras["logits"])
        return logits.softmax(-1).numpy()


class Watching(NamedTuple):
    """An episode to be watched. `over`: it ended within the steps that were asked for."""

    table: pa.Table  # of SCHEMA
    shape: tuple[int, ...]  # of a screen
    actions: list[str]
    score: float
    over: bool


def watch(kept: Kept, steps: int, episode: int, greedy: bool) -> Watching:
    """At most `steps` steps of an episode from a fresh start. `greedy`, or else by the run's evaluation rules."""
    spec, rules, number = kept.spec, kept.spec.evaluation, after(kept.spec, episode)
    where = (rules.cap_frames, spec.seed, "evaluation", number)
    stream = make_streams(spec.environment, 1, *where)
    shown = screens(spec.environment, stream, *where)
    watched = Watched(kept, greedy)
    epsilon = Constant(0.0 if greedy else rules.epsilon)
    actor = Actor(watched, stream, spec.environment.stack, epsilon, generator(spec.seed, "evaluation", number, 1), CPU)
    for network in acting_networks(kept.agent).values():
        network.train(rules.noise and not greedy)
    rows, total = [], 0.0
    while len(rows) < steps and not stream.last[0]:
        screen = shown.seen()
        action = int(actor.step().action[0])
        finished = stream.statistics.take()
        now = finished[0].score if finished else float(stream.statistics.score[0])
        shown.follow(action)
        rows.append({"step": len(rows), "action": action, "reward": now - total, "values": watched.readings[-1],
                     "screen": screen.tobytes()})  # fmt: skip
        total = now
    names = action_names(spec.environment, stream.actions)
    return Watching(pa.Table.from_pylist(rows, schema=SCHEMA), screen.shape, names, total, bool(stream.last[0]))
