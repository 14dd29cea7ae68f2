"""Requests through an Ingress beside the same HAProxy configured by hand: what the routing of hosts and paths costs.

python bench/ingress.py [SECONDS]          needs root, containerd and wrk; starts a cluster in namespaces of its own
"""

from __future__ import annotations

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
def by_hand(cluster: Cluster, enter: tuple[str, ...], certificate: Path) -> Iterator[None]:
    """HAProxy in the node's network namespace, beside Longboat's."""
    pods = cluster.get("pods", "-l", "app=web")["items"]
    servers = "\n".join(f"    server s{n} {pod['status']['podIP']}:8080 check" for n, pod in enumerate(pods))
    file = cluster.host.folder / "by-hand.cfg"
    file.write_text(BY_HAND.format(certificate=certificate, host=HOST, servers=servers))
    process = cluster.host.start(*enter, "/usr/sbin/haproxy", "-W", "-f", str(file))
    time.sleep(1)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def wrk(cluster: Cluster, url: str, seconds: int, *flags: str) -> float:
    """Requests per second; all of them must have been answered well."""
    said = cluster.host.run(
        "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-H", f"Host: {HOST}", *flags, url, timeout=seconds + 30
    ).ok().out  # fmt: skip
    if "Non-2xx" in said:
        sys.exit(f"{url}: {said}")
    rate = re.search(r"Requests/sec: +([0-9.]+)", said)
    assert rate is not None, said
    return float(rate[1])


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
            with by_hand(cluster, enter, both):
                for what, scheme, ours, theirs, flags in KINDS:
                    urls = [f"{scheme}://{node}:{port}/" for port in (ours, theirs)]
                    rounds = [tuple(wrk(cluster, url, seconds, *flags) for url in urls) for _ in range(ROUNDS)]
                    through, plain = (statistics.median(column) for column in zip(*rounds, strict=True))
                    share = statistics.median(one / other for one, other in rounds)
                    print(f"{what:<28} {through:8.0f} /s   by hand {plain:8.0f} /s   share {share:4.0%}", flush=True)
        finally:
            cluster.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 4)
