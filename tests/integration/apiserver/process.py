"""A control plane in a process of its own, and somebody to talk to it over TLS."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SOURCE = str(Path(__file__).resolve().parents[3] / "src")
KUBECTLS = [path for name in ("kubectl", "kubectl-1.36") if (path := shutil.which(name))]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ControlPlane:
    """`longboat server` on a data directory. Keeps its port over restarts."""

    program: tuple[str, ...] = ("-m", "longboat.cli.main")
    environment: dict[str, str] = {}

    def __init__(self, root: Path, *flags: str) -> None:
        self.data = root / "data"
        self.log = root / "server.log"
        self.port = free_port()
        self._flags = flags
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def kubeconfig(self) -> Path:
        return self.data / "admin.kubeconfig"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, seconds: float = 30) -> None:
        command = [sys.executable, *self.program, "server", "--data-dir", str(self.data)]
        command += ["--listen", f"127.0.0.1:{self.port}", *self._flags]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env=os.environ | {"PYTHONPATH": SOURCE} | self.environment
            )
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
                if self.kubeconfig.exists() and self.ask("GET", "/readyz")[0] == 200:
                    return
            time.sleep(0.02)
        raise AssertionError(f"not ready: {self.log.read_text()[-3000:]}")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """The exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(20)

    def authority(self) -> bytes:
        """The certificate by which the server is known."""
        config = json.loads(self.kubeconfig.read_text())
        return base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"])

    def context(self, *, client: bool = True) -> ssl.SSLContext:
        """TLS as the administrator, or as nobody."""
        context = ssl.create_default_context(cadata=self.authority().decode())
        if client:
            context.load_cert_chain(self.data / "pki" / "admin.crt", self.data / "pki" / "admin.key")
        return context

    def ask(
        self, method: str, path: str, body: Any = None, *, context: ssl.SSLContext | None = None, **headers: str
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, body (decoded where it is JSON) and headers."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context or self.context(), timeout=20)
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body)
        fields = {"Content-Type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
        try:
            connection.request(method, path, data, fields)
            response = connection.getresponse()
            text = response.read()
            found = {k.lower(): v for k, v in response.getheaders()}
            return response.status, json.loads(text) if "json" in found.get("content-type", "") else text, found
        finally:
            connection.close()

    def kubectl(self, binary: str, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [binary, "--kubeconfig", str(self.kubeconfig), *arguments],
            input=text, capture_output=True, text=True, timeout=60, env=os.environ | {"HOME": str(self.data)},
        )  # fmt: skip


@contextlib.contextmanager
def control_plane(root: Path, *flags: str) -> Iterator[ControlPlane]:
    found = ControlPlane(root, *flags)
    found.start()
    try:
        yield found
    finally:
        if found._process is not None and found._process.poll() is None:
            found.stop()
