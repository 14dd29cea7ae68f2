"""The API of a cluster on a host of its own, asked through `kubectl proxy` on a socket: as fast as being there."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.go_client import as_sent
from e2e.host import Cluster
from longboat.machinery.objects import Object

PATCHES = {"merge": "application/merge-patch+json", "strategic": "application/strategic-merge-patch+json"}


class Refused(Exception):
    """The server's Status."""

    def __init__(self, status: Object) -> None:
        super().__init__(status.get("message"))
        self.code, self.reason = status.get("code"), status.get("reason")


@dataclass(frozen=True)
class Answer:
    """Whatever the server says."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Api:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = _Connection(path, 30)

    def answer(
        self, method: str, path: str, body: str | bytes | None = None, content_type: str = "text/plain"
    ) -> Answer:
        self._connection.request(method, path, body, {"Content-Type": content_type} if body is not None else {})
        answer = self._connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())

    def ask(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> bytes:
        """As a Go client would. Raises Refused."""
        raw = None if body is None else json.dumps(body).encode()
        answer = self.answer(method, path, *as_sent(method, raw, content_type))
        if answer.status >= 300:
            raise Refused(json.loads(answer.body))
        return answer.body

    def get(self, path: str) -> Object:
        found: Object = json.loads(self.ask("GET", path))
        return found

    def post(self, path: str, body: Object) -> Object:
        made: Object = json.loads(self.ask("POST", path, body))
        return made

    def put(self, path: str, body: Object) -> Object:
        made: Object = json.loads(self.ask("PUT", path, body))
        return made

    def patch(self, path: str, body: Object, style: str = "merge") -> Object:
        made: Object = json.loads(self.ask("PATCH", path, body, PATCHES[style]))
        return made

    def watch(self, path: str, patience: float = 10) -> Iterator[Object]:
        """Events of a watch, until the server is silent for so many seconds (TimeoutError)."""
        connection = _Connection(self.path, patience)
        try:
            connection.request("GET", path)
            for line in connection.getresponse():
                yield json.loads(line)
        finally:
            connection.close()

    def close(self) -> None:
        self._connection.close()


def _is_listening(path: Path) -> bool:
    """A socket has a path a moment before anybody listens at it."""
    with socket.socket(socket.AF_UNIX) as tried:
        try:
            tried.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True


@contextmanager
def proxied(cluster: Cluster) -> Iterator[Api]:
    """Nothing is filtered out: tests open streams too."""
    path = cluster.host.folder / "proxy.sock"
    command = ["kubectl", "proxy", f"--unix-socket={path}", "--disable-filter=true"]
    process = cluster.host.start(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while not _is_listening(path):
            assert process.poll() is None and time.monotonic() < deadline, "kubectl proxy does not start"
            time.sleep(0.02)
        api = Api(path)
        yield api
        api.close()
    finally:
        process.terminate()
        process.wait(10)
