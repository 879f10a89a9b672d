"""The tutorial's commands, typed one after the other as they are printed; trainings are real ones."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.checkouts import lend_compiled
from tests.workflow.house import ROOT, copy_checkout

TEXT = (ROOT / "docs/tutorial.md").read_text()
FIRST = ("make venv",)  # what the tests have behind them


def test_the_tutorial_works_as_it_is_printed(tmp_path: Path):
    folder = lend_compiled(copy_checkout(ROOT, tmp_path / "checkout", also=("arcade",)))
    (folder / "arcade").chmod(0o755)
    for path in (folder / "config/papers").glob("*.yaml"):
        if path.stem != "demo":  # what config.yaml names; to check all others takes longer than the rest
            path.unlink()
    (folder / "config/papers/first.yaml").write_text(re.search(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)[1])
    blocks = re.findall(r"```sh\n(.*?)```", TEXT, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line not in FIRST]
    assert len(lines) == 6
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment.pop("PYTHONPATH", None)
    script = "\n".join(["set -ex", *lines])
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    for said in (
        "config/ is in order",
        "1 training run",
        "dqn.minatar-breakout.s0.",
        "config/algorithms/dqn_minatar.yaml",
    ):
        assert said in done.stdout, done.stdout
    assert (folder / "results/smoke/figures/first/curves.pdf").is_file()
    assert len(list((folder / "results/runs").iterdir())) == 1
    assert next((folder / "results/videos").glob("dqn.minatar-breakout.s0.*.gif")).stat().st_size > 1000
