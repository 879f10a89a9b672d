"""The fingerprint of code sees what can change a result, and only that."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from agents.run import essence
from agents.run.code import EXEMPT, Code, CodeError, changed
from tests.workflow.house import ROOT
from workflow import scores
from workflow.config import Project
from workflow.context import Context
from workflow.expand import expand
from workflow.write import write_if_changed

A = """\
'''Doc.'''
from . import b
from agents.deep.c import thing

def f(x):
    '''Doc.'''
    return x + 1
"""
C = """\
from ..d import *
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from agents import unseen
thing = 1
"""
RETOLD = """\
'''Other.'''
from . import b
from agents.deep.c import thing
# a note


def f(x):
    return (x +
        1)
"""
FILES = {
    "agents/__init__.py": "",
    "agents/a.py": A,
    "agents/b.py": "import numpy\n",
    "agents/deep/__init__.py": "",
    "agents/deep/c.py": C,
    "agents/d.py": "def late():\n    import agents.e\n",
    "agents/e.py": "",
    "agents/unseen.py": "",
    "agents/spec/__init__.py": "",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_what_is_reached(root: Path):
    found = {"agents", "agents.a", "agents.b", "agents.deep", "agents.deep.c", "agents.d", "agents.e"}
    assert Code(root).reach(["agents.a:f"]) == found
    (root / "agents/b.py").write_text("from agents.spec.run import Spec\n")
    assert Code(root).reach(["agents.a"]) == found  # agents.spec is exempt
    assert Code(root).text(["agents.a:f"]).splitlines()[0].split()[1] == "agents"


@pytest.mark.parametrize(
    ("text", "same"),
    [
        (RETOLD, True),
        (A.replace("x + 1", "x + 2"), False),
        (A.replace("x + 1", "x + 1.0"), False),
        (A.replace("return x", "'text'\n    return x"), False),
        (A.replace("def f(x)", "def f(x, y=None)"), False),
    ],
    ids=["comments, docstrings, layout", "number", "float", "second string", "argument"],
)
def test_what_counts_as_a_change(root: Path, text: str, same: bool):
    before = Code(root).text(["agents.a"])
    (root / "agents/a.py").write_text(text)
    after = Code(root).text(["agents.a"])
    assert (before == after) is same
    assert changed(before, after) == ([] if same else ["agents.a"])


def test_a_module_that_is_not_there(root: Path):
    with pytest.raises(CodeError, match=r"names a module 'agents.gone' that is not in"):
        Code(root).text(["agents.gone:X"])
    (root / "agents/a.py").write_text("def f(:\n")
    with pytest.raises(CodeError, match=r"a.py:1: not valid Python"):
        Code(root).text(["agents.a"])


def test_written_only_if_changed(tmp_path: Path):
    path = tmp_path / "code" / "x.fp"
    assert write_if_changed(path, "1")
    before = path.stat().st_mtime_ns
    assert not write_if_changed(path, "1")
    assert path.stat().st_mtime_ns == before
    assert write_if_changed(path, "2")
    assert [p.name for p in path.parent.iterdir()] == ["x.fp"]


def test_only_the_main_process_writes(tmp_path: Path):
    for main in (False, True):
        results = tmp_path / str(main)
        context = Context.read(ROOT, {"results": str(results), "scale": "smoke"}, main=main)
        experiment = context.papers.experiment("demo.breakout")
        run = next(experiment.runs())
        assert context.finished.mark(run).startswith(f"{results}/sealed/{run.name}/")
        context.inputs.code("scores", ["analysis.load"])
        scores.members(context, experiment)
        assert results.exists() is main


def test_the_shipped_runs_reach_their_parts_and_nothing_of_the_analysis():
    """SN alone reaches the spectral module, unless a norm is recorded; no run reaches what is exempt."""
    demo = expand(Project(ROOT, {"scale": "smoke"}), "demo")["breakout"]
    reached = {p.variant: Code(ROOT).reach([p.driver, "agents.run.outputs", *p.components]) for p in demo.points}
    assert all(
        {"agents.run.loop", "agents.dqn", "agents.envs.minatar", "agents.run.summary"} <= found
        for found in reached.values()
    )
    assert "agents.optim.spectral" in reached["DQN SN[-2]"]
    assert "agents.optim.spectral" not in reached["random policy"]
    for found in reached.values():
        assert not [
            name for name in found if name in EXEMPT or name.startswith("agents.spec") or not name.startswith("agents")
        ]
        assert "agents.envs.atari" not in found


def test_a_study_reaches_its_module_and_no_training():
    (point, *_) = expand(Project(ROOT, {"scale": "smoke"}), "per")["cliffwalk"].points
    found = Code(ROOT).reach([point.driver, "agents.run.outputs", *point.components])
    assert {"agents.run.offline", "agents.offline.cliffwalk", "agents.run.summary", "agents.rng"} <= found
    assert not found & {"agents.run.loop", "agents.build", "agents.offline.digits"}


def test_exempt_modules_exist():
    for name in EXEMPT:
        place = ROOT / name.replace(".", "/")
        assert place.with_suffix(".py").is_file() or (place / "__init__.py").is_file(), name


def test_what_was_found_in_a_source_is_kept_and_never_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    followed: list[bytes] = []
    parse = essence.ast.parse
    monkeypatch.setattr(essence.ast, "parse", lambda source: followed.append(source) or parse(source))
    monkeypatch.setattr(essence, "KEPT", tmp_path / "made" / "essence.json")
    monkeypatch.setattr(sys, "dont_write_bytecode", False)

    def anew(*sources: str) -> list[tuple[str, tuple[str, ...]]]:
        """As a new process finds it."""
        essence._known.cache_clear()
        found = [essence.of(source.encode(), "agents") for source in sources]
        essence.keep()
        return found

    first = anew(A, C)
    assert followed == [A.encode(), C.encode()] and first[0][1][:2] == ("agents", "agents.b")
    assert anew(A, C, RETOLD) == [*first, first[0]] and followed[2:] == [RETOLD.encode()]
    assert essence.of(A.encode(), "agents.deep")[1][0] == "agents.deep" and len(followed) == 4
    kept = essence.KEPT.read_bytes()
    for damaged in (b"", kept[:-1], kept.replace(b"agents.b", b"agents.c"), kept.partition(b"\n")[2], b"\xff" + kept):
        essence.KEPT.write_bytes(damaged)
        assert anew(A, C) == first and followed[-2:] == [A.encode(), C.encode()], damaged
    followed.clear()
    monkeypatch.setattr(essence, "MOST", 1)
    assert anew("x = 1") and anew(A, "x = 1") and followed == [b"x = 1", A.encode()]  # the newest stays
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert (
        anew("x = 2") and b"x = 2" not in essence.KEPT.read_bytes() and anew("x = 2") and followed[2:] == [b"x = 2"] * 2
    )
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(essence, "KEPT", tmp_path / "file" / "essence.json")
    (tmp_path / "file").touch()
    assert anew("x = 3")  # and nothing kept
    essence._known.cache_clear()
