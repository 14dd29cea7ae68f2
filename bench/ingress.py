"""Requests through an Ingress beside the same HAProxy configured by hand: what the routing of hosts and paths costs.

python bench/ingress.py [SECONDS]          needs root, containerd and wrk; starts a cluster in namespaces of its own
"""

from __future__ import annotations

import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src")]

from e2e.certificates import self_signed  # noqa: E402
from e2e.host import Cluster  # noqa: E402
from e2e.manifests import service, web_deployment  # noqa: E402
from images import build  # noqa: E402

HOST, CONNECTIONS, ROUNDS = "shop.example.com", 32, 5
BY_HAND = """defaults
    mode http
    timeout connect 500ms
    timeout client 60s
    timeout server 60s
frontend web
    bind :8080
    bind :8443 ssl crt {certificate} alpn h2,http/1.1
    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-header X-Forwarded-Port %[dst_port]
    http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
    http-request set-header X-Forwarded-Proto http if !{{ ssl_fc }}
    use_backend web if {{ req.hdr(host) -m beg {host} }} {{ path_beg / }}
backend web
    balance roundrobin
{servers}
"""
KINDS = (
    ("http, connections kept", "http", 80, 8080, ()),
    ("https, connections kept", "https", 443, 8443, ()),
    ("https, a new one each time", "https", 443, 8443, ("-H", "Connection: close")),
)


@contextmanager
def by_hand(cluster: Cluster, enter: tuple[str, ...], certificate: Path) -> Iterator[int]:
    """HAProxy in the node's network namespace, beside Longboat's; its master's process number."""
    pods = cluster.get("pods", "-l", "app=web")["items"]
    servers = "\n".join(f"    server s{n} {pod['status']['podIP']}:8080 check" for n, pod in enumerate(pods))
    file = cluster.host.folder / "by-hand.cfg"
    file.write_text(BY_HAND.format(certificate=certificate, host=HOST, servers=servers))
    process = cluster.host.start(*enter, "/usr/sbin/haproxy", "-W", "-f", str(file))
    time.sleep(1)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(10)


def processor(master: int) -> float:
    """Seconds that HAProxy's workers have run."""
    workers = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    stats = [Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split() for worker in workers]
    return sum(int(fields[11]) + int(fields[12]) for fields in stats) / os.sysconf("SC_CLK_TCK")


def wrk(cluster: Cluster, url: str, seconds: int, master: int, *flags: str) -> tuple[float, float]:
    """Requests per second, and HAProxy's share of a core for each, in µs; all must have been answered well."""
    before = processor(master)
    said = cluster.host.run(
        "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-H", f"Host: {HOST}", *flags, url, timeout=seconds + 30
    ).ok().out  # fmt: skip
    if "Non-2xx" in said:
        sys.exit(f"{url}: {said}")
    rate = re.search(r"Requests/sec: +([0-9.]+)", said)
    assert rate is not None, said
    return float(rate[1]), (processor(master) - before) / (float(rate[1]) * seconds) * 1e6


def ingress() -> dict[str, object]:
    path = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}}
    return {
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"},
        "spec": {"rules": [{"host": HOST, "http": {"paths": [path]}}], "tls": [{"hosts": [HOST], "secretName": "web"}]},
    }  # fmt: skip


def main(seconds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="longboat-bench-") as directory:
        folder = Path(directory)
        cluster = Cluster(folder, 1)
        try:
            cluster.up()
            cluster.import_image(build.build()["web"])
            certificate, key = self_signed(folder, "web", HOST)
            (both := folder / "both.pem").write_bytes(certificate.read_bytes() + key.read_bytes())
            cluster.kubectl("create", "secret", "tls", "web", f"--cert={certificate}", f"--key={key}").ok()
            cluster.apply(web_deployment("web"), service("web"), ingress())
            cluster.kubectl("rollout", "status", "deploy/web", "--timeout=60s").ok()
            enter = ("nsenter", f"--net={cluster.host.data}/run/ns/node-1/net", "--")
            node = cluster.status()["nodes"][0]["address"]
            ours = next(p["pid"] for p in cluster.status()["processes"] if p["name"] == "haproxy-node-1")
            with by_hand(cluster, enter, both) as theirs:
                for what, scheme, *ports, flags in KINDS:
                    sides = [
                        (f"{scheme}://{node}:{port}/", pid) for port, pid in zip(ports, (ours, theirs), strict=True)
                    ]
                    rounds = [[wrk(cluster, url, seconds, pid, *flags) for url, pid in sides] for _ in range(ROUNDS)]
                    rates = [statistics.median(each[side][0] for each in rounds) for side in (0, 1)]
                    costs = [statistics.median(each[side][1] for each in rounds) for side in (0, 1)]
                    share = statistics.median(one[0] / other[0] for one, other in rounds)
                    print(f"{what:<28} {rates[0]:7.0f} /s  by hand {rates[1]:7.0f} /s  share {share:4.0%}", end="   ")
                    print(f"processor {costs[0]:4.0f} µs each  by hand {costs[1]:4.0f} µs", flush=True)
        finally:
            cluster.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 4)
