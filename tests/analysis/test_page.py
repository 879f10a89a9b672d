"""What the page says of claims, pictures, runs, settings and cost: each against what was worked out by hand."""

import base64
import gzip
import hashlib
import json
import time

import pandas as pd
import pytest

from analysis.errors import UserError
from analysis.page import alt, cite, cost, curves, drawn, front, runs, settings
from analysis.reference import Reference
from tests.analysis.conftest import REFERENCE

ABOUT = {"kind": "learning_curves", "metric": "evaluation_return", "normalisation": "raw",
         "axes": ["Environment frames", "Score"], "colours": {"DQN": "#0173b2"}}  # fmt: skip


def _table(*lines, names="panel label role frame value low high n hours"):
    return pd.DataFrame(lines, columns=names.split())


CURVES = _table(
    ("atari/pong", "DQN", "curve", 1000, -20.70001, -21.0, -20.0, 3, 0.5),
    ("atari/pong", "DQN", "curve", 2000, 14.6, 14.0, 15.0, 3, 1.0),
    ("atari/pong", "DQN seed 0", "seed", 2000, 14.0, None, None, 1, None),
    ("atari/pong", "random policy", "reference", None, -20.7, None, None, 2, None),
)


def test_curves_are_kept_short_and_can_be_normalised():
    text = curves.explorable(ABOUT, CURVES, Reference(REFERENCE))
    found = json.loads(gzip.decompress(base64.b64decode(text)))
    assert found["labels"] == [["DQN", "#0173b2"], ["DQN seed 0", "#0173b2"], ["random policy", ""]]
    assert (found["x"], found["y"], found["raw"], found["normalised"]) == (
        "Environment frames", "Score", True, "Human-normalised score (%)")  # fmt: skip
    (panel,) = found["panels"]
    assert panel["title"] == "Pong"
    first, seed, level = panel["series"]
    assert first == {"of": 0, "role": "curve", "y": [-20.7, 14.6], "x": [1000, 2000], "low": [-21, 14],
                     "high": [-20, 15], "hours": [0.5, 1], "n": 3}  # fmt: skip
    assert (seed["role"], seed["y"], level["y"], "x" in level) == ("seed", [14], [-20.7], False)
    # Pong: random -20.7, human 14.6
    assert (panel["low"], (14.6 - panel["low"]) / panel["span"]) == (-20.7, pytest.approx(100))


def test_long_curves_are_thinned_to_their_ends_and_others_are_not_explored():
    long = _table(*(("a", "x", "curve", i, i, None, None, 1, None) for i in range(10_001)))
    found = json.loads(gzip.decompress(base64.b64decode(curves.explorable(ABOUT, long, None))))
    x = found["panels"][0]["series"][0]["x"]
    assert (len(x), x[0], x[-1], found["normalised"]) == (curves.POINTS, 0, 10_000, None)
    assert curves.explorable(ABOUT | {"kind": "distribution"}, long, None) == ""
    assert curves.explorable(ABOUT, pd.DataFrame(), None) == ""


def test_alt_text_says_what_is_seen():
    assert alt.seen(ABOUT, CURVES) == (
        "Learning curves, Score over Environment frames up to 2k. "
        "Pong: DQN ends at 14.6 (14 to 15), random policy -20.7."
    )
    bars = _table(("", "A", "published", 3.0), ("", "B", "published", 12.5), names="panel label role value")
    assert alt.seen({"kind": "published_bars", "axes": ["Score", ""]}, bars) == "Horizontal bars, Score. B 12.5, A 3."
    grid = _table(
        ("DQN", 1e-3, 1e-4, 5.0, 2), ("DQN", 1e-2, 1e-4, 1.0, 2), names="panel optimizer.lr optimizer.eps value n"
    )
    assert alt.seen({"kind": "heat_map"}, grid) == (
        "Heat map. DQN: highest 5 at lr 0.001, eps 0.0001; lowest 1 at lr 0.01, eps 0.0001."
    )
    assert alt.seen({"kind": "scatter", "no_data": "why"}, bars) == "An empty frame: nothing was drawn."


CLAIM = {"id": "a", "basis": "runs", "verdict": "reproduced", "weak": True, "n": "2 seeds", "seeds": [2, 2],
         "runs": ["r1"], "experiments": ["p.e"], "source": "Figure 2",
         "why": "the whole interval is above 0; weak"}  # fmt: skip
