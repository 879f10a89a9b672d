"""What runs will cost: the account, worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.workflow.house import ROOT
from workflow import cost
from workflow.config import Project
from workflow.cost import Here, Past, Planned, Speed, Speeds
from workflow.expand import Papers, Run, expand

DQN = Speed(turn=0.5, stream=0.5, update=4.0, rows=32, weights=1.0)
SPEEDS = Speeds(0.028, {"dqn_minatar_sn": DQN})
ONE = Here(cores=1)


def runs(project: Path, **changes: str) -> list[Run]:
    """The sweep's runs, by the experiment's `set` with more keys."""
    path = project / "config/papers/house.yaml"
    more = "".join(f", {key.replace('__', '.')}: {value}" for key, value in changes.items())
    old = "    budget_frames: 1000\n    set: { record.norms: none }"
    assert old in path.read_text()
    new = f"    budget_frames: 10_000\n    set: {{ record.norms: none{more} }}"
    path.write_text(path.read_text().replace(old, new))
    return list(Papers(Project(project)).runs("house.sweep").values())


def specs(project: Path, **changes: str) -> dict:
    return json.loads(runs(project, **changes)[0].spec)


SHORT = {"learning__clock__start_frames": "2_000", "evaluation__frames": "null", "evaluation__episodes": "8"}
SHORT |= {"evaluation__every_frames": "5_000", "evaluation__cap_frames": "100", "evaluation__streams": "8"}


def test_seconds_of_a_run(project: Path):
    """10,000 turns of 1 ms; 8,000 frames / 4 updates of 4 ms; 3 evaluations of 100 turns of 0.5 + 8 x 0.5 ms."""
    spec = specs(project, **SHORT)
    assert cost.updates(spec) == 2_000
    expected = (10_000 * 1 + 2_000 * 4 + 3 * 100 * 4.5) / 1e3
    assert cost.training_seconds(spec, DQN, ONE) == pytest.approx(expected)
    assert cost.training_seconds(spec, DQN, Here(1, slowness=2.0)) == pytest.approx(2 * expected)
    spec["learning"]["batch"] = 96  # half of an update's time follows its size
    assert cost.training_seconds(spec, DQN, ONE) == pytest.approx(expected + 2_000 * 4 / 1e3)


def test_what_parts_cost(project: Path):
    spec = specs(project)
    assert cost._heavier(spec, DQN) == 1
    spec["network"]["head"] = {"kind": "dueling"}
    assert cost._heavier(spec, DQN) == 2.2 and cost._heavier(spec, DQN._replace(dueling=True)) == 1
    for kind in ("factorised", "independent"):
        spec["network"]["linear"] = {"kind": kind, "sigma": 0.5}
        assert cost._heavier(spec, DQN._replace(dueling=True)) == 2.2
        assert cost._heavier(spec, DQN._replace(dueling=True, noisy=True)) == 1
    spec = specs_of("sn.layers")
    assert len(spec["network"]["convolutions"]) == 3 and spec["spectral"]["layers"]
    assert cost._heavier(spec, DQN) == pytest.approx(1.7 * (1 + 0.6 * 2))


def specs_of(experiment: str) -> dict:
    return json.loads(next(iter(Papers(Project(ROOT, {"scale": "reduced"})).runs(experiment).values())).spec)


def test_learning_that_follows_the_rows():
    project = Project(ROOT, {"scale": "reduced"})
    spec = json.loads(next(iter(Papers(project).runs("a3c.learning_rate").values())).spec)
    unroll, batch = spec["agent"]["unroll"], spec["learning"]["batch"]
    assert cost.updates(spec) == spec["budget_frames"] / (unroll * batch)


def test_learning_again_from_what_was_kept():
    """ACER: 500 batches of 8 unrolls of 20 steps, and after 20,000 of 80,000 steps four more for each."""
    spec = Project(ROOT).algorithm("acer_minatar").spec
    spec |= {"budget_frames": 80_000, "memory": {"select": spec["memory"]["select"] | {"start_steps": 20_000}}}
    assert cost.updates(spec) == 80_000 / 160 * (1 + 4 * 0.75)


def test_actors_share_the_cores(project: Path):
    spec = specs(project, **SHORT)
    spec["executor"] = {"kind": "processes", "actors": 4}
    evaluating, acting, learning = 3 * 100 * 4.5 / 1e3, 10.0, 8.0
    for cores, spent in ((1, acting + learning), (2, 10.0), (8, 8.0)):
        assert cost.training_seconds(spec, DQN, Here(cores)) == pytest.approx(spent + evaluating)
    spec["executor"] = {"kind": "hogwild", "actors": 4}
    assert cost.training_seconds(spec, DQN, Here(2)) == pytest.approx((acting + learning) / 2 + evaluating)


def test_the_clock_and_the_sums(project: Path):
    """Four equal runs: on two cores in two rounds, one after the other where the memory is one run's."""
    planned = [Planned(run) for run in runs(project, **SHORT)]
    each = cost.START + cost.training_seconds(json.loads(planned[0].run.spec), DQN, ONE)
    for here, rounds in ((Here(2), 2), (Here(3), 2), (Here(4), 1), (Here(4, memory_mb=3_000), 4), (Here(1), 4)):
        found = cost.estimate(planned, here, SPEEDS)
        assert found.seconds == pytest.approx(rounds * each), here
        assert found.core_seconds == pytest.approx(4 * each)
        assert (found.gpu_seconds, found.bounded) == (0, 0)
    size = cost.left_behind(json.loads(planned[0].run.spec), DQN)
    assert found.bytes == pytest.approx(4 * size) and size > 1e6  # weights, and tables
    drawn = cost.estimate([], Here(2), SPEEDS, others=6)
    assert (drawn.seconds, drawn.core_seconds) == (6 * cost.JOB / 2, 6 * cost.JOB)


