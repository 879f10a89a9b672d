"""Checkouts of this repository that programs of a test run in."""

import shutil
from pathlib import Path

from numba.core.caching import UserProvidedCacheLocator

from tests.agents.specs import ROOT, warm
from tests.workflow.house import lend_essence

COMPILED = Path("agents/compiled")


def lend_compiled(folder: Path) -> Path:
    """Put what numba compiled here where a checkout in `folder` looks for it, and return the folder.

    Else each process that trains there first would compile for many seconds, all of those that start together. numba
    keeps files by the path of their source, and looks into them to see whether that source is the same.
    """
    warm()

    def place(root: Path) -> str:
        return UserProvidedCacheLocator.get_suitable_cache_subpath(str(root / COMPILED / "q_learning.py"))

    for made in (ROOT / COMPILED).glob(f"__pycache__/*/{place(ROOT)}"):
        shutil.copytree(made, folder / made.parent.relative_to(ROOT) / place(folder), dirs_exist_ok=True)
    return lend_essence(folder)
