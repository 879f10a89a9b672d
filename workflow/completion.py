"""What a shell is told about the words of `arcade`: papers, runs. Quick, and silent about whatever is wrong."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def papers(prefix: str, **_: Any) -> list[str]:
    """Papers that begin so."""
    return sorted(path.stem for path in (ROOT / "config" / "papers").glob(f"{prefix}*.yaml"))


def runs(prefix: str, **_: Any) -> list[str]:
    """Finished runs that have this in their name."""
    try:
        config = (ROOT / "config" / "config.yaml").read_text(encoding="utf-8")
        found = re.search(r"^results:\s*(\S+)", config, flags=re.MULTILINE)
        folder = Path(os.path.expandvars(os.path.expanduser(found[1] if found else "results")))
        return sorted(name for name in os.listdir(ROOT / folder / "runs") if prefix in name)
    except OSError:
        return []


def complete(parser: Any) -> None:
    """Answer the shell that asks, if one does, and end the process then."""
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        argcomplete.autocomplete(parser)


def shellcode(shell: str) -> str:
    """What a shell has to read once so that it asks."""
    import argcomplete

    return argcomplete.shellcode(["arcade"], shell=shell)
