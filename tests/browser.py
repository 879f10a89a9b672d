"""Pages in a real browser: frames of many widths in one start of Chromium, each with a probe that tells what it saw."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-quic", "--enable-logging=stderr",
         "--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=1500,1200", "--virtual-time-budget=600000",
         "--dump-dom")  # fmt: skip
# All in view: what is not is not drawn; a frame can be narrower than the browser's smallest window.
TOP = "<!DOCTYPE html><style>iframe { position: absolute; top: 0; left: 0; height: 1200px; border: 0 }</style><body>"
END = """<pre id="out"></pre><script>addEventListener("message", (event) => {
  out.textContent += JSON.stringify(event.data) + "\\n"; });</script>"""


def in_browser(test: Any) -> Any:
    """A test that is left out where no Chromium is."""
    why = "no Chromium on this machine: the page is not looked at in a browser"
    return pytest.mark.browser(pytest.mark.skipif(BROWSER is None, reason=why)(test))


def look(folder: Path, frames: Iterable[tuple[str, str]], profile: Path) -> tuple[list[Any], list[str]]:
    """What the pages of frames (file below `folder`, CSS of its frame) posted; and all that the browser complained of.

    `profile`: an empty folder for the browser's own files.
    """
    shown = "".join(f'<iframe src="{page}" style="{style}"></iframe>' for page, style in frames)
    top = folder / "frames.html"
    top.write_text(f"{TOP}{shown}{END}")
    command = [BROWSER, *FLAGS, f"--user-data-dir={profile}", top.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    top.unlink()
    out = html.unescape(re.search(r'<pre id="out">(.*?)</pre>', done.stdout, re.DOTALL)[1])
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return [json.loads(line) for line in out.splitlines()], complaints
