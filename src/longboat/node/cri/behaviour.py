"""How a simulated container behaves: what its command means, as far as a simulation can tell. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

import msgspec

# Pod annotations with which a test or a person scripts simulated containers.
RUN_SECONDS = "simulated.longboat.io/run-seconds"  # how long each container runs
EXIT_CODE = "simulated.longboat.io/exit-code"  # with what it then ends
FAIL_PROBES = "simulated.longboat.io/fail-probes"  # names of containers whose probes fail, or "*"
_PART = re.compile(r"\s*(?:;|&&|\n)\s*")
_SHELLS = ("sh", "/bin/sh", "bash", "/bin/bash", "ash")


class Behaviour(msgspec.Struct, frozen=True):
    """`seconds` None runs until it is stopped."""

    seconds: float | None = None
    code: int = 0
    output: bytes = b""


def behaviour(command: Sequence[str], annotations: Mapping[str, str] | None = None) -> Behaviour:
    """Of a container with this command line; annotations win over it. What is not understood runs for ever."""
    found = interpret(command) if command else Behaviour()
    notes = annotations or {}
    seconds, code = found.seconds, found.code
    if RUN_SECONDS in notes:
        seconds = _number(notes[RUN_SECONDS], found.seconds)
    if EXIT_CODE in notes:
        code = int(_number(notes[EXIT_CODE], float(found.code)) or 0)
        seconds = seconds if seconds is not None else 0.0
    return Behaviour(seconds, code, found.output)


def interpret(command: Sequence[str]) -> Behaviour:
    """`true`, `false`, `echo`, `sleep`, `exit`, and these in a shell, one after another."""
    if len(command) >= 3 and command[0] in _SHELLS and command[1] == "-c":
        return _script(command[2])
    return _simple(list(command))


def fails_probes(container: str, annotations: Mapping[str, str]) -> bool:
    named = [name.strip() for name in annotations.get(FAIL_PROBES, "").split(",")]
    return container in named or "*" in named


def _script(text: str) -> Behaviour:
    seconds: float | None = 0.0
    output = b""
    for part in _PART.split(text.strip()):
        try:
            words = shlex.split(part)
        except ValueError:
            return Behaviour(None, 0, output)
        if not words:
            continue
        if words[0] == "exit":
            return Behaviour(seconds, int(words[1]) if len(words) > 1 and words[1].isdigit() else 0, output)
        step = _simple(words)
        output += step.output
        if step.seconds is None or seconds is None:
            return Behaviour(None, 0, output)
        seconds += step.seconds
        if step.code:
            return Behaviour(seconds, step.code, output)
    return Behaviour(seconds, 0, output)


def _simple(words: list[str]) -> Behaviour:
    name = words[0].rpartition("/")[2]
    if name in ("true", ":"):
        return Behaviour(0.0)
    if name == "false":
        return Behaviour(0.0, 1)
    if name == "echo":
        return Behaviour(0.0, 0, " ".join(words[1:]).encode() + b"\n")
    if name == "sleep" and len(words) > 1:
        return Behaviour(_number(words[1], None))
    return Behaviour()


def _number(text: str, otherwise: float | None) -> float | None:
    try:
        return float(text)
    except ValueError:
        return otherwise
