"""kill -9, again and again: containers run on untouched, and no acknowledged write is lost."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.host import Cluster
from e2e.manifests import shell_pod, web_deployment

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(3600)]

ROUNDS = int(os.environ.get("LONGBOAT_KILLS") or 100)
ALL_AT_ONCE = 10  # every so many rounds, everything dies together


class Writer(threading.Thread):
    """Creates ConfigMaps one after the other and remembers which were acknowledged."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(daemon=True)
        self.cluster = cluster
        self.acknowledged: list[str] = []
        self.stopping = threading.Event()

    def run(self) -> None:
        number = 0
        while not self.stopping.is_set():
            number += 1
            name = f"written-{number}"
            done = self.cluster.kubectl("create", "configmap", name, f"--from-literal=n={number}")
            if done.code == 0:
                self.acknowledged.append(name)


class Roller(threading.Thread):
    """Keeps a Deployment rolling."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(daemon=True)
        self.cluster = cluster
        self.rollouts = 0
        self.stopping = threading.Event()

    def run(self) -> None:
        while not self.stopping.wait(1):
            done = self.cluster.kubectl("set", "env", "deploy/rolling", f"ROUND={self.rollouts}")
            self.rollouts += done.code == 0


@pytest.fixture
def cluster(tmp_path: Path, images: dict[str, Path]) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path, nodes=1)
    try:
        cluster.up()
        for name in ("busybox", "web"):
            cluster.import_image(images[name])
        yield cluster
    finally:
        cluster.close()


def container_ids(cluster: Cluster) -> dict[str, str]:
    pods = cluster.get("pods", "-l", "app in (steady-0,steady-1,steady-2)")["items"]
    return {p["metadata"]["name"]: p["status"]["containerStatuses"][0]["containerID"] for p in pods}


def test_a_hundred_kills(cluster: Cluster, seed: int) -> None:
    dice = random.Random(seed)
    cluster.apply(*(shell_pod(f"steady-{i}") for i in range(3)), web_deployment("rolling", replicas=2))
    cluster.kubectl("wait", "--for=condition=Ready", "pods", "--all", "--timeout=90s").quiet()
    before = container_ids(cluster)
    assert len(before) == 3
    writer, roller = Writer(cluster), Roller(cluster)
    writer.start()
    roller.start()
    for round_number in range(1, ROUNDS + 1):
        ours = [p for p in cluster.status()["processes"] if not p["name"].startswith(("containerd", "haproxy"))]
        victims = ours if round_number % ALL_AT_ONCE == 0 else [dice.choice(ours)]
        for victim in victims:
            os.kill(victim["pid"], signal.SIGKILL)
        cluster.up()
        names = ", ".join(v["name"] for v in victims)
        assert container_ids(cluster) == before, f"round {round_number} (killed {names}), seed {seed}"
    writer.stopping.set()
    roller.stopping.set()
    writer.join()
    roller.join()
    there = {c["metadata"]["name"] for c in cluster.get("configmaps")["items"]}
    print(f"{len(writer.acknowledged)} writes acknowledged, {roller.rollouts} rollouts begun, {ROUNDS} kills")
    assert set(writer.acknowledged) <= there
    cluster.kubectl("rollout", "status", "deploy/rolling", "--timeout=120s").quiet()
