"""mount(8) and its helpers, for what the bare system call does not do: options by name, network file systems."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

LONGEST = 110.0  # seconds: less than callers wait


class ToolFailed(OSError):
    """A command that did not do its work; the text is for Events."""


def mount(
    source: str, target: Path, kind: str = "", options: Sequence[str] = (), folder: Path | None = None
) -> None:  # fmt: skip
    """Blocks. `folder` is where relative paths among the options begin. Raises ToolFailed in the kubelet's words."""
    wanted = flags(kind, options)
    try:
        done = run("mount", *wanted, "--", source, str(target), folder=folder)
    except subprocess.TimeoutExpired as error:
        why = f"no answer within {error.timeout:.0f}s"
        raise mount_failed("signal: killed", wanted, source, target, why) from error
    if done.returncode:
        raise mount_failed(f"exit status {done.returncode}", wanted, source, target, done.stdout)


def flags(kind: str, options: Sequence[str]) -> list[str]:
    """mount(8)'s, before source and target; `--` goes between them: a source may begin with a dash."""
    return [*(["-t", kind] if kind else []), *(["-o", ",".join(options)] if options else [])]


def run(*command: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A command, and in `stdout` its whole output. Blocks. Raises ToolFailed where it is not installed."""
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", timeout=LONGEST, check=False, cwd=folder,
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


def mount_failed(how: str, flags: Sequence[str], source: str, target: Path, output: str) -> ToolFailed:
    return ToolFailed(
        f"mount failed: {how}\nMounting command: mount\n"
        f"Mounting arguments: {' '.join((*flags, source, str(target)))}\nOutput: {output}"
    )
