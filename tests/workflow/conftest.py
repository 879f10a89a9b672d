from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.workflow.house import PAPER, ROOT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with config/ (the shipped algorithms and references, the paper `house`) and a link to the agents."""
    (tmp_path / "agents").symlink_to(ROOT / "agents")
    shutil.copytree(ROOT / "config", tmp_path / "config", ignore=shutil.ignore_patterns("schema"))
    for path in (tmp_path / "config" / "papers").glob("*.yaml"):
        path.unlink()
    (tmp_path / "config" / "papers" / "house.yaml").write_text(PAPER)
    config = (tmp_path / "config" / "config.yaml").read_text()
    config = config.replace("papers: [demo]", "papers: [house]").replace("scale: reduced", "scale: paper")
    (tmp_path / "config" / "config.yaml").write_text(config)
    return tmp_path
