"""Requests that are not what they seem: trailers that would be headers, two Hosts, codings nobody knows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from attack import wire
from integration.apiserver.process import ControlPlane, control_plane

MIB = 1 << 20
CODING = "400 Bad Request: unsupported transfer encoding"
REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane(tmp_path_factory.mktemp("plane"), "--only", "api") as found:
        yield found
        assert "Traceback" not in found.log.read_text()


def test_a_trailer_is_no_header(plane: ControlPlane, tmp_path: Path) -> None:
    """Over a front proxy that checks headers and passes trailers on, anybody would be of any group."""
    proxy = wire.client(plane, tmp_path, "front-proxy-client", by="front-proxy-ca")
    body = json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}).encode()
    request = (
        f"POST {REVIEW} HTTP/1.1\r\nHost: h\r\nX-Remote-User: mallory\r\nContent-Type: application/json\r\n"
        f"Trailer: X-Remote-Group\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n"
    ).encode() + body + b"\r\n0\r\nX-Remote-Group: system:masters\r\nX-Remote-Extra-A: b\r\n\r\n"  # fmt: skip
    with wire.connect(plane, proxy) as client:
        client.sendall(request)
        head, _, answer = wire.answer(client).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 201 ")
    info = json.loads(answer)["status"]["userInfo"]
    assert (info["username"], info.get("groups"), info.get("extra")) == ("mallory", ["system:authenticated"], None)


@pytest.mark.parametrize(
    ("before", "piece"),
    [
        (b"0\r\nX: ", b"y" * 65536), (b"0\r\n", b"X: y\r\n" * 10000),
        (b"1;", b"y" * 65536), (b"", b"1;" + b"y" * 99 + b"\r\nz\r\n"),
    ],
    ids=["one long trailer", "many trailers", "a long extension", "many extensions"],
)  # fmt: skip
def test_what_is_no_data_of_a_chunked_body_is_bounded(plane: ControlPlane, before: bytes, piece: bytes) -> None:
    """Nobody's request, answered or not: the connection ends long before the server has taken 32 MiB."""
    if len(piece) < 1000:
        piece *= 600
    held, sent = wire.rss(plane.pid), 0
    with wire.connect(plane) as client:
        client.sendall(b"POST /version HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + before)
        try:
            while sent < 32 * MIB:
                client.sendall(piece)
                sent += len(piece)
        except OSError:
            pass
    assert sent < 8 * MIB
    assert wire.rss(plane.pid) - held < 8 * MIB


@pytest.mark.parametrize(
    ("head", "status", "text"),
    [
        ("GET /version HTTP/1.1\r\n", 400, "400 Bad Request: missing required Host header"),
        ("GET /version HTTP/1.1\r\nHost: a\r\nHost: b\r\n", 400, "400 Bad Request: too many Host headers"),
        ("GET /version HTTP/1.1\r\nHost: a/b\r\n", 400, "400 Bad Request: malformed Host header"),
        ("GET /version HTTP/1.1\r\nHost: a b\r\n", 400, "400 Bad Request: malformed Host header"),
        ("GET /version HTTP/2.0\r\nHost: a\r\n", 400, "400 Bad Request: unsupported protocol version"),
        ("GET * HTTP/1.1\r\nHost: a\r\n", 400, "400 Bad Request"),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n", 400, "400 Bad Request"),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n", 400, "400 Bad Request"),
        ("GET /version HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n", 417, ""),
        ("POST /version HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n", 400, CODING),
        ("POST /version HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n", 400, CODING),
        ("POST /version HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n", 400, CODING),
        ("POST /version HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n", 400, "400 Bad Request"),
    ],
)  # fmt: skip
def test_a_head_that_can_be_read_in_two_ways_is_not_acted_on(
    plane: ControlPlane, head: str, status: int, text: str
) -> None:
    assert wire.tell(plane, f"{head}\r\n".encode()) == (status, text)


@pytest.mark.parametrize(
    "head",
    [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4, 4\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +4\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nX: a\r\n Transfer-Encoding: chunked\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nX: a\rTransfer-Encoding: chunked\r\n",
        "POST / HTTP/1.1\nHost: a\n",
    ],
)
def test_what_smuggles_a_second_request_is_refused(plane: ControlPlane, head: str) -> None:
    hidden = b"0\r\n\r\nGET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    with wire.connect(plane) as client:
        client.sendall(f"{head}\r\n".encode() + hidden)
        found = wire.answer(client)
    assert found.startswith(b"HTTP/1.1 400 ")
    assert found.count(b"HTTP/1.1 ") == 1


def test_who_sends_ahead_without_end_is_hung_up_on(plane: ControlPlane) -> None:
    """Requests that wait behind a watch: held, but no more than so many bytes of them."""
    held, sent = wire.rss(plane.pid), 0
    admin = plane.context()
    with wire.connect(plane, admin) as client:
        client.sendall(b"GET /api/v1/namespaces?watch=1 HTTP/1.1\r\nHost: h\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
        request = b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"y" * 60000 + b"\r\n\r\n"
        try:
            while sent < 64 * MIB:
                client.sendall(request)
                sent += len(request)
        except OSError:
            pass
    assert sent < 8 * MIB
    assert wire.rss(plane.pid) - held < 8 * MIB


def test_answers_to_a_thousand_mistakes_are_bounded(plane: ControlPlane) -> None:
    """3 MiB of mistakes were answered with 60 MiB, and their warnings with headers that no client reads."""
    configmaps = "/api/v1/namespaces/default/configmaps"
    fields = {f"unknown{number}": {f"a{'b' * 1000}": 1} for number in range(2000)}
    code, _, headers = plane.ask("POST", configmaps, {"metadata": {"name": "warned"}} | fields)
    assert code == 201
    assert len(headers["warning"]) < 8 << 10
    data = {f"{number}/{'k' * 300}": "" for number in range(8000)}
    code, body, _ = plane.ask("POST", configmaps, {"metadata": {"name": "invalid"}, "data": data})
    assert (code, body["reason"]) == (422, "Invalid")
    assert len(body["details"]["causes"]) <= 1000
    assert body["message"].endswith(" more]")
    assert len(json.dumps(body)) < 4 * MIB
    labels = {"x": "y" * 2 * MIB}
    code, body, _ = plane.ask("POST", configmaps, {"metadata": {"name": "invalid", "labels": labels}})
    assert code == 422
    assert len(json.dumps(body)) < MIB
