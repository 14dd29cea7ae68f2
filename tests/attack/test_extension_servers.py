"""Extension servers that hang, lie, talk or nest without end, send elsewhere and flap: each harms its own group."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import statistics
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from attack import wire
from attack.test_silent_backends import own_address
from integration.apiserver.process import ControlPlane, control_plane
from longboat.aio.clock import SystemClock
from longboat.api import certificates
from longboat.apiserver.pki import Pki

SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
DEPTH = 200_000

Answer = Callable[[str, asyncio.StreamWriter], Awaitable[None]]


def said(writer: asyncio.StreamWriter, body: bytes, status: str = "200 OK", more: str = "") -> None:
    writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body)


def listed(group: str) -> bytes:
    resource = {"name": "traps", "singularName": "trap", "namespaced": True, "kind": "Trap", "verbs": ["get"]}
    found = {"kind": "APIResourceList", "groupVersion": f"{group}/v1", "resources": [resource]}
    return json.dumps(found).encode()


async def hang(path: str, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def garbage(path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x00\xff" * 2000 + b"\r\n\r\n")


async def endless(path: str, writer: asyncio.StreamWriter) -> None:
    """Well at first sight; whatever is asked for is without end."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    start = b'{"kind":"APIGroupDiscoveryList","paths":{"/apis/endless.example.com/v1/a":['
    while not writer.is_closing():
        piece = (start + b'[],"x",' * 9000)[:60_000]
        start = b""
        writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        await writer.drain()
        await asyncio.sleep(0.001)  # others are here too


