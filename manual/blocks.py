"""Blocks of a page that functions of ours fill: {made}, `module:function`, and one text, if it takes an argument."""

from __future__ import annotations

import re

from agents.spec.base import load

_MADE = re.compile(r"^```\{made\} (\S+)(?:[ ]([^`]*?))?\n```$", flags=re.MULTILINE)


def fill(text: str) -> str:
    """The page with what its blocks ask for in their place."""
    return _MADE.sub(lambda block: load(block[1])(*filter(None, [block[2]])), text)
