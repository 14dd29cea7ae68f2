"""What clients should not send, over a real connection: upstream's refusals, and never a 500."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from integration.apiserver.process import ControlPlane, control_plane

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
LIMIT = 3 << 20


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane(tmp_path_factory.mktemp("plane"), "--only", "api") as found:
        accounts = CONFIGMAPS.replace("configmaps", "serviceaccounts")
        found.ask("POST", accounts, {"metadata": {"name": "default"}})
        yield found
        assert "Traceback" not in found.log.read_text()


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "code"),
    [
        ("POST", CONFIGMAPS, b"", {}, 400),
        ("POST", CONFIGMAPS, b"{", {}, 400),
        ("POST", CONFIGMAPS, b"null", {}, 422),
        ("POST", CONFIGMAPS, b"[]", {}, 400),
        ("POST", CONFIGMAPS, b'"x"', {}, 400),
        ("POST", CONFIGMAPS, b"\xff\xfe", {}, 400),
        ("POST", CONFIGMAPS, b'{"metadata":{"name":"a"}} trailing', {}, 400),
        ("POST", CONFIGMAPS, b'{"metadata":[]}', {}, 400),
        ("POST", CONFIGMAPS, b'{"metadata":{"name":7}}', {}, 400),
        ("POST", CONFIGMAPS, b'{"kind":"Pod","metadata":{"name":"a"}}', {}, 400),
        ("POST", CONFIGMAPS, b'{"apiVersion":"apps/v1","metadata":{"name":"a"}}', {}, 400),
        ("POST", CONFIGMAPS, b'{"metadata":{"name":"a","namespace":"other"}}', {}, 400),
        ("POST", CONFIGMAPS, b'{"metadata":{}}', {}, 422),
        ("POST", CONFIGMAPS, b'{"metadata":{"name":"UPPER"}}', {}, 422),
        ("POST", CONFIGMAPS, json.dumps({"metadata": {"name": "a" * 254}}).encode(), {}, 422),
        ("POST", CONFIGMAPS, b'{"metadata":{"name":"a/b"}}', {}, 422),
        ("POST", CONFIGMAPS, b'{"metadata":{"name":"a"},"data":{"k":1}}', {}, 400),
        ("POST", CONFIGMAPS, b'{"metadata":{"name":"a"},"data":"x"}', {}, 400),
        ("POST", f"{CONFIGMAPS}?fieldValidation=Strict", b'{"metadata":{"name":"a"},"x":1}', {}, 400),
        ("POST", f"{CONFIGMAPS}?fieldValidation=Nonsense", b'{"metadata":{"name":"a"}}', {}, 422),
        ("POST", f"{CONFIGMAPS}?dryRun=Nonsense", b'{"metadata":{"name":"a"}}', {}, 422),
        ("POST", CONFIGMAPS, b"[" * 20000, {}, 400),
        ("POST", CONFIGMAPS, b'{"data":' * 20000, {}, 400),
        ("POST", CONFIGMAPS, b"a: &a [*a, *a]", {"Content-Type": "application/yaml"}, 400),
        ("POST", CONFIGMAPS, b"a: [", {"Content-Type": "application/yaml"}, 400),
        ("POST", CONFIGMAPS, b"\x00", {"Content-Type": "application/yaml"}, 400),
        ("POST", CONFIGMAPS, b"!!python/object/apply:os.system [x]", {"Content-Type": "application/yaml"}, 400),
        ("POST", CONFIGMAPS, b"{}", {"Content-Type": "text/plain"}, 415),
        ("POST", CONFIGMAPS, b"x", {"Content-Type": "application/vnd.kubernetes.protobuf"}, 400),
        ("GET", CONFIGMAPS, None, {"Accept": "image/png"}, 406),
        ("GET", f"{CONFIGMAPS}?labelSelector=%3D%3D%3D", None, {}, 400),
        ("GET", f"{CONFIGMAPS}?fieldSelector=spec.nope=1", None, {}, 400),
        ("GET", f"{CONFIGMAPS}?limit=x", None, {}, 400),
        ("GET", f"{CONFIGMAPS}?continue=x", None, {}, 400),
        ("GET", f"{CONFIGMAPS}?resourceVersion=x", None, {}, 400),
        ("GET", f"{CONFIGMAPS}?resourceVersion=99999999999", None, {}, 504),
        ("GET", f"{CONFIGMAPS}?watch=1&timeoutSeconds=x", None, {}, 400),
        ("GET", f"{CONFIGMAPS}/nope", None, {}, 404),
        ("GET", "/api/v1/namespaces/nope/configmaps/a/b/c/d", None, {}, 404),
        ("GET", "/api/v1/nopes", None, {}, 404),
        ("GET", "/apis/apps/v9/deployments", None, {}, 404),
        ("GET", f"{CONFIGMAPS}/%2e%2e/%2e%2e/secrets", None, {}, 404),
        ("PUT", f"{CONFIGMAPS}/nope", b'{"metadata":{"name":"nope"}}', {}, 404),
        ("PUT", f"{CONFIGMAPS}/a", b'{"metadata":{"name":"b"}}', {}, 400),
        ("PUT", CONFIGMAPS, b"{}", {}, 405),
        ("POST", f"{CONFIGMAPS}/a", b"{}", {}, 405),
        ("TRACE", CONFIGMAPS, None, {}, 405),
        ("PATCH", f"{CONFIGMAPS}/kept", b"{", {"Content-Type": "application/merge-patch+json"}, 400),
        ("PATCH", f"{CONFIGMAPS}/kept", b"{}", {"Content-Type": "application/json"}, 415),
        ("PATCH", f"{CONFIGMAPS}/kept", b'[{"op":"nope","path":"/a"}]',
         {"Content-Type": "application/json-patch+json"}, 422),
        ("PATCH", f"{CONFIGMAPS}/kept", b'[{"op":"remove","path":"/nope/a"}]',
         {"Content-Type": "application/json-patch+json"}, 422),
        ("PATCH", f"{CONFIGMAPS}/kept", b'[{"op":"test","path":"/data/a","value":"\xef"}]',
         {"Content-Type": "application/json-patch+json"}, 422),
        ("PATCH", f"{CONFIGMAPS}/kept", b'{"data":{"a":"\xef"},"data":{"a":"\xed\xa0\x80"}}',
         {"Content-Type": "application/merge-patch+json"}, 200),
        ("PATCH", f"{CONFIGMAPS}/kept", b'{"data":{"a\xef":"b"}}',
         {"Content-Type": "application/merge-patch+json"}, 422),
        ("PATCH", f"{CONFIGMAPS}/kept", b'{"metadata":{"name":"other"}}',
         {"Content-Type": "application/merge-patch+json"}, 400),
        ("PATCH", f"{CONFIGMAPS}/kept", b'{"metadata":{"resourceVersion":"1"},"data":{"a":"b"}}',
         {"Content-Type": "application/merge-patch+json"}, 409),
        ("DELETE", f"{CONFIGMAPS}/kept", b'{"preconditions":{"uid":"nope"}}', {}, 409),
        ("DELETE", f"{CONFIGMAPS}/kept", b'{"propagationPolicy":"Nonsense"}', {}, 422),
        ("DELETE", f"{CONFIGMAPS}/kept?gracePeriodSeconds=x", None, {}, 400),
        ("POST", PODS, b'{"metadata":{"name":"p"},"spec":{"containers":[]}}', {}, 422),
        ("POST", PODS, b'{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","ports":"x"}]}}', {}, 400),
        ("POST", PODS, b'{"metadata":{"name":"p"},"spec":null}', {}, 422),
        ("GET", "/readyz?timeout=banana", None, {}, 400),
        ("POST", f"{CONFIGMAPS}?timeout=banana", b'{"metadata":{"name":"t"}}', {}, 400),
        ("GET", CONFIGMAPS, None, {"Impersonate-Group": "system:masters"}, 400),
        ("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", b'{"spec":7}', {}, 400),
        ("POST", "/apis/authentication.k8s.io/v1/tokenreviews", b'{"spec":{"token":"a.b.c"}}', {}, 201),
        ("POST", "/api/v1/namespaces/default/serviceaccounts/nope/token", b"{}", {}, 404),
    ],
)  # fmt: skip
def test_refusals(plane: ControlPlane, method: str, path: str, body: Any, headers: dict[str, str], code: int) -> None:
    plane.ask("POST", CONFIGMAPS, {"metadata": {"name": "kept"}})
    headers = {name.replace("-", "_"): value for name, value in headers.items()}
    found, said, _ = plane.ask(method, path, body, **headers)
    assert found == code, said
    if code >= 400:
        assert said["kind"] == "Status" and said["code"] == code and said["status"] == "Failure"
        assert said["message"] and "Traceback" not in said["message"]


def test_a_body_over_the_limit(plane: ControlPlane) -> None:
    code, status, _ = plane.ask("POST", CONFIGMAPS, b" " * (LIMIT + 1))
    assert (code, status["reason"]) == (413, "RequestEntityTooLarge")
    assert status["message"] == f"Request entity too large: limit is {LIMIT}"


def tls(plane: ControlPlane) -> ssl.SSLSocket:
    raw = socket.create_connection(("127.0.0.1", plane.port), 20)
    return plane.context().wrap_socket(raw, server_hostname="127.0.0.1")


def test_a_body_that_never_comes_holds_nobody_up(plane: ControlPlane) -> None:
    waiting = [tls(plane) for _ in range(20)]
    for stream in waiting:
        stream.sendall(f"POST {CONFIGMAPS} HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n".encode())
    assert plane.ask("GET", CONFIGMAPS)[0] == 200
    for stream in waiting:
        stream.close()
    assert plane.ask("GET", CONFIGMAPS)[0] == 200


def test_a_connection_that_never_speaks_tls_holds_nobody_up(plane: ControlPlane) -> None:
    silent = [socket.create_connection(("127.0.0.1", plane.port)) for _ in range(20)]
    plain = socket.create_connection(("127.0.0.1", plane.port), 5)
    plain.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert plane.ask("GET", CONFIGMAPS)[0] == 200
    for stream in (*silent, plain):
        stream.close()


def test_a_watcher_that_does_not_read_slows_nobody(plane: ControlPlane) -> None:
    lazy = tls(plane)
    lazy.sendall(f"GET {CONFIGMAPS}?watch=1 HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    assert b"200 OK" in lazy.recv(4096)
    plane.ask("POST", CONFIGMAPS, {"metadata": {"name": "fat"}, "data": {"a": "x" * 500_000}})
    for i in range(40):
        patch = {"metadata": {"labels": {"n": str(i)}}}
        merge = {"Content_Type": "application/merge-patch+json"}
        assert plane.ask("PATCH", f"{CONFIGMAPS}/fat", patch, **merge)[0] == 200
    lazy.close()


def test_many_at_once_who_break_off(plane: ControlPlane) -> None:
    def rude() -> None:
        for cut in range(10, 200, 17):
            stream = tls(plane)
            text = f"POST {CONFIGMAPS} HTTP/1.1\r\nHost: h\r\nContent-Length: 60\r\n\r\n" + "x" * 60
            stream.sendall(text.encode()[:cut])
            stream.close()

    threads = [threading.Thread(target=rude) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert plane.ask("GET", "/livez")[:2] == (200, b"ok")
