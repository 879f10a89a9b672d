"""`python -m workflow run` under real signals, pipes and encodings: whatever ends it, trainings save first."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.workflow.house import ROOT, build, without_notes
from workflow.snakemake_log import Log, open_log

# Put before the stand-in's training: each waits for the file `open`; told to leave, it waits for the file `save`.
GATED = """
def gated(folder):
    import signal, time
    text = option("--spec")
    spec, digest = json.loads(text), hashlib.sha256(text.encode()).hexdigest()
    env = spec["environment"]
    name = f"{spec['agent']['kind']}.{env['suite']}-{env['game']}.s{spec['seed']}.{digest[:12]}"
    work, told = f"{option('--results')}/work/{name}", []
    def beat(state, frame):
        fixed = dict(run=name, budget_frames=1000000, host=os.uname().nodename, pid=os.getpid(), slurm_job=None)
        new = dict(fixed, state=state, frame=frame, frames_per_second=9.0, eta_seconds=9.0, time=time.time())
        write(f"{work}/.new", json.dumps(new))
        os.replace(f"{work}/.new", f"{work}/heartbeat.json")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: told.append(number))
    beat("running", 4000)
    while not os.path.exists(f"{folder}/open"):
        time.sleep(0.05)
        if told:
            write(f"{folder}/told/{os.getpid()}", "")
            while not os.path.exists(f"{folder}/save"):
                time.sleep(0.05)
            beat("preempted", 12000)
            sys.exit(75)
    import shutil
    shutil.rmtree(work)
"""
TRAIN = 'if words[:2] == ["agents", "train"]:\n'


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Path]:
    """The folder of `open` and `save`; after the test both are there, so that nobody waits for ever."""
    path = tmp_path / "gate"
    path.mkdir()
    yield path
    (path / "save").touch()
    (path / "open").touch()


@pytest.fixture
def house(tmp_path: Path, gate: Path) -> Path:
    folder = build(tmp_path / "house")
    shim = folder / "bin/python"
    text = shim.read_text()
    assert TRAIN in text
    shim.write_text(text.replace(TRAIN, f"{GATED}\n{TRAIN}    gated({str(gate)!r})\n"))
    return folder


def environment(folder: Path, **more: str) -> dict[str, str]:
    fixed = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "VIRTUAL_ENV": str(folder)}
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | fixed | more


COMMAND = (sys.executable, "-m", "workflow")
FEW = "results/paper/scores/house.sweep.parquet"  # after four trainings
CORES = ("--", "--cores", "2")


def start(folder: Path, out: Any = None, **more: Any) -> subprocess.Popen[str]:
    """`run` with two trainings at once; its output in the file `said`, or through a pipe."""
    with open(folder / "said", "w") as file:
        return subprocess.Popen(
            [*COMMAND, "run", FEW, *CORES],
            cwd=folder,
            env=environment(folder),
            stdout=out or file,
            stderr=subprocess.STDOUT,
            text=True,
            **more,
        )


def said(folder: Path) -> str:
    return (folder / "said").read_text()


def until(true: Callable[[], Any]) -> Any:
    """Wait for a condition; ten minutes say that it will never hold."""
    end = time.monotonic() + 600
    while not (found := true()):
        assert time.monotonic() < end, "this never came true"
        time.sleep(0.05)
    return found


def beats(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in (folder / "results/work").glob("*/heartbeat.json")]


def two_train(folder: Path) -> list[dict[str, Any]]:
    until(lambda: len(beats(folder)) == 2)
    return beats(folder)


def state(pid: int) -> str:
    """S sleeping, T stopped, …; nothing for a process that is gone (or only waits to be asked for its exit code)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0].replace("Z", "")
    except OSError:
        return ""


def snakemake_of(folder: Path) -> int:
    """The Snakemake that works in a checkout, by the note about it."""
    (note,) = (folder / ".snakemake/lockers").glob("*.json")
    return json.loads(note.read_text())["pid"]


def locks(folder: Path) -> list[Path]:
    return list((folder / ".snakemake/locks").glob("*.lock"))


NAMED = r"dqn\.minatar-\w+\.s0 (SN|DQN( \(lr 0\.0?01\))?) at frame 12,000"
SAVED = rf"stopped; 2 runs saved \({NAMED}, {NAMED}\); "


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_lets_trainings_save_and_says_where(house: Path, gate: Path, number: int):
    """SIGHUP as a lost connection sends it: to all of the process group."""
    runner = start(house, start_new_session=True)
    two_train(house)
    (os.killpg if number == signal.SIGHUP else os.kill)(runner.pid, number)
    until(lambda: len(list(gate.glob("told/*"))) == 2)
    os.kill(runner.pid, number)  # again, while they save
    until(lambda: "still saving" in said(house))
    assert runner.poll() is None
    assert {beat["state"] for beat in beats(house)} == {"running"}
    (gate / "save").touch()
    assert runner.wait() == 128 + number
    shown = said(house)
    assert re.fullmatch(f"{SAVED}the same command goes on", shown.splitlines()[-1]), shown
    assert not re.search(r"Error|Traceback|\{", shown), shown
    assert {beat["state"] for beat in beats(house)} == {"preempted"}
    assert not locks(house)


