"""What is said before the first job."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from agents.run.lease import Lease
from tests.workflow.house import ROOT, build, seal, snakemake
from workflow import lookahead, machine
from workflow.config import Project
from workflow.context import Context
from workflow.expand import expand
from workflow.invocation import Invocation, invocation
from workflow.machine import Machine
from workflow.strict_yaml import ConfigError
from workflow.training import gpus

PAPER = "config/papers/house.yaml"
HERE = Invocation(("house",), "local", True)
LARGE = Machine(memory_mb=10**6, gpus=8)


def edit(project: Path, *changes: tuple[str, str]) -> None:
    path = project / PAPER
    text = path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text)


def said(project: Path, scale: str = "paper") -> list[str]:
    """The doubts about the house, without those about its learning curve's length."""
    found = expand(Project(project, {"scale": scale}), "house")
    return [str(doubt) for each in found.values() for doubt in each.doubts]


@pytest.fixture
def long(project: Path) -> Path:
    """The house with budgets at which all is well."""
    path = project / PAPER
    path.write_text(path.read_text().replace("budget_frames: 1000\n", "budget_frames: 200_000\n"))
    return project


# ---------------------------------------------------------------- numbers that do not go together

BUDGET = "budget_frames: 200_000\n    set: { record.norms: none, optimizer.lr: 1e-3"
CASES = {
    "starts too late": (
        "learning.clock.start_frames: 200_000",
        "house.yaml:13: experiments.base.set.learning.clock.start_frames: no update will "
        "ever be made: learning starts at frame 200,000 of 200,000",
    ),
    "never due": (
        "learning.clock.every_frames: 199_000, learning.target_every_frames: 199_000",
        "no update will ever be made: the first one is due at frame 204,000 of a budget of 200,000",
    ),
    "only the untrained": (
        "evaluation.every_frames: 200_001",
        "only the untrained network is ever evaluated: every 200,001 frames of a budget of 200,000",
    ),
    "shorter than an episode": (
        "evaluation.frames: 9_999",
        "house.yaml:13: experiments.base.set.evaluation.frames: an episode may last 10,000 frames "
        "(evaluation.cap_frames), an evaluation only 9,999: longer episodes never count",
    ),
    "no loss": ("record.learning_every_frames: 300_000", "no loss is ever recorded"),
    "no rate": ("learning.lr_decay_frames: 50_000", "the learning rate is 0 from frame 50,000 of a budget of 200,000"),
}


@pytest.mark.parametrize("case", CASES)
def test_doubts(long: Path, case: str):
    change, message = CASES[case]
    edit(long, (BUDGET, f"{BUDGET}, {change}"))
    found = said(long)
    assert len(found) == 1 and message in found[0], found


def test_nothing_is_said_where_all_is_well(long: Path):
    assert said(long) == []


def test_an_algorithm_files_number_is_told_at_the_variant(project: Path):
    """1,000 frames: learning starts at 5,000 in config/algorithms/dqn_minatar_sn.yaml."""
    found = [line for line in said(project) if "no update" in line]
    assert len(found) == 3  # base has two variants, sweep one
    assert found[0].startswith(
        f"{PAPER}:15: experiments.base.variants.DQN: learning.clock.start_frames: no update will ever"
    )


def test_a_random_policy_never_learns_on_purpose(long: Path):
    random = (
        "exploration.start: 1.0, exploration.end: 1.0, evaluation.epsilon: 1.0, learning.clock.start_frames: 1_000_000"
    )
    edit(long, ("DQN: {}", f"DQN: {{ {random} }}"))
    assert said(long) == []


def test_a_memory_that_holds_no_window_stops(long: Path):
    edit(long, (BUDGET, f"{BUDGET}, memory.capacity_steps: 12, agent.n_step: 20"))
    with pytest.raises(ConfigError, match=r":13: .*memory.capacity_steps 12 are 12 rows of each of 1 streams"):
        said(long)


def test_learning_before_the_memory_holds_a_window_stops(long: Path):
    edit(long, (BUDGET, f"{BUDGET}, learning.clock.start_frames: 4, agent.n_step: 20"))
    with pytest.raises(ConfigError, match=r"the first update comes at frame 8, .* at least 17 are wanted"):
        said(long)


def test_a_kernel_larger_than_what_it_sees_stops(long: Path):
    edit(long, (BUDGET, f"{BUDGET}, network.convolutions: [[16, 3, 1], [16, 9, 1]]"))
    with pytest.raises(
        ConfigError,
        match=r":13: .*network.convolutions of environment minatar: a 9x9 kernel does not fit into 8x8 pixels",
    ):
        said(long)


