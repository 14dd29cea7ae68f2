"""HTTP to pods and Services through the API server (sig-network)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conformance.network.scene import TCP, Scene, eventually, port
from conformance.node.api import Answer
from conformance.node.pods import container, pod
from e2e.manifests import WEB

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(300)]

WITH_BODY = ("PATCH", "POST", "PUT")
METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", *WITH_BODY)


@pytest.fixture(scope="module")
def places(scene: Scene) -> Iterator[dict[str, str]]:
    """The proxy paths of a pod and a Service, with the name of the pod that answers there."""
    server = next(iter(scene.servers))
    scene.service("proxied", port(80, TCP), port(81, TCP), selector={"role": "server"})
    scene.service("single", port(80, TCP), selector={"role": "server"})
    # What speaks TLS behind this pod's port is the API server.
    forward = container("exec nc -ll -p 8443 -e nc kubernetes.default.svc 443", image=WEB)
    ready = {"tcpSocket": {"port": 8443}, "periodSeconds": 1}
    scene.create(pod("secured", {**forward, "readinessProbe": ready}, labels={"role": "secured"}))
    scene.service("secured", port(443, 8443), selector={"role": "secured"})
    scene.ready("secured")
    eventually(lambda: len(scene.backing("secured") or ()), 1)
    yield {scene.path(f"{server}:{TCP}", "proxy"): server, f"{scene.place('Service')}/single/proxy": ""}
    for name in ("proxied", "single", "secured"):
        scene.remove("Service", name)
    scene.delete("secured")


def is_right(answer: Answer, method: str, target: str) -> bool:
    return answer.status == 200 and answer.headers["X-Asked"] == f"{method} {target}"


def test_without_path(scene: Scene, places: dict[str, str]) -> None:
    """Conformance: Proxy, validate Proxy responses"""
    for place, name in places.items():
        for method in METHODS:
            path = f"{place}?method={method}"
            answer = scene.api.answer(method, path, "hello" if method in WITH_BODY else None)
            if method in ("GET", "HEAD"):
                assert answer.status == 301
                assert answer.headers["Location"] == f"{place}/?method={method}"
                answer = scene.api.answer(method, answer.headers["Location"])
            assert is_right(answer, method, f"/?method={method}")
            said = answer.body.decode().strip()
            assert said == "" if method == "HEAD" else said in ({name} if name else scene.servers)


def test_with_path(scene: Scene, places: dict[str, str]) -> None:
    """Conformance: Proxy, validate ProxyWithPath responses"""
    for place in places:
        for method in METHODS:
            body = f"{method} says hello" if method in WITH_BODY else None
            answer = scene.api.answer(method, f"{place}/echo?with={method}", body)
            assert is_right(answer, method, f"/echo?with={method}")
            assert answer.body.decode() == (body or "")
        answer = scene.api.answer("GET", f"{place}/some/path/with%20a:space/")
        assert answer.status == 404 and answer.headers["X-Asked"] == "GET /some/path/with%20a:space/"


def test_services_and_pods(scene: Scene, places: dict[str, str]) -> None:
    """Conformance: Proxy through apiserver to a Service"""
    services, (place, name) = scene.place("Service"), next(iter(places.items()))
    for service in ("proxied:tcp-80", "http:proxied:tcp-80", "proxied:81", "single", ":single:", "single:80"):
        answer = scene.api.answer("GET", f"{services}/{service}/proxy/")
        assert answer.status == 200 and answer.body.decode().strip() in scene.servers
    for each in (f"{name}:{TCP}", f"http:{name}:{TCP}"):
        assert scene.api.ask("GET", scene.path(each, "proxy/")).decode().strip() == name
    assert scene.api.ask("GET", f"{place}/page").decode() == f'<a href="{place}/next">next</a>'
    moved = scene.api.answer("GET", f"{place}/moved")
    assert (moved.status, moved.headers["Location"]) == (302, f"{place}/next")

    assert scene.api.get(f"{services}/https:secured:443/proxy/version")["minor"] == "36"
    assert scene.api.get(scene.path("https:secured:8443", "proxy/version"))["minor"] == "36"
