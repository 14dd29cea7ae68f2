"""More connections than anybody needs: they push out each other, and nobody else."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Iterator

import pytest

from attack import wire
from integration.apiserver.process import ControlPlane, control_plane
from longboat.aio.http.census import MAX_STRANGERS

CROWD = 1500
MIB = 1 << 20


@pytest.fixture
def room() -> Iterator[None]:
    """Descriptors for a crowd."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane(tmp_path_factory.mktemp("plane"), "--only", "api") as found:
        yield found
        assert "Traceback" not in found.log.read_text()


def settles(plane: ControlPlane, most: int) -> bool:
    deadline = time.monotonic() + 5
    while wire.descriptors(plane.pid) > most and time.monotonic() < deadline:
        time.sleep(0.02)
    return wire.descriptors(plane.pid) <= most


@pytest.mark.parametrize("says", [b"", b"\x16\x03\x01\x40\x00\x01" + b"x" * 8000], ids=["nothing", "half a handshake"])
def test_strangers_push_out_each_other(plane: ControlPlane, room: None, says: bytes) -> None:
    before, held = wire.descriptors(plane.pid), wire.rss(plane.pid)
    friend = wire.connect(plane, plane.context())
    friend.sendall(b"GET /api/v1/pods?watch=1 HTTP/1.1\r\nHost: h\r\n\r\n")
    assert friend.recv(1000).startswith(b"HTTP/1.1 200")
    crowd = []
    for _ in range(CROWD):
        crowd.append(socket.create_connection(("127.0.0.1", plane.port), timeout=20))
        crowd[-1].sendall(says)
    for _ in range(3):  # newcomers are heard, once all before them have been taken
        assert plane.ask("GET", "/api/v1/namespaces")[0] == 200
    assert settles(plane, before + MAX_STRANGERS + 10)
    assert wire.rss(plane.pid) - held < 200 * MIB
    friend.settimeout(0.05)
    with pytest.raises(TimeoutError):
        friend.recv(1)  # still there, nothing to say
    friend.close()
    for each in crowd:
        each.close()
    assert settles(plane, before)
