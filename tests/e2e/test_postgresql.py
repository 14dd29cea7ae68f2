"""PostgreSQL in a StatefulSet: whatever is killed, what it has said to be committed is there afterwards."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.host import Cluster
from e2e.machines import family
from images import debian

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(600)]

DATABASE = Path(__file__).parents[2] / "examples" / "blog" / "database.yaml"
WRITER = """
import pathlib, time, psycopg2
told = open("/told/committed", "a", buffering=1)
password = pathlib.Path("/etc/database/password").read_text()
while True:
    try:
        link = psycopg2.connect(host="database", user="blog", password=password, dbname="postgres", connect_timeout=2)
        with link, link.cursor() as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS written (number serial PRIMARY KEY)")
        while True:
            with link, link.cursor() as cursor:
                cursor.execute("INSERT INTO written DEFAULT VALUES RETURNING number")
                number = cursor.fetchone()[0]
            print(number, file=told)
    except psycopg2.Error:
        time.sleep(0.2)
"""
VOLUMES = {"told": {"emptyDir": {}}, "password": {"secret": {"secretName": "database"}}}
PLACES = {"told": "/told", "password": "/etc/database"}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """One of its own: it is going to be killed."""
    cluster = Cluster(tmp_path, nodes=1)
    try:
        cluster.up()
        for archive in debian.build(("postgresql", "python")).values():
            cluster.import_image(archive)
        yield cluster
    finally:
        cluster.close()


def writer() -> dict[str, Any]:
    """Inserts row after row, and notes each that it was told to be committed."""
    container = {
        "name": "writer", "image": debian.name("python"), "command": ["python3", "-u", "-c", WRITER],
        "volumeMounts": [{"name": name, "mountPath": place} for name, place in PLACES.items()],
    }  # fmt: skip
    volumes = [{"name": name, **source} for name, source in VOLUMES.items()]
    spec = {"containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 1}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "writer"}, "spec": spec}


def committed(cluster: Cluster) -> list[int]:
    """What the writer was told; nothing while it cannot be asked."""
    return [int(line) for line in cluster.kubectl("exec", "writer", "--", "cat", "/told/committed").out.split()]


def goes_on(cluster: Cluster, within: float = 60) -> int:
    """Wait until fifty more rows are committed. Returns how many are."""
    deadline, before = time.monotonic() + within, len(committed(cluster))
    while (now := len(committed(cluster))) < before + 50:
        before = before or now
        assert time.monotonic() < deadline, f"{now} rows committed, {before} before: writes do not go on"
        time.sleep(0.2)
    return now


def containers(cluster: Cluster) -> set[str]:
    """The containers that run, by their IDs."""
    statuses = [status for pod in cluster.get("pods")["items"] for status in pod["status"]["containerStatuses"]]
    return {status["containerID"] for status in statuses if "running" in status["state"]}


def kill_everything(cluster: Cluster) -> int:
    """The control plane, the node, containerd and the containers; returns how many processes that were."""
    processes = {process["name"]: process["pid"] for process in cluster.status()["processes"]}
    node = os.stat(f"/proc/{processes['node-1']}/ns/mnt").st_ino
    own = os.stat(f"/proc/{processes['supervisor']}/ns/mnt").st_ino
    assert node != own, "killing all in the host's own namespace would end the test"
    victims = {*processes.values(), *family(node, holder=0)}
    for pid in victims:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return len(victims)


def test_no_committed_row_is_missing_whatever_is_killed(cluster: Cluster) -> None:
    cluster.kubectl("create", "secret", "generic", "database", "--from-literal=password=correct horse").quiet()
    cluster.kubectl("apply", "-f", str(DATABASE)).quiet()
    cluster.apply(writer())
    cluster.kubectl("rollout", "status", "sts/database", "--timeout=60s").quiet()
    goes_on(cluster)

    uid = cluster.get("pod", "database-0")["metadata"]["uid"]
    cluster.kubectl("delete", "pod", "database-0").quiet()
    goes_on(cluster)
    assert cluster.get("pod", "database-0")["metadata"]["uid"] != uid

    cluster.kubectl("exec", "database-0", "--", "sh", "-c", "kill -9 $(pgrep postgres | grep -v '^1$')")
    goes_on(cluster)

    for _ in range(2):
        before = containers(cluster)
        assert kill_everything(cluster) > 10
        cluster.up()
        goes_on(cluster)
        assert not before & containers(cluster), "something has survived that should have been killed"

    told = committed(cluster)
    cluster.kubectl("delete", "pod", "writer").quiet()
    psql = ("/usr/lib/postgresql/15/bin/psql", "-h", "/tmp", "-U", "blog", "-At", "postgres")
    shell = f"PGPASSWORD=$(cat /etc/database/password) {' '.join(psql)} -c 'SELECT number FROM written'"
    rows = {int(line) for line in cluster.kubectl("exec", "database-0", "--", "sh", "-c", shell).quiet().split()}
    assert len(told) > 250 and set(told) <= rows
