"""A notebook as a page: its cells, and what they give on two tiny runs, which are made up on the spot."""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib import pyplot

from agents.run.record import table_of, write_table
from manual.symbols import ROOT

PROVENANCE = {"agent": {"kind": "dqn"}, "environment": {"suite": "minatar", "game": "breakout"}}


def page(name: str) -> str:
    """Markdown of a notebook, every cell of which is run in order; what one raises ends the build."""
    cells, names = json.loads((ROOT / name).read_text(encoding="utf-8"))["cells"], {"__name__": "__main__"}
    blocks = []
    with tempfile.TemporaryDirectory() as folder, _within(Path(folder)):
        leave(Path("results"))
        for cell in cells:
            source = "".join(cell["source"])
            if cell["cell_type"] == "markdown":
                blocks.append(source)
            else:
                blocks += [f"```python\n{source}\n```", *run(source, names)]
    return "\n\n".join(blocks)


def run(source: str, names: dict[str, Any]) -> list[str]:
    """What a cell prints, what its last line gives if no semicolon ends it, and what it draws, as Markdown."""
    tree, said, last, before = ast.parse(source), io.StringIO(), None, set(pyplot.get_fignums())
    ends = tree.body and isinstance(tree.body[-1], ast.Expr)
    with contextlib.redirect_stdout(said):
        exec(compile(ast.Module(tree.body[: -1 if ends else None], []), "cell", "exec"), names)
        if ends:
            last = eval(compile(ast.Expression(tree.body[-1].value), "cell", "eval"), names)
    silent = last is None or source.rstrip().endswith(";")
    told = said.getvalue() + ("" if silent else f"{last}\n")
    return ([f"```text\n{told}```"] if told else []) + list(_pictures(before))


def _pictures(before: set[int]) -> Iterator[str]:
    """The figures that were not there before, within the page."""
    for number in sorted({*pyplot.get_fignums()} - before):
        raw = io.BytesIO()
        pyplot.figure(number).savefig(raw, format="png", dpi=110)
        pyplot.close(number)
        data = base64.b64encode(raw.getvalue()).decode()
        yield f'```{{raw}} html\n<img alt="what the cell draws" src="data:image/png;base64,{data}">\n```'


@contextlib.contextmanager
def _within(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def leave(results: Path) -> None:
    """Two finished runs as results/runs shows them, made-up numbers with the columns and the writer of real ones."""
    for seed in (0, 1):
        name = f"dqn.minatar-breakout.s{seed}.{seed:012x}"
        folder = results / "runs" / name
        folder.mkdir(parents=True)
        spec = PROVENANCE | {"seed": seed, "optimizer": {"kind": "adam", "lr": 1e-3}}
        facts = {"run": name, "spec": spec, "status": "finished", "frames": 4000}
        frames = range(500, 4001, 500)
        tables = {
            "episodes": [(frame - 9, 0, float(i + seed), 40 + i) for i, frame in enumerate(frames)],
            "evaluations": [(at, n, float(at // 1000 + n + seed), 60, n == 1) for at in (0, 4000) for n in range(2)],
            "learning": [(frame, frame // 4, "loss", 1 / (1 + i)) for i, frame in enumerate(frames)],
            "summary": [("training_return", frame, float(i + seed), 1) for i, frame in enumerate(frames)]
            + [("evaluation_return", at, at / 1000 + 0.5 + seed, 2) for at in (0, 4000)],
            "timing": [(2000, 2.0, 1000.0), (4000, 4.0, 1000.0)],
        }
        for table, rows in tables.items():
            write_table(folder / f"{table}.parquet", table_of(table, rows), facts)
        (folder / "run.json").write_text(json.dumps(facts | {"seconds": 4.0, "frames_per_second": 1000.0}))
