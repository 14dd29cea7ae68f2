"""Memory that nobody in particular could fill: figures, decisions, parsed texts, names of headers."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from attack import wire
from integration.apiserver.process import ControlPlane, control_plane

MIB = 1 << 20
LONG = 100_000  # characters: as much as a request line takes
ROOM = 48 * MIB  # more than at rest: what is remembered at all, and what the allocator keeps
REVIEW = "/apis/authorization.k8s.io/v1/subjectaccessreviews"

Ask = tuple[str, str, dict[str, str]]


class Target:
    """A control plane, and what it had in hand at rest."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        self.most = wire.rss(plane.pid) + ROOM

    def flood(self, requests: Iterable[Ask], *, client: bool = False) -> None:
        """Method, path and headers of each request, over one connection."""
        context = self.plane.context(client=client)
        connection = http.client.HTTPSConnection("127.0.0.1", self.plane.port, context=context, timeout=20)
        for method, path, headers in requests:
            connection.request(method, path, headers=headers)
            connection.getresponse().read()
        connection.close()

    def rests(self) -> bool:
        """Whether it soon has no more in hand than it had, but for some room."""
        deadline = time.monotonic() + 10
        while wire.rss(self.plane.pid) > self.most and time.monotonic() < deadline:
            time.sleep(0.05)
        return wire.rss(self.plane.pid) <= self.most


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with control_plane(tmp_path_factory.mktemp("plane"), "--only", "api") as plane:
        plane.ask("GET", "/metrics")  # what is made once is made now
        account = {"metadata": {"name": "default"}}  # else each pod waits for it
        assert plane.ask("POST", "/api/v1/namespaces/default/serviceaccounts", account)[0] == 201
        yield Target(plane)
        assert "Traceback" not in plane.log.read_text()


def unlike(number: int, length: int = LONG) -> str:
    return f"{number:08}" + "x" * length


@pytest.mark.parametrize(
    "path",
    [
        "/{}", "/api/v1/{}", "/apis/{}/v1/pods/x", "/apis/apps/{}/deployments", "/api/v1/namespaces/{}/pods",
        "/api/v1/pods/x/{}",
    ],
    ids=["a path", "a resource", "a group", "a version", "a namespace", "a subresource"],
)  # fmt: skip
def test_nobodys_paths_are_neither_figures_nor_decisions(target: Target, path: str) -> None:
    """2,000 such requests and a scrape once took 12 GiB."""
    target.flood(("GET", path.format(unlike(number)), {}) for number in range(300))
    code, text, _ = target.plane.ask("GET", "/metrics")
    assert code == 200
    assert len(text) < MIB
    assert target.rests()


def test_a_method_is_a_figure_only_if_it_is_one_of_the_apis(target: Target) -> None:
    target.flood((method, "/api/v1/pods", {}) for method in ("PROPFIND", "MKCOL", "REPORT", "SEARCH"))
    text = target.plane.ask("GET", "/metrics")[1].decode()
    assert 'verb="other"' in text
    assert "propfind" not in text.lower()


@pytest.mark.parametrize(
    "path",
    ["labelSelector=a{}", "fieldSelector=metadata.name%3D{}", "continue={}", "resourceVersion={}"],
)
def test_what_is_parsed_is_not_kept_at_any_size(target: Target, path: str) -> None:
    target.flood((("GET", f"/api/v1/pods?{path.format(unlike(n))}", {}) for n in range(15)), client=True)
    assert target.rests()


@pytest.mark.parametrize(
    ("name", "value", "count"),
    [("{}", "a", 300), ("Accept", "{},*/*", 300), ("Authorization", "Bearer {}.a.b", 8)],
    ids=["a name", "a form", "a token"],  # whoever shows a bad token has to wait for each answer
)
def test_headers_leave_nothing_behind(target: Target, name: str, value: str, count: int) -> None:
    each = (unlike(number) for number in range(count))
    target.flood((("GET", "/api/v1/pods", {name.format(text): value.format(text)}) for text in each), client=True)
    assert target.rests()


def test_decisions_about_users_of_any_length_are_bounded(target: Target, tmp_path: Path) -> None:
    """A front proxy's users are as long as it likes; so are those an administrator asks about."""
    plane = target.plane
    proxy = wire.client(plane, tmp_path, "front-proxy-client", by="front-proxy-ca")
    connection = http.client.HTTPSConnection("127.0.0.1", plane.port, context=proxy, timeout=20)
    for number in range(300):
        who = {"X-Remote-User": unlike(number, 50_000), "X-Remote-Group": unlike(number, 50_000)}
        connection.request("GET", "/api/v1/pods", headers=who)
        connection.getresponse().read()
    connection.close()
    for number in range(40):
        asked = {"verb": "get", "resource": "pods", "name": unlike(number, MIB)}
        spec = {"user": unlike(number), "resourceAttributes": asked}
        assert plane.ask("POST", REVIEW, {"spec": spec})[0] == 201
    assert target.rests()


def test_quantities_of_any_length_are_not_remembered(target: Target) -> None:
    for number in range(25):
        requests = {"cpu": f"{number}." + "0" * MIB}
        spec = {"containers": [{"name": "a", "image": "a", "resources": {"requests": requests}}]}
        body = json.dumps({"metadata": {"name": "a"}, "spec": spec}).encode()
        target.plane.ask("POST", "/api/v1/namespaces/default/pods?dryRun=All", body)
    assert target.rests()


def test_connections_take_with_them_what_they_held(target: Target) -> None:
    """They waited for Python's collector of cycles, which counts objects, not bytes: 3 MiB each."""
    for number in range(25):
        spec = {"user": "a", "resourceAttributes": {"name": unlike(number, 2 * MIB)}}
        assert target.plane.ask("POST", REVIEW, {"spec": spec})[0] == 201
    assert target.rests()
