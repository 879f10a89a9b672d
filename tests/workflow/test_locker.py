"""A lock is given up only where its holder provably is dead."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workflow.house import build, without_notes
from workflow import locker

WAITS = [sys.executable, "-c", "input()"]


@pytest.fixture
def living() -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(WAITS, stdin=subprocess.PIPE)
    yield child
    child.kill()
    child.communicate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / ".snakemake"


def lock(folder: Path, number: int = 0) -> list[Path]:
    """The two files by which a Snakemake locks what it reads and makes."""
    paths = [folder / "locks" / f"{number}.{kind}.lock" for kind in ("input", "output")]
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    for path in paths:
        path.write_text("results/index.csv\n")
    return paths


def noted_then_killed(folder: Path, reap: bool = True) -> int:
    child = subprocess.Popen(WAITS, stdin=subprocess.PIPE)
    locker.note(folder, (child.pid, WAITS))
    child.kill()
    if reap:
        child.communicate()
    else:  # a zombie, which holds nothing
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    return child.pid


def edit(path: Path, **changes: object) -> None:
    """Change what a note says, not when it was written."""
    status = path.stat()
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def notes(folder: Path) -> list[Path]:
    return sorted((folder / "lockers").glob("*.json"))


@pytest.mark.parametrize("reap", [True, False])
def test_a_lock_of_a_killed_process_is_given_up(folder: Path, reap: bool):
    pid = noted_then_killed(folder, reap)
    paths = lock(folder)
    said = locker.unlock_if_dead(folder)
    assert said is not None and said.startswith(f"process {pid} on {os.uname().nodename}, since ")
    assert f"({sys.executable} -c 'input()')" in said
    assert not any(path.exists() for path in paths)
    assert notes(folder) == []
    assert locker.unlock_if_dead(folder) is None, "once"


def test_nothing_to_do_without_a_lock(folder: Path):
    assert locker.unlock_if_dead(folder) is None
    noted_then_killed(folder)
    assert locker.unlock_if_dead(folder) is None


def test_a_living_process_keeps_its_lock_and_is_named(folder: Path, living: subprocess.Popen[bytes]):
    locker.note(folder, (living.pid, WAITS))
    paths = lock(folder)
    assert locker.unlock_if_dead(folder) is None
    assert all(path.exists() for path in paths)
    said = locker.holder(folder)
    assert said.startswith(f"Snakemake works on these files already: process {living.pid} on ")
    assert said.endswith("Wait for it, or stop it there.")


def test_what_a_lock_holds_is_what_it_says_is_made(folder: Path):
    assert not locker.held(["results/index.csv"], folder)
    for path in lock(folder):
        path.write_text(f"results/{path.name}\n")
    assert locker.held(["results/other", "results/0.output.lock"], folder)
    assert not locker.held(["results/0.input.lock"], folder), "two may read one file"


def test_a_living_process_protects_the_locks_of_a_dead_one(folder: Path, living: subprocess.Popen[bytes]):
    """Which of them a lock is of is not known."""
    noted_then_killed(folder)
    paths = lock(folder)
    locker.note(folder, (living.pid, WAITS))
    paths += lock(folder, 1)
    assert locker.unlock_if_dead(folder) is None
    assert all(path.exists() for path in paths)


def test_a_number_used_again_is_not_the_process(folder: Path, living: subprocess.Popen[bytes]):
    path = locker.note(folder, (living.pid, WAITS))
    edit(path, started=str(int(json.loads(path.read_text())["started"]) - 1))
    lock(folder)
    assert locker.unlock_if_dead(folder)


@pytest.mark.parametrize(
    "changes",
    [{"boot": "another"}, {"boot": None}, {"namespace": "pid:[1]"}, {"host": "n2", "boot": "x"}],
)
def test_what_cannot_be_seen_from_here_is_not_dead(folder: Path, changes: dict[str, str | None]):
    pid = noted_then_killed(folder)
    edit(*notes(folder), **changes)
    paths = lock(folder)
    assert locker.unlock_if_dead(folder) is None
    assert all(path.exists() for path in paths)
    said = locker.holder(folder)
    assert said.startswith(f"locked by process {pid} on {changes.get('host', os.uname().nodename)}, ")
    assert "cannot be seen from here" in said and "`snakemake --unlock`" in said


def test_a_process_in_another_namespace_is_not_dead(folder: Path):
    """Its number means nothing here, or another process."""
    code = f"from workflow import locker; from pathlib import Path; locker.note(Path({str(folder)!r})); input()"
    command = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", sys.executable, "-c", code]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=locker.__file__[:-19])
    while child.poll() is None and not notes(folder):
        time.sleep(0.02)
    if child.poll() is not None:
        pytest.skip(f"no namespaces here: {child.stderr.read().decode()}")
    paths = lock(folder)
    assert locker.unlock_if_dead(folder) is None
    assert json.loads(notes(folder)[0].read_text())["pid"] == 1  # which lives here too, as another
    child.communicate(b"\n")
    assert notes(folder) == [], "it ended in order"
    assert all(path.exists() for path in paths)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"pid": 1}', "null"])
def test_a_note_that_says_nothing_proves_nothing(folder: Path, text: str):
    noted_then_killed(folder)
    (folder / "lockers" / "torn.json").write_text(text)
    paths = lock(folder)
    assert locker.unlock_if_dead(folder) is None
    assert all(path.exists() for path in paths)


def test_a_negative_number_is_no_process(folder: Path):
    noted_then_killed(folder)
    edit(*notes(folder), pid=-1)
    lock(folder)
    assert locker.unlock_if_dead(folder) is None


def test_a_lock_without_a_note_is_left(folder: Path):
    paths = lock(folder)
    assert locker.unlock_if_dead(folder) is None
    assert all(path.exists() for path in paths)
    assert locker.holder(folder).startswith("locked by a Snakemake that left no note about itself. If none works in ")


def older(paths: list[Path], than: Path) -> None:
    for path in paths:
        os.utime(path, ns=(0, than.stat().st_mtime_ns - 1))


def test_a_lock_that_is_older_than_all_notes_is_somebody_elses(folder: Path):
    noted_then_killed(folder)
    paths = lock(folder)
    older(paths, than=notes(folder)[0])
    assert locker.unlock_if_dead(folder) is None
    assert all(path.exists() for path in paths)


def test_a_note_may_come_after_the_lock(folder: Path):
    """Snakemake tells the Snakefile that it starts when it has the lock already."""
    paths = lock(folder)
    noted_then_killed(folder)
    older(paths, than=notes(folder)[0])
    assert locker.unlock_if_dead(folder) is None, "not the files that were there"
    edit(notes(folder)[0], locks={path.name: [path.stat().st_ino, path.stat().st_mtime_ns] for path in paths})
    assert locker.unlock_if_dead(folder)
    assert not any(path.exists() for path in paths)


def test_dead_notes_are_swept_where_nothing_is_locked(folder: Path, living: subprocess.Popen[bytes]):
    noted_then_killed(folder)
    path = locker.note(folder, (living.pid, WAITS))
    assert notes(folder) == [path]
    assert locker.note(folder, (living.pid, WAITS)) == path, "again"


def test_notes_never_stop_snakemake(tmp_path: Path, living: subprocess.Popen[bytes]):
    (tmp_path / "file").write_text("")
    locker.note(tmp_path / "file", (living.pid, WAITS))
    assert locker.unlock_if_dead(tmp_path / "file") is None


def test_a_plain_snakemake_that_was_killed(tmp_path: Path):
    """Noted when it starts; `run` unlocks after it, though its trainings go on a while."""
    house = build(tmp_path / "house")
    shim, gate, started = house / "bin/python", tmp_path / "gate", tmp_path / "started"
    started.touch()
    train = 'if words[:2] == ["agents", "train"]:\n'
    begin = f"    import time\n    print(file=open({str(started)!r}, 'a'))\n"
    wait = f"    while not os.path.exists({str(gate)!r}):\n        time.sleep(0.05)\n"
    shim.write_text(shim.read_text().replace(train, train + begin + wait))
    target, words = "results/paper/scores/house.sweep.parquet", ("--cores", "2", "--scheduler", "greedy")
    environment = os.environ | {"PATH": f"{house / 'bin'}:{os.environ['PATH']}", "VIRTUAL_ENV": str(house)}
    environment.pop("PYTHONPATH", None)

    def begun(child: subprocess.Popen, number: int) -> None:
        while len(started.read_bytes()) < number:
            assert child.poll() is None
            time.sleep(0.05)

    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "snakemake", target, *words],
        cwd=house,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    begun(child, 2)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert list((house / ".snakemake/locks").iterdir())
    run = subprocess.Popen(
        [sys.executable, "-m", "workflow", "run", target],
        cwd=house,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    begun(run, 3)  # it has counted its jobs: only now may trainings end, those of the dead one among them
    gate.touch()
    said, _ = run.communicate()
    assert run.returncode == 0, said
    _, _, first, *_, last = without_notes(said)  # what it reads and looks at comes before
    assert first.startswith(f"unlocked this folder: the Snakemake that had locked it is dead (process {child.pid} on ")
    assert last.startswith("5 jobs done in ")
    assert notes(house / ".snakemake") == []