SCALES = {"p.e": {"scale": "reduced", "budget_frames": 60_000, "paper_frames": 5_000_000, "clock": "frames"}}


def test_weak_evidence_is_marked_where_the_verdict_stands():
    marks = ["weak: n = 2 seeds", "reduced scale: 60k of 5M frames", "preliminary: 3 of 4 runs"]
    assert front.marks(CLAIM, SCALES, {"p.e": (3, 4)}) == marks
    assert (
        front.marks(
            CLAIM | {"weak": False, "n": "3 seeds", "seeds": [3, 3]},
            {"p.e": SCALES["p.e"] | {"scale": "paper", "budget_frames": 5_000_000}},
            {"p.e": (4, 4)},
        )
        == []
    )
    assert front.marks(CLAIM | {"weak": False, "verdict": "inconclusive", "n": "1 seed", "seeds": [1, 1]}, {}, {}) == [
        "weak: n = 1 seed"
    ]
    assert front.marks(CLAIM | {"basis": "published"}, SCALES, {}) == []
    assert front.reasons([CLAIM, CLAIM | {"why": "b"}]) == [
        ("reproduced", "reproduced by our runs", 2, "the whole interval is above 0; b")]  # fmt: skip
    told = front.sureness([CLAIM | {"marks": marks}], SCALES)
    assert told == ["2 seeds a game", "reduced scale: 60k of 5M frames", "1 of 1 verdict on weak evidence"]
    many = CLAIM | {"weak": False, "seeds": [10, 10], "marks": marks[1:]}  # its scale alone makes it no weak evidence
    assert front.sureness([many], SCALES) == ["10 seeds a game", "reduced scale: 60k of 5M frames", "no weak evidence"]


def test_a_claim_is_linked_to_what_shows_it():
    def item(name, runs, source=""):
        return {"id": name, "title": name, "source": source, "caption": {"runs": runs, "experiments": ["p.e"]}}

    section = {"paper": "p", "figures": [item("all", ["r1", "r2"]), item("own", ["r1"])],
               "tables": [item("t", [], "Figure 2, left")]}  # fmt: skip
    shown = [("figure-p-own", "own"), ("figure-p-all", "all")]
    assert front.shown_in(CLAIM, section, []) == shown
    assert front.shown_in(CLAIM, section, [["a", "t"]]) == [("table-p-t", "t")]
    unrun = CLAIM | {"runs": [], "experiments": ["p.other"]}
    assert front.shown_in(unrun, section, []) == [("table-p-t", "t")]


def test_settings_are_told_apart_by_what_differs():
    def row(lr, kind, seed):
        spec = {"agent": {"kind": kind}, "optimizer": {"lr": lr}, "seed": seed, "empty": {}}
        return {"spec": spec, "asked": [("p.e", kind.upper())]}

    (found,) = settings.tables(
        [row(1e-3, "dqn", 0), row(1e-4, "dqn", 1), row(1e-3, "c51", 0), {"spec": {}, "asked": []}]
    )
    assert (found.experiment, found.runs, found.variants) == ("p.e", 3, ["DQN", "C51"])
    assert found.differing == [("agent.kind", ["dqn", "c51"]), ("optimizer.lr", ["0.0001, 0.001", "0.001"])]
    assert found.shared == [("empty", "{}")]
    assert settings._cell([float(i) for i in range(20)]) == "20 values, 0 to 19"


def test_cost():
    assert cost.cores({"threads": 2}) == 2
    assert cost.cores({"threads": 1, "executor": {"kind": "processes", "actors": 4}}) == 5
    assert cost.cores({"threads": 1, "executor": {"kind": "hogwild", "actors": 16}}) == 16
    row = {"seconds": 1800.0, "device": "CPU", "host": "a", "cores": 4, "gpu": False}
    (found,) = devices = cost.spent([row, row | {"host": "b"}, row | {"seconds": None}])
    assert (found["runs"], found["hosts"], found["hours"], found["core_hours"], found["gpu_hours"]) == (2, 2, 1, 4, 0)
    watts = cost.watts({"core_watts": 12, "gpu_watts": 400, "overhead": 1.5})
    assert cost.energy(devices, watts) == pytest.approx(1.5 * 4 * 12 / 1000)
    assert "0.072 kWh = (core-hours × 12 W) × 1.5" in cost.estimate(devices, watts)
    assert cost.estimate(devices, None) == "" and cost.watts(None) is None
    with pytest.raises(UserError, match="wants core_watts"):
        cost.watts({"core": 1})


