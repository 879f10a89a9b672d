"""Everyday commands: `arcade COMMAND`, or `python -m workflow COMMAND`. workflow/parser.py lists them."""

from __future__ import annotations

import gc
import signal
import sys
from pathlib import Path

from workflow.completion import complete
from workflow.missing import explain
from workflow.parser import parser
from workflow.terminal import say, silence, take_any_text

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks; -> exit code, as workflow/parser.py says."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    passed: list[str] = []
    if "--" in words:
        words, passed = words[: words.index("--")], words[words.index("--") + 1 :]
    take_any_text()
    gc.set_threshold(200_000)  # what is imported and read stays: to look for garbage in it took a tenth of the time
    try:
        try:
            known = parser()
            complete(known)
            options = known.parse_args(words)
        except SystemExit:
            sys.stdout.flush()  # the help, which a reader may have left
            raise
        try:
            from workflow.commands import do
            from workflow.strict_yaml import ConfigError

            try:
                code = do(ROOT, options, passed)
                sys.stdout.flush()
                return code
            except ConfigError as error:
                say(f"{error}\n", sys.stderr)
                return 1
        except ModuleNotFoundError as error:
            say(f"{explain(error)}\n", sys.stderr)
            return 1
    except BrokenPipeError:  # | head
        silence(sys.stdout)
        return 0
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())
