"""One process per run: who may take a run over, who must wait, and what the one that lost it leaves alone."""

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from agents import __main__ as program
from agents.run import attempts
from agents.run.attempts import Attempts
from agents.run.lease import Lease, Lost, identity
from tests.agents.specs import spec
from tests.agents.test_resume import finish, start
from tests.kills import begin

UNSHARE = ["unshare", "--pid", "--mount-proc", "--fork"]
needs_namespaces = pytest.mark.skipif(
    os.geteuid() != 0 or subprocess.run([*UNSHARE, "true"]).returncode != 0,
    reason="namespaces of process numbers need root",
)


def written(path: Path, **changes) -> None:
    path.write_text(json.dumps({"token": "t", **identity(), **changes}))


def age(path: Path, seconds: float) -> None:
    now = path.stat().st_mtime
    os.utime(path, (now - seconds, now - seconds))


def test_of_two_copies_of_a_run_one_trains_and_both_end_well(tmp_path):
    run = spec(budget=2_000)
    assert [finish(p) for p in [start(run, tmp_path, seconds=1e9), start(run, tmp_path, seconds=1e9)]] == [0, 0]
    said = (tmp_path / "log").read_text()
    assert said.count("started at frame 0") == said.count("finished at 2,000 frames") == 1
    assert said.count("was finished before") == 1 and "resumed" not in said


def wait_for(what) -> None:
    deadline = time.monotonic() + 120
    while not what():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.01)


@pytest.fixture
def left_to_end():
    """Numbers of processes that must not outlive the test, should it fail: stopped ones would be waited for."""
    numbers: list[int] = []
    yield numbers
    for number in numbers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)


def elsewhere(run, results: Path, log: Path, number: Path) -> int:
    """Start the training of a run in another namespace of process numbers, with /proc of its own; -> this child.

    Its own number, as it is seen from here, goes to a file.
    """
    import ctypes

    def moved() -> int:
        assert ctypes.CDLL(None).unshare(0x20020000) == 0  # CLONE_NEWPID | CLONE_NEWNS
        child = os.fork()
        if child:
            number.write_text(str(child))
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        subprocess.run("mount --make-rprivate / && mount -t proc proc /proc", shell=True, check=True)
        words = ["train", "--spec", run.canonical(), "--results", str(results), "--checkpoint-seconds", "0.2"]
        os._exit(program.main([*words, "--keep-work"]))

    return begin(moved, log)


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith((".lock", ".clock")))
    return {path.name: path.read_bytes() for path in files}


def test_who_comes_back_to_a_finished_run_shows_it(tmp_path, monkeypatch):
    """The other one took the run over, finished it and removed the working folder."""
    run = spec(budget=600)
    assert finish(start(run, tmp_path, seconds=1e9)) == 0
    (tmp_path / "runs" / run.name() / "run.json").unlink()
    options = program._options(["train", "--spec", run.canonical(), "--results", str(tmp_path)])
    training = program.Training(run, options)

    def lost() -> int:
        training.lease = Lease(tmp_path / "mine.json")
        (tmp_path / "mine.json").unlink()
        raise FileNotFoundError(2, "No such file or directory", "work/…")

    shown = iter((False, True))
    show = training._show
    monkeypatch.setattr(training, "_train", lost)
    monkeypatch.setattr(training, "_show", lambda: next(shown) and show())
    assert training.run() == 0 and (tmp_path / "runs" / run.name() / "run.json").exists()


def test_attempts_of_another_process_are_not_overwritten(tmp_path):
    mine, other = Attempts(tmp_path), None
    with pytest.raises(Lost), mine:
        other = Attempts(tmp_path)
        other.begin()
        raise Lost("gone")
    assert [s["ended"] for s in attempts.read(tmp_path)] == [None, None] == [s["ended"] for s in other.starts]
    other.end("saved")
    assert [s["ended"] for s in attempts.read(tmp_path)] == [None, "saved"]


@pytest.mark.parametrize("text", ["", "{}", "[]", "[7]", '[{"batch": null}]', "[[1]]", '"x"', "\xff"])
def test_damaged_attempts_say_nothing(text, tmp_path):
    (tmp_path / "attempts.json").write_text(text, encoding="latin-1")
    assert attempts.read(tmp_path) == [] and Attempts(tmp_path).starts == [] and attempts.memory(tmp_path, 100) == 100
