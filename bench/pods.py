"""Pods on one real node: create→Ready one at a time, and thirty at once, beside the bare CRI calls on the same node.

python bench/pods.py        (root; in a namespace of its own, without uplink)

Prints figures, asserts nothing. The image is present; "bare" is RunPodSandbox, CreateContainer and StartContainer.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[1] / "src"), str(HERE.parents[1] / "tests")]

ONE_BY_ONE, AT_ONCE = 15, 30
IMAGE = "longboat.local/web:1"


async def bare() -> None:
    """Runs inside the node's namespaces."""
    from longboat.node.cri.config import ContainerConfig, SandboxConfig
    from longboat.node.cri.grpc import GrpcRuntime

    runtime = GrpcRuntime("unix:///run/containerd/containerd.sock")
    made: list[str] = []

    async def start() -> None:
        uid = str(uuid.uuid4())
        logs = f"/var/log/pods/bench_{uid}"
        Path(logs).mkdir(parents=True, exist_ok=True)
        pod = SandboxConfig(
            name=f"bench-{uid[:8]}", namespace="bench", uid=uid, log_directory=logs, cgroup_parent="/bench"
        )
        sandbox = await runtime.run_sandbox(pod)
        made.append(sandbox)
        container = ContainerConfig(name="c", image=IMAGE, log_path="c.log")
        await runtime.start_container(await runtime.create_container(sandbox, container, pod))

    one_by_one = []
    for _ in range(ONE_BY_ONE):
        began = time.perf_counter()
        await start()
        one_by_one.append(time.perf_counter() - began)
    began = time.perf_counter()
    await asyncio.gather(*(start() for _ in range(AT_ONCE)))
    together = time.perf_counter() - began
    for sandbox in made:
        await runtime.stop_sandbox(sandbox)
        await runtime.remove_sandbox(sandbox)
    await runtime.close()
    print(json.dumps([statistics.median(one_by_one), AT_ONCE / together]))


async def through_the_api(kubeconfig: str) -> None:
    """Runs beside the cluster: creates pods and watches them become Ready."""
    from longboat.aio.clock import SystemClock
    from longboat.api import kinds
    from longboat.api.workloads import Pod, is_ready
    from longboat.client.https import HttpsTransport
    from longboat.client.informer import Informers
    from longboat.client.kubeconfig import load
    from longboat.client.rest import RestClient

    transport, clock = HttpsTransport(load(Path(kubeconfig))), SystemClock()
    client = RestClient(transport, clock)
    informers = Informers(client, clock)
    ready: dict[str, asyncio.Event] = {}

    def changed(old: Pod | None, new: Pod | None) -> None:
        if new is not None and is_ready(new) and new.metadata.name in ready:
            ready[new.metadata.name].set()

    informers.of(Pod).on_change(changed)
    informers.start()
    await informers.synced()

    async def start() -> None:
        name = f"bench-{uuid.uuid4().hex[:8]}"
        ready[name] = asyncio.Event()
        spec = {"containers": [{"name": "c", "image": IMAGE}], "terminationGracePeriodSeconds": 0}
        await client.create(kinds.POD, {"metadata": {"name": name}, "spec": spec}, namespace="default")
        await ready[name].wait()

    one_by_one = []
    for _ in range(ONE_BY_ONE):
        began = time.perf_counter()
        await start()
        one_by_one.append(time.perf_counter() - began)
    began = time.perf_counter()
    await asyncio.gather(*(start() for _ in range(AT_ONCE)))
    together = time.perf_counter() - began
    await informers.close()
    await transport.close()
    print(json.dumps([statistics.median(one_by_one), AT_ONCE / together]))


def main() -> None:
    from e2e.host import Cluster
    from images import build

    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        cluster = Cluster(Path(folder), nodes=1)
        try:
            cluster.up()
            cluster.import_image(build.build(names=("web",))["web"])
            host = cluster.host
            wait = ("wait", "--for=jsonpath={.metadata.name}=default", "serviceaccount/default", "--timeout=10s")
            cluster.kubectl(*wait).ok()
            pins = host.data / "run" / "ns" / "node-1"
            inside = ["nsenter", f"--net={pins}/net", f"--mount={pins}/mnt"]
            calls = json.loads(host.run(*inside, sys.executable, str(HERE), "bare").ok().out)
            pods = json.loads(host.run(sys.executable, str(HERE), "api", str(host.kubeconfig)).ok().out)
        finally:
            cluster.close()
    print(f"one pod, median of {ONE_BY_ONE}: bare CRI {calls[0]:.3f} s, create→Ready {pods[0]:.3f} s", end=" ")
    print(f"({pods[0] - calls[0]:+.3f} s)")
    print(f"{AT_ONCE} pods at once: bare CRI {calls[1]:.1f}/s, create→Ready {pods[1]:.1f}/s", end=" ")
    print(f"({pods[1] / calls[1]:.0%} of the bare rate)")


if __name__ == "__main__":
    modes: dict[str, Any] = {"bare": lambda: bare(), "api": lambda: through_the_api(sys.argv[2])}
    if len(sys.argv) > 1:
        asyncio.run(modes[sys.argv[1]]())
    else:
        main()
