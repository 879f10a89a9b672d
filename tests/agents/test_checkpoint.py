"""Checkpoints: whole or not there, whatever breaks."""

import json
import os
import random
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from agents.run import checkpoint, files
from agents.run.checkpoint import Checkpoints

IDENTITY = {"digest": "d1", "fingerprint": "f1"}


def state(k: int) -> dict:
    nested = {"last_action": 3, "cars": [[1, np.int64(2)], None], "map": np.arange(6.0).reshape(2, 3)}
    return {"step": k, "weights": torch.full((50,), float(k)), "env": nested, "pair": (1, "x", True)}


def rows(start: int, stop: int) -> dict[str, np.ndarray]:
    return {
        "obs": (np.arange(start, stop) % 256).astype(np.uint8)[:, None],
        "last": np.zeros((stop - start, 1), bool),
    }


def log(*values: int) -> dict[str, pa.Table]:
    return {"episodes": pa.table({"frame": pa.array(values, pa.int64())})}


def fill(folder: Path, count: int = 2) -> list[str]:
    """`count` checkpoints of 10 rows each; -> what the store said."""
    said: list[str] = []
    store = Checkpoints(folder, IDENTITY, said.append)
    for k in range(1, count + 1):
        store.save(state(k), log(10 * k, 10 * k + 1), [(10 * k - 10, rows(10 * k - 10, 10 * k))], max(0, 10 * k - 25))
    return said


def load(folder: Path, identity: dict = IDENTITY) -> tuple[int | None, list[int], list[int], list[str]]:
    """-> step, row numbers of the replay, frames of the log, messages."""
    said: list[str] = []
    store = Checkpoints(folder, identity, said.append)
    saved = store.load()
    if saved is None:
        return None, [], [], said
    found = [first + i for first, arrays in saved.segments for i in range(len(arrays["obs"]))]
    frames = [x for table in store.history("episodes") for x in table["frame"].to_pylist()]
    return saved.state["step"], found, frames, said


def test_what_is_saved_comes_back(tmp_path):
    fill(tmp_path, 3)
    saved = Checkpoints(tmp_path, IDENTITY, print).load()
    assert saved.state["step"] == 3 and torch.equal(saved.state["weights"], torch.full((50,), 3.0))
    assert saved.state["env"]["cars"] == [[1, 2], None] and saved.state["pair"] == [1, "x", True]
    assert np.array_equal(saved.state["env"]["map"], np.arange(6.0).reshape(2, 3))
    step, found, frames, said = load(tmp_path)
    assert (step, said) == (3, [])
    assert found == list(range(0, 30)) and frames == [10, 11, 20, 21, 30, 31]


def test_old_segments_and_manifests_are_dropped_and_log_parts_joined(tmp_path):
    fill(tmp_path, 70)
    step, found, frames, _ = load(tmp_path)
    assert step == 70 and found == list(range(670, 700))  # rows from 675 on live in three segments
    assert frames == [x for k in range(1, 71) for x in (10 * k, 10 * k + 1)]
    names = sorted(p.name for p in tmp_path.iterdir())
    assert [n for n in names if n.startswith("manifest")] == ["manifest-69.json", "manifest-70.json"]
    assert len([n for n in names if n.startswith("episodes")]) <= checkpoint.MERGE_PARTS
    assert len([n for n in names if n.startswith("replay")]) == 4


def test_every_damage_is_noticed_and_the_previous_checkpoint_used(tmp_path):
    fill(tmp_path / "good")
    newest = json.loads((tmp_path / "good" / "manifest-2.json").read_text())
    older = json.loads((tmp_path / "good" / "manifest-1.json").read_text())
    own = [*sorted(set(newest["sha256"]) - set(older["sha256"])), "manifest-2.json"]
    rng = random.Random(0)
    for trial in range(300):
        shutil.copytree(tmp_path / "good", tmp_path / "bad")
        name = own[trial % len(own)]
        data = bytearray((tmp_path / "bad" / name).read_bytes())
        kind = trial % 3
        if kind == 0:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)  # a flipped bit
        elif kind == 1:
            del data[rng.randrange(len(data)) :]  # cut short, or empty
        (tmp_path / "bad" / name).write_bytes(data)
        if kind == 2:
            (tmp_path / "bad" / name).unlink()
        step, found, frames, said = load(tmp_path / "bad")
        assert (step, found, frames) == (1, list(range(10)), [10, 11]), (name, kind)
        assert (kind == 2 and name.startswith("manifest")) or said[0].startswith("manifest-2.json is not used: ")
        shutil.rmtree(tmp_path / "bad")


