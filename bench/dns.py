"""The cluster's DNS on one core: answers per second, how long they take, and what the agent's loop feels of it.

python bench/dns.py [SECONDS]          needs root, gcc and two cores; runs in a network namespace of its own
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

ADDRESS = "127.0.0.1"
SERVICES, ENDPOINTS = 1000, 100
SOCKETS = 16


class Objects:
    """A transport on which the API has these objects, for ever."""

    def __init__(self) -> None:
        services: list[Any] = [
            _service(f"web-{number}", f"10.96.{number // 250}.{number % 250 + 1}") for number in range(SERVICES)
        ]
        addresses = [f"10.244.{number // 250}.{number % 250 + 1}" for number in range(ENDPOINTS)]
        slice_ = {
            "metadata": {
                "name": "db-1", "namespace": "shop", "resourceVersion": "1",
                "labels": {"kubernetes.io/service-name": "db"},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}} for address in addresses],
            "ports": [{"name": "pg", "port": 5432, "protocol": "TCP"}],
        }  # fmt: skip
        self._lists = {
            "services": [*services, _service("db", "None")],
            "endpointslices": [slice_],
            "namespaces": [{"metadata": {"name": "shop", "resourceVersion": "1"}}],
        }

    async def request(self, method: str, path: str, **options: Any) -> bytes:
        items = self._lists[path.rpartition("/")[2]]
        return json.dumps({"items": items, "metadata": {"resourceVersion": "1"}}).encode()

    async def stream(self, path: str, **options: Any) -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    async def close(self) -> None:
        return None


def _service(name: str, address: str) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80, "protocol": "TCP"}]
    return {
        "metadata": {"name": name, "namespace": "shop", "resourceVersion": "1"},
        "spec": {"type": "ClusterIP", "clusterIP": address, "clusterIPs": [address], "ports": ports},
    }


async def serve(port: int, control: Path) -> None:
    """The server as the agent runs it, beside a task that feels how late the loop is; both report when asked."""
    from longboat.aio.clock import SystemClock
    from longboat.client.informer import Informers
    from longboat.client.rest import RestClient
    from longboat.network.dns.cluster_dns import ClusterDNS

    clock = SystemClock()
    informers = Informers(RestClient(Objects(), clock), clock)
    dns = ClusterDNS(informers, clock, domain="cluster.local", addresses=(ADDRESS,), port=port)
    informers.start()
    running = asyncio.create_task(dns.run())
    late: list[float] = []

    async def feel() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            late.append(time.perf_counter() - began - 0.001)

    feeling = asyncio.create_task(feel())

    async def report(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ordered = sorted(late) or [0.0]
        late.clear()
        times = os.times()
        found = {"cpu": times.user + times.system, "late_p99_ms": ordered[int(len(ordered) * 0.99)] * 1e3}
        writer.write(json.dumps(found).encode())
        writer.close()

    async with await asyncio.start_unix_server(report, control) as server:
        await server.serve_forever()
    running.cancel()
    feeling.cancel()


def question(name: str, kind: int = 1) -> str:
    labels = b"".join(len(label).to_bytes() + label.encode() for label in name.split("."))
    return (bytes.fromhex("000001000001000000000000") + labels + b"\0" + kind.to_bytes(2) + b"\0\1").hex()


def scenarios() -> dict[str, list[str]]:
    dice, host = random.Random(1), "web-{}.shop.svc.cluster.local"
    chosen = [dice.randrange(SERVICES) for _ in range(2000)]
    return {
        "one name": [question(host.format(7))],
        "1000 Services, A and AAAA": [question(host.format(n), kind) for n in chosen for kind in (1, 28)],
        "names with a search list": [
            question(f"web-{n}.shop.{suffix}")
            for n in chosen
            for suffix in ("shop.svc.cluster.local", "svc.cluster.local")
        ],
        "headless, 100 endpoints": [question("db.shop.svc.cluster.local")],
        "names never asked before": [
            question(f"{dice.randbytes(8).hex()}.shop.svc.cluster.local") for _ in range(99_000)
        ],
    }


def control(path: Path) -> dict[str, float]:
    import socket

    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        found: dict[str, float] = json.loads(connection.makefile().read())
        return found


def measure(load: Path, port: int, seconds: float, window: int, rate: int, questions: Iterable[str]) -> dict[str, Any]:
    command = ["taskset", "-c", "1", load, ADDRESS, *map(str, (port, seconds, SOCKETS, window, rate))]
    done = subprocess.run(command, input="\n".join(questions) + "\n", capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main(seconds: float) -> None:
    with tempfile.TemporaryDirectory() as directory:
        load, socket_path = Path(directory) / "dnsload", Path(directory) / "control"
        subprocess.run(["gcc", "-O2", "-Wall", "-Werror", "-o", load, ROOT / "bench" / "dnsload.c"], check=True)
        for loop in ("asyncio", "uvloop"):
            command = ["taskset", "-c", "0", sys.executable, __file__, "serve", loop, "5300", str(socket_path)]
            server = subprocess.Popen(command)
            try:
                while not socket_path.exists():
                    time.sleep(0.05)
                time.sleep(0.5)
                print(f"\n{loop}; load average {os.getloadavg()[0]:.1f}; server on one core, load on another")
                head = f"{'':28}{'answers/s':>10}{'p50 ms':>8}{'p99 ms':>8}"
                print(f"{head}{'µs CPU each':>12}{'lost':>6}{'loop late p99 ms':>18}")
                for name, questions in scenarios().items():
                    for label, window, rate in (("", 4, 0), ("  at 20,000/s", 64, 20_000)):
                        before = control(socket_path)
                        found = measure(load, 5300, seconds, window, rate, questions)
                        after = control(socket_path)
                        each = (after["cpu"] - before["cpu"]) / max(found["answers"], 1) * 1e6
                        print(
                            f"{label or name:28}{found['per_second']:>10,}{found['p50_ms']:>8.2f}"
                            f"{found['p99_ms']:>8.2f}{each:>12.1f}{found['lost']:>6}{after['late_p99_ms']:>18.2f}"
                        )
                        assert not found["failures"], found
            finally:
                server.terminate()
                server.wait()
                socket_path.unlink(missing_ok=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        work = serve(int(sys.argv[3]), Path(sys.argv[4]))
        if sys.argv[2] == "uvloop":
            import uvloop

            uvloop.run(work)
        else:
            asyncio.run(work)
    elif sys.argv[1:2] == ["inside"]:
        main(float(sys.argv[2]))
    else:
        again = f'ip link set lo up && exec "$0" {__file__} inside {float((sys.argv[1:] or ["5"])[0])}'
        sys.exit(subprocess.run(["unshare", "--net", "sh", "-c", again, sys.executable], check=False).returncode)
