"""The table of metrics: nothing is recorded that it does not describe, nor described that is not recorded."""

import ast
import csv
import re
from pathlib import Path

import pytest

from agents.run import metrics as recorded
from agents.run.record import Recorder
from analysis import metrics

ROOT = Path(__file__).resolve().parents[1]


def rows() -> list[dict[str, str]]:
    with metrics.FILE.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    "name", ["rho[-1]", "rho", "return_flicker_0.5", "agreement_memory_4", "td_error[q50]", "loss"]
)
def test_what_the_table_describes_is_recorded(name: str):
    recorder = Recorder()
    recorder.add("learning", 100, 3, name, 0.5)
    assert recorder.tables()["learning"].to_pylist() == [{"frame": 100, "update": 3, "metric": name, "value": 0.5}]


@pytest.mark.parametrize("name", ["rhoo[-1]", "returns", "losses", "", "[-1]", "flicker_return_0.5"])
def test_a_metric_without_a_line_is_refused(name: str):
    recorder = Recorder()
    with pytest.raises(ValueError, match=re.escape(f"metric {name!r} has no line in config/reference/metrics.csv")):
        recorder.add("learning", 100, 3, name, 0.5)
    assert recorder.tables()["learning"].num_rows == 0


def test_every_line_has_a_unit_and_a_meaning_and_stands_once():
    assert recorded.FILE == metrics.FILE
    names = [row["metric"] for row in rows()]
    assert len(names) == len(set(names)) == len(metrics.METRICS) > 30
    assert recorded.names() == set(names)
    for row in rows():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", row["metric"]), row
        assert all(row[column] == row[column].strip() and row[column] for column in ("unit", "meaning")), row
        assert row["axis"] or row["metric"] in metrics.SCORES or row["metric"].endswith("_"), row
        assert not row["meaning"].endswith("."), row  # a phrase for captions


def texts() -> set[str]:
    """All texts in the code of agents/, and of a run's clocks, up to their brackets; those between holes too."""
    paths = [*(ROOT / "agents").rglob("*.py"), ROOT / "analysis/clocks.py"]
    files = (ast.parse(path.read_text(encoding="utf-8")) for path in paths)
    nodes = (node for file in files for node in ast.walk(file))
    constants = (node.value for node in nodes if isinstance(node, ast.Constant))
    return {value.partition("[")[0] for value in constants if isinstance(value, str)}


def test_every_line_has_a_source_in_the_code():
    said = texts()
    assert [name for name in metrics.METRICS if not {name, name.removesuffix("_")} & said] == []


def test_scores_percentiles_and_brackets():
    assert set(metrics.SCORES) < set(metrics.METRICS)
    assert {metrics.find(f"{name}[q10]") for name in metrics.PERCENTILES} == {
        metrics.METRICS[n] for n in metrics.PERCENTILES
    }
    assert metrics.axis("evaluation_return", "standard") == "Human-normalised score (%)"
    assert metrics.axis("training_return", "raw") == "Training return"
    assert metrics.meaning("training_return_100") == "mean return of the last 100 training episodes, exploring policy"
    assert metrics.known("evaluation_return")


def test_a_reading_with_a_bracket_or_a_condition():
    assert metrics.axis("rho[-1]", "raw") == "Largest singular value"
    assert metrics.meaning("rho[-1]") == "of the layer's raw weights; -1 is the output layer"
    assert metrics.known("rho[-1]") and metrics.find("rho[-1]").unit == "1"
    assert metrics.meaning("agreement_memory_4").startswith("share of steps at which the agent with a cut memory")
    assert metrics.axis("value_gap_memory_4", "raw") == "|ΔQ|"
    assert metrics.axis("return_flicker_0.5", "raw") == "return_flicker_0.5"


def test_one_that_no_run_has():
    assert not metrics.known("rhoo[-1]") and metrics.find("rhoo[-1]") is None
    assert metrics.axis("rhoo[-1]", "raw") == "rhoo[-1]"
    assert metrics.meaning("rhoo") == "learning metric, mean of each bin"
