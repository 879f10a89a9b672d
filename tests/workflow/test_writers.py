"""Several processes that write one small file: nobody fails, and what stays is one of their texts, whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from analysis.files import write_text
from workflow.write import write_if_changed

ROOT = Path(__file__).resolve().parents[2]
WRITES = 1000
WRITER = """
import sys
from pathlib import Path
path, letter, writes = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
for turn in range(writes):
    write(path, letter * (turn + 1))
"""
IMPORTS = {
    "workflow": "from workflow.write import write_if_changed as write",
    "analysis": "from analysis.files import write_text as write",
}


@pytest.mark.parametrize("where", IMPORTS)
def test_two_processes_write_one_file(tmp_path: Path, where: str):
    path = tmp_path / "small.json"
    path.write_text("a")
    code = IMPORTS[where] + WRITER
    writers = [
        subprocess.Popen([sys.executable, "-c", code, path, letter, str(WRITES)], cwd=ROOT, stderr=subprocess.PIPE)
        for letter in "ab"
    ]
    while any(writer.poll() is None for writer in writers):  # a reader sees whole texts at all times
        seen = path.read_text()
        assert len(set(seen)) == 1, seen[:100]
    for writer in writers:
        assert (writer.wait(), writer.stderr.read()) == (0, b"")
    assert path.read_text() in ("a" * WRITES, "b" * WRITES)
    assert [p.name for p in tmp_path.iterdir()] == ["small.json"], "no temporary file is left"


@pytest.mark.parametrize("write", [write_if_changed, write_text])
def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path: Path, write):
    path = tmp_path / ("x" * 255)
    write(path, "text")
    assert path.read_text() == "text"