def test_a_checkpoint_written_after_a_fallback_keeps_the_good_one(tmp_path):
    fill(tmp_path)
    (tmp_path / "state-2.zst").write_bytes(b"")
    store = Checkpoints(tmp_path, IDENTITY, lambda text: None)
    assert store.load().state["step"] == 1
    store.save(state(9), log(99), [(10, rows(10, 12))], 0)
    assert load(tmp_path)[:3] == (9, list(range(12)), [10, 11, 99])
    (tmp_path / "manifest-3.json").unlink()
    assert load(tmp_path)[0] == 1


@pytest.mark.parametrize("key", ["digest", "fingerprint"])
def test_a_foreign_checkpoint_is_named_and_not_loaded(key, tmp_path):
    fill(tmp_path)
    step, *_, said = load(tmp_path, {**IDENTITY, key: "other"})
    assert step is None
    assert (
        said[0] == f"manifest-2.json is not used: it belongs to another {key}: '{IDENTITY[key]}', this run has 'other'"
    )


def test_a_checkpoint_of_another_format_is_not_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "FORMAT", 99)
    fill(tmp_path)
    monkeypatch.undo()
    step, *_, said = load(tmp_path)
    assert step is None and "format 99" in said[0]


def test_pickled_code_is_refused(tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sentinel"),)

    with pytest.raises(Exception, match="Weights only"):
        checkpoint._unpack(checkpoint._pack({"x": Bomb()}))
    assert not (tmp_path / "sentinel").exists()


class Crash(BaseException):
    """The process dies here."""


class Doom:
    """Lets `left` wrapped calls pass and dies at the next."""

    def __init__(self, left: int):
        self.left = left

    def __call__(self, function):
        def call(*args, **kwargs):
            self.left -= 1
            if self.left < 0:
                raise Crash
            return function(*args, **kwargs)

        return call


def test_a_crash_at_any_write_leaves_the_old_or_the_new_checkpoint(tmp_path, monkeypatch):
    """Exhaustive: every open, fsync, rename and unlink of a save is made the last thing that happens, in turn."""
    outcomes = []
    for fatal in range(200):
        folder, dying = tmp_path / str(fatal), Doom(fatal)
        fill(folder)
        with monkeypatch.context() as patch:
            patch.setattr(files.os, "replace", dying(os.replace))
            patch.setattr(files.os, "fsync", dying(os.fsync))
            patch.setattr(files, "open", dying(open), raising=False)
            patch.setattr(Path, "unlink", dying(Path.unlink))
            store = Checkpoints(folder, IDENTITY, print)
            store.load()
            try:
                store.save(state(3), log(30), [(20, rows(20, 30))], 0)
                died = False
            except Crash:
                died = True
        step, found, frames, said = load(folder)
        assert said == []
        assert (step, found, frames) in [
            (2, list(range(20)), [10, 11, 20, 21]),
            (3, list(range(30)), [10, 11, 20, 21, 30]),
        ]
        outcomes.append(step)
        store = Checkpoints(folder, IDENTITY, print)
        store.load()
        store.save(state(7), log(70), [(found[-1] + 1, rows(found[-1] + 1, 40))], 0)
        assert load(folder)[:2] == (7, list(range(40)))
        if not died:
            break
    assert 15 < len(outcomes) < 100 and outcomes == sorted(outcomes) and set(outcomes) == {2, 3}


def test_a_failed_save_leaves_no_litter(tmp_path, monkeypatch):
    fill(tmp_path)
    before = sorted(p.name for p in tmp_path.iterdir())
    monkeypatch.setattr(files.os, "replace", lambda *a: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    store = Checkpoints(tmp_path, IDENTITY, print)
    store.load()
    with pytest.raises(OSError, match="No space left"):
        store.save(state(3), log(30), [(20, rows(20, 30))], 0)
    assert sorted(p.name for p in tmp_path.iterdir()) == before