def test_a_run_that_goes_on_costs_what_is_left(project: Path):
    run = runs(project, **SHORT)[0]
    whole, half = (cost.estimate([Planned(run, done)], ONE, SPEEDS).seconds - cost.START for done in (0, 5_000))
    assert half == pytest.approx(whole / 2)


def test_finished_runs_correct_those_like_them(project: Path):
    run = runs(project, **SHORT)[0]
    spec = json.loads(run.spec)
    plain = cost.training_seconds(spec, DQN, ONE)
    past = [Past("dqn_minatar_sn", spec, plain * factor) for factor in (1.0, 3.0, 20.0)] + [Past("other", spec, 1.0)]
    assert cost.estimate([Planned(run)], ONE, SPEEDS, past).seconds == pytest.approx(cost.START + 3 * plain)


def test_what_was_never_measured_is_bounded_by_its_time_limit(project: Path):
    algorithm = project / "config/algorithms/dqn_minatar_sn.yaml"
    algorithm.write_text(algorithm.read_text().replace("  gpu: 0", "  gpu: 2").replace("  cpus: 1", "  cpus: 3"))
    run = runs(project)[0]  # at the paper's scale, on a GPU
    found = cost.estimate([Planned(run)], Here(4, gpus=2), SPEEDS)
    assert found[:3] == (600 * 60, 3 * 600 * 60, 2 * 600 * 60) and found.bounded == 1
    assert cost.estimate([Planned(run)], ONE, Speeds(0.028, {})).bounded == 1


def test_an_algorithm_that_changes_another_costs_as_much(project: Path):
    (project / "config/algorithms/child.yaml").write_text(
        "label: C\nsource: s\nextends: dqn_minatar_sn\nspec:\n  agent: { selector: online }\n"
    )
    path = project / "config/papers/house.yaml"
    path.write_text(path.read_text().replace("algorithm: dqn_minatar_sn", "algorithm: child"))
    assert cost.estimate([Planned(runs(project)[0])], ONE, SPEEDS).bounded == 0


def test_disk_is_what_stays_and_the_largest_checkpoint(project: Path):
    texts = [run.spec for run in runs(project, **SHORT)]
    spec = json.loads(texts[0])
    assert cost.at_work(spec) == 10_000 * 700  # of a memory of 100,000 steps the budget fills a tenth
    left = 4 * cost.left_behind(spec, None)
    assert [cost.disk(texts, at_once) - left for at_once in (1, 2)] == [7_000_000, 14_000_000]


def test_every_shipped_algorithm_has_its_speed():
    speeds, project = cost.read_speeds(ROOT), Project(ROOT)
    assert set(speeds.of) == set(project.algorithm_names)
    for name, speed in speeds.of.items():
        spec = project.algorithm(name).spec
        if "learning" in spec:
            assert 0 < speed.turn + speed.stream < 20 and 0 < speed.update < 60_000 and 0 < speed.weights < 100, name
        else:
            assert 0 < speed.unit < 10, name


@pytest.mark.parametrize("paper", Project(ROOT).paper_names)
def test_every_shipped_algorithm_has_an_estimate_in_its_papers(paper: str):
    """None asks for a field that its kind of spec has not."""
    speeds, seen = cost.read_speeds(ROOT), set()
    for each in expand(Project(ROOT, {"scale": "smoke"}), paper).values():
        for point in each.points:
            if point.algorithm not in seen:
                seen.add(point.algorithm)
                run = point.run(each.games[0], 0)
                assert 0.5 < cost.run_seconds(Planned(run), json.loads(run.spec), ONE, speeds) < 600, point.algorithm


def test_the_selftest_is_the_cpus_time_of_a_fixed_computation():
    speeds = cost.read_speeds(ROOT)
    assert cost.slowness(speeds) * speeds.selftest > 0.001
    assert cost.quartile([9.0, 1.0, 2.0, 5.0]) == 2.0