def test_the_shipped_papers_hold_what_they_say():
    """Every paper at every scale; the one note is about a smoke test, which shows nothing."""
    found = set()
    for scale in ("smoke", "reduced", "paper"):
        project = Project(ROOT, {"scale": scale})
        for paper in project.paper_names:
            found |= {(scale, str(d)) for each in expand(project, paper).values() for d in each.doubts}
    assert {scale for scale, _ in found} <= {"smoke"} and len(found) <= 1, found
    assert all("rainbow.yaml" in text and "variants.DQN" in text for _, text in found)


# ---------------------------------------------------------------- scales that an experiment has not


def test_a_scale_that_is_not_given_is_the_next_larger(long: Path):
    edit(long, ("    scales:\n      smoke: { reduced: nothing but seeds, seeds: [0] }\n", ""))
    edit(long, ("smoke: { reduced: nothing but seeds, seeds: 1 }", "reduced: { reduced: fewer seeds., seeds: 1 }"))
    for scale, base in (("smoke", "reduced"), ("reduced", "reduced"), ("paper", "paper")):
        found = expand(Project(long, {"scale": scale}), "house")
        assert (found["base"].scale, len(found["base"].seeds)) == (base, 2 if base == "paper" else 1)
        assert (found["sweep"].scale, len(found["sweep"].seeds), found["sweep"].reduced) == ("paper", 2, "")
    assert said(long, "paper") == []
    assert said(long, "reduced") == [
        f"{PAPER}:19: experiments.sweep: has no scale 'reduced': it runs as in the paper",
    ]
    assert said(long, "smoke")[0] == f"{PAPER}:7: experiments.base: has no scale 'smoke': it runs at scale 'reduced'"


# ---------------------------------------------------------------- devices


def devices(project: Path, scale: str, device: str) -> dict[str, tuple[str, int]]:
    context = Context.read(project, {"scale": scale, "device": device}, main=False)
    runs = [run for name in ("base", "sweep") for run in context.papers.runs(f"house.{name}").values()]
    return {run.point.variant: (json.loads(run.spec)["device"], gpus(run)) for run in runs}


def test_where_runs_train(long: Path):
    """DQN's file says gpu: 0; the other variant's algorithm asks for one."""
    algorithm = (long / "config/algorithms/dqn_minatar_sn.yaml").read_text()
    (long / "config/algorithms/large.yaml").write_text(algorithm.replace("  gpu: 0", "  gpu: 2"))
    edit(long, ("SN: { spectral", "SN: { algorithm: large, spectral"))
    cpu, both = {"DQN": ("cpu", 0), "SN": ("cpu", 0)}, {"DQN": ("cpu", 0), "SN": ("cuda", 2)}
    assert devices(long, "paper", "auto") == both
    assert devices(long, "smoke", "auto") == cpu
    assert devices(long, "paper", "cuda") == devices(long, "smoke", "cuda") == both
    assert devices(long, "paper", "cpu") == cpu


def test_the_shipped_algorithms_use_a_gpu_where_it_serves():
    context = Context.read(ROOT, {"scale": "paper"}, main=False)
    asked = {
        (run.point.suite, json.loads(run.spec).get("executor", {}).get("kind") == "hogwild"): gpus(run) > 0
        for paper in ("rainbow", "minatar", "a3c", "per")
        for name in context.papers[paper]
        for run in context.papers.runs(f"{paper}.{name}").values()
    }
    assert asked == {
        ("atari", False): True, ("atari", True): False, ("minatar", False): False, ("minatar", True): False,
        ("cartpole", False): False, ("cliffwalk", False): False, ("digits", False): False,
    }  # fmt: skip
    assert context.config.device == "auto"


# ---------------------------------------------------------------- this machine


@pytest.fixture
def gpu_house(long: Path) -> Path:
    """The house, with base's runs (8) on a GPU and 60 GB each."""
    budget = "    budget_frames: 200_000\n"
    edit(long, (budget, f"{budget}    cluster: {{ gpu: 1, mem_mb: 60_000 }}\n"))
    return long


def looked(project: Path, asked: Invocation, here: Machine, **overrides) -> list[str]:
    context = Context.read(project, {"results": str(project / "results"), **overrides}, main=False)
    return lookahead.look(context, asked, lambda: here)


@pytest.fixture
def with_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "torch_for_cpus", lambda: False)


