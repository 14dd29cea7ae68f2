"""Ingresses on real nodes: routed, encrypted, and not a request lost while everything behind them changes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from e2e.certificates import self_signed
from e2e.host import Cluster
from e2e.manifests import service, web_deployment
from images import debian
from longboat.network.overlay.bridge import port_name

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(600)]
LOAD = Path(__file__).with_name("https_load.py")
CONNECTIONS = 10_000


def ingress(name: str, *rules: tuple[str, str, str, str], **spec: Any) -> dict[str, Any]:
    """Each rule: host, path, pathType, Service."""
    listed = [
        {"host": host, "http": {"paths": [{"path": path, "pathType": kind, "backend": backend(to)}]}}
        for host, path, kind, to in rules
    ]
    head = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name}}
    return {**head, "spec": {"rules": listed, **spec}}


def backend(to: str) -> dict[str, Any]:
    return {"service": {"name": to, "port": {"number": 80}}}


@pytest.fixture
def web(cluster: Cluster, namespace: str) -> Cluster:
    cluster.kubectl("config", "set-context", "--current", f"--namespace={namespace}").quiet()
    cluster.apply(web_deployment("web"), service("web"), web_deployment("other", 1), service("other"))
    for name in ("web", "other"):
        cluster.kubectl("rollout", "status", f"deploy/{name}", "--timeout=60s").quiet()
    return cluster


def address(cluster: Cluster, node: str = "node-2") -> str:
    found: str = cluster.get("node", node)["status"]["addresses"][0]["address"]
    return found


def fetch(cluster: Cluster, host: str, path: str = "/", *flags: str) -> tuple[int, str]:
    """Status, 0 where nobody answers, and body, of the Ingress at node-2."""
    url = f"http://{address(cluster)}{path}"
    done = cluster.host.run("curl", "-sS", "-m", "5", "-w", "\n%{http_code}", "-H", f"Host: {host}", *flags, url)
    body, _, status = done.out.rpartition("\n")
    return int(status), body.strip()


def until(true: Callable[[], bool], within: float = 20) -> None:
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_hosts_and_paths_lead_where_the_rules_say(web: Cluster) -> None:
    web.apply(
        ingress(
            "all",
            ("a.example.com", "/", "Prefix", "web"), ("a.example.com", "/other", "Prefix", "other"),
            ("a.example.com", "/only", "Exact", "other"), ("*.wild.example.com", "/", "Prefix", "other"),
            ("b.example.com", "/", "Prefix", "nobody"),
        )
    )  # fmt: skip
    until(lambda: fetch(web, "a.example.com")[0] == 200)
    for host, path, expected in (
        ("a.example.com", "/", "web"), ("A.Example.Com:80", "/", "web"), ("a.example.com", "/other", "other"),
        ("a.example.com", "/other/more", "other"), ("a.example.com", "/others", "web"),
        ("a.example.com", "/only", "other"), ("a.example.com", "/only/not", "web"),
        ("x.wild.example.com", "/", "other"),
    ):  # fmt: skip
        _, body = fetch(web, host, path)
        assert f"{expected}-" in body, (host, path, body)
    assert fetch(web, "y.x.wild.example.com")[0] == fetch(web, "wild.example.com")[0] == 404
    assert fetch(web, "b.example.com")[0] == 503
    assert fetch(web, "a.example.com/other", "/")[0] == 400
    shown = web.get("ingress", "all")
    assert shown["spec"]["ingressClassName"] == "longboat"
    everywhere = [a["address"] for n in web.get("nodes")["items"] for a in n["status"]["addresses"][:-1]]
    assert [each["ip"] for each in shown["status"]["loadBalancer"]["ingress"]] == sorted(everywhere)
    for each in everywhere:  # of both IP families
        at = f"[{each}]" if ":" in each else each
        said = web.host.run("curl", "-sS", "-m", "5", "-H", "Host: a.example.com", f"http://{at}/only").ok().out
        assert "other-" in said
    until(lambda: any(e["reason"] == "ServiceNotFound" for e in web.get("events")["items"]))
    web.kubectl("patch", "ingress", "all", "--type=merge", "-p", '{"spec":{"ingressClassName":"foreign"}}').quiet()
    until(lambda: fetch(web, "a.example.com")[0] == 404)


@pytest.fixture
def host(namespace: str) -> str:
    """A name of the test's own: an older Ingress, of a namespace that is being deleted, would keep a shared one."""
    return f"{namespace[-60:].strip('-')}.example.com"


@dataclass(frozen=True)
class Tls:
    """An Ingress over HTTPS, and a client of it that makes a new connection for each request."""

    cluster: Cluster
    host: str
    certificate: Path
    key: Path

    def load(self, connections: int, authorities: Path | None = None) -> dict[str, Any]:
        """What `https_load.py` prints."""
        run = self.cluster.host.run(
            sys.executable, str(LOAD), address(self.cluster), self.host, str(authorities or self.certificate),
            str(connections), timeout=300,
        )  # fmt: skip
        found: dict[str, Any] = json.loads(run.ok().out)
        return found


