"""Runs `kopf` so often as it is told to, each time in a process that is forked after kopf has been imported.

It is told by lines of JSON on standard input, and answers each with a line: {"run": [ARGUMENT…], "folder": …, "log": …}
with a process's id, {"wait": ID} with its exit code.
"""

from __future__ import annotations

import gc
import json
import os
import sys

import kopf.cli


def run(arguments: list[str], folder: str, log: str) -> int:
    if pid := os.fork():
        return pid
    os.chdir(folder)
    said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(said, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout = sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    sys.argv = ["kopf", *arguments]
    settings = kopf.OperatorSettings()
    settings.execution.default_backoff = 1  # as kopf's own end-to-end tests have it
    try:
        kopf.cli.main(obj=kopf.cli.CLIControls(settings=settings))
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    else:
        code = 0
    sys.stdout.flush()
    os._exit(code)  # to take apart all that was imported would take each of them half a second


def main() -> None:
    gc.collect()
    gc.freeze()  # pages that nobody touches are shared
    for line in sys.stdin:
        order = json.loads(line)
        if "run" in order:
            answer = run(order["run"], order["folder"], order["log"])
        else:
            answer = os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1])
        print(answer, flush=True)


if __name__ == "__main__":
    main()
