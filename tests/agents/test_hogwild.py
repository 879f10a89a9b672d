"""Lock-free actor-learners: one is A3C in turns to the bit, two share everything, whoever dies the run goes on."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from pydantic import ValidationError

from agents.build import build
from agents.executors.hogwild.actor_learner import ActorLearner
from agents.executors.hogwild.executor import Hogwild
from agents.executors.hogwild.shared_parameters import SharedParameters
from agents.run.checkpoint import Checkpoints
from agents.run.loop import Run
from tests.agents.specs import spec
from tests.agents.test_executors import actors_of, beside, wait_until
from tests.agents.test_on_policy import SHORT, plan
from tests.agents.test_resume import assert_same, finish, start

TWO = {"executor": {"kind": "hogwild", "actors": 2}, "environment__streams": 2, "learning__batch": 1}
ONE = TWO | {"executor": {"kind": "hogwild", "actors": 1}, "environment__streams": 1}
KINDS = {
    "feed-forward": {},
    "lstm": {"network__core": {"kind": "lstm", "before": [8], "units": 8, "inputs": False}, "network__units": []},
    "noisy": {"network__linear": {"kind": "independent", "sigma": 0.017}, "agent__entropy_weight": 0.0},
    "two streams": {"environment__streams": 2, "learning__batch": 2},
}


def run_in(folder: Path, **changes) -> Run:
    return Run(plan(**TWO | changes), Checkpoints(folder, {}, print))


def until(run: Run, frame: int) -> None:
    while run.frame < frame:
        assert run.iterate()


def values(learner) -> dict:
    """What checkpoints keep of a learner but for its noise and readings."""
    agent = learner.agent.state_dict()
    step = agent["steps"]["online"]
    for counted in (step, step["optimizer"]):  # by each process for itself, and of no use to the forms allowed here
        counted.pop("steps")
    return {"networks": agent["networks"], "step": step, "updates": learner.updates}


def parameters(learner) -> dict:
    return {name: tensor.clone() for name, tensor in learner.agent.online.named_parameters()}


@pytest.mark.parametrize("kind", KINDS)
def test_one_worker_learns_as_one_that_takes_turns_does(kind):
    changes = ONE | {"learning__lr_decay_frames": 1_500, "learning__clip_norm": 0.1} | KINDS[kind]
    inline = plan(**changes | {"executor": {"kind": "inline", "lags_updates": [0]}})
    hogwild = plan(**changes)
    turns, main = build(inline, 0, 0), build(hogwild)
    shared = SharedParameters(main.learner.agent.step, 1)
    worker = ActorLearner(hogwild, 0, 0, shared.descriptor)
    for _ in range(400):
        turns.executor.advance(0.0)
        worker.iterate()
        main.learner.updates = shared.version
    assert shared.version == 400 // 3 and shared.frame == turns.actor.frames > 350
    for name, tensor in parameters(turns.learner).items():  # the same bits, though one took another way
        assert torch.equal(tensor, main.learner.agent.online.get_parameter(name)), name
    squares = [parts.learner.agent.step.optimizer.square for parts in (turns, main)]
    assert_same(*squares)
    assert squares[1][0].abs().max() > 0
    assert worker.learner.totals()[0]["policy_lag"] == 0


def test_a_process_ends_where_the_same_worker_here_does(tmp_path):
    run = run_in(tmp_path, **ONE)
    main = build(run.spec)
    shared = SharedParameters(main.learner.agent.step, 1)
    worker = ActorLearner(run.spec, 0, 0, shared.descriptor)
    try:
        until(run, 300)
    finally:
        run.parts.executor.close()
    shared.until[0] = 300
    report = worker.interval()
    main.learner.updates = shared.version
    assert_same(values(main.learner), values(run.parts.learner))
    assert report["frames"] == run.frame == 300 and run.parts.learner.updates >= 100
    assert [tuple(e) for e in report["episodes"]] == [
        (row["env"], row["return"], row["length"], False) for row in run.recorder.tables()["episodes"].to_pylist()
    ]


def test_two_workers_write_the_same_memory():
    run = plan(**TWO)
    main = build(run).learner
    shared = SharedParameters(main.agent.step, 2)
    one, two = (ActorLearner(run, number, 0, shared.descriptor) for number in range(2))
    before = parameters(main)
    while shared.updates[0] < 1:
        one.iterate()
    gradient = [p.grad.clone() for p in one.step.shared.parameters]
    step, other = main.agent.step, two.step.shared
    for p, q, s, g, old in zip(
        step.parameters, other.parameters, step.optimizer.square, gradient, before.values(), strict=True
    ):
        assert torch.equal(p, q)
        assert torch.equal(s, torch.full_like(g, 0.99).addcmul(g, g, value=1 - 0.99))
        torch.testing.assert_close(p.detach(), old - 7e-4 * g / torch.sqrt(s + 1e-5))
    fetched = [p.clone() for p in two.step.parameters]
    assert all(torch.equal(p, old) for p, old in zip(fetched, before.values(), strict=True))  # two has not looked
    squares = [s.clone() for s in step.optimizer.square]
    after = parameters(main)
    while shared.updates[1] < 1:
        two.iterate()
    found = two.learner.totals()
    assert found[0]["policy_lag"] == 1 and found[1]["policy_lag"] == 1  # one update by the other since the fetch
    both = (step.parameters, other.parameters, step.optimizer.square, squares, after.values(), two.step.parameters)
    for p, q, s, s_before, p_before, own in zip(*both, strict=True):
        torch.testing.assert_close(s, 0.99 * s_before + 0.01 * q.grad**2)
        torch.testing.assert_close(p.detach(), p_before - 7e-4 * q.grad / torch.sqrt(s + 1e-5))
        assert torch.equal(own, p)
    assert shared.version == 2 and shared.frame == shared.frames.sum() >= 6
    assert not np.array_equal(one.parts.memory.store.frames, two.parts.memory.store.frames)  # they play different games


def test_noise_lasts_for_an_unroll_and_is_each_workers_own():
    run = plan(**TWO | KINDS["noisy"])
    shared = SharedParameters(build(run).learner.agent.step, 2)
    one, two = (ActorLearner(run, number, 0, shared.descriptor) for number in range(2))

    def noise(worker: ActorLearner) -> torch.Tensor:
        return worker.learner.agent.online.layers[-1].eps.clone()

    for _ in range(9):
        before, updates = noise(one), shared.version
        one.iterate()
        two_before = noise(two)
        assert torch.equal(noise(one), before) == (shared.version == updates) and not torch.equal(
            noise(one), two_before
        )
    assert shared.version == 3


def test_the_learning_rate_follows_the_frames_of_all():
    run = plan(**TWO, learning__lr_decay_frames=1_000)
    shared = SharedParameters(build(run).learner.agent.step, 2)
    worker = ActorLearner(run, 1, 0, shared.descriptor)
    shared.frames[0] = 500
    while shared.updates[1] < 1:
        worker.iterate()
    assert worker.step.shared.optimizer.rates[0] == pytest.approx(7e-4 * (1 - (500 + shared.frames[1]) / 1_000))


def test_a_killed_worker_is_replaced_and_a_run_goes_on_from_its_checkpoint(tmp_path, capfd):
    run = run_in(tmp_path)
    executor = run.parts.executor
    try:
        until(run, 200)
        before, frames = run.parts.learner.updates, run.frame
        actors_of(os.getpid())[0].kill()
        until(run, frames + 200)
        assert run.parts.learner.updates > before
        assert executor.pool.restarts == [1, 0] and executor.pool.incarnations.tolist() == [1, 0]
        dead = int(executor.shared.frames[0])
        while executor.shared.frames[0] == dead:  # until the new one plays
            assert run.iterate()
        assert run.frame == executor.shared.frame and run.parts.learner.updates == executor.shared.version
        run.save()
        saved = values(run.parts.learner)
        readings = run.recorder.tables(), list(run.checkpoints.history("learning"))
    finally:
        executor.close()
    assert "actor 0 ended with -9; started anew" in capfd.readouterr().err and not actors_of(os.getpid())
    assert {row["metric"] for part in readings[1] for row in part.to_pylist()} >= {"policy_lag", "entropy", "grad_norm"}
    again = run_in(tmp_path)
    assert_same(saved, values(again.parts.learner))
    assert again.frame == run.frame and again.parts.executor.pool.incarnations.tolist() == [2, 1]
    try:
        until(again, run.frame + 50)
        assert again.parts.learner.updates > run.parts.learner.updates
        assert again.parts.executor.shared.version == again.parts.learner.updates
    finally:
        again.parts.executor.close()


def test_a_killed_learner_leaves_nothing_and_a_second_start_ends(tmp_path):
    run, shared = plan(**TWO, budget=1_500), set(os.listdir("/dev/shm"))
    process = start(run, tmp_path, seconds=0.3)
    wait_until(lambda: list((tmp_path / "work" / run.name() / "checkpoints").glob("manifest-*.json")), 60)
    wait_until(lambda: len(actors_of(process.pid)) == 2, 60)
    os.kill(process.pid, signal.SIGKILL)
    assert finish(process) == -signal.SIGKILL
    wait_until(lambda: not beside(process.pid), 5)
    assert set(os.listdir("/dev/shm")) <= shared

    process = start(run, tmp_path)
    wait_until(lambda: len(actors_of(process.pid)) == 2, 60)
    os.kill(process.pid, signal.SIGTERM)
    for each in beside(process.pid):  # as SLURM and terminals do, which signal all processes of a job
        each.send_signal(signal.SIGTERM)
        each.send_signal(signal.SIGHUP)
    assert finish(process) == 75
    wait_until(lambda: not beside(process.pid), 5)

    process = start(run, tmp_path)
    assert finish(process) == 0 and not actors_of(process.pid)
    assert (tmp_path / "log").read_text().count("resumed") == 2
    folder = tmp_path / "runs" / run.name()
    facts = json.loads((folder / "run.json").read_text())
    assert facts["status"] == "finished" and 1_500 <= facts["frames"] < 1_502 and facts["resumes"] == 2
    # every unroll of 3 rows is an update; an episode's last row is no frame, each start drops an unroll's beginning
    episodes = pq.read_table(folder / "episodes.parquet").num_rows
    assert 1_500 - 6 * 3 < 3 * facts["updates"] <= facts["frames"] + episodes  # and no row is learned from twice
    assert len(facts["executor"]["actor_frames_per_second"]) == 2
    learning, evaluations = (
        pq.read_table(folder / f"{name}.parquet").to_pandas() for name in ("learning", "evaluations")
    )
    lag = learning[learning.metric == "policy_lag"].value
    assert (lag >= 0).all() and lag.median() < 20
    speed = learning[learning.metric == "actor_frames_per_second"].value
    ratio = learning[learning.metric == "replay_ratio"]
    assert (speed > 0).all() and len(speed) == len(ratio)
    made, learned = (np.diff(ratio[of], prepend=0) for of in ("frame", "update"))
    assert ratio.value.tolist() == pytest.approx(3 * learned / made)  # an update learns an unroll of 3 rows
    assert evaluations.frame.drop_duplicates().round(-2).tolist() == [0, 1_000]


BAD = {
    "agent actor_critic": ("dqn_minatar_sn", {"environment__streams": 2}),
    "optimizer rmsprop of form nature, torch or tensorflow": ("a2c_minatar", {"optimizer__form": "debiased"}),
    "learning.batch 1, an unroll of each of an actor's streams": ("a2c_minatar", {"learning__batch": 2}),
    "memory.select fifo without replay_share": ("a2c_minatar", {"memory__select__replay_share": 0.5}),
    "record.probes": ("a2c_minatar", {"record__probes": [{"kind": "feature_rank", "states": 8}]}),
    "device cpu": ("a2c_minatar", {"device": "cuda"}),
}


@pytest.mark.parametrize("what", BAD)
def test_what_it_cannot_do_is_refused(what):
    algorithm, changes = BAD[what]
    with pytest.raises(ValidationError, match=f"executor hogwild needs {what}".replace("[", r"\[")):
        spec(algorithm, **(SHORT | TWO if algorithm == "a2c_minatar" else {"executor": TWO["executor"]}) | changes)


def test_where_no_worker_reported_there_is_no_speed():
    executor = Hogwild(plan(**TWO), None)
    assert executor.readings() == {}
    executor._frames, executor._seconds = [30, 10], [0.5, 1.5]
    assert executor.readings() == {"actor_frames_per_second": 20.0} and executor.readings() == {}


def test_streams_are_shared_equally():
    with pytest.raises(ValidationError, match=r"3 environment\.streams cannot be shared equally by 2 executor\.actors"):
        plan(**TWO | {"environment__streams": 3})