def test_killing_run_lets_trainings_save(house: Path, gate: Path):
    (gate / "save").touch()
    runner = start(house)
    trainings = two_train(house)
    child = snakemake_of(house)
    runner.kill()
    runner.wait()
    until(lambda: not state(child) and not any(state(beat["pid"]) for beat in trainings))
    assert [(beat["state"], beat["frame"]) for beat in beats(house)] == [("preempted", 12000)] * 2
    assert not locks(house)


def test_killing_snakemake_lets_trainings_save_and_the_next_start_unlocks(house: Path, gate: Path):
    runner = start(house)
    two_train(house)
    dead = snakemake_of(house)
    os.kill(dead, signal.SIGKILL)
    until(lambda: len(list(gate.glob("told/*"))) == 2)
    assert runner.poll() is None
    (gate / "save").touch()
    assert runner.wait() == 128 + signal.SIGKILL
    assert "snakemake was killed by signal 9; 2 runs saved (dqn." in said(house).splitlines()[-1]
    assert locks(house)
    (gate / "open").touch()
    runner = start(house)
    assert runner.wait() == 0
    _, _, first, *_, last = without_notes(said(house))
    assert first.startswith(f"unlocked this folder: the Snakemake that had locked it is dead (process {dead} on ")
    assert last.startswith("5 jobs done in ")
    assert not locks(house)


def test_killing_what_stands_between_lets_trainings_save(house: Path, gate: Path):
    (gate / "save").touch()
    runner = start(house)
    trainings = two_train(house)
    child = snakemake_of(house)
    between = int(Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[1])
    assert between not in (runner.pid, os.getpid())
    os.kill(between, signal.SIGKILL)
    assert runner.wait() == 128 + signal.SIGKILL
    assert not state(child) and not any(state(beat["pid"]) for beat in trainings)
    assert [(beat["state"], beat["frame"]) for beat in beats(house)] == [("preempted", 12000)] * 2
    assert "2 runs saved" in said(house).splitlines()[-1]


def test_a_living_snakemake_is_named_and_keeps_its_lock(house: Path, gate: Path):
    """And Ctrl-Z holds all of it. In a process group of its own, as a shell starts it: an orphaned one cannot stop."""
    runner = start(house, process_group=0)
    trainings = two_train(house)
    child, held = snakemake_of(house), sorted(locks(house))
    second = command(house, "run", FEW)
    assert second.returncode == 1
    (refused,) = second.stderr.splitlines()  # before any note, and before Snakemake is started
    assert refused.startswith(f"Snakemake works on these files already: process {child} on ")
    assert second.stdout.splitlines() == ["reading config/ \xe2\x80\xa6", "looking at 4 runs \xe2\x80\xa6"]
    assert command(house, "run", FEW, "--", "--dry-run").returncode == 0  # which locks nothing
    assert sorted(locks(house)) == held
    everybody = [runner.pid, child, *(beat["pid"] for beat in trainings)]
    os.kill(runner.pid, signal.SIGTSTP)
    until(lambda: [state(pid) for pid in everybody] == ["T"] * 4)
    (gate / "open").touch()
    os.kill(runner.pid, signal.SIGCONT)
    assert runner.wait() == 0
    assert said(house).splitlines()[-1].startswith("5 jobs done in ")


def test_a_background_job_of_nohup_outlives_its_terminal(house: Path, gate: Path):
    """`nohup … &` ignores hang-ups, and Ctrl-C meant for others."""

    def ignore() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    (gate / "save").touch()
    runner = start(house, start_new_session=True, preexec_fn=ignore)
    two_train(house)
    os.killpg(runner.pid, signal.SIGHUP)
    os.killpg(runner.pid, signal.SIGINT)
    os.kill(runner.pid, signal.SIGTERM)  # the only one that it heeds
    assert runner.wait() == 128 + signal.SIGTERM
    assert "2 runs saved" in said(house)


