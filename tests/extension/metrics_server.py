"""A metrics server: metrics.k8s.io/v1beta1, of what nodes say at /metrics/resource. It is started as upstream's is, by
its published manifests, and does as much of it as they, kubectl top and an autoscaler see.

Runs in a pod (Python ≥3.11, aiohttp ≥3.8, cryptography); its way with the cluster is the sample server's.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import re
import ssl
import time
from pathlib import Path
from typing import Any

from aiohttp import ClientError, ClientSession, web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from extension.wardle import ACCOUNT, Cluster, Object, Server, answering, believing, ok

GROUP, VERSION = "metrics.k8s.io", "v1beta1"
BASE = f"/apis/{GROUP}/{VERSION}"
LINE = re.compile(r"^(\w+)(?:\{([^}]*)\})? (\S+)")
LABEL = re.compile(r'(\w+)="([^"]*)"')
FIRST = 3.0  # seconds until there is a rate
CPU, MEMORY = "cpu_usage_seconds_total", "memory_working_set_bytes"
VERBS = ["get", "list"]
RESOURCES = [
    {"name": "nodes", "singularName": "", "namespaced": False, "kind": "NodeMetrics", "verbs": VERBS},
    {"name": "pods", "singularName": "", "namespaced": True, "kind": "PodMetrics", "verbs": VERBS},
]
_VERSION = {"groupVersion": f"{GROUP}/{VERSION}", "version": VERSION}

Key = tuple[str, ...]
Sample = dict[tuple[str, Key], float]


def read(text: str, node: str) -> Sample:
    """By figure and what it is of: a node, or a container by namespace, pod and name."""
    found: Sample = {}
    for line in text.splitlines():
        if (match := LINE.match(line)) is None:
            continue
        labels = dict(LABEL.findall(match[2] or ""))
        what, _, figure = match[1].partition("_")
        if figure in (CPU, MEMORY) and what in ("node", "container"):
            key = (node,) if what == "node" else (labels["namespace"], labels["pod"], labels["container"])
            found[figure, key] = float(match[3])
    return found


class Metrics:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.usage: dict[Key, dict[str, str]] = {}
        self.window, self.at, self.stamp = 0.0, 0.0, ""
        self._before: Sample = {}

    async def run(self, resolution: float) -> None:
        await self.scrape()
        await asyncio.sleep(FIRST)
        while True:
            await self.scrape()
            await asyncio.sleep(resolution)

    async def scrape(self) -> None:
        nodes = (await self.cluster.ask("GET", "/api/v1/nodes"))["items"]
        now = time.monotonic()
        found: Sample = {}
        for sample in await asyncio.gather(*map(self._of_node, nodes)):
            found.update(sample)
        if self._before:
            self.window, self.stamp = now - self.at, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            self.usage = {
                key: {
                    "cpu": f"{int(max(0.0, value - self._before[CPU, key]) / self.window * 1e9)}n",
                    "memory": f"{int(found.get((MEMORY, key), 0)) // 1024}Ki",
                }
                for (figure, key), value in found.items()
                if figure == CPU and (CPU, key) in self._before
            }
        self._before, self.at = found, now

    async def _of_node(self, node: Object) -> Sample:
        address = next(each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP")
        port = node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
        headers = {"Authorization": f"Bearer {Path(ACCOUNT, 'token').read_text()}"}
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nodes have an authority of their own
        url = f"https://{address}:{port}/metrics/resource"
        try:
            async with ClientSession() as session, session.get(url, headers=headers, ssl=context) as response:
                response.raise_for_status()
                return read(await response.text(), node["metadata"]["name"])
        except ClientError as error:
            print(f"{url}: {error}", flush=True)
            return {}

    def _metadata(self, name: str, namespace: str = "", labels: Any = None) -> Object:
        metadata: Object = {"name": name, "creationTimestamp": self.stamp}
        metadata |= {"namespace": namespace} if namespace else {}
        metadata |= {"labels": labels} if labels else {}
        return {"metadata": metadata, "timestamp": self.stamp, "window": f"{self.window:.3f}s"}

    async def nodes(self, request: web.Request) -> web.Response:
        items = [
            {**self._metadata(key[0]), "usage": usage, "kind": "NodeMetrics", "apiVersion": f"{GROUP}/{VERSION}"}
            for key, usage in sorted(self.usage.items())
            if len(key) == 1 and request.match_info.get("name") in (None, key[0])
        ]
        return _answer(request, "NodeMetrics", items)

    async def pods(self, request: web.Request) -> web.Response:
        namespace, name = request.match_info.get("namespace", ""), request.match_info.get("name", "")
        selector = request.query.get("labelSelector", "")
        where = f"/namespaces/{namespace}" if namespace else ""
        path = f"/api/v1{where}/pods" + (f"?labelSelector={selector.replace('=', '%3D')}" if selector else "")
        items = []
        for pod in (await self.cluster.ask("GET", path))["items"]:
            meta = pod["metadata"]
            mine = [(k[2], u) for k, u in self.usage.items() if k[:2] == (meta["namespace"], meta["name"])]
            if mine and name in ("", meta["name"]):
                containers = [{"name": each, "usage": usage} for each, usage in sorted(mine)]
                head = self._metadata(meta["name"], meta["namespace"], meta.get("labels"))
                items.append(
                    {**head, "containers": containers, "kind": "PodMetrics", "apiVersion": f"{GROUP}/{VERSION}"}
                )
        return _answer(request, "PodMetrics", items)

    async def ready(self, request: web.Request) -> web.Response:
        return web.Response(text="ok") if self.usage else web.Response(status=500, text="no metrics to serve")


def _answer(request: web.Request, kind: str, items: list[Object]) -> web.Response:
    if request.match_info.get("name"):
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
        return web.json_response(items[0]) if items else web.json_response(status, status=404)
    return web.json_response(
        {"kind": f"{kind}List", "apiVersion": f"{GROUP}/{VERSION}", "metadata": {}, "items": items}
    )


def self_signed(folder: Path) -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "metrics-server")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
    certificate = builder.not_valid_after(now + datetime.timedelta(days=365)).sign(key, hashes.SHA256())
    files = folder / "tls.crt", folder / "tls.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(files[0]), str(files[1])


async def run(options: argparse.Namespace) -> None:
    cluster = Cluster()
    context, names = await believing(cluster)
    context.load_cert_chain(*self_signed(Path(options.cert_dir)))
    metrics = Metrics(cluster)
    app = web.Application(middlewares=[Server(cluster, names).guard])
    group = {"name": GROUP, "versions": [_VERSION], "preferredVersion": _VERSION}
    listed = {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{GROUP}/{VERSION}",
        "resources": RESOURCES,
    }
    app.router.add_get("/apis", answering({"kind": "APIGroupList", "apiVersion": "v1", "groups": [group]}))
    app.router.add_get(BASE, answering(listed))
    app.router.add_get("/livez", ok)
    app.router.add_get("/readyz", metrics.ready)
    for path, handler in {
        "/nodes": metrics.nodes,
        "/pods": metrics.pods,
        "/namespaces/{namespace}/pods": metrics.pods,
    }.items():
        app.router.add_get(BASE + path, handler)
        app.router.add_get(BASE + path + "/{name}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, None, options.secure_port, ssl_context=context).start()
    await metrics.run(float(options.metric_resolution.rstrip("s")))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--secure-port", type=int, default=443)
    parser.add_argument("--cert-dir", default="/tmp")
    parser.add_argument("--metric-resolution", default="60s")
    asyncio.run(run(parser.parse_known_args()[0]))
