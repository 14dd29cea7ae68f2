"""The Service through which pods find the API (sig-network)."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
from base64 import b64decode
from collections.abc import Callable
from typing import Any

import pytest

from conformance.network.scene import Scene

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(300)]

KUBERNETES = "kubernetes.default.svc"
REQUEST = f"GET /version HTTP/1.1\r\nHost: {KUBERNETES}\r\nConnection: close\r\n\r\n".encode()


def asked_by(scene: Scene, asker: str) -> Any:
    """What the API answers to /version, over TLS that is spoken here and carried by a pod's connection."""
    config = scene.cluster.kubectl("config", "view", "--raw", "-o", "json").json
    authority = b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context(cadata=authority)
    tls = context.wrap_bio(incoming, outgoing, server_hostname=KUBERNETES)
    command = ["kubectl", "exec", "-i", "-n", scene.namespace, asker, "--", "timeout", "10", "nc", KUBERNETES, "443"]
    process = scene.cluster.host.start(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin and process.stdout

    def step(act: Callable[[], Any]) -> Any:
        while True:
            try:
                return act()
            except ssl.SSLWantReadError:
                os.write(process.stdin.fileno(), outgoing.read())  # type: ignore[union-attr]
                data = os.read(process.stdout.fileno(), 1 << 16)  # type: ignore[union-attr]
                assert data, "the connection has ended"
                incoming.write(data)

    try:
        step(tls.do_handshake)
        tls.write(REQUEST)
        answer = b""
        while not answer.endswith(b"}"):
            answer += step(tls.read)
    finally:
        process.kill()
        process.communicate()
    return json.loads(answer.partition(b"\r\n\r\n")[2])


def test_there_is_a_service(scene: Scene) -> None:
    """Conformance: Kubernetes Service"""
    spec = scene.api.get("/api/v1/namespaces/default/services/kubernetes")["spec"]
    (port,) = spec["ports"]
    assert (port["name"], port["port"], port["protocol"]) == ("https", 443, "TCP")
    for asker in scene.names("asker"):
        assert asked_by(scene, asker)["minor"] == "36"


def test_its_endpoints_are_the_servers(scene: Scene) -> None:
    """Conformance: kubernetes.default Endpoints and EndpointSlices"""
    endpoints = scene.api.get("/api/v1/namespaces/default/endpoints/kubernetes")
    (subset,) = endpoints["subsets"]
    (port,) = subset["ports"]
    addresses = [each["ip"] for each in subset["addresses"]]
    assert addresses and "notReadyAddresses" not in subset
    query = "labelSelector=kubernetes.io/service-name=kubernetes"
    found = scene.api.get(f"/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?{query}")
    (piece,) = [each for each in found["items"] if each["addressType"] == "IPv4"]
    assert [address for each in piece["endpoints"] for address in each["addresses"]] == addresses
    assert [(each["name"], each["port"]) for each in piece["ports"]] == [(port["name"], port["port"])]
    for address in addresses:
        answer = scene.cluster.host.run("curl", "-sk", "-m", "5", f"https://{address}:{port['port']}/version").json
        assert answer["minor"] == "36", "a server is there"
