"""What the starts of a run tell: whether memory was short, and how far it is."""

import contextlib
import json
from pathlib import Path

import pytest

from agents.run.attempts import Attempts, memory, read, saved, was_cut_off


def vanish(work: Path, peak_mb: float | None) -> None:
    """A start that ends without a word, `peak_mb` being in its last sign of life."""
    attempts = Attempts(work)
    attempts.begin()
    if peak_mb is not None:
        beat = {"peak_mb": peak_mb, "time": attempts.starts[-1]["time"]}
        (work / "heartbeat.json").write_text(json.dumps(beat))


def end(work: Path, error: BaseException | None = None) -> None:
    """A start that ends in a Python process that lives to say so."""
    with contextlib.suppress(MemoryError, OSError, SystemExit), Attempts(work):
        if error:
            raise error


@pytest.mark.parametrize(
    ("peaks", "asked"),
    [
        ([], 1000),
        ([None], 1000),  # no sign of life: who knows
        ([799.9], 1000),
        ([800.0], 2000),
        ([1200.0], 2000),  # one that used more than it asked for is no two that did
        ([799.9, 800.0], 2000),
        ([800.0, 1599.0], 2000),  # the second had 2000
        ([800.0, 1600.0], 3000),
        ([800.0, 1600.0, 2400.0], 4000),
        ([800.0, None], 2000),
    ],
)
def test_memory_grows_with_each_start_that_vanished_while_it_filled_it(tmp_path: Path, peaks, asked: int):
    for peak in peaks:
        vanish(tmp_path, peak)
    assert memory(tmp_path, 1000) == asked
    assert Attempts(tmp_path).starts == read(tmp_path)


def test_a_sign_of_life_of_an_earlier_start_is_not_the_newest_ones(tmp_path: Path):
    vanish(tmp_path, 500.0)
    vanish(tmp_path, None)
    assert [start["peak_mb"] for start in read(tmp_path)] == [500.0, None]
    (tmp_path / "heartbeat.json").write_text(json.dumps({"peak_mb": 900.0, "time": 0}))
    assert [start["peak_mb"] for start in read(tmp_path)] == [500.0, None]
    assert memory(tmp_path, 1000) == 1000


@pytest.mark.parametrize(
    ("error", "ended", "asked"),
    [
        (None, "saved", 1000),
        (MemoryError(), "memory", 2000),
        (OSError(28, "full"), "failed", 1000),
        (SystemExit(1), "failed", 1000),
    ],
)
def test_a_start_that_can_tell_how_it_ends(tmp_path: Path, error, ended: str, asked: int):
    vanish(tmp_path, 990.0)  # else it would be no test that a peak does not count here
    (tmp_path / "attempts.json").unlink()
    end(tmp_path, error)
    assert [start["ended"] for start in read(tmp_path)] == [ended]
    assert memory(tmp_path, 1000) == asked
    assert was_cut_off(read(tmp_path)[-1]) == (ended == "saved")


def test_being_cut_off_asks_for_no_more_memory_however_full_it_was(tmp_path: Path):
    for _ in range(9):
        attempts = Attempts(tmp_path)
        attempts.begin()
        time = attempts.starts[-1]["time"]
        (tmp_path / "heartbeat.json").write_text(json.dumps({"peak_mb": 999.0, "time": time}))
        attempts.end("saved")
    assert memory(tmp_path, 1000) == 1000
    assert len(read(tmp_path)) == 9


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '[{"frame": 1}]', "null"])
def test_a_damaged_book_is_begun_anew(tmp_path: Path, text: str):
    (tmp_path / "attempts.json").write_text(text)
    assert read(tmp_path) == [] and memory(tmp_path, 1000) == 1000


def test_the_end_of_a_finished_run_is_not_booked(tmp_path: Path):
    attempts = Attempts(tmp_path / "gone")
    attempts.starts = [{"time": 0.0, "ended": None, "peak_mb": None}]
    attempts.end("saved")
    assert not (tmp_path / "gone").exists()


def test_how_far_a_run_is_by_the_number_of_its_newest_checkpoint(tmp_path: Path):
    folder = tmp_path / "checkpoints"
    assert saved(tmp_path) is None
    folder.mkdir()
    assert saved(tmp_path) is None
    (folder / "manifest-10.json").write_text('{"frame": 5000}')
    (folder / "manifest-9.json").write_text('{"frame": 4000}')  # younger by its time: copied, say
    (folder / "manifest-old.json").write_text('{"frame": 1}')
    assert saved(tmp_path) == 5000
    (folder / "manifest-11.json").write_text("{")
    assert saved(tmp_path) is None
    (tmp_path / "file").write_text("")
    assert saved(tmp_path / "file") is None
