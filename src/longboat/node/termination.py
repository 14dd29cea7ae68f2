"""What a container had to say when it ended."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from longboat.node import labels, logs
from longboat.node.cri.interface import ContainerStatus
from longboat.node.state import Observed

MAX_BYTES = 4096
MAX_LOG_BYTES, MAX_LOG_LINES = 2048, 80


Read = Callable[[ContainerStatus], Awaitable[str]]
"""What a container that has ended has left."""


class LastWords:
    """Of one pod's containers that have ended; what the runtime has forgotten is forgotten. `texts` are by id."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self.texts: dict[str, str] = {}

    async def hear(self, observed: Observed) -> None:
        ended = [status for status in observed.containers if status.state == "exited"]
        self.texts = {status.id: self.texts[status.id] for status in ended if status.id in self.texts}
        for status in ended:
            if status.id not in self.texts:
                self.texts[status.id] = await self._read(status)


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