@pytest.fixture
def tls(web: Cluster, host: str, tmp_path: Path) -> Tls:
    certificate, key = self_signed(tmp_path, "first", host)
    web.kubectl("create", "secret", "tls", "web", f"--cert={certificate}", f"--key={key}").quiet()
    web.apply(ingress("web", (host, "/", "Prefix", "web"), tls=[{"hosts": [host], "secretName": "web"}]))
    found = Tls(web, host, certificate, key)
    until(lambda: found.load(1)["good"] == 1)
    return found


def test_no_request_fails_while_pods_roll_and_the_certificate_is_replaced(tls: Tls, tmp_path: Path) -> None:
    cluster = tls.cluster
    certificate, key = self_signed(tmp_path, "second", tls.host)
    both = tmp_path / "both.crt"
    both.write_bytes(tls.certificate.read_bytes() + certificate.read_bytes())
    with ThreadPoolExecutor(1) as pool:
        under_load = pool.submit(tls.load, CONNECTIONS, both)
        cluster.kubectl("rollout", "restart", "deploy/web").quiet()
        cluster.kubectl("rollout", "status", "deploy/web", "--timeout=120s").quiet()
        renewed = cluster.kubectl("create", "secret", "tls", "web", f"--cert={certificate}", f"--key={key}",
                                  "--dry-run=client", "-o", "json").quiet()  # fmt: skip
        cluster.kubectl("replace", "-f", "-", stdin=renewed).quiet()
        until(lambda: tls.load(1, certificate)["good"] == 1)
        found = under_load.result()
    assert (found["good"], found["bad"]) == (CONNECTIONS, [])


def test_another_node_that_goes_away_is_passed_over_within_two_seconds(tls: Tls) -> None:
    cluster = tls.cluster
    cluster.kubectl("scale", "deploy/web", "--replicas=6").quiet()
    cluster.kubectl("rollout", "status", "deploy/web", "--timeout=60s").quiet()
    assert {p["spec"]["nodeName"] for p in cluster.get("pods", "-l", "app=web")["items"]} == {"node-1", "node-2"}
    port = port_name("default", "node-1")
    with ThreadPoolExecutor(1) as pool:
        under_load = pool.submit(tls.load, CONNECTIONS // 2)
        time.sleep(1)
        cut = time.monotonic()
        cluster.host.run("ip", "link", "set", port, "down").ok()
        try:
            found = under_load.result()
        finally:
            cluster.host.run("ip", "link", "set", port, "up").ok()
    assert time.monotonic() - cut > 4, "the load ended too soon to tell"
    recovery = found["trouble"] - cut
    assert found["trouble"], "nobody noticed"
    assert recovery < 2, f"the last request in trouble was begun {recovery:.2f} s after the cut: {found}"
    assert found["good"] > 0.99 * CONNECTIONS // 2


def test_a_websocket_stays_open_while_routes_and_pods_come_and_go(tls: Tls) -> None:
    cluster = tls.cluster
    cluster.import_image(debian.build(("python",))["python"])
    echo = web_deployment("echo", 1)
    container = echo["spec"]["template"]["spec"]["containers"][0]
    script = Path(__file__).with_name("websocket_echo.py").read_text()
    container |= {"image": debian.name("python"), "command": ["python3", "-u", "-c", script]}
    cluster.apply(echo, service("echo"), ingress("echo", (tls.host, "/echo", "Prefix", "echo")))
    cluster.kubectl("rollout", "status", "deploy/echo", "--timeout=60s").quiet()
    until(lambda: fetch(cluster, tls.host, "/echo") == (200, ""))
    client = cluster.host.start(
        sys.executable, str(LOAD.with_name("websocket_client.py")), f"wss://{tls.host}/echo", address(cluster),
        str(tls.certificate), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert client.stdin and client.stdout

    def echoed(text: str) -> str:
        client.stdin.write(text + "\n")
        client.stdin.flush()
        return str(client.stdout.readline()).strip()

    try:
        assert client.stdout.readline() == "open\n"
        assert echoed("one") == "one"
        cluster.apply(ingress("more", (tls.host, "/more", "Prefix", "web")))  # routes change by a reload
        until(lambda: "web-" in fetch(cluster, tls.host, "/more")[1])
        assert echoed("two") == "two"
        cluster.kubectl("scale", "deploy/echo", "--replicas=3").quiet()
        cluster.kubectl("rollout", "status", "deploy/echo", "--timeout=60s").quiet()
        assert echoed("three") == "three"
    finally:
        client.kill()
        client.communicate()


def test_a_haproxy_that_dies_comes_back(web: Cluster, host: str) -> None:
    web.apply(ingress("web", (host, "/", "Prefix", "web")))
    until(lambda: fetch(web, host)[0] == 200)
    found = {process["name"]: process for process in web.status()["processes"]}["haproxy-node-2"]
    assert found["pss_bytes"] > 2**20
    web.host.run("kill", "-9", str(found["pid"])).ok()
    until(lambda: fetch(web, host)[0] == 200)
