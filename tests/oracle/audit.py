"""Annotations of single requests, out of an API server's audit log."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from pathlib import Path


class AuditLog:
    """Follows the file from its end at the time of making; shared by the threads that play scenarios."""

    def __init__(self, path: Path) -> None:
        self._path, self._offset = path, path.stat().st_size
        self._events: dict[str, dict[str, str]] = {}
        self._lock = threading.Lock()

    def annotations(self, audit_id: str, seconds: float = 3) -> dict[str, str] | None:
        """Of the request with this id; None where no event of it comes in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with self._lock:
                self._read()
                if audit_id in self._events:
                    return self._events.pop(audit_id)
            time.sleep(0.05)
        return None

    def _read(self) -> None:
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._offset += len(line)
                event = json.loads(line)
                if event.get("stage") == "ResponseComplete":
                    self._events[event["auditID"]] = own_annotations(event.get("annotations") or {})


def own_annotations(annotations: dict[str, str]) -> dict[str, str]:
    """Without authorization and latency; positions of webhooks count only those that belong to the request."""
    left_out = ("authorization.", "apiserver.latency.")
    counts: Counter[str] = Counter()
    result = {}
    for key in sorted((key for key in annotations if not key.startswith(left_out)), key=_by_numbers):
        match = re.match(r"(.*round_\d+_index_)\d+$", key)
        if match:
            result[f"{match[1]}{counts[match[1]]}"] = annotations[key]
            counts[match[1]] += 1
        else:
            result[key] = annotations[key]
    return result


def _by_numbers(key: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", key)]
