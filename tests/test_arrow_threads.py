"""No program of ours reads Parquet with Arrow's threads.

One of them may still let go of what was read when Python ends. If that belongs to Python, as the bytes of a file read
before do, the process aborts ("terminate called without an active exception"), and the work that it had done counts as
failed. Files are read by columns of a few thousand rows; threads gain nothing there, and many jobs share a machine.
"""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.analysis import fake

ROOT = Path(__file__).resolve().parents[1]
NEVER = {"read_table", "read_pandas", "dataset", "group_by", "join", "join_asof"}  # threads of their own


def arrow_modules() -> list[Path]:
    files = [path for top in ("agents", "analysis", "workflow") for path in sorted((ROOT / top).rglob("*.py"))]
    return [path for path in files if "pyarrow" in path.read_text() or "to_pandas" in path.read_text()]


def threaded(source: str) -> list[str]:
    """The calls in some source that may start threads, with their lines."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        keys = {word.arg: word.value for word in node.keywords}
        plain = isinstance(keys.get("use_threads"), ast.Constant) and keys["use_threads"].value is False
        of = ast.unparse(node.func.value)
        reads = node.func.attr == "to_pandas" or (node.func.attr == "read" and ("Parquet" in of or "columns" in keys))
        if (reads and not plain) or (node.func.attr in NEVER and of in ("pq", "parquet", "table", "ds")):
            found.append(f"{node.lineno}: {ast.unparse(node)}")
    return found


@pytest.mark.parametrize("path", arrow_modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_call_starts_threads(path):
    assert threaded(path.read_text()) == []


def test_calls_that_start_threads_are_found():
    source = "pq.read_table(p)\nf.read(columns=c)\npq.ParquetFile(p).read()\nt.to_pandas()\nt.to_pandas(use_threads=1)"
    fine = "pq.ParquetFile(p).read(use_threads=False)\nfile.read()\nt.to_pandas(use_threads=False)\n', '.join(words)"
    assert [found.split(":")[0] for found in threaded(source)] == ["1", "2", "3", "4", "5"] and threaded(fine) == []


def test_a_program_that_reads_results_has_one_thread(tmp_path):
    fake.write_run(tmp_path / "runs", "run", np.arange(1, 1001), np.arange(1000.0))
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from analysis.load import SCORES, read_parquet\n"
        "from workflow.catalogue import scores\n"
        "import psutil\n"
        "before = psutil.Process().num_threads()\n"
        "folder = Path(sys.argv[1])\n"
        "data = (folder / 'summary.parquet').read_bytes()\n"
        "table = read_parquet(folder, ['metric', 'frame', 'mean'], data)\n"
        "table.to_pandas(use_threads=False), scores(folder), read_parquet(folder / 'summary.parquet', ['frame'])\n"
        "print(before, psutil.Process().num_threads())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "runs/run")], cwd=ROOT, capture_output=True, text=True
    )
    before, after = done.stdout.split()
    assert done.returncode == 0 and before == after, done.stderr
