"""Half an hour of requests that nobody should send, to a live cluster with two nodes, and nothing gives way.

LONGBOAT_ATTACK_MINUTES says how long, LONGBOAT_SEED repeats a run. Everything happens in a namespace without uplink.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from attack.long.judging import allowed
from e2e.host import Cluster

HERE = Path(__file__).parent
MINUTES = float(os.environ.get("LONGBOAT_ATTACK_MINUTES") or 30)
NAMESPACE = "fuzz"
GROWTH = 1.5  # of a process's memory, from before the attack to after it
QUIET = 90.0  # seconds in which what was made for the attack is given back (aio/memory.py looks once a minute)
LOOK = 5.0  # seconds between two looks at the nodes


@dataclass(frozen=True)
class Attacked:
    """The cluster, and what it was before."""

    cluster: Cluster
    folder: Path
    server: str
    token: str
    seed: int

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def certificate(self) -> str:
        return f"cert:{self.folder / 'admin.crt'},{self.folder / 'admin.key'}"


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    folder = tmp_path_factory.mktemp("attacked")
    cluster = Cluster(folder, nodes=2)
    try:
        cluster.up()
        server = credentials(cluster, folder)
        cluster.kubectl("create", "namespace", NAMESPACE).quiet()
        cluster.kubectl("create", "serviceaccount", "owner", "-n", NAMESPACE).quiet()
        grant = ("create", "rolebinding", "owner", "--clusterrole=admin", f"--serviceaccount={NAMESPACE}:owner")
        cluster.kubectl(*grant, "-n", NAMESPACE).quiet()
        token = cluster.kubectl("create", "token", "owner", "-n", NAMESPACE, "--duration=3h").quiet().strip()
        seed = int(os.environ.get("LONGBOAT_SEED") or time.time_ns() % (1 << 32))
        print(f"LONGBOAT_SEED={seed}")
        yield Attacked(cluster, folder, server, token, seed)
    finally:
        cluster.close()


def credentials(cluster: Cluster, folder: Path) -> str:
    """Lay down what the kubeconfig holds as files; the server's address."""
    config = cluster.kubectl("config", "view", "--raw", "-o", "json").json
    user, server = config["users"][0]["user"], config["clusters"][0]["cluster"]
    for name, text in (
        ("admin.crt", user["client-certificate-data"]),
        ("admin.key", user["client-key-data"]),
        ("ca.crt", server["certificate-authority-data"]),
    ):
        (folder / name).write_bytes(base64.b64decode(text))
    return str(server["server"])


class Program:
    """A fuzzer at work within the cluster's namespace, for as long as the test lasts at the most."""

    def __init__(self, attacked: Attacked, name: str, *args: str, flags: tuple[str, ...] = ()) -> None:
        self._out = attacked.folder / f"{name}.{time.monotonic_ns()}.out"
        command = [sys.executable, str(HERE / name), *args, str(attacked.seed), *flags]
        with self._out.open("w") as out:
            self._process = attacked.cluster.host.start(*command, stdout=out, stderr=subprocess.STDOUT)

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def findings(self) -> list[Any]:
        """What it printed, but for the counts, which are shown."""
        assert self._process.wait(600) == 0, self._out.read_text()[-3000:]
        found = [json.loads(line) for line in self._out.read_text().splitlines() if line.startswith("{")]
        *findings, counts = found
        print(json.dumps(counts))
        assert sum(counts["counts"].values()) > MINUTES * 50, "hardly anything was tried"
        return findings


@pytest.mark.root
@pytest.mark.containers
@pytest.mark.timeout(MINUTES * 60 + 900)
def test_nothing_gives_way(attacked: Attacked) -> None:
    before = attacked.cluster.status()
    seconds, address = MINUTES * 60, attacked.server.removeprefix("https://")
    findings: list[Any] = []
    with Program(attacked, "byte_fuzzer.py", address, attacked.token, str(seconds)) as bytes_:
        for who, flags in (
            ("anonymous", ()),
            (f"token:{attacked.token}", ("--namespace", NAMESPACE, "--within")),
            (attacked.certificate, ("--dry-run",)),  # may do anything, and does nothing
        ):
            words = (attacked.server, str(attacked.ca), who, str(seconds / 3))
            more = ("--documents-as", attacked.certificate, *flags)
            with Program(attacked, "schema_fuzzer.py", *words, flags=more) as fuzzer:
                while fuzzer.running:
                    nodes_are_ready(attacked.cluster)
                    time.sleep(LOOK)
                findings += fuzzer.findings()
        findings += bytes_.findings()
    nodes_are_ready(attacked.cluster)
    assert [each for each in findings if not allowed(each)] == []
    assert tracebacks(attacked.cluster.host.data) == []
    time.sleep(QUIET)
    nothing_grew(before, attacked.cluster.status())


def nodes_are_ready(cluster: Cluster) -> None:
    for node in cluster.get("nodes")["items"]:
        ready = next(each for each in node["status"]["conditions"] if each["type"] == "Ready")
        assert ready["status"] == "True", (node["metadata"]["name"], ready)


def nothing_grew(before: Any, after: Any) -> None:
    """The same processes, and none much larger."""
    was = {process["name"]: process for process in before["processes"]}
    for process in after["processes"]:
        name, size = process["name"], process["pss_bytes"]
        print(f"{name}: {was[name]['pss_bytes'] / 1e6:.1f} MB before, {size / 1e6:.1f} MB after")
        assert process["pid"] == was[name]["pid"], f"{name} was restarted"
    for process in after["processes"]:
        assert process["pss_bytes"] <= GROWTH * was[process["name"]]["pss_bytes"], process


def tracebacks(data: Path) -> list[str]:
    """Each with what led to it and what it says: the logs go with the test."""
    found = []
    for path in (data / "logs").rglob("*"):
        lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
        for number, line in enumerate(lines):
            if "Traceback" in line:
                found.append("\n".join((path.name, *lines[max(number - 2, 0) : number + 60])))
    return found
