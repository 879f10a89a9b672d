"""One process per run: who may take a run over, who must wait, and what the one that lost it leaves alone."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agents import __main__ as program
from agents import attempts, heartbeat, lease
from agents.attempts import Attempts
from agents.lease import Held, Lease, Lost, identity, is_dead, living
from tests.agents.specs import ROOT, spec
from tests.agents.test_resume import finish, start
from tests.kills import begin, end

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


def test_the_living_keep_their_lease_however_long_they_are_silent(tmp_path):
    path = tmp_path / "lease.json"
    mine = Lease(path)
    for seconds in (0, 10_000):
        age(path, seconds)
        with pytest.raises(Held, match=f"process {os.getpid()} on .* works on this run, seen {seconds} s ago"):
            Lease(path)
    assert living(path) == f"process {os.getpid()} on {os.uname().nodename}"
    mine.release()
    assert not path.exists() and living(path) is None


def test_a_lease_of_a_dead_process_is_taken_at_once(tmp_path):
    path, gone = tmp_path / "lease.json", subprocess.Popen(["true"])
    gone.wait()
    for changes in ({"pid": gone.pid}, {"started": "1"}):  # gone; its number is used again
        written(path, **changes)
        assert is_dead(json.loads(path.read_text())) is True and living(path) is None
        Lease(path).release()
        assert not path.exists()


@pytest.mark.parametrize("changes", [{"boot": "b"}, {"namespace": "n"}, {"namespace": None}, {"boot": "", "host": "h"}])
@pytest.mark.parametrize("pid", [1, os.getpid(), 4_000_000])
def test_what_cannot_be_seen_from_here_is_alive_while_its_lease_is_renewed(changes, pid, tmp_path):
    """Its number tells nothing here: it may belong to nobody, to another, or to this very process."""
    path = tmp_path / "lease.json"
    written(path, pid=pid, **changes)
    assert is_dead(json.loads(path.read_text())) is None
    age(path, lease.STALE - 10)
    with pytest.raises(Held):
        Lease(path)
    age(path, 20)
    Lease(path).release()
    assert not path.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"pid": 1}', "\xff"])
def test_a_lease_that_cannot_be_read_holds_until_it_is_stale(text, tmp_path):
    path = tmp_path / "lease.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(Held, match="an unknown process works on this run"):
        Lease(path)
    age(path, lease.STALE + 1)
    Lease(path).release()


@pytest.mark.parametrize("skew", [-1e6, 1e6])
def test_ages_are_those_of_the_file_systems_clock(skew, tmp_path, monkeypatch):
    path, clock = tmp_path / "lease.json", time.time
    written(path, boot="another")
    monkeypatch.setattr(time, "time", lambda: clock() + skew)
    with pytest.raises(Held, match="seen 0 s ago"):
        Lease(path)
    age(path, lease.STALE + 1)
    mine = Lease(path)
    age(path, 100)
    mine.renew()
    assert abs(path.stat().st_mtime - clock()) < 60
    mine.release()


def test_who_lost_a_lease_finds_out_and_does_not_remove_the_new_one(tmp_path):
    path = tmp_path / "lease.json"
    mine = Lease(path)
    mine.renew()
    written(path, boot="another", token="its")
    before = path.read_bytes(), path.stat().st_mtime_ns
    with pytest.raises(Lost):
        mine.renew()
    mine.release()
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    path.unlink()
    with pytest.raises(Lost):
        mine.renew()
    mine.release()
    (tmp_path / "lease.json.lock").unlink()
    tmp_path.rmdir()
    mine.release()
    assert not tmp_path.exists()
    tmp_path.mkdir()


def test_of_many_that_take_one_lease_one_has_it(tmp_path):
    def one() -> int:
        while not (tmp_path / "go").exists():
            pass
        try:
            Lease(tmp_path / "lease.json")
        except Held:
            return 3
        while not (tmp_path / "end").exists():
            time.sleep(0.01)
        return 0

    for turn in range(5):
        if turn % 2:
            written(tmp_path / "lease.json", started="1")  # of a dead one
        children = [begin(one) for _ in range(4)]
        (tmp_path / "go").touch()
        codes = [os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(3)]
        (tmp_path / "end").touch()
        codes.append(os.waitstatus_to_exitcode(os.wait()[1]))
        assert codes == [3, 3, 3, 0] and len(children) == 4
        for name in ("go", "end"):
            (tmp_path / name).unlink()


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


@needs_namespaces
def test_the_same_process_number_on_the_same_host_is_no_identity(tmp_path, left_to_end):
    """A process of a container with this host's name cannot see the one that trains, and leaves its run alone."""
    run = spec(budget=1_000_000)
    process = start(run, tmp_path, seconds=1e9)
    left_to_end.append(process.pid)
    lying = tmp_path / "work" / run.name() / "lease.json"
    wait_for(lying.exists)
    before = lying.read_bytes()
    words = ["train", "--spec", run.canonical(), "--results", str(tmp_path), "--wait-seconds", "0"]
    other = subprocess.run(
        [*UNSHARE, sys.executable, "-m", "agents", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert other.returncode == 76, other.stderr
    assert f"process {process.pid} on {os.uname().nodename} works on this run, seen" in other.stderr
    assert lying.read_bytes() == before
    process.kill()
    assert finish(process) == -9
    left_to_end.clear()


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


@needs_namespaces
def test_a_stopped_process_that_lost_its_run_leaves_it_alone_and_the_other_ends_it(tmp_path, left_to_end, monkeypatch):
    monkeypatch.setattr(lease, "STALE", 2.0)
    monkeypatch.setattr(heartbeat, "EVERY", 0.1)
    run = spec(budget=3_000)
    assert finish(start(run, tmp_path / "calm", seconds=1e9)) == 0
    results, number, log = tmp_path / "results", tmp_path / "number", tmp_path / "log"
    work = results / "work" / run.name()
    log.touch()
    first = start(run, results)
    left_to_end.append(first.pid)
    wait_for(lambda: list(work.glob("checkpoints/manifest-*.json")))
    os.kill(first.pid, signal.SIGSTOP)
    second = elsewhere(run, results, log, number)
    left_to_end.append(second)
    wait_for(lambda: "resumed at frame" in log.read_text())
    assert f"process {first.pid} on {os.uname().nodename} works on this run" in log.read_text()
    left_to_end.append(int(number.read_text()))
    os.kill(left_to_end[-1], signal.SIGSTOP)
    before = content(work)
    os.kill(first.pid, signal.SIGCONT)
    assert finish(first) == 76
    assert "another process took this run over; leaving it alone" in (results / "log").read_text()
    assert content(work) == before
    os.kill(left_to_end[-1], signal.SIGCONT)
    assert end(second) == 0, log.read_text()
    folders = [folder / "runs" / run.name() for folder in (tmp_path / "calm", results)]
    for name in ("episodes", "evaluations", "learning", "summary"):
        one, two = (folder / f"{name}.parquet" for folder in folders)
        assert one.read_bytes() == two.read_bytes()
    one, two = (folder / "weights.pt" for folder in folders)
    assert one.read_bytes() == two.read_bytes()
    left_to_end.clear()


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
    assert attempts.read(tmp_path) == [] and Attempts(tmp_path).in_vain == 0 and attempts.memory(tmp_path, 100) == 100
