"""The store of finished runs: whole or not there, whoever is killed, whatever is damaged, on any file system."""

import errno
import functools
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agents import __main__ as program
from agents.run import store as sealed
from agents.run.files import beside, told, write_atomic
from agents.run.store import CODE, MANIFEST, NO_LINKS, Store, problem, read
from tests.agents.specs import ROOT, spec
from tests.agents.test_studies import walk
from tests.kills import DAMAGES, begin, damage, die_at, end, forked

DIGEST, CODES = "d" * 64, ("a" * 64, "b" * 64)
NAMES = ("run.json", "summary.parquet", "weights.pt")


def write(folder: Path) -> None:
    for name in (*NAMES, CODE):
        write_atomic(folder / name, f"the {name}".encode() * 20)


def seal(store: Store, run: str = "dqn.x.s0.dddd", code: str = CODES[0]) -> sealed.Sealed:
    return read(store.seal(run, DIGEST, code, write))


def tree(folder: Path) -> set[str]:
    """All files, also those that should not be there."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_result_is_found_by_its_spec_and_code_and_shown_by_links(tmp_path):
    store = Store(tmp_path)
    one = seal(store)
    store.show(one)
    assert one.folder == tmp_path / "store" / DIGEST / ("a" * 16) == store.folder(DIGEST, CODES[0])
    assert (one.run, one.digest, one.fingerprint) == ("dqn.x.s0.dddd", DIGEST, CODES[0])
    assert one.files.keys() == {*NAMES, CODE}
    assert tree(tmp_path) == {
        *(f"store/{DIGEST}/{'a' * 16}/{name}" for name in (*NAMES, CODE, MANIFEST)),
        *(f"runs/{one.run}/{name}" for name in NAMES),
        f"sealed/{one.run}/{'a' * 16}",
    }
    for name in NAMES:
        assert os.path.samefile(one.folder / name, tmp_path / "runs" / one.run / name)
    mark = tmp_path / "sealed" / one.run / ("a" * 16)
    assert mark.read_text() == json.loads((one.folder / MANIFEST).read_text())["seal"]
    assert mark.stat().st_mtime_ns == (one.folder / MANIFEST).stat().st_mtime_ns
    assert store.is_shown(one) and list(store.results_of(DIGEST)) == [one.folder]
    assert all(not path.stat().st_mode & 0o222 for path in one.folder.iterdir()), "an editor must not save into these"
    assert problem(one.folder, thorough=True) is None
    mark.unlink()
    assert not store.is_shown(one)
    store.show(one)
    (tmp_path / "runs" / one.run / "run.json").unlink()
    assert not store.is_shown(one)


def test_the_newest_code_that_has_a_whole_result_comes_first(tmp_path):
    store = Store(tmp_path)
    old, new = (seal(store, code=code) for code in CODES)
    os.utime(old.folder / MANIFEST, ns=(1, 1))
    assert store.codes(DIGEST) == ["b" * 16, "a" * 16]
    (new.folder / "run.json").unlink()
    assert store.codes(DIGEST) == ["a" * 16] and store.codes("e" * 64) == []


def test_copied_and_touched_files_are_whole_and_get_their_times_again(tmp_path, monkeypatch):
    one = seal(Store(tmp_path / "a"))
    shutil.copytree(tmp_path / "a", tmp_path / "b", copy_function=shutil.copyfile)
    copy = read(Store(tmp_path / "b").folder(DIGEST, CODES[0]))
    assert copy.files == one.files and problem(copy.folder) is None
    sealed.refresh(copy)
    looked_into = []
    monkeypatch.setattr(sealed, "digest_of", looked_into.append)
    assert problem(copy.folder) is None and looked_into == []


@pytest.mark.parametrize("number", NO_LINKS, ids=errno.errorcode.get)
def test_where_there_are_no_links_copies_are_shown(number, tmp_path, monkeypatch):
    store = Store(tmp_path)
    one = seal(store)

    def refuse(*_) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    store.show(one)
    for name in NAMES:
        shown = tmp_path / "runs" / one.run / name
        assert shown.read_bytes() == (one.folder / name).read_bytes() and not os.path.samefile(shown, one.folder / name)
    assert store.is_shown(one)
    (tmp_path / "runs" / one.run / "run.json").chmod(0o644)
    (tmp_path / "runs" / one.run / "run.json").write_text("edited")
    assert not store.is_shown(one) and problem(one.folder, thorough=True) is None
    store.show(one)
    assert store.is_shown(one)
    assert not [name for name in tree(tmp_path) if ".part" in name]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS], ids=errno.errorcode.get)
def test_other_failures_to_link_are_failures(number, tmp_path, monkeypatch):
    store = Store(tmp_path)
    one = seal(store)
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(number, os.strerror(number))))
    with pytest.raises(OSError, match=os.strerror(number)):
        store.show(one)
    assert not store.is_shown(one)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a disk needs root")
def test_across_file_systems_copies_are_shown(tmp_path):
    store, disk = Store(tmp_path), tmp_path / "runs"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=True)
    try:
        one = seal(store)
        store.show(one)
        assert (disk / one.run / "run.json").stat().st_dev != (one.folder / "run.json").stat().st_dev
        assert (disk / one.run / "run.json").read_bytes() == (one.folder / "run.json").read_bytes()
        assert store.is_shown(one)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize("damaged", [False, True])
def test_of_many_that_seal_the_same_at_once_one_result_stays(damaged, tmp_path):
    store = Store(tmp_path)

    def one() -> None:
        while not (tmp_path / "go").exists():
            pass
        store.show(seal(store))

    for _ in range(8):
        if damaged:
            damage(seal(store).folder / "run.json", "cut", random.Random(0))
        children = [begin(one, tmp_path / "log") for _ in range(4)]
        (tmp_path / "go").touch()
        assert [end(child) for child in children] == [0] * 4, (tmp_path / "log").read_text()
        found = store.folder(DIGEST, CODES[0])
        assert problem(found, thorough=True) is None and store.is_shown(read(found))
        assert len(tree(tmp_path)) == 5 + 3 + 1 + 2, "something is left over"
        (tmp_path / "go").unlink()
        shutil.rmtree(tmp_path / "store")


def test_what_a_killed_process_left_goes_also_where_another_one_showed_the_result_meanwhile(tmp_path):
    store = Store(tmp_path)
    one = seal(store)
    store.show(one)
    expected, mark = tree(tmp_path), store.mark(one.run, one.fingerprint)
    for path in (mark, tmp_path / "runs" / one.run / "run.json"):
        beside(path).touch()
    beside(one.folder).mkdir()
    os.utime(mark)  # killed before the mark was given its time
    store.show(one)
    assert tree(tmp_path) == expected and list(one.folder.parent.iterdir()) == [one.folder]
    assert mark.stat().st_mtime_ns == (one.folder / MANIFEST).stat().st_mtime_ns


def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    store = Store(tmp_path)
    one = seal(store)
    damage(one.folder / "run.json", "cut", random.Random(0))
    before = {name: (tmp_path / name).read_bytes() for name in tree(tmp_path)}
    monkeypatch.setattr(sealed.os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    with pytest.raises(OSError, match="full"):
        seal(store)
    assert {name: (tmp_path / name).read_bytes() for name in tree(tmp_path)} == before


def test_every_damage_is_noticed(tmp_path):
    """Each file of a result, each kind of damage: a quick look sees its size or its new time, a thorough one all."""
    one, rng = seal(Store(tmp_path / "good")), random.Random(0)
    for name in (*one.files, MANIFEST):
        for how in DAMAGES:
            for keep_time in (False, True):
                for _ in range(8 if how in ("flip", "cut") else 1):
                    bad = tmp_path / "bad" / DIGEST / one.folder.name
                    shutil.copytree(one.folder, bad)
                    damage(bad / name, how, rng, keep_time)
                    quick, thorough = problem(bad), problem(bad, thorough=True)
                    assert thorough is not None and (name in thorough or name == MANIFEST), (name, how)
                    assert quick == thorough or (how, keep_time, quick) == ("flip", True, None), (name, how)
                    shutil.rmtree(tmp_path / "bad")
    assert problem(one.folder, thorough=True) is None


def test_a_result_in_the_place_of_another_is_not_taken_for_it(tmp_path):
    store = Store(tmp_path)
    one = seal(store)
    shutil.copytree(one.folder, store.folder(DIGEST, CODES[1]), copy_function=shutil.copy2)
    assert problem(store.folder(DIGEST, CODES[1])) == "manifest.json is damaged (it belongs to another run or code)"
    assert store.codes(DIGEST) == ["a" * 16]


def train(run, results: Path, *options: str) -> int:
    return program.main(["train", "--spec", run.canonical(), "--results", str(results), *options])


def test_killed_at_any_write_a_result_is_whole_or_absent_and_the_next_start_makes_it_whole(tmp_path, monkeypatch):
    """Exhaustive: each call of a whole training that changes the disk is made the last thing its process does."""
    monkeypatch.setattr(program, "Code", functools.cache(program.Code))  # read once, not in each fork
    run = walk(14)
    assert train(run, tmp_path / "calm") == 0
    calm = next(Store(tmp_path / "calm").results_of(run.digest()))
    expected, kinds, seen = tree(tmp_path / "calm"), set(), []
    for fatal in range(400):
        results = tmp_path / str(fatal)

        def doomed(results: Path = results, fatal: int = fatal) -> int:
            die_at(fatal)
            return train(run, results)

        died = forked(doomed, tmp_path / "log")
        folder = Store(results).folder(run.digest(), calm.name)
        kinds.add(wrong := problem(folder, thorough=True))
        seen.append(wrong is None)
        if died != 0:
            assert died == -9, (tmp_path / "log").read_text()
            assert forked(lambda results=results: train(run, results), tmp_path / "log") == 0
        assert problem(folder, thorough=True) is None and Store(results).is_shown(read(folder))
        assert tree(results) == expected, "something is missing or left over"
        assert (folder / "summary.parquet").read_bytes() == (calm / "summary.parquet").read_bytes()
        shutil.rmtree(results)
        if died == 0:
            break
    assert died == 0 and kinds == {None, "there is none"} and seen == sorted(seen)
    assert 60 < len(seen) < 200 and 10 < sum(seen), "fewer calls than there must be: the hooks are not where they were"
    assert (tmp_path / "log").read_text().count("nothing is trained") == sum(seen) - 1


def test_a_sealed_result_is_shown_again_without_torch(tmp_path):
    run = walk(14)
    assert train(run, tmp_path) == 0
    shutil.rmtree(tmp_path / "runs")
    shutil.rmtree(tmp_path / "sealed")
    program_text = (
        "import sys; from agents.__main__ import main; code = main();"
        "sys.exit(code or [m for m in ('torch', 'numpy', 'pyarrow', 'numba') if m in sys.modules] or None)"
    )
    words = ["train", "--spec", run.canonical(), "--results", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", program_text, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "was finished before" in done.stderr
    assert Store(tmp_path).is_shown(read(next(Store(tmp_path).results_of())))


def test_a_damaged_result_is_trained_again(tmp_path, capsys):
    run = walk(14)
    assert train(run, tmp_path) == 0
    folder = next(Store(tmp_path).results_of())
    before = (folder / "summary.parquet").read_bytes()
    damage(folder / "summary.parquet", "flip", random.Random(1), keep_time=True)  # nothing but the bit tells
    assert problem(folder) is None
    capsys.readouterr()
    assert train(run, tmp_path) == 0
    said = capsys.readouterr().err
    assert "is not used: summary.parquet is damaged: its checksum does not fit" in said and "started" in said
    assert (folder / "summary.parquet").read_bytes() == before and problem(folder, thorough=True) is None
    assert os.path.samefile(folder / "summary.parquet", tmp_path / "runs" / run.name() / "summary.parquet")


def test_another_code_is_refused_before_anything_is_done(tmp_path, capsys):
    run = walk(14)
    assert train(run, tmp_path, "--code", "0123456789abcdef") == 77
    assert "the code was edited after this run was planned (with 0123456789abcdef)" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert train(run, tmp_path) == 0
    code = next(Store(tmp_path).results_of()).name
    assert train(run, tmp_path, "--code", code) == 0 and "was finished before" in capsys.readouterr().err


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT], ids=errno.errorcode.get)
def test_a_full_disk_and_a_used_up_quota_are_told_as_such(number, tmp_path):
    text = told(OSError(number, os.strerror(number), "x/y"), tmp_path / "not" / "there")
    assert text.startswith(f"cannot write to x/y: {os.strerror(number)}. What was saved before is whole; free some")


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES, errno.EROFS, errno.EIO, errno.ENOTDIR, errno.EMFILE])
def test_no_other_failure_is_told_as_a_full_disk(number, tmp_path):
    assert told(OSError(number, os.strerror(number), "x/y"), tmp_path) == f"cannot write to x/y: {os.strerror(number)}"
    assert told(OSError("odd"), tmp_path) == f"cannot write to {tmp_path}: odd"


def test_what_a_killed_process_left_of_a_finished_runs_work_is_removed_unless_it_was_kept(tmp_path):
    run, kept = walk(14), tmp_path / "work" / walk(14).name()
    assert train(run, tmp_path) == 0
    (kept / "checkpoints").mkdir(parents=True)
    assert train(run, tmp_path) == 0 and not kept.exists()
    kept.mkdir()
    starts = [{"time": time.time(), "ended": "saved", "peak_mb": None}]
    (kept / "attempts.json").write_text(json.dumps(starts))
    assert train(run, tmp_path) == 0 and kept.exists()
    (kept / "attempts.json").write_text(json.dumps([starts[0] | {"ended": None}]))
    assert train(run, tmp_path) == 0 and not kept.exists()


def test_the_weights_are_plain_tensors_and_those_of_the_recorded_hash(tmp_path):
    import torch

    from agents.run.files import sha256

    run = spec(budget=400)
    assert train(run, tmp_path) == 0
    folder = tmp_path / "runs" / run.name()
    weights = torch.load(folder / "weights.pt", weights_only=True)
    assert list(weights) == sorted(weights) and all(type(value) is torch.Tensor for value in weights.values())
    joined = b"".join(weights[name].numpy().tobytes() for name in sorted(weights))
    assert sha256(joined) == json.loads((folder / "run.json").read_text())["parameters_sha256"]