async def heads(path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while not writer.is_closing():
        writer.write(b"X-More: " + b"x" * 1000 + b"\r\n")
        await writer.drain()
        await asyncio.sleep(0.001)


async def deep(path: str, writer: asyncio.StreamWriter) -> None:
    """Of every document, what has a place in it is nested without end."""
    nest = '{"properties":{"a":' * DEPTH + "1" + "}}" * DEPTH
    at = '"/apis/deep.example.com/v1/a"'
    body = f'{{"kind":"APIGroupDiscoveryList","items":{"[" * DEPTH}{"]" * DEPTH}}}'
    if path.startswith("/openapi"):
        body = f'{{"swagger":"2.0","paths":{{{at}:{{"$ref":"#/definitions/D"}}}},"definitions":{{"D":{nest}}}}}'
    said(writer, body.encode())


async def odd(path: str, writer: asyncio.StreamWriter) -> None:
    """Everything has another type than it should have."""
    if path == "/apis":
        resource = {"resource": {"a": 1}, "verbs": "get", "responseKind": [7]}
        versions = [{"version": "v1", "resources": [resource]}]
        items = [{"metadata": {"name": "odd.example.com"}, "versions": versions}]
        said(writer, json.dumps({"kind": "APIGroupDiscoveryList", "items": items}).encode())
    elif path == "/openapi/v2":
        schema = {"type": 5, "required": "no", "properties": {"a": 1, "b": [2]}, "x-c": {"d": 1e300}}
        document = {"paths": {"/apis/odd.example.com/v1/a": {"$ref": "#/definitions/O"}}, "definitions": {"O": schema}}
        said(writer, json.dumps(document).encode())
    elif path == "/openapi/v3":
        said(writer, b'{"paths":{"apis/odd.example.com/v1":{"serverRelativeURL":"https://elsewhere.example.com/"}}}')
    else:
        said(writer, b'{"kind":"APIResourceList","resources":[{"name":1,"verbs":{}}]}')


async def elsewhere(path: str, writer: asyncio.StreamWriter) -> None:
    """Discovery is well; a request is sent to and fro."""
    if path == "/apis/elsewhere.example.com/v1":
        said(writer, listed("elsewhere.example.com"))
    elif path.startswith("/apis/"):
        said(writer, b"", "307 Temporary Redirect", f"Location: {path}\r\n")
    else:
        said(writer, b"{}", "404 Not Found")


async def loop(path: str, writer: asyncio.StreamWriter) -> None:
    said(writer, b"", "302 Found", f"Location: {path}\r\n")


class Flapping:
    """Well at every other check."""

    def __init__(self) -> None:
        self.checks = 0

    async def __call__(self, path: str, writer: asyncio.StreamWriter) -> None:
        self.checks += path == "/apis/flapping.example.com/v1"
        well = self.checks % 2 == 0
        said(
            writer, listed("flapping.example.com") if well else b"{}", "200 OK" if well else "500 Internal Server Error"
        )


FLAPPING = Flapping()
HOSTILE: dict[str, Answer] = {
    "hang": hang, "garbage": garbage, "endless": endless, "heads": heads, "deep": deep, "odd": odd,
    "elsewhere": elsewhere, "loop": loop, "flapping": FLAPPING,
}  # fmt: skip
WELL = {"endless", "deep", "odd", "elsewhere"}  # as far as a condition tells: they answer
SILENT = "silent"  # takes connections, and never says a word of TLS


class Hostile:
    """All of them at two ports: who is meant is in the Host header."""

    def __init__(self, folder: Path) -> None:
        pki = Pki(folder, SystemClock())
        pair = pki.ca.issue(pki.pair("s"), SystemClock(), "s", usages=certificates.SERVER, hosts=["s"])
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(pair.certificate, pair.key)
        self.port, self.silent, self._begun = 0, 0, threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),), daemon=True)
        self._thread.start()
        assert self._begun.wait(10)

    async def _run(self) -> None:
        self._over = asyncio.Event()
        one = await asyncio.start_server(self._serve, own_address(), 0, ssl=self._context, backlog=500)
        two = await asyncio.start_server(self._say_nothing, own_address(), 0, backlog=500)
        self.port, self.silent = one.sockets[0].getsockname()[1], two.sockets[0].getsockname()[1]
        self._begun.set()
        await self._over.wait()
        for each in (one, two):
            each.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:  # type: ignore[arg-type]
            task.cancel()
        await asyncio.sleep(0.1)

    async def _say_nothing(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            host = next(line for line in head.split("\r\n") if line.lower().startswith("host: "))
            await HOSTILE[host[len("host: ") :].partition(".")[0]](head.split(" ")[1].partition("?")[0], writer)
            await writer.drain()
        writer.close()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    if not own_address():
        pytest.skip("this machine has no address but loopback")
    with control_plane(tmp_path_factory.mktemp("plane"), "--only", "api") as found:
        yield found
        assert "Traceback" not in found.log.read_text()


@pytest.fixture(scope="module")
def hostile(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    """Once they are all registered, and most have been judged."""
    found = Hostile(tmp_path_factory.mktemp("pki"))
    for name in (*HOSTILE, SILENT):
        port = found.silent if name == SILENT else found.port
        made = [
            ("/api/v1/namespaces/default/services", {"metadata": {"name": name}, "spec": {"ports": [{"port": 443}]}}),
            ("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", {
                "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}}, "addressType": "IPv4",
                "endpoints": [{"addresses": [own_address()]}], "ports": [{"name": "", "port": port}]}),
            (SERVICES, {"metadata": {"name": f"v1.{name}.example.com"}, "spec": {
                "group": f"{name}.example.com", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 1,
                "service": {"name": name, "namespace": "default"}, "insecureSkipTLSVerify": True}}),
        ]  # fmt: skip
        for path, body in made:
            code, answer, _ = plane.ask("POST", path, body)
            assert code == 201, answer
    yield found
    found.close()


def conditions(plane: ControlPlane) -> dict[str, Any]:
    _, found, _ = plane.ask("GET", SERVICES)
    return {
        each["spec"]["group"].partition(".")[0]: ((each.get("status") or {}).get("conditions") or [None])[0]
        for each in found["items"] if "example.com" in each["spec"].get("group", "")
    }  # fmt: skip


def test_nobody_else_waits_and_nothing_grows(plane: ControlPlane, hostile: Hostile) -> None:
    before, path = wire.rss(plane.pid), "/api/v1/namespaces/default"
    took = []
    with wire.connect(plane, plane.context()) as client:
        until = time.monotonic() + 2.0
        while time.monotonic() < until:
            at = time.monotonic()
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
            answer = b""
            while b'"phase":"Active"' not in answer:
                answer += client.recv(65536)
            took.append(time.monotonic() - at)
            time.sleep(0.005)
    assert len(took) > 100
    assert statistics.quantiles(took, n=100)[94] < 0.05 and max(took) < 0.5
    assert wire.rss(plane.pid) - before < 48 << 20
    assert plane.ask("GET", "/readyz")[0] == 200


def test_each_is_named_in_its_condition_and_in_metrics(plane: ControlPlane, hostile: Hostile) -> None:
    slow = {"hang", SILENT}  # these have five seconds

    def judged() -> Any:
        found = conditions(plane)
        return found if all(each for name, each in found.items() if name not in slow) else None

    deadline = time.monotonic() + 5
    while (found := judged()) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert found is not None, conditions(plane)
    for name, each in found.items():
        if name in slow or name == "flapping":
            continue
        assert (each["status"], each["reason"]) == (
            ("True", "Passed") if name in WELL else ("False", "FailedDiscoveryCheck")
        ), name
    figures = plane.ask("GET", "/metrics")[1].decode()
    for name in {*HOSTILE} - WELL - slow - {"flapping"}:
        assert f'aggregator_unavailable_apiservice{{name="v1.{name}.example.com"}} 1' in figures, name
    for name in (*WELL, "flapping"):
        assert f'aggregator_unavailable_apiservice{{name="v1.{name}.example.com"}}' in figures, name


def test_what_all_read_has_nothing_of_theirs_in_it(plane: ControlPlane, hostile: Hostile) -> None:
    code, groups, _ = plane.ask("GET", "/apis")
    assert code == 200 and "apps" in [each["name"] for each in groups["groups"]]
    code, found, _ = plane.ask("GET", "/apis", Accept=AGGREGATED)
    versions = {each["metadata"]["name"]: each["versions"][0] for each in found["items"]}
    assert code == 200
    for name in ("endless", "deep", "odd"):
        assert "resources" not in versions[f"{name}.example.com"], name
        assert versions[f"{name}.example.com"]["freshness"] == "Stale"
    code, document, _ = plane.ask("GET", "/openapi/v2")
    assert code == 200 and not [path for path in document["paths"] if "example.com" in path]
    assert plane.ask("GET", "/openapi/v2", Accept=PROTOBUF)[0] == 200
    code, index, _ = plane.ask("GET", "/openapi/v3")
    assert code == 200 and "elsewhere.example.com/" not in json.dumps(index)


@pytest.mark.parametrize(
    "name, code, text",
    [
        ("elsewhere", 502, b"the backend attempted to redirect this request, which is not permitted"),
        ("loop", 503, b"service unavailable\n"),
        ("garbage", 503, b"service unavailable\n"),
    ],
)
def test_a_request_for_them_is_answered_at_once(
    plane: ControlPlane, hostile: Hostile, name: str, code: int, text: bytes
) -> None:
    found = plane.ask("GET", f"/apis/{name}.example.com/v1/traps")
    assert found[:2] == (code, text)


def test_one_that_flaps_is_not_asked_more_often_for_it(plane: ControlPlane, hostile: Hostile) -> None:
    """So its condition is not written more often either. Several seconds have gone by."""
    assert 1 < FLAPPING.checks < 16
