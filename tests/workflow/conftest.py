from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.workflow.house import PAPER, ROOT


def house(folder: Path) -> Path:
    """A folder with config/ (the shipped algorithms and references, the paper `house`) and a link to the agents."""
    (folder / "agents").symlink_to(ROOT / "agents")
    shutil.copytree(ROOT / "config", folder / "config", ignore=shutil.ignore_patterns("schema"))
    for path in (folder / "config" / "papers").glob("*.yaml"):
        path.unlink()
    (folder / "config" / "papers" / "house.yaml").write_text(PAPER)
    config = (folder / "config" / "config.yaml").read_text()
    config = config.replace("papers: [demo]", "papers: [house]").replace("scale: reduced", "scale: paper")
    (folder / "config" / "config.yaml").write_text(config)
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """One of its own for each test."""
    return house(tmp_path)
