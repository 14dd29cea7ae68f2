"""mount(8) and its helpers, for what the bare system call does not do: options by name, network file systems."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

LONGEST = 110.0  # seconds: less than callers wait


class ToolFailed(OSError):
    """A command that did not do its work; the text is for Events."""


def mount(source: str, target: Path, kind: str = "", options: Sequence[str] = ()) -> None:
    """Blocks. Raises ToolFailed in the kubelet's words."""
    arguments = [*(["-t", kind] if kind else []), *(["-o", ",".join(options)] if options else []), source, str(target)]
    try:
        done = run("mount", *arguments)
    except subprocess.TimeoutExpired as error:
        raise _failed("signal: killed", arguments, f"no answer within {error.timeout:.0f}s") from error
    if done.returncode:
        raise _failed(f"exit status {done.returncode}", arguments, done.stdout)


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """A command with its whole output in `stdout`. Blocks. Raises ToolFailed where it is not installed."""
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", timeout=LONGEST, check=False,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise ToolFailed(f"{command[0]} is not installed on the node") from error


def must(*command: str) -> str:
    """Run a command that has to succeed; its output. Blocks. Raises ToolFailed."""
    try:
        done = run(*command)
    except subprocess.TimeoutExpired as error:
        raise ToolFailed(f"{command[0]} did not end within {error.timeout:.0f}s") from error
    if done.returncode:
        raise ToolFailed(f"{command[0]} failed: exit status {done.returncode}: {done.stdout.strip()}")
    return done.stdout


def _failed(how: str, arguments: Sequence[str], output: str) -> ToolFailed:
    return ToolFailed(
        f"mount failed: {how}\nMounting command: mount\nMounting arguments: {' '.join(arguments)}\nOutput: {output}"
    )
