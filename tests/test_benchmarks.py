"""What `make bench` compares can be built and does its work, and what it prints follows from the speeds."""

import sys

import pytest

from benchmarks import __main__ as bench
from benchmarks import modules, ours
from benchmarks.suites import CONTESTANTS, QUICK, SUITES

START = 64  # frames before learning begins
PEER = CONTESTANTS["sb3"]._replace(package="no_such_package", module="benchmarks.no_such_module")


@pytest.mark.parametrize("suite", [name for name in SUITES if name != "r2d2"])
def test_ours_learns_at_the_suites_pace(suite):
    run = ours.training(suite, START)
    assert run.spec.environment.game == "breakout"
    frames = 640 if suite in ("a2c", "impala") else START + 4 * SUITES[suite].every
    ours.onward(run, frames)
    wanted = {"a2c": 640 // 80, "impala": 640 // 320}.get(suite, 4)
    assert run.parts.learner.updates == wanted


def test_r2d2_is_its_updates_alone():
    run = ours.training("r2d2", 16 * 40)  # 40 rows: a sequence has 35
    advance = ours.updating(run)
    frames, updates = run.frame, run.parts.learner.updates
    advance(240)
    assert (run.frame, run.parts.learner.updates) == (frames, updates + 3)


@pytest.mark.parametrize("suite", [name for name in SUITES if SUITES[name].steps])
def test_all_that_is_compared_draws_alike(suite):
    spec = ours.spec(suite)
    assert (spec.learning.batch, spec.agent.discount, spec.learning.clock.every_frames) == (
        32,
        0.99,
        SUITES[suite].every,
    )
    assert spec.learning.target_every_frames == 1_000 * SUITES[suite].every
    assert spec.memory.capacity_steps == (10_000 if suite == "atari" else 100_000)
    if suite != "atari":
        assert (spec.network.convolutions, spec.network.units) == ([(16, 3, 1)], [128])


class Steps:
    """In place of an optimizer: counts steps, at each of which every parameter has a gradient."""

    taken = 0

    def __init__(self, parameters, **rates):
        self.parameters = list(parameters)

    def zero_grad(self):
        for parameter in self.parameters:
            parameter.grad = None

    def step(self):
        assert self.parameters and all(bool(each.grad.isfinite().all()) for each in self.parameters)
        Steps.taken += 1


@pytest.mark.parametrize("suite", CONTESTANTS["modules"].suites)
def test_modules_take_a_step_an_update(suite, monkeypatch):
    monkeypatch.setattr(Steps, "taken", 0)
    for name in ("Adam", "RMSprop"):
        monkeypatch.setattr(modules.torch.optim, name, Steps)
    modules.make(suite)(2 * SUITES[suite].every)
    assert Steps.taken == 2


def test_value_methods_are_compared_with_our_dqn_too():
    names = ["ours", "modules", "pfrl"]
    assert bench.contestants("dqn", names) == {name: (name, "dqn") for name in names}
    assert bench.contestants("sn", names) == {
        "ours": ("ours", "sn"),
        "modules": ("modules", "sn"),
        "ours dqn": ("ours", "dqn"),
    }
    assert list(bench.contestants("impala", names)) == ["ours"]
    assert QUICK == ("dqn", "sn", "double", "atari")


def test_the_report_gives_medians_of_ratios_within_rounds():
    rounds = [{"modules": 50.0, "ours": 100.0}, {"ours": 90.0, "modules": 30.0}, {"modules": 80.0, "ours": 120.0}]
    assert bench.report("dqn", rounds)[1:] == [
        "  ours          100    1.00   (1.00 to 1.00)",
        "  modules        50    2.00   (1.50 to 3.00)",
    ]


def test_a_peer_that_is_not_installed_is_left_out_with_a_line(monkeypatch, capsys):
    monkeypatch.setattr(bench, "CONTESTANTS", {"ours": CONTESTANTS["ours"], "peer": PEER})
    assert bench.installed(None) == {"ours": sys.executable}
    assert capsys.readouterr().out == "peer: left out, no_such_package is not installed\n"


def test_a_peers_own_environment_comes_first(tmp_path, monkeypatch):
    python = tmp_path / "peer" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    peer = PEER._replace(package="json")
    monkeypatch.setattr(bench, "CONTESTANTS", {"ours": CONTESTANTS["ours"], "peer": peer})
    assert bench.installed(tmp_path) == {"ours": sys.executable, "peer": str(python)}


def test_a_process_that_dies_says_why():
    with (
        bench.Child(sys.executable, "nobody", "dqn") as child,
        pytest.raises(RuntimeError, match=r"^KeyError: 'nobody'$"),
    ):
        child.answer()