def test_bibtex():
    paper = {"paper": "sn", "title": "A & B_c", "authors": "Florin Gogianu, Zoë Müller, et al.", "year": 2021,
             "venue": "ICML", "url": "https://arxiv.org/abs/2105.05246v2"}  # fmt: skip
    assert cite.bibtex(paper) == (
        "@misc{gogianu2021sn,\n  title = {{A \\& B\\_c}},\n  author = {Florin Gogianu and Zoë Müller and others},\n"
        "  year = {2021},\n  howpublished = {ICML},\n  eprint = {2105.05246},\n  archiveprefix = {arXiv},\n"
        "  url = {https://arxiv.org/abs/2105.05246v2},\n}"
    )
    assert cite.bibtex({"paper": "p", "title": "T", "authors": "", "url": ""}) == "@misc{p,\n  title = {{T}},\n}"


def test_names_in_a_figures_file_stay_as_they_are(tmp_path):
    """Also those that are empty, as of a figure's only panel, and what pandas takes for a missing number."""
    path = tmp_path / "bars.csv"
    path.write_text("panel,label,role,value\n,NA,ours,1.5\n,007,ours,\n,none,ours,2.5\n")
    found = drawn.numbers(path, {"csv_sha256": hashlib.sha256(path.read_bytes()).hexdigest()})
    assert found.panel.tolist() == [""] * 3 and found.label.tolist() == ["NA", "007", "none"]
    assert found.value.isna().tolist() == [False, True, False] and found.value.sum() == 4.0
    seen = alt.seen({"kind": "interval_bars", "axes": ["", "Score"]}, found)
    assert seen == "Points with intervals, Score. none 2.5, NA 1.5."


def test_what_became_of_runs_without_a_result(tmp_path):
    entries = [
        {"run": name, "sealed": f"{name}/0", "variant": "V", "game": "g", "seed": i} for i, name in enumerate("abcd")
    ]
    about = {"paper": "p", "experiment": "e", "runs": entries}
    for name, age, state in (("a", 1000, "running"), ("b", 1, "running"), ("c", 1000, "preempted")):
        (tmp_path / "work" / name).mkdir(parents=True)
        (tmp_path / "work" / name / "heartbeat.json").write_text(
            json.dumps({"state": state, "time": time.time() - age})
        )
    (tmp_path / "logs/train").mkdir(parents=True)
    (tmp_path / "logs/train/a.log").write_text("x")
    found = runs.rows([about], tmp_path / "store", tmp_path / "reduced/report")
    assert [(row["run"], row["status"]) for row in found] == [
        ("a", "lost"), ("b", "running"), ("c", "preempted"), ("d", "missing")]  # fmt: skip
    assert [row["log"] for row in found] == ["../../logs/train/a.log", "", "", ""]
    (tmp_path / "logs/train/d.log").write_text("x")
    assert runs.rows([about], tmp_path / "store", tmp_path)[3]["status"] == "failed"
    (tmp_path / "runs/d").mkdir(parents=True)
    (tmp_path / "runs/d/run.json").write_text("{}")  # by other code, and the log with it
    assert runs.rows([about], tmp_path / "store", tmp_path)[3]["status"] == "missing"
    assert runs.done(found) == {"p.e": (0, 4)} and runs.statuses(found)["lost"] == 1


def test_films_are_embedded_where_they_are_small(tmp_path):
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos/a.gif").write_bytes(b"small")
    (tmp_path / "videos/b.gif").write_bytes(b"1234567890")
    (tmp_path / "videos/a.mp4").write_bytes(b"film")
    found = runs.videos([{"run": "a"}, {"run": "b"}, {"run": "c"}], tmp_path, tmp_path / "reduced/report", most=9)
    assert [(film["href"], film["path"] is not None) for film in found] == [
        ("../../videos/a.gif", True),
        ("../../videos/a.mp4", False),
        ("../../videos/b.gif", False),
    ]
