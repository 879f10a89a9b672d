"""`arcade` as `pip install .` leaves it in an environment: the commands of the checkout that one stands in.

The checkout is what runs, with its own code and config/: this module only finds it, so that an installed copy never
grows old. It is all that is installed of ours.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

MARKS = ("Snakefile", "config/config.yaml", "workflow/__main__.py")  # what a checkout has


def checkout(start: Path) -> Path | None:
    """The checkout that a folder is or lies in, if it does."""
    return next((at for at in (start, *start.parents) if all((at / mark).is_file() for mark in MARKS)), None)


def main() -> int:
    """`arcade` on the command line; -> exit code."""
    here = Path.cwd()
    root = checkout(here)
    if root is None:
        print(f"arcade: {here} is no checkout of Paper Arcade, and lies in none: cd to one", file=sys.stderr)
        return 1
    os.chdir(root)
    sys.path.insert(0, str(root))
    from workflow.__main__ import main as commands

    return commands()


if __name__ == "__main__":
    sys.exit(main())
