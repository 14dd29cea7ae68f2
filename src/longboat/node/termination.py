"""What a container had to say when it ended."""

from __future__ import annotations

import os
from pathlib import Path

from longboat.node import labels, logs
from longboat.node.cri.interface import ContainerStatus

MAX_BYTES = 4096
MAX_LOG_BYTES, MAX_LOG_LINES = 2048, 80


def message(status: ContainerStatus, log_file: Path) -> str:
    """The termination message; where there is none, the policy says so and it failed, the end of its log. Blocks."""
    name = status.annotations.get(labels.TERMINATION_FILE)
    text = _read(Path(name)) if name else ""
    policy = status.annotations.get(labels.TERMINATION_POLICY)
    if not text and policy == "FallbackToLogsOnError" and status.exit_code != 0:
        text = logs.tail(log_file, MAX_LOG_LINES, MAX_LOG_BYTES)
    return text


def _read(path: Path) -> str:
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            return file.read(MAX_BYTES).decode(errors="replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"Error on reading termination log {path}: {error.strerror}"
