"""Who works on a run: leases of the living, the dead, the stopped, and of processes that cannot be seen from here."""

import contextlib
import errno
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest

from agents import __main__ as program
from agents.run import files, lease
from agents.run.identity import identity, is_dead
from agents.run.lease import Held, Lease, Lost, living
from tests.agents.specs import spec

ROOT = Path(__file__).parents[2]
FORK = multiprocessing.get_context("fork")
ELSEWHERE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")  # same host name, other process numbers


@pytest.fixture(scope="module")
def elsewhere() -> tuple[str, ...]:
    """Words before a command that run it where the processes of here cannot be seen."""
    if not shutil.which("unshare"):
        pytest.skip("unshare is not installed")
    tried = subprocess.run([*ELSEWHERE, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no process namespace can be made here: {tried.stderr.strip()}")
    return ELSEWHERE


def gone() -> dict:
    """A process of this machine that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return {**identity(), "pid": process.pid, "started": "1"}


def age(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lease.json"


def test_the_living_are_left_alone_however_long_they_are_silent(path):
    mine = Lease(path)
    for seconds, told in ((0, r"seen \d s ago \("), (1_000, r"seen 100\d s ago; it may be stopped or stuck")):
        age(path, seconds)
        with pytest.raises(Held, match=f"process {os.getpid()} on .* works on this run, {told}") as held:
            Lease(path)
        assert held.value.owner == living(path) == f"process {os.getpid()} on {identity()['host']}"
    mine.renew()
    mine.release()
    assert files_in(path.parent) == [] and living(path) is None
    mine.release()
    Lease(path).release()


@pytest.mark.parametrize("change", [{}, {"pid": os.getpid()}], ids=["its number is free", "its number is used again"])
def test_leases_of_the_dead_are_taken_over_at_once(path, change):
    path.write_text(json.dumps({"token": "a" * 32, **gone(), **change}))
    assert living(path) is None
    lease = Lease(path)
    assert json.loads(path.read_text())["pid"] == os.getpid() and files_in(path.parent) == ["lease.json"]
    lease.release()
    assert files_in(path.parent) == []


def test_a_process_that_ended_and_is_not_collected_is_dead():
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    started = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19]
    owner = {**identity(), "pid": process.pid, "started": started}
    assert is_dead(owner) is False
    process.stdin.close()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert Path(f"/proc/{process.pid}/stat").exists() and is_dead(owner) is True
    process.wait()
    assert is_dead(owner) is True


@pytest.mark.parametrize(
    "owner",
    [
        {**gone(), "host": "elsewhere", "boot": "another"},
        {**gone(), "boot": "another"},
        {**gone(), "namespace": "pid:[1]"},
        {"host": identity()["host"], "pid": 1, "started": "1"},  # as earlier versions wrote it
        {},
    ],
    ids=["another host", "another boot", "another namespace", "no boot and namespace", "nothing"],
)
@pytest.mark.parametrize("text", [json.dumps, lambda owner: ""], ids=["whole", "torn"])
def test_who_cannot_be_seen_lives_while_the_lease_is_renewed(path, owner, text):
    assert is_dead(owner) is None
    path.write_text(text(owner))
    for seconds in (0, 100, -100):
        age(path, seconds)
        with pytest.raises(Held, match=f"works on this run, seen {max(0, seconds)} s ago"):
            Lease(path)
        assert files_in(path.parent) == ["lease.json"], "a look leaves nothing behind"
    for seconds in (1_000, -1_000):  # in the future is no renewal either
        path.write_text(text(owner))
        age(path, seconds)
        Lease(path, stale=0.3).release()
        assert files_in(path.parent) == []


@pytest.mark.parametrize("ahead", [-3_600, 3_600])
def test_a_clock_that_is_wrong_takes_no_run_away(path, ahead, monkeypatch):
    path.write_text(json.dumps({"token": "a" * 32, **identity(), "boot": "another"}))
    age(path, 1)
    monkeypatch.setattr(lease, "time", SimpleNamespace(time=lambda: time.time() + ahead))
    with pytest.raises(Held, match="seen 1 s ago"):  # this host's clock does not count
        Lease(path, stale=60)

    # Renewals are stamped an hour off, as where each host stamps files with its own clock: they still are renewals.
    watched = []

    def renew(seconds: float) -> None:
        watched.append(seconds)
        age(path, -ahead - 2)

    age(path, -ahead)
    monkeypatch.setattr(lease, "time", SimpleNamespace(sleep=renew))
    with pytest.raises(Held, match="works on this run, seen 0 s ago"):
        Lease(path, stale=60)
    assert watched == [10.0] and json.loads(path.read_text())["token"] == "a" * 32
    monkeypatch.setattr(lease, "time", SimpleNamespace(sleep=watched.append))
    Lease(path, stale=60).release()
    assert watched == [10.0, 10.0] and files_in(path.parent) == []


def wait_until(true, seconds: float = 180.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.005)


def test_who_was_taken_over_finds_out_and_touches_nothing(path):
    stopped = Lease(path)
    body = json.loads(path.read_text())
    path.write_text(json.dumps({**body, "boot": "another"}))  # as seen from elsewhere
    age(path, 1_000)
    heir = Lease(path, stale=0.1)
    before = path.read_bytes(), path.stat().st_mtime_ns
    with pytest.raises(Lost, match=f"process {os.getpid()} on .* took this run over"):
        stopped.renew()
    stopped.release()
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    heir.renew()
    heir.release()
    with pytest.raises(Lost, match="somebody removed the lease"):
        heir.renew()
    assert files_in(path.parent) == []


def test_an_heir_that_died_on_the_way_has_an_heir(path):
    path.write_text(json.dumps({"token": "a" * 32, **gone()}))
    path.with_name(f".lease.json.{'a' * 32}.heir").write_text(json.dumps({"token": "b" * 32, **gone()}))
    path.with_name(f".lease.json.{'c' * 32}.heir").write_text(json.dumps({"token": "d" * 32, **gone()}))
    heir = Lease(path)
    assert files_in(path.parent) == ["lease.json"]
    heir.renew()
    path.with_name(f".lease.json.{heir._mine['token']}.heir").write_text(json.dumps({"token": "e" * 32, **identity()}))
    with pytest.raises(Lost):  # while another is taking it over
        heir.renew()
    with pytest.raises(Held):
        Lease(path)
    heir.release()
    assert len(files_in(path.parent)) == 2


def contend(path: Path, number: int, turns: int) -> None:
    """Take the run again and again, dying in half of the cases; inside, nobody else may be."""
    rng, dead = random.Random(number), gone()
    while turns:
        try:
            mine = Lease(path)
        except Held:
            continue
        inside = os.open(path.with_name("inside"), os.O_CREAT | os.O_EXCL)  # raises where two are in
        os.close(inside)
        mine.renew()
        with open(path.with_name("count"), "a") as file:
            file.write(f"{number}\n")
        os.unlink(path.with_name("inside"))
        if rng.random() < 0.5:
            mine.release()
        else:  # as if this process were gone
            body = path.with_name(f"dead{number}")
            body.write_text(json.dumps({**mine._mine, **dead}))
            os.replace(body, path)
        turns -= 1


def test_of_many_that_see_a_dead_lease_one_takes_it(path):
    pool = [FORK.Process(target=contend, args=(path, number, 150)) for number in range(4)]
    for process in pool:
        process.start()
    for process in pool:
        process.join(120)
    assert [process.exitcode for process in pool] == [0] * 4
    assert path.with_name("count").read_text().count("\n") == 600


def test_another_process_namespace_does_not_take_a_renewed_lease(path, elsewhere):
    taker = (
        "import sys; from pathlib import Path; from agents.run.lease import Lease\nLease(Path(sys.argv[1]), stale=0.5)"
    )
    command = [*elsewhere, sys.executable, "-c", taker, str(path)]
    mine = Lease(path)
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert f"Held: process {os.getpid()} on {identity()['host']} works on this run" in told.stderr
    mine.renew()
    age(path, 1_000)
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
    with pytest.raises(Lost):
        mine.renew()
    assert living(path) == f"process {json.loads(path.read_text())['pid']} on {identity()['host']}"


def test_a_stopped_training_that_was_taken_over_leaves_without_a_trace(tmp_path, elsewhere):
    run = spec(budget=5_000)
    work = tmp_path / "work" / run.name()
    command = [sys.executable, "-m", "agents", "train", "--spec", run.canonical(), "--results", str(tmp_path)]

    def train(*before: str, seconds: float, log: str) -> subprocess.Popen:
        environment = os.environ | {"PAPER_ARCADE_STALE_SECONDS": "0.6"}
        with open(tmp_path / log, "w") as out:
            words = [*before, *command, "--checkpoint-seconds", str(seconds)]
            return subprocess.Popen(words, cwd=ROOT, env=environment, stderr=out)

    a = train(seconds=0.1, log="a")
    wait_until(lambda: list(work.glob("checkpoints/manifest-*.json")))
    a.send_signal(signal.SIGSTOP)
    age(work / "lease.json", 1_000)
    b = train(*elsewhere, seconds=1e9, log="b")
    wait_until(lambda: "resumed" in (tmp_path / "b").read_text())
    token = json.loads((work / "lease.json").read_text())["token"]
    saved = files_in(work / "checkpoints")
    a.send_signal(signal.SIGCONT)
    assert a.wait(60) == program.IN_USE
    said = (tmp_path / "a").read_text()
    assert "took this run over" in said and "free some space" not in said
    if b.poll() is None:  # else it has removed them
        with contextlib.suppress(FileNotFoundError):
            assert json.loads((work / "lease.json").read_text())["token"] == token
            assert files_in(work / "checkpoints") == saved
    assert b.wait(120) == 0
    facts = json.loads((tmp_path / "runs" / run.name() / "run.json").read_text())
    assert (facts["status"], facts["frames"], facts["resumes"]) == ("finished", 5_000, 1)
    evaluations = pq.read_table(tmp_path / "runs" / run.name() / "evaluations.parquet").column("frame").to_pylist()
    assert sorted(set(evaluations)) == list(range(0, 5_001, 1_000)) and len(evaluations) == 6 * 5


def test_only_a_full_disk_is_told_as_one(tmp_path):
    gone = tmp_path / "a" / "b"
    for number in (errno.ENOSPC, errno.EDQUOT):
        said = files.told(OSError(number, os.strerror(number), str(gone / "x")), gone)
        assert said.startswith(f"cannot write to {gone}/x: {os.strerror(number)}. What was saved before is whole; free")
        assert ("MiB are free" in said) == (number == errno.ENOSPC)
    for number in (errno.ENOENT, errno.EACCES, errno.EROFS, errno.EIO, errno.ESTALE):
        said = files.told(OSError(number, os.strerror(number)), gone)
        assert said == f"cannot write to {gone}: {os.strerror(number)}"
    assert files.told(OSError("no number at all"), gone) == f"cannot write to {gone}: no number at all"


def write(path: Path, text: str) -> None:
    for _ in range(1_000):
        files.write_atomic(path, text.encode() * 1_000, durable=False)


def test_writers_of_one_file_do_not_disturb_each_other(tmp_path):
    path = tmp_path / "file"
    pool = [FORK.Process(target=write, args=(path, letter)) for letter in "ab"]
    pool += [threading.Thread(target=write, args=(path, letter)) for letter in "cd"]  # of one process
    for each in pool:
        each.start()
    for each in pool:
        each.join()
    assert [each.exitcode for each in pool[:2]] == [0, 0]
    text = path.read_text()
    assert text == text[0] * 1_000 and files_in(tmp_path) == ["file"]
