"""Pods that take connections and say nothing, and clients that ask for them and go: no descriptor stays behind."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator

import pytest

from attack import wire
from integration.apiserver.process import ControlPlane, control_plane
from longboat.apiserver.streams.gate import EACH

PODS = "/api/v1/namespaces/default/pods"


def own_address() -> str:
    """One of this machine's that is not loopback. Nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        address: str = probe.getsockname()[0]
        return "" if address.startswith("127.") else address


class Backend:
    """Takes every connection; says nothing, or `says` that and then nothing."""

    def __init__(self) -> None:
        self.says = b""
        self.heard: list[bytes] = []
        self._open: list[socket.socket] = []
        self.listener = socket.create_server((own_address(), 0), backlog=1000)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        found: int = self.listener.getsockname()[1]
        return found

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                taken, _ = self.listener.accept()
                self._open.append(taken)
                with contextlib.suppress(ConnectionError):
                    if self.says:
                        self.heard.append(taken.recv(65536))
                        taken.sendall(self.says)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)  # wakes who waits for the next
        self._thread.join(5)
        self.listener.close()
        for taken in self._open:
            taken.close()


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    if not own_address():
        pytest.skip("this machine has no address but loopback")
    with control_plane(tmp_path_factory.mktemp("plane"), "--only", "api") as found:
        found.ask("POST", PODS.replace("pods", "serviceaccounts"), {"metadata": {"name": "default"}})
        spec = {"containers": [{"name": "c", "image": "i"}], "automountServiceAccountToken": False}
        assert found.ask("POST", PODS, {"metadata": {"name": "silent"}, "spec": spec})[0] == 201
        status = json.dumps({"status": {"podIP": own_address(), "podIPs": [{"ip": own_address()}]}}).encode()
        merge = {"Content_Type": "application/merge-patch+json"}
        assert found.ask("PATCH", f"{PODS}/silent/status", status, **merge)[0] == 200
        yield found
        assert "Traceback" not in found.log.read_text()


@pytest.fixture
def backend() -> Iterator[Backend]:
    found = Backend()
    yield found
    found.close()


def asking(plane: ControlPlane, backend: Backend, count: int, method: str, *headers: str) -> list[ssl.SSLSocket]:
    """Clients that have asked for the pod, each over a connection of its own."""
    context, found = plane.context(), []
    fields = "".join(f"{header}\r\n" for header in ("Host: h", *headers))
    for _ in range(count):
        client = wire.connect(plane, context)
        client.sendall(f"{method} {PODS}/silent:{backend.port}/proxy/a HTTP/1.1\r\n{fields}\r\n".encode())
        found.append(client)
    return found


def comes_to(plane: ControlPlane, least: int, most: int) -> bool:
    """Whether the server soon has so many descriptors."""
    deadline = time.monotonic() + 5
    while not least <= wire.descriptors(plane.pid) <= most and time.monotonic() < deadline:
        time.sleep(0.02)
    return least <= wire.descriptors(plane.pid) <= most


@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"], ids=["nothing", "a head"])
@pytest.mark.parametrize(
    ("method", "headers"),
    [("GET", ()), ("HEAD", ()), ("POST", ("Content-Length: 0",)), ("GET", ("Connection: Upgrade", "Upgrade: x"))],
    ids=["GET", "HEAD", "POST", "an upgrade"],
)
def test_who_goes_takes_the_way_to_the_backend_along(
    plane: ControlPlane, backend: Backend, says: bytes, method: str, headers: tuple[str, ...]
) -> None:
    backend.says = says
    if says and headers and "Upgrade" in headers[0]:
        backend.says = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
    before = wire.descriptors(plane.pid)
    clients = asking(plane, backend, 30, method, *headers)
    assert comes_to(plane, before + 30, before + 60)
    for client in clients:
        client.close()
    assert comes_to(plane, 0, before)


def test_each_user_has_so_many_at_once(plane: ControlPlane, backend: Backend) -> None:
    before = wire.descriptors(plane.pid)
    clients = asking(plane, backend, EACH, "GET")
    assert comes_to(plane, before + 2 * EACH, before + 2 * EACH)
    code, body, _ = plane.ask("GET", f"{PODS}/silent:{backend.port}/proxy/a")
    assert (code, body["reason"]) == (429, "TooManyRequests")
    for client in clients:
        client.close()
    assert comes_to(plane, 0, before)


def test_what_is_this_connections_alone_goes_no_further(plane: ControlPlane, backend: Backend) -> None:
    """Upstream's httputil: headers that Connection names, hops in their order; and no CORS of the backend's."""
    backend.says = (
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close, X-Inner\r\nX-Inner: a\r\nX-Outer: b\r\n"
        b"Keep-Alive: timeout=5\r\nAccess-Control-Allow-Origin: *\r\n\r\n"
    )
    sent = {
        "Connection": "close, X-Secret", "X_Secret": "a", "TE": "trailers", "Keep_Alive": "timeout=1", "X_Kept": "b",
        "Proxy_Authorization": "c", "Authorization": "", "X_Forwarded_For": "203.0.113.7", "Expect": "100-continue",
    }  # fmt: skip
    code, _, headers = plane.ask("GET", f"{PODS}/silent:{backend.port}/proxy/a", **sent)
    assert (code, headers.get("x-inner"), headers.get("x-outer")) == (200, None, "b")
    assert not {"keep-alive", "access-control-allow-origin"} & headers.keys()
    lines = dict(line.lower().split(": ", 1) for line in backend.heard[0].decode().split("\r\n")[1:] if line)
    assert lines["x-forwarded-for"] == "203.0.113.7, 127.0.0.1"
    assert (lines["x-kept"], lines["connection"]) == ("b", "close")
    assert not {"x-secret", "te", "keep-alive", "proxy-authorization", "authorization", "expect"} & lines.keys()
