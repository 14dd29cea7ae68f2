"""A backend behind the API server's proxy tries to use the server's powers (security lessons 1, 2 and 5).

Server, backend and client share a namespace without uplink, in which two addresses stand for two machines.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.host import LONGBOAT, Done, Host

pytestmark = pytest.mark.root

BACKEND, OTHER = "192.0.2.10", "192.0.2.11"
PORT = 8080
SERVICE = "/api/v1/namespaces/default/services/evil/proxy"
SPEAKER = Path(__file__).with_name("backend.py")

TWO_REQUESTS = """
import base64, json, socket, ssl, sys
config = json.load(open(sys.argv[1]))
context = ssl.create_default_context(cadata=base64.b64decode(
    config["clusters"][0]["cluster"]["certificate-authority-data"]).decode())
plain = socket.create_connection(("127.0.0.1", int(sys.argv[2])), 10)
with context.wrap_socket(plain, server_hostname="127.0.0.1") as s:
    s.settimeout(10)
    for text in sys.argv[4:]:
        s.sendall(text.encode().decode("unicode_escape").replace("TOKEN", sys.argv[3]).encode())
    answer = b""
    try:
        while piece := s.recv(65536):
            answer += piece
    except OSError:
        pass
    sys.stdout.buffer.write(answer)
"""


class Site:
    """A control plane in a namespace, a backend, and what the backend saw."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.host = folder, Host(folder)
        self._running: list[subprocess.Popen[str]] = []
        for address in (BACKEND, OTHER):
            self.host.run("ip", "address", "add", f"{address}/32", "dev", "lo").ok()

    def start(self) -> None:
        for address in (BACKEND, OTHER):
            seen = str(self.folder / f"{address}.jsonl")
            started = self._start(sys.executable, str(SPEAKER), address, str(PORT), seen, stdout=subprocess.PIPE)
            assert started.stdout is not None and started.stdout.readline() == "ready\n"
        flags = ("--data-dir", str(self.host.data), "--listen", "127.0.0.1:6443")
        with (self.folder / "server.log").open("w") as log:
            self._start(*LONGBOAT, "server", *flags, stdout=log, stderr=log)
        self.host.run("sh", "-c", f"until test -e {self.admin} && {self.get('/readyz')}; do sleep 0.1; done").ok()
        self.apply(
            {"kind": "Service", "apiVersion": "v1", "metadata": {"name": "evil"}, "spec": {"ports": [{"port": PORT}]}},
            {
                "kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1",
                "addressType": "IPv4", "ports": [{"port": PORT}],
                "metadata": {"name": "evil", "labels": {"kubernetes.io/service-name": "evil"}},
                "endpoints": [{"addresses": [BACKEND]}],
            },
        )  # fmt: skip

    @property
    def admin(self) -> Path:
        return self.host.data / "admin.kubeconfig"

    def _start(self, *args: str, **options: Any) -> subprocess.Popen[str]:
        started = self.host.start(*args, **options)
        self._running.append(started)
        return started

    def get(self, path: str) -> str:
        return f"kubectl --kubeconfig {self.admin} get --raw '{path}' > /dev/null 2>&1"

    def kubectl(self, *args: str, stdin: str | None = None) -> Done:
        return self.host.run("kubectl", "--kubeconfig", str(self.admin), *args, stdin=stdin)

    def apply(self, *objects: Any) -> None:
        document = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("apply", "-f", "-", stdin=json.dumps(document)).quiet()

    def token(self, name: str, *rules: str) -> str:
        """Of a new account that may do this: `verb resource`."""
        self.kubectl("create", "serviceaccount", name).quiet()
        for i, rule in enumerate(rules):
            verb, resource = rule.split()
            self.kubectl("create", "clusterrole", f"{name}-{i}", f"--verb={verb}", f"--resource={resource}").quiet()
            grant = (f"--clusterrole={name}-{i}", f"--serviceaccount=default:{name}")
            self.kubectl("create", "clusterrolebinding", f"{name}-{i}", *grant).quiet()
        return self.kubectl("create", "token", name).quiet().strip()

    def say(self, token: str, *requests: str) -> str:
        """Send these over one connection; all that comes back."""
        program = ("-c", TWO_REQUESTS, str(self.admin), "6443", token, *requests)
        return self.host.run(sys.executable, *program).ok().out

    def seen(self, address: str) -> list[Any]:
        file = self.folder / f"{address}.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def close(self) -> None:
        for process in self._running:
            process.terminate()
        for process in self._running:
            process.wait(20)
            if process.stdout is not None:
                process.stdout.close()
        self.host.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"))
    try:
        site.start()
        yield site
        assert "Traceback" not in (site.folder / "server.log").read_text()
    finally:
        site.close()


def request(method: str, path: str, *headers: str) -> str:
    lines = (f"{method} {path} HTTP/1.1", "Host: api", "Authorization: Bearer TOKEN", *headers)
    return "\\r\\n".join((*lines, "", ""))


def test_a_redirect_is_the_client_s_to_follow(site: Site) -> None:
    """Lesson 2. The server passes it on, and goes nowhere itself: not elsewhere, and not to its own port."""
    token = site.token("reader", "get services/proxy")
    for to in (f"http://{OTHER}:{PORT}/stolen", "https://127.0.0.1:6443/api/v1/secrets"):
        said = site.say(token, request("GET", f"{SERVICE}/redirect?to={to}", "Connection: close"))
        assert said.startswith("HTTP/1.1 302") and f"location: {to}" in said.lower()
    assert site.seen(OTHER) == []
    assert len(site.seen(BACKEND)) == 2
    assert all("authorization" not in each["head"].lower() for each in site.seen(BACKEND))


def test_nothing_follows_an_upgrade_that_failed(site: Site) -> None:
    """Lesson 1 (CVE-2018-1002105): what a client sends behind it reaches the backend neither with the server's name nor
    at all."""
    token = site.token("upgrader", "get,create services/proxy")
    upgrade = request("GET", f"{SERVICE}/x", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    said = site.say(token, upgrade, request("GET", "/exec/as/the/server"))
    assert said.startswith("HTTP/1.1 4") and said.count("HTTP/1.1") == 1
    (asked,) = [each for each in site.seen(BACKEND) if "upgrade:" in each["head"].lower()]
    assert asked["behind"] == ""


@pytest.mark.parametrize("path", ["exec/a/b/c", "run/a/b/c", "attach/a/b/c", "portForward/a/b"])
def test_reading_a_node_is_not_running_commands_on_it(site: Site, path: str) -> None:
    """Lesson 5: what the node's port runs needs `create nodes/proxy`, whatever the method; so does any upgrade."""
    site.apply({"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n"}})
    name = f"looker-{path.partition('/')[0].lower()}"
    token = site.token(name, "get nodes/proxy")
    refused = f'User \\"system:serviceaccount:default:{name}\\" cannot create resource \\"nodes/proxy\\"'
    for headers in ((), ("Connection: Upgrade", "Upgrade: SPDY/3.1")):
        said = site.say(
            token, request("GET", f"/api/v1/nodes/n/proxy/{path}?command=id", "Connection: close", *headers)
        )
        assert said.startswith("HTTP/1.1 403") and refused in said
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AA==")
    said = site.say(token, request("GET", "/api/v1/nodes/n/proxy/metrics", *upgrade))
    assert said.startswith("HTTP/1.1 403") and refused in said