def command(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words],
        cwd=folder,
        env=environment(folder, **variables),
        capture_output=True,
        encoding="latin-1",
        check=False,
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A house whose work is done, by a `run` whose reader left after the first line."""
    folder = build(tmp_path_factory.mktemp("run") / "house")
    runner = start(folder, out=subprocess.PIPE)
    assert runner.stdout is not None
    (folder / "first").write_text(next(line for line in runner.stdout if not line.startswith("note: ")))
    runner.stdout.close()
    assert runner.wait() == 0
    return folder


def test_a_reader_that_leaves_ends_nothing(finished: Path):
    assert (finished / "first").read_text() == "reading config/ …\n"
    assert (finished / FEW).exists()
    assert not locks(finished)


def test_a_failure_is_told_by_the_exit_code_also_without_a_reader(house: Path, gate: Path):
    shim = house / "bin/python"
    shim.write_text(shim.read_text().replace("    import signal, time\n", "    sys.exit('no memory left')\n"))
    runner = start(house, out=subprocess.PIPE)
    assert runner.stdout is not None
    runner.stdout.readline()
    runner.stdout.close()
    assert runner.wait() == 1


ENCODINGS = {
    "ascii": {"PYTHONIOENCODING": "ascii:strict"},
    "locale": {"LC_ALL": "en_US.ISO-8859-1"},
    "C": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_any_encoding_will_do(finished: Path, name: str):
    shown = []
    for words in (("run", FEW), ("status",), ("plan", "--config", "scale=smoll")):
        done = command(finished, *words, **ENCODINGS[name])
        assert not re.search("UnicodeEncodeError|Traceback|Logging error", done.stderr + done.stdout)
        assert done.returncode == int(words[0] == "plan"), done.stdout + done.stderr
        shown.append(done.stdout.splitlines())
    if name == "ascii":
        assert shown[0][:2] == ["reading config/ ...", "looking at 4 runs ..."]
        plans = [line for line in shown[0] if line.startswith("planning ... ")]  # one each time it is told
        assert shown[0][2:] == [*plans, "nothing to do: everything is up to date"] and plans[0] == "planning ... 0s"
        assert shown[1][0] == "10 runs: 4 finished | 6 waiting"
    assert not re.search("Unicode|Logging error", (finished / "results/logs/snakemake.log").read_text())


def test_every_letter_can_be_written():
    code = "from workflow.terminal import take_any_text; take_any_text(); print('a…–·× \\udcff 日', flush=True)"
    for encoding, expected in (
        ("ascii", b"a...-|x ? ?\n"),
        ("utf-8", "a…–·× ? 日\n".encode()),
        ("latin-1", b"a...-\xb7\xd7 ? ?\n"),
    ):
        variables = os.environ | {"PYTHONIOENCODING": encoding}
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=variables, capture_output=True, check=True)
        assert done.stdout == expected


@pytest.mark.parametrize("words", [("status",), ("runs", "--csv", "--all-columns"), ("diff", "x", "y"), ("--help",)])
def test_other_commands_bear_a_reader_that_leaves(finished: Path, words: tuple[str, ...]):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*COMMAND, *words], cwd=finished, env=environment(finished), stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)
    assert b"Traceback" not in done.stderr and b"BrokenPipe" not in done.stderr
    assert done.returncode == int(words[0] == "diff")


def test_each_start_is_marked_in_the_log(finished: Path):
    before = (finished / "results/logs/snakemake.log").read_text()
    done = command(finished, "run", FEW)
    assert (
        done.stdout.splitlines()[-1] == "nothing to do: everything is up to date"
    )  # the first start's steps are not its
    log = (finished / "results/logs/snakemake.log").read_text()
    assert log.startswith(before) and "5 of 5 steps (100%) done" in before
    mark = rf"===== \d+-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d+, process \d+ on {re.escape(os.uname().nodename)}: (.*)"
    marks = re.findall(mark, log)
    assert len(marks) >= 2
    assert all(f" -m snakemake {FEW} --snakefile " in words for words in marks)


def test_starts_at_one_time_have_logs_of_their_own(tmp_path: Path):
    first, end = open_log(tmp_path, ["one"])
    os.write(end, b"1 of 5 steps\n")
    second, other = open_log(tmp_path, ["two"])
    assert [log.path.name for log in (first, second)] == ["snakemake.log", "snakemake.2.log"]
    os.close(end)
    third, end = open_log(tmp_path, ["three"])
    os.write(end, b"2 of 7 steps\n")
    os.close(end)
    os.close(other)
    for log in (first, third):
        log.read()
    assert third.path.name == "snakemake.log"
    assert (third.done, third.total, third.text()) == (2, 7, "2 of 7 steps\n")
    assert [line.rpartition(" ")[2] for line in third.path.read_text().splitlines() if line[:1] == "="] == [
        "one",
        "three",
    ]


def test_reading_a_part_of_the_log(tmp_path: Path):
    path = tmp_path / "log"
    path.write_text("9 of 9 steps\n")
    log = Log(path, path.stat().st_size)
    with path.open("a") as file:
        file.write("total 5\n1 of 5 steps\n")
    log.read()
    assert (log.done, log.total, log.text()) == (1, 5, "total 5\n1 of 5 steps\n")
