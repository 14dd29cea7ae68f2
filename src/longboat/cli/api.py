"""The few questions the command line asks of a cluster's API, without an event loop."""

from __future__ import annotations

import base64
import http.client
import json
import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from longboat.cli import kubeconfigs
from longboat.cli.cluster import Cluster

UNREACHABLE = (OSError, http.client.HTTPException)  # what a request raises while the server is not there


class Api:
    """Talks to a cluster as its administrator. Raises FileNotFoundError until the cluster's PKI exists."""

    def __init__(self, cluster: Cluster, timeout: float = 5.0) -> None:
        self._set(cluster.admin_kubeconfig, cluster.api_port, timeout)

    @classmethod
    def at(cls, kubeconfig: Path, timeout: float = 5.0) -> Api:
        """The API server that this kubeconfig names, wherever it listens."""
        api = cls.__new__(cls)
        api._set(kubeconfig, 0, timeout)
        return api

    def _set(self, kubeconfig: Path, port: int, timeout: float) -> None:
        credentials = kubeconfigs.read(kubeconfig)
        user, server = credentials["users"][0]["user"], credentials["clusters"][0]["cluster"]
        authority = base64.b64decode(server["certificate-authority-data"]).decode()
        self._authority = authority
        self._context = ssl.create_default_context(cadata=authority)
        pem = base64.b64decode(user["client-certificate-data"]) + b"\n" + base64.b64decode(user["client-key-data"])
        _load_chain(self._context, pem)
        url = urlsplit(server["server"])
        self.host = url.hostname or "127.0.0.1"
        self._port, self._timeout = port or url.port or 443, timeout

    @property
    def place(self) -> tuple[str, int]:
        """Host and port."""
        return self.host, self._port

    def listed(self, path: str) -> list[dict[str, Any]]:
        """The items of a list. Raises one of UNREACHABLE."""
        _, found = self.get(path)
        items: list[dict[str, Any]] = found.get("items", [])
        return items

    def get(self, path: str) -> tuple[int, Any]:
        """Status code and body (decoded where it is JSON). Raises one of UNREACHABLE."""
        return self.ask("GET", path)

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """As `get`, with any method; `body` is sent as JSON."""
        connection = http.client.HTTPSConnection(self.host, self._port, timeout=self._timeout, context=self._context)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": "application/json", **(headers or {})})
            response = connection.getresponse()
            content = response.read()
            kind = response.headers.get_content_type()
            return response.status, json.loads(content) if kind == "application/json" else content.decode()
        finally:
            connection.close()

    def anonymous(self, path: str) -> int:
        """The status that somebody without a credential gets. Raises one of UNREACHABLE."""
        context = ssl.create_default_context(cadata=self._authority)
        connection = http.client.HTTPSConnection(self.host, self._port, timeout=self._timeout, context=context)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        finally:
            connection.close()

    def ready(self) -> bool:
        """Whether the API server says it is ready; False where it cannot be reached."""
        try:
            return self.get("/readyz")[0] == 200
        except UNREACHABLE:
            return False

    def nodes(self) -> list[dict[str, Any]]:
        """name, address and ready of every node. Raises one of UNREACHABLE."""
        return [_summary(node) for node in self._nodes()]

    def ready_since(self, moment: str) -> dict[str, str]:
        """Name and address of the nodes that have said since `moment` (RFC 3339, UTC) that they are ready.

        What a node said before its agent was stopped stays in the API for a while: it does not count. Raises one of
        UNREACHABLE.
        """
        found = {}
        for node in self._nodes():
            for condition in node.get("status", {}).get("conditions", []):
                said = condition.get("lastHeartbeatTime") or ""
                if condition["type"] == "Ready" and condition["status"] == "True" and said.rstrip("Z") >= moment:
                    found[node["metadata"]["name"]] = _summary(node)["address"]
        return found

    def _nodes(self) -> list[dict[str, Any]]:
        return self.listed("/api/v1/nodes")


def _load_chain(context: ssl.SSLContext, pem: bytes) -> None:
    """Give the context a certificate and key without writing them to a disk (ssl only reads files)."""
    descriptor = os.memfd_create("admin")
    try:
        os.write(descriptor, pem)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _summary(node: dict[str, Any]) -> dict[str, Any]:
    status = node.get("status", {})
    addresses = [item["address"] for item in status.get("addresses", []) if item["type"] == "InternalIP"]
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", []))
    return {"name": node["metadata"]["name"], "address": next(iter(addresses), ""), "ready": ready}


def api_of(root: Path) -> Api | None:
    """A way to the cluster's API server as its administrator, if it answers."""
    try:
        api = Api.at(root / "admin.kubeconfig")
        return api if api.ready() else None
    except (*UNREACHABLE, KeyError, IndexError, ValueError):
        return None
