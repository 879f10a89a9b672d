"""How runs are cut into slices, what a submission says, and what is refused before anything is submitted."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from tests.workflow.house import ROOT, seal
from workflow import lookahead, pilot, pilots, training
from workflow.context import Context
from workflow.pilots import Asked, Item, cut
from workflow.strict_yaml import ConfigError
from workflow.targets import check, missing, runs_behind


def items(*seconds: float) -> list[tuple[Item, int]]:
    return [(Item(f"run{i:03d}", "d" * 64, "c" * 16, each), 1) for i, each in enumerate(seconds)]


def lengths(slices: list[list[Item]]) -> list[list[float]]:
    return [[item.seconds for item in part] for part in slices]


def test_slices_share_no_run_and_are_about_equally_long():
    assert lengths(cut(items(3, 9, 5, 4, 7, 2), 2)) == [[9, 4, 2], [7, 5, 3]]
    many = [(i * 7919) % 101 + 1.0 for i in range(1000)]
    slices = cut(items(*many), 7)
    runs = [item.run for part in slices for item in part]
    assert sorted(runs) == [f"run{i:03d}" for i in range(1000)]
    loads = [sum(part) for part in lengths(slices)]
    assert max(loads) - min(loads) <= 2.0
    assert all(part == sorted(part, reverse=True) for part in lengths(slices))


def test_a_run_on_many_cores_weighs_as_many():
    wide, *rest = items(10, 10, 10, 10, 10)
    slices = cut([(wide[0], 4), *rest], 2)
    assert [[item.run for item in part] for part in slices] == [
        ["run000"],
        ["run001", "run002", "run003", "run004"],
    ]


def test_no_slice_is_empty():
    assert lengths(cut(items(2, 1), 5)) == [[2], [1]]


def test_cutting_does_not_depend_on_the_order_of_runs():
    found = items(1, 1, 2, 2, 3, 3)
    assert cut(found, 2) == cut(found[::-1], 2)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An sbatch that notes how it was called, and a queue that lies in a file."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name, text in {
        "sbatch": f'printf "%s\\n" "$@" >{folder}/called; cat >{folder}/script; echo "41;cluster"',
        "squeue": f"cat {folder}/queue 2>/dev/null || true",
        "scancel": "",
    }.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755 | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


@pytest.fixture
def context(project: Path, tmp_path: Path) -> Context:
    (project / "workflow").symlink_to(ROOT / "workflow")  # how fast algorithms are
    return Context.read(project, {"results": str(tmp_path / "results")}, main=False)


def test_what_is_submitted(context: Context, programs: Path, monkeypatch: pytest.MonkeyPatch):
    runs = runs_behind(context, ["house"])
    told = pilots.submit(context, ["house"], Asked(3, 4, time="02:00:00"))
    assert told.startswith(f"job 41: 3 pilots of 4 cores for {len(runs)} runs of house, about ")
    called = (programs / "called").read_text().splitlines()
    (folder,) = Path(context.results, "pilots").iterdir()
    assert {
        "--array=0-2", f"--job-name=pilots-{folder.name}", "--cpus-per-task=4", "--time=02:00:00", "--requeue",
        "--open-mode=append", "--signal=B:USR1@120", "--nodes=1", f"--chdir={context.root}",
    } <= set(called)  # fmt: skip
    most = sorted((run.point.cluster.mem_mb for run in runs.values()), reverse=True)[:4]
    assert f"--mem={sum(most) + pilots.OWN_MB}" in called
    assert not any(word.startswith("--gres") for word in called)
    script = (programs / "script").read_text()
    assert script.endswith(f'-m workflow.pilot {folder} "$SLURM_ARRAY_TASK_ID"\n')
    slices = [pilots.slice_of(folder, index) for index in range(3)]
    assert sorted(item.run for part in slices for item in part) == sorted(runs)
    for item in slices[0]:
        assert context.finished.mark(runs[item.run]) == str(context.finished.store.mark(item.run, item.code))

    # What waits or runs is nobody else's; and `status` shows it.
    (programs / "queue").write_text(f"41_0|RUNNING|n1|pilots-{folder.name}|0\n41_1|PENDING||pilots-{folder.name}|1\n")
    told = pilots.submit(context, ["house"], Asked(1, 1))
    assert f"{len(slices[0]) + len(slices[1])} runs are in the hands of earlier pilots" in told
    (programs / "queue").write_text("".join(f"41_{i}|PENDING||pilots-{folder.name}|{i}\n" for i in range(3)))
    told = pilots.submit(context, ["house"], Asked(1, 1))
    assert told == (
        f"nothing to submit: the {len(runs)} runs that house lacks are in the hands of job 41_0, job 41_1, job 41_2"
    )
    monkeypatch.setenv(training.SLICE, str(folder / "0.json"))
    training._order.cache_clear()
    first, last = slices[0][0].run, slices[0][-1].run
    assert training.priority(runs[first]) > training.priority(runs[last]) > 0
    training._order.cache_clear()


def test_only_what_the_store_lacks_is_submitted_and_nothing_when_it_lacks_nothing(context: Context, programs: Path):
    first, *others = runs_behind(context, ["house"])
    seal(context, first)
    again = Context.read(context.root, context.project.overrides, main=False)
    told = pilots.submit(again, ["house"], Asked(50, 1))
    assert f"{len(others)} pilots of 1 core for {len(others)} runs" in told
    assert f"no more pilots than runs: {len(others)} of 50 are submitted" in told
    assert first not in {run.name for run in missing(again, ["house"])}
    for name in others:
        seal(context, name)
    (programs / "called").unlink()
    again = Context.read(context.root, context.project.overrides, main=False)
    assert pilots.submit(again, ["house"], Asked(2, 1)) == (
        f"nothing to submit: all {len(others) + 1} runs of house are finished"
    )
    assert not (programs / "called").exists()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Asked(0, 1), "--jobs 0: there is no such number of them; the least is --jobs 1"),
        (Asked(1, -2), "--cores -2: there is no such number of them; the least is --cores 1"),
        (Asked(1, 1, 0), "--gpu-slots 0: there is no such number of them; the least is --gpu-slots 1"),
        (Asked(1, 1, time="4 h"), "--time 4 h: hours, minutes and seconds are wanted, as in --time 04:00:00"),
        (Asked(1, 1, time="00:02:59"), "--time 00:02:59: the last two minutes are for saving; the least is --time"),
        (Asked(1, 1, 4), "--gpu-slots 4: none of the 10 runs trains on a GPU; leave it out, or choose GPUs"),
    ],
)  # fmt: skip
def test_what_is_refused(context: Context, programs: Path, asked: Asked, words: str):
    with pytest.raises(ConfigError) as error:
        pilots.submit(context, ["house"], asked)
    assert str(error.value).startswith(words)
    assert not (programs / "called").exists() and not Path(context.results, "pilots").exists()


def test_runs_share_a_gpu_and_memory_is_for_those_at_work_at_once(project: Path, tmp_path: Path, programs: Path):
    text = (project / "config/papers/house.yaml").read_text()
    larger = "cluster: { runtime_minutes: 60, mem_mb: 9000, cpus: 1, gpu: 1 }\n    "
    (project / "config/papers/house.yaml").write_text(text.replace("scales:\n", f"{larger}scales:\n", 1))
    (project / "workflow").symlink_to(ROOT / "workflow")
    context = Context.read(project, {"results": str(tmp_path / "results"), "device": "cuda"}, main=False)
    runs = list(runs_behind(context, ["house"]).values())
    small = next(run.point.cluster.mem_mb for run in runs if not training.gpus(run))
    assert sum(map(training.gpus, runs)) > 3
    assert pilots.memory_mb(runs, 4, 3) == 3 * 9000 + small and pilots.memory_mb(runs, 2, 3) == 2 * 9000
    pilots.submit(context, ["house"], Asked(2, 4, 3))
    called = (programs / "called").read_text().splitlines()
    assert "--gres=gpu:1" in called and f"--mem={3 * 9000 + small + pilots.OWN_MB}" in called
    (folder,) = Path(context.results, "pilots").iterdir()
    command = pilot.Pilot(folder, 0)._command()
    assert command[command.index("--cores") + 1] == "4"  # none ahead: not all are small
    assert "gpu=3" in command
    with pytest.raises(ConfigError, match="--gpu-slots"):
        pilots.submit(context, ["house"], Asked(2, 4, -1))


def test_mps_is_started_and_ended_where_it_is(programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    control = programs / "nvidia-cuda-mps-control"
    control.write_text(
        f'#!/bin/sh\n[ "$1" = -d ] && echo "began $CUDA_MPS_PIPE_DIRECTORY" >>{programs}/mps || cat >>{programs}/mps\n'
    )
    control.chmod(0o755)
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", "")
    monkeypatch.setenv("CUDA_MPS_LOG_DIRECTORY", "")
    with pilot._shared_gpu(1, str(tmp_path)):
        assert not (programs / "mps").exists()
    with pilot._shared_gpu(2, str(tmp_path)):
        assert (programs / "mps").read_text() == f"began {tmp_path}\n"
    assert (programs / "mps").read_text() == f"began {tmp_path}\nquit\n"


def test_the_ordinary_command_is_told_of_pilots(context: Context, programs: Path):
    pilots.submit(context, ["house"], Asked(1, 1))
    (folder,) = Path(context.results, "pilots").iterdir()
    lacking = missing(context, ["house"])
    assert list(lookahead._pilots(context, lacking)) == []
    (programs / "queue").write_text(f"41_0|PENDING||pilots-{folder.name}|0\n")
    (note,) = lookahead._pilots(context, lacking)
    assert note.startswith(f"pilots have {len(lacking)} of these runs in their slices (job 41_0, say)")


def test_a_target_that_no_file_has_names_the_nearest(context: Context):
    with pytest.raises(ConfigError, match="unknown target 'hous'; did you mean 'house'"):
        check(context, ["hous"])


def test_no_scheduler_is_said_with_what_to_do_instead(context: Context, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigError, match=r"there is no sbatch, squeue, scancel on this machine.*workflow run house"):
        pilots.submit(context, ["house"], Asked(1, 1))


def test_what_sbatch_refuses_is_said_in_its_words_and_leaves_nothing(context: Context, programs: Path):
    (programs / "sbatch").write_text(
        "#!/bin/sh\necho 'sbatch: error: CPU count per node can not be satisfied' >&2; exit 1\n"
    )
    with pytest.raises(ConfigError, match="sbatch refuses 2 pilots of 999 cores: sbatch: error: CPU count per node"):
        pilots.submit(context, ["house"], Asked(2, 999))
    assert list(Path(context.results, "pilots").iterdir()) == []


def test_two_commands_at_once_submit_one_after_the_other(context: Context, programs: Path):
    (programs / "sbatch").write_text(
        f"#!/bin/sh\nflock --nonblock {context.results} true || echo alone >{programs}/lock\necho 41\n"
    )
    assert pilots.submit(context, ["house"], Asked(1, 1)).startswith("job 41: 1 pilot of 1 core")
    assert (programs / "lock").read_text() == "alone\n"
    (programs / "lock").unlink()
    pilots.submit(context, ["house"], Asked(1, 1))
    assert (programs / "lock").exists()  # it was given back


def test_a_folder_that_cannot_be_written_is_said_before_anything_is_submitted(context: Context, programs: Path):
    Path(context.results).mkdir()
    Path(context.results, "pilots").write_text("no folder")
    with pytest.raises(ConfigError, match=r"cannot write to .*/pilots.*: (File exists|Not a directory)"):
        pilots.submit(context, ["house"], Asked(1, 1))
    assert not (programs / "called").exists()


@pytest.mark.parametrize("text", ["", "[]", "3", "{}", '{"slices": 1}', '{"slices": "x"}', '{"slices": 9}'])
def test_what_is_no_folder_of_pilots_is_passed_over(context: Context, programs: Path, text: str):
    strange = Path(context.results, "pilots", "strange")
    strange.mkdir(parents=True)
    (strange / pilots.HEAD).write_text(text)
    (strange / "0.json").write_text('[["run", 2]]')
    (strange.parent / "file").write_text("")
    (programs / "queue").write_text("40_0|RUNNING|n1|pilots-strange|0\n40_1|RUNNING|n1|pilots-file|1\n")
    assert pilots.overview(Path(context.results)) == []
    assert pilots.submit(context, ["house"], Asked(1, 1)).startswith("job 41")
    assert strange.exists()


def test_a_pilot_whose_slice_is_gone_says_so(tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.argv", ["pilot", str(tmp_path / "moved"), "3"])
    assert pilot.main() == 1
    said = capsys.readouterr().out
    assert said.startswith(f"pilot 3: its slice in {tmp_path}/moved cannot be read") and "Submit again" in said


def test_what_is_left_is_shown_by_slice(context: Context, programs: Path):
    runs = runs_behind(context, ["house"])
    pilots.submit(context, ["house"], Asked(2, 1))
    (folder,) = Path(context.results, "pilots").iterdir()
    slices = [pilots.slice_of(folder, index) for index in (0, 1)]
    seal(context, slices[0][0].run)
    (programs / "queue").write_text(f"41_0|RUNNING|n1|pilots-{folder.name}|0\n41_1|TIMEOUT|n2|pilots-{folder.name}|1\n")
    head, _, *rows = pilots.render(pilots.overview(Path(context.results))).splitlines()
    assert head.split() == ["pilots", "job", "state", "node", "done", "left", "training", "left"]
    assert rows[0].split()[:7] == [folder.name, "0", "41_0", "running", "n1", "1", str(len(slices[0]) - 1)]
    assert rows[1].split()[:8] == [folder.name, "1", "41_1", "timeout,", "unfinished", "n2", "0", str(len(slices[1]))]
    for name in runs:
        seal(context, name)
    (programs / "queue").unlink()
    assert pilots.overview(Path(context.results)) == []


def test_a_pilot_asks_snakemake_for_what_its_slice_lacks(context: Context, programs: Path):
    pilots.submit(context, ["house"], Asked(2, 3))
    (folder,) = Path(context.results, "pilots").iterdir()
    first, *others = pilots.slice_of(folder, 1)
    seal(context, first.run)
    one = pilot.Pilot(folder, 1)
    assert one.left() == others and one.got() == (len(others), {item.run: None for item in others})
    command = one._command()
    marks = [str(context.finished.store.mark(item.run, item.code)) for item in others]
    assert command[3 : 3 + len(marks)] == marks and "--nolock" in command
    assert command[command.index("--cores") + 1] == "5"  # two of them wait for a core
    assert command[-2:] == ["--config", f"results={json.dumps(context.results)}"]
