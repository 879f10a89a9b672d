"""Executors: where acting and learning happen, and how far the one may lag behind the other."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from agents.spec.base import Count, OneOf, Part, Whole


class Executor(Part):
    """What all executors say of themselves: whether they use a GPU, and what their processes are started by."""

    gpu: ClassVar[bool] = True  # False: their processes share what no GPU holds
    launcher: ClassVar[str] = "env"  # what stands before a run's command in a job
    worker: ClassVar[str] = ""  # the code that a process of theirs runs, beside the executor's own

    def codes(self) -> Iterator[str]:
        yield self.code
        if self.worker:
            yield self.worker

    def processes(self, threads: int) -> int:
        """Threads that compute at the same time, where the main process has `threads`."""
        return threads

    def streams(self, spec: Any) -> int:
        """Environments whose steps lie in one memory."""
        return spec.environment.streams


class Inline(Executor):
    code: ClassVar[str] = "agents.executors.inline:make"
    kind: Literal["inline"] = Field(description="acting and learning take turns in one process: repeatable to the bit")
    lags_updates: Annotated[list[Annotated[Whole, Field(ge=0)]], Field(min_length=1)] = Field(
        description="stream i acts with the parameters of lags_updates[i mod length] updates ago, fetched when its "
        "unroll starts; [0]: with the newest"
    )

    def misfits(self, spec: Any) -> Iterator[str]:
        """Several updates made of one unroll of all streams would add their number to the lags that were asked for."""
        if any(self.lags_updates) and spec.memory.select.kind == "fifo":
            streams, fresh = spec.environment.streams, spec.memory.select.fresh(spec.learning.batch)
            if streams != fresh:
                yield (
                    f"executor.lags_updates are those of acting and learning only where an unroll of all streams makes "
                    f"one update: {streams} environment.streams, but {fresh} new unrolls in learning.batch"
                )


class Workers(Executor):
    """Executors of several processes."""

    actors: Count = Field(description="each has environment.streams / actors environments")

    def processes(self, threads: int) -> int:
        return threads + self.actors

    def misfits(self, spec: Any) -> Iterator[str]:
        if spec.environment.streams % self.actors:
            yield (
                f"{spec.environment.streams} environment.streams cannot be shared equally by {self.actors} "
                f"executor.actors"
            )


class Actors(Workers):
    """Actors beside the learner."""

    slots: Annotated[Whole, Field(ge=2)] = Field(description="chunks that acting may be ahead of learning")
    chunk_steps: Count = Field(description="agent steps in a chunk: what is sent at once")
    pull_every_steps: Count = Field(description="agent steps between fetches of the newest parameters")


class Processes(Actors):
    code: ClassVar[str] = "agents.executors.actors.processes:make"
    worker: ClassVar[str] = "agents.executors.actors.processes:run_worker"
    kind: Literal["processes"] = Field(description="actors are processes on the learner's node")


class Ray(Actors):
    code: ClassVar[str] = "agents.executors.actors.ray:make"
    launcher: ClassVar[str] = "python -m workflow.ray_cluster"
    kind: Literal["ray"] = Field(description="actors are Ray actors on the nodes of one allocation")


class Hogwild(Workers):
    code: ClassVar[str] = "agents.executors.hogwild.executor:make"
    worker: ClassVar[str] = "agents.executors.hogwild.actor_learner:run_worker"
    gpu: ClassVar[bool] = False
    own: ClassVar[bool] = False  # whether each worker has statistics of its own
    rules: ClassVar[dict[str, str]] = {"rmsprop": "rmsprop of form nature, torch or tensorflow"}
    kind: Literal["hogwild"] = Field(
        description="lock-free actor-learners (A3C): processes of one node, each with its environments and its copy of "
        "the network, update shared parameters with shared statistics of RMSprop; on CPUs; never the same bits twice"
    )

    def processes(self, threads: int) -> int:
        return self.actors  # the main process mostly sleeps

    def streams(self, spec: Any) -> int:
        return max(1, spec.environment.streams // self.actors)

    def misfits(self, spec: Any) -> Iterator[str]:
        """What lock-free actor-learners can do; each has its memory and its own copy of the network."""
        yield from super().misfits(spec)
        each, select = spec.environment.streams // self.actors, spec.memory.select
        wanted = {
            "agent actor_critic or unrolled_q": spec.agent.shares,
            f"optimizer {' or '.join(self.rules.values())}": spec.optimizer.kind in self.rules
            and (spec.optimizer.kind != "rmsprop" or spec.optimizer.form != "debiased"),
            f"learning.batch {each}, an unroll of each of an actor's streams": spec.learning.batch == each,
            "memory.select fifo without replay_share": select.kind == "fifo" and not select.replay_share,
            "memory.copies 1": spec.memory.copies == 1,
            "spectral none": spec.spectral.kind == "none",
            "record.probes []": not spec.record.probes,
            "record.norms none": spec.record.norms.kind == "none",
            "device cpu": spec.device == "cpu",
        }
        yield from (f"executor hogwild needs {what}" for what, given in wanted.items() if not given)


class HogwildOwn(Hogwild):
    own: ClassVar[bool] = True
    rules: ClassVar[dict[str, str]] = Hogwild.rules | {"sgd": "sgd", "momentum": "momentum"}
    kind: Literal["hogwild_own"] = Field(
        description="as hogwild, each process with statistics of its own: of RMSprop, or momentum (Mnih et al. 2016)"
    )


def on_policy(reason: str, spec: Any) -> Iterator[str]:
    """Sentences where the policy that acted may be another than the one that learns."""
    executor, select = spec.executor, spec.memory.select
    if executor.kind != "inline" or any(executor.lags_updates):
        lags = " with lags_updates" if executor.kind == "inline" else ""
        yield f"{reason}: executor inline without lags_updates, not {executor.kind}{lags}"
    if select.kind == "fifo" and select.replay_share:
        yield f"{reason}: memory.select.replay_share 0, not {select.replay_share:g}"
    streams = spec.environment.streams * spec.memory.copies
    if spec.learning.batch % streams:
        yield (
            f"{reason}: learning.batch must be a multiple of environment.streams times memory.copies, {streams}, not "
            f"{spec.learning.batch}: other updates would come between"
        )


Executors = Annotated[Inline | Processes | Ray | Hogwild | HogwildOwn, *OneOf]
