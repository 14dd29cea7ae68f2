"""Answers that nobody reads: watches and lists, hundreds of them. They are held back, not held."""

from __future__ import annotations

import contextlib
import json
import ssl
import time
from collections.abc import Iterator

import pytest

from attack import wire
from integration.apiserver.process import ControlPlane, control_plane

MIB = 1 << 20
OBJECTS, EACH = 16, 512 << 10  # 8 MiB to list
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
STREAMED = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane(tmp_path_factory.mktemp("plane"), "--only", "api") as found:
        for number in range(OBJECTS):
            assert put(found, number)[0] == 201
        found.ask("GET", CONFIGMAPS)
        yield found
        assert "Traceback" not in found.log.read_text()


def put(plane: ControlPlane, number: int) -> tuple[int, object, dict[str, str]]:
    body = {"metadata": {"name": f"large-{number}"}, "data": {"a": "x" * EACH}}
    return plane.ask("POST", CONFIGMAPS, body)


def ask_and_not_read(plane: ControlPlane, target: str, count: int) -> list[ssl.SSLSocket]:
    found, context = [], plane.context()
    for _ in range(count):
        client = wire.connect(plane, context)
        client.sendall(f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        found.append(client)
    return found


def most(plane: ControlPlane, seconds: float) -> int:
    """The most memory in hand while somebody else is served."""
    found, deadline = 0, time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert plane.ask("GET", "/api/v1/namespaces")[0] == 200
        found = max(found, wire.rss(plane.pid))
    return found


@pytest.mark.parametrize("query", ["watch=1", STREAMED])
def test_a_watch_that_is_not_read_costs_little(plane: ControlPlane, query: str) -> None:
    """1,500 of them held 10.9 GiB: the list that each begins with was made whole, and encrypted, at once."""
    held = wire.rss(plane.pid)
    clients = ask_and_not_read(plane, f"{CONFIGMAPS}?{query}", 60)
    assert most(plane, 0.4) - held < 60 * MIB
    for number in range(OBJECTS, OBJECTS + 4):  # events, too
        assert put(plane, number)[0] == 201
        assert plane.ask("DELETE", f"{CONFIGMAPS}/large-{number}")[0] == 200
    assert most(plane, 0.2) - held < 60 * MIB
    for client in clients:
        client.close()


def test_lists_that_are_not_read_are_bounded_together(plane: ControlPlane) -> None:
    """Each has to be made whole; who takes none of it for longest is ended once they are too many."""
    held = wire.rss(plane.pid)
    clients = ask_and_not_read(plane, CONFIGMAPS, 150)
    assert most(plane, 0.8) - held < 640 * MIB  # of 1,200
    code, found, _ = plane.ask("GET", CONFIGMAPS)
    assert (code, len(found["items"])) == (200, OBJECTS)
    for client in clients:
        client.close()
    deadline = time.monotonic() + 10
    while wire.rss(plane.pid) - held > 60 * MIB and time.monotonic() < deadline:
        time.sleep(0.05)
    assert wire.rss(plane.pid) - held < 60 * MIB  # and it is given back


def test_who_reads_is_sent_everything(plane: ControlPlane) -> None:
    with wire.connect(plane, plane.context()) as client, client.makefile("rb") as stream:
        client.sendall(f"GET {CONFIGMAPS}?{STREAMED} HTTP/1.0\r\n\r\n".encode())
        while stream.readline() != b"\r\n":
            pass
        names = []
        for line in stream:
            event = json.loads(line)
            if event["type"] == "BOOKMARK":
                break
            assert len(event["object"]["data"]["a"]) == EACH
            names.append(event["object"]["metadata"]["name"])
        assert len([name for name in names if name.startswith("large-")]) == OBJECTS


def test_who_goes_on_sending_a_body_to_a_watch_is_hung_up_on(plane: ControlPlane) -> None:
    with wire.connect(plane, plane.context()) as client:
        client.sendall(b"GET /api/v1/pods?watch=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
        with contextlib.suppress(OSError):
            for _ in range(100):
                client.sendall(b"x" * MIB)
            pytest.fail("100 MiB were taken")
