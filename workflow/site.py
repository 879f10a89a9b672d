"""`arcade docs`: docs/ and what manual/ makes of the code, as pages. Sphinx does it, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from workflow.missing import need
from workflow.terminal import say


def build(root: Path, out: Path | None) -> int:
    """Build the site into `out`; -> Sphinx's exit code, 1 where a warning was said. What did not change is kept.

    Raises ModuleNotFoundError where Sphinx is not there.
    """
    need("sphinx", "myst_parser", "furo")
    out = out or root / "site"
    words = ["-W", "--keep-going", "-q", "-c", str(root / "manual"), "-d", str(out / ".doctrees")]
    say("building the site: a minute or two …\n", sys.stderr)
    done = subprocess.run([sys.executable, "-m", "sphinx", *words, str(root / "docs"), str(out)], check=False)
    if not done.returncode:
        print(out / "index.html")
    return done.returncode
