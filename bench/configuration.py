"""From a ConfigMap's change to the new value in the volumes of 30 pods that mount it.

python bench/configuration.py          needs root and containerd; starts a cluster of its own, in namespaces of its own
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src")]

from e2e.host import Cluster  # noqa: E402
from e2e.manifests import BUSYBOX  # noqa: E402
from images import build  # noqa: E402

PODS, ROUNDS = 30, 10


def pod(number: int) -> dict[str, object]:
    mounted = [{"name": "settings", "mountPath": "/etc/settings"}]
    container = {"name": "c", "image": BUSYBOX, "command": ["sleep", "100000"], "volumeMounts": mounted}
    volumes = [{"name": "settings", "configMap": {"name": "settings"}}]
    spec = {"containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 0}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"reader-{number}"}, "spec": spec}


def settings(value: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"value": value}}


def change(cluster: Cluster, value: str, files: list[Path]) -> list[float]:
    """Seconds until each pod had it, from the moment that the API had accepted it."""
    cluster.kubectl("patch", "configmap", "settings", "-p", json.dumps({"data": {"value": value}})).ok()
    began, took, waiting = time.perf_counter(), list[float](), set(files)
    while waiting:
        for file in list(waiting):
            if file.read_text() == value:
                waiting.discard(file)
                took.append(time.perf_counter() - began)
        time.sleep(0.005)
    return took


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="longboat-bench-") as folder:
        cluster = Cluster(Path(folder), 1)
        try:
            cluster.up()
            cluster.import_image(build.build()["busybox"])
            cluster.apply(settings("first"), *(pod(number) for number in range(PODS)))
            cluster.kubectl("wait", "--for=condition=Ready", "pods", "--all", "--timeout=120s").ok()
            node = next(p["pid"] for p in cluster.status()["processes"] if p["name"] == "node-1")
            files = list(Path(f"/proc/{node}/root/var/lib/kubelet").glob("pods/*/volumes/*/settings/value"))
            if len(files) != PODS:
                sys.exit(f"{len(files)} volumes found, not {PODS}")
            rounds = [change(cluster, f"round-{number}", files) for number in range(ROUNDS)]
        finally:
            cluster.close()
    last = [max(took) for took in rounds]
    print(f"ConfigMap's change to {PODS} pods: all of them after {statistics.median(last):.2f} s ", end="")
    print(f"(median of {ROUNDS} changes; longest {max(last):.2f} s)")


if __name__ == "__main__":
    main()
