"""From a Service's creation to the first connection through its address, with pods that are ready already.

python bench/services.py [SERVICES]          needs root and containerd; starts a cluster in namespaces of its own
"""

from __future__ import annotations

import asyncio
import json
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src")]

from e2e.host import Cluster  # noqa: E402
from e2e.manifests import web_deployment  # noqa: E402
from images import build  # noqa: E402

SERVICES = 300
TRY = 0.002  # seconds from one attempt to connect to the next


def connect(address: str) -> bool:
    with socket.socket() as attempt:
        attempt.settimeout(TRY)
        try:
            attempt.connect((address, 80))
        except OSError:
            return False
        return True


async def measure(kubeconfig: str, services: int) -> list[float]:
    """Seconds for each. Runs in the node's network namespace: as its processes, so do its pods."""
    from longboat.aio.clock import SystemClock
    from longboat.api import kinds
    from longboat.client.https import HttpsTransport
    from longboat.client.kubeconfig import load
    from longboat.client.rest import RestClient

    transport = HttpsTransport(load(Path(kubeconfig)))
    client = RestClient(transport, SystemClock())
    took = []
    for number in range(services):
        spec = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}
        began = time.perf_counter()
        made = await client.create(
            kinds.SERVICE, {"metadata": {"name": f"bench-{number}"}, "spec": spec}, namespace="default"
        )
        address = json.loads(made)["spec"]["clusterIP"]
        while not connect(address):  # noqa: ASYNC110 - nothing tells when the kernel has the rule
            await asyncio.sleep(TRY)
        took.append(time.perf_counter() - began)
        await asyncio.sleep(0.02)
    await transport.close()
    return took


def main(services: int) -> None:
    with tempfile.TemporaryDirectory(prefix="longboat-bench-") as folder:
        cluster = Cluster(Path(folder), 1)
        try:
            cluster.up()
            cluster.import_image(build.build()["web"])
            cluster.apply(web_deployment("web"))
            cluster.kubectl("rollout", "status", "deploy/web", "--timeout=60s").ok()
            enter = ("nsenter", f"--net={cluster.host.data}/run/ns/node-1/net", "--")
            kubeconfig = cluster.host.folder / "inside"
            address = cluster.kubectl(
                "get", "endpointslices", "kubernetes", "-o", "jsonpath={.endpoints[0].addresses[0]}"
            )
            server = cluster.kubectl("config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}").out
            there = server.replace("127.0.0.1", address.ok().out)
            kubeconfig.write_text(cluster.host.kubeconfig.read_text().replace(server, there))
            run = cluster.host.run(
                *enter, sys.executable, __file__, "measure", str(kubeconfig), str(services), timeout=300
            )
            took = sorted(json.loads(run.ok().out))
        finally:
            cluster.close()
    p99 = took[int(len(took) * 0.99)]
    print(f"Service to first connection, {services} in turn: median {statistics.median(took) * 1000:.0f} ms, ", end="")
    print(f"p99 {p99 * 1000:.0f} ms, longest {took[-1] * 1000:.0f} ms")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["measure", kubeconfig, services]:
            print(json.dumps(asyncio.run(measure(kubeconfig, int(services)))))
        case [*rest]:
            main(int(rest[0]) if rest else SERVICES)