def test_a_gpu_that_is_not_there(gpu_house: Path, with_cuda, monkeypatch: pytest.MonkeyPatch):
    message = r"8 of 12 runs are to train on a GPU \(dqn_minatar_sn; device: auto .* this machine has none: `--config"
    with pytest.raises(ConfigError, match=message):
        looked(gpu_house, HERE, Machine(10**6, 0))
    assert looked(gpu_house, HERE, LARGE) == []
    assert looked(gpu_house, HERE, Machine(10**6, 0), device="cpu") == []
    monkeypatch.setattr(machine, "torch_for_cpus", lambda: True)
    with pytest.raises(ConfigError, match="the installed torch was built for CPUs only"):
        looked(gpu_house, HERE, LARGE)
    edit(gpu_house, ("gpu: 1", "gpu: 9"))
    with pytest.raises(ConfigError, match="one of them on 9, and this machine has 8"):
        looked(gpu_house, HERE, LARGE)


def test_only_training_here_asks_for_this_machines_gpus(gpu_house: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(machine, "no_slurm", lambda: None)
    nothing = Machine(1, 0)
    assert looked(gpu_house, Invocation(("house",), "slurm", True), nothing) == []
    assert looked(gpu_house, Invocation(("house",), "local", False), nothing) == []
    assert looked(gpu_house, HERE, nothing, partial=True) == []
    sweep = Invocation(("results/paper/scores/house.sweep.parquet",), "local", True)
    assert looked(gpu_house, sweep, Machine(10**6, 0)) == []
    context = Context.read(gpu_house, main=False)
    for name in context.papers.runs("house.base"):  # all that wanted a GPU is done
        seal(Context.read(gpu_house, {"results": str(gpu_house / "results")}, main=False), name)
    assert looked(gpu_house, HERE, Machine(10**6, 0)) == []


def test_memory_and_disk_that_cannot_suffice(gpu_house: Path, with_cuda, monkeypatch: pytest.MonkeyPatch):
    (memory,) = looked(gpu_house, HERE, Machine(24_000, 1))
    assert memory.startswith("8 runs of dqn_minatar_sn ask for 60,000 MB (cluster.mem_mb) of this machine's 24,000: ")
    monkeypatch.setattr(machine, "free_bytes", lambda folder: 1_000_000)
    (disk,) = looked(gpu_house, HERE, LARGE)
    assert re.match(r"1\.0 MB are free where .*results is, and about \d+\.\d MB will be wanted", disk)


def test_runs_that_others_work_on(tmp_path: Path):
    """The house as a checkout, since the answer needs the code that a run reaches."""
    folder = build(tmp_path / "house")
    context = Context.read(folder, {"results": str(tmp_path / "results")}, main=False)
    first, second, third, *_ = context.papers.runs("house.base")

    def told(asked: Invocation = HERE) -> list[str]:
        return [line for line in lookahead.look(context, asked, lambda: LARGE) if "others" in line]

    assert told() == []
    for run in (first, second, third):
        (tmp_path / "results/work" / run).mkdir(parents=True)
    leases = [Lease(tmp_path / "results/work" / run / "lease.json") for run in (first, second)]
    assert told() == [
        f"others work on 2 of these runs (process {os.getpid()} on {socket.gethostname()} on {first}, say): they are "
        "not trained twice, jobs wait for them and keep their results"
    ]
    assert told(Invocation(("house",), "local", False)) == []  # a dry run writes nothing, not even to learn the time
    leases[0].release()
    assert f" 1 of these runs (process {os.getpid()} on {socket.gethostname()} on {second}, say)" in told()[0]
    leases[1].release()
    shutil.rmtree(tmp_path / "results/work" / third)
    (tmp_path / "results/work" / third).write_text("no folder")
    assert told() == []


def test_memory_is_what_a_container_is_given(tmp_path: Path):
    info = tmp_path / "meminfo"
    info.write_text("MemTotal:       24000000 kB\nMemFree: 1 kB\n")
    assert machine.memory_mb(info, tmp_path) == 24_576
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.memory_mb(info, tmp_path) == 24_576
    (tmp_path / "memory.max").write_text("8000000000\n")
    assert machine.memory_mb(info, tmp_path) == 8_000


def test_slurm_that_is_not_there_or_does_not_answer(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "slurm"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    asked = Invocation(("house",), "slurm", True)
    with pytest.raises(ConfigError, match=r"^jobs are to go to SLURM, and there is no sbatch, squeue, scancel on this"):
        looked(project, asked, LARGE)
    for name, line in (("sbatch", ""), ("scancel", ""), ("squeue", "echo 'squeue: error: no host' >&2; exit 1")):
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(0o755)
    with pytest.raises(ConfigError, match=r"squeue fails \(squeue: error: no host\)"):
        looked(project, asked, LARGE)
    (folder / "squeue").write_text("#!/bin/sh\n")
    assert looked(project, asked, LARGE)  # only the notes about a budget that is too small


def test_packages_that_the_jobs_python_has_not(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.copy(ROOT / "pyproject.toml", project)
    assert machine.missing_packages(project, python=sys.executable) == []
    bare = tmp_path / "bin"
    bare.mkdir()
    (bare / "python").write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')  # without its packages
    (bare / "python").chmod(0o755)
    monkeypatch.setenv("PATH", f"{bare}:{os.environ['PATH']}")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    with pytest.raises(ConfigError, match=rf"^{bare}/python, which jobs would use, has no ale-py, .*torch: act"):
        looked(project, HERE, LARGE)
    (bare / "python").write_text("#!/bin/sh\necho broken >&2; exit 3\n")
    with pytest.raises(ConfigError, match=r"^python cannot be used: broken$"):
        looked(project, HERE, LARGE)


def test_a_command_without_its_packages_says_one_line():
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-S", "-m", "workflow", "check"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert re.fullmatch(r"the package '\w+' is missing: activate the environment first .*\n", done.stderr)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("demo --cores all --config scale=smoke", Invocation(("demo",), "local", True)),
        ("--cores 2", Invocation((), "local", True)),
        ("-n demo sn", Invocation(("demo", "sn"), "local", False)),
        ("--unlock", Invocation((), "local", False)),
        ("demo --report r.zip", Invocation(("demo",), "local", False)),
        ("--profile slurm demo", Invocation(("demo",), "slurm", True)),
        ("--profile slurm -n", Invocation((), "slurm", False)),
        ("-e slurm -j 5 a/b.c", Invocation(("a/b.c",), "slurm", True)),
        ("--profile workflow/profiles/local demo", Invocation(("demo",), "local", True)),
    ],
)
def test_what_snakemake_was_asked(words: str, expected: Invocation, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    assert invocation(words.split()) == expected
    assert expected.here == (expected.runs and expected.executor == "local")


def test_a_process_that_is_not_snakemake_was_asked_nothing():
    assert invocation() == Invocation((), "local", False)


def test_papers_of_targets(project: Path):
    context = Context.read(project, main=False)
    shutil.copy(project / PAPER, project / "config/papers/other.yaml")
    context.project.__dict__.pop("paper_names", None)
    cases = {
        (): ["house"], ("all",): ["house"], ("other",): ["other"], ("other_figures", "house"): ["other", "house"],
        ("results/paper/figures/other/curves.pdf",): ["other"], ("results/paper/scores/other.base.parquet",): ["other"],
        ("results/paper/report/other.html",): ["other"], ("results/paper/report/index.html",): ["house"],
    }  # fmt: skip
    assert {targets: lookahead.papers(context, targets) for targets in cases} == cases


# ---------------------------------------------------------------- the whole command


@pytest.mark.parametrize("cluster", ["mem_mb: 60_000_000", "gpu: 1"])
def test_runs_share_the_machine(tmp_path: Path, cluster: str):
    """Four runs on four cores that each want all the memory, or the one GPU: never two at once.

    The stand-in for training fails where it is not alone.
    """
    folder = build(tmp_path / "house")
    python, smi = folder / "bin/python", folder / "bin/nvidia-smi"
    smi.write_text("#!/bin/sh\necho 'GPU 0: A (UUID: GPU-a)'\n")
    smi.chmod(0o755)
    trains = 'if words[:2] == ["agents", "train"]:\n'
    alone = f'{trains}    import time\n    os.mkdir("busy")\n    time.sleep(0.2)\n    os.rmdir("busy")\n'
    python.write_text(python.read_text().replace(trains, alone, 1))
    path = folder / PAPER
    seeds = "    seeds: [0, 1]\n"
    path.write_text(path.read_text().replace(seeds, f"{seeds}    cluster: {{ {cluster} }}\n"))
    scores = "results/paper/scores/house.sweep.parquet"
    done = snakemake(folder, "--cores", "4", "--scheduler", "greedy", scores)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list((folder / "results/runs").iterdir())) == 4
    assert done.stderr.count("ask for 60,000,000 MB (cluster.mem_mb)") == ("mem" in cluster)
    assert 'gpu=Resource("gpu", 1)' in done.stderr
    if cluster == "gpu: 1":
        smi.write_text("#!/bin/sh\nexit 9\n")
        shutil.rmtree(folder / "results/store")
        done = snakemake(folder, "--cores", "4", scores)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.splitlines()[-1].startswith("4 of 4 runs are to train on a GPU (dqn_minatar_sn; device: ")
        assert snakemake(folder, "--cores", "4", "-n", scores).returncode == 0
