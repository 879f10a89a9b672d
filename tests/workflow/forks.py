"""Runs Snakemake again and again, and imports it once: each call is a fork of this process, which itself does nothing.

Reads lines of JSON {folder, environment, words, output}; answers each with the exit code. The two files output + ".out"
and output + ".err" take what the call prints. Ends with its standard input. It knows no module of ours: a call imports
those of its own checkout.
"""

import json
import os
import runpy
import sys
import traceback

# What takes the time, and no module of ours.
import pydantic  # noqa: F401
import snakemake.cli
import snakemake.report.html_reporter  # noqa: F401
import yaml  # noqa: F401


def call(folder: str, environment: dict[str, str], words: list[str], output: str) -> None:
    """Become `python -P -m snakemake WORDS` in `folder`."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, path in ((0, os.devnull), (1, f"{output}.out"), (2, f"{output}.err")):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), number)
    sys.argv = ["snakemake", *words]
    runpy.run_module("snakemake", run_name="__main__", alter_sys=True)


def forked(**request) -> int:
    """The exit code of a call in a process of its own."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        call(**request)
        code = 0
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    for line in sys.stdin:
        print(forked(**json.loads(line)), flush=True)
