"""From a pod's creation to its being Ready, beside the bare CRI calls on the same machine: one pod, and 30 at once; and
what of the processors each process took for the latter.

python bench/pods.py          needs root and containerd; starts a cluster of its own, in namespaces of its own
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src")]

from e2e.host import Cluster  # noqa: E402
from images import build  # noqa: E402

IMAGE = build.BUSYBOX_IMAGE
SINGLES, BURST, ROUNDS = 7, 30, 5
TICKS = os.sysconf("SC_CLK_TCK")
SOCKET = "unix:///run/containerd/containerd.sock"


class Spent:
    """Processor time since this was made, by process: those with a name, and all in the node's mount namespace."""

    def __init__(self, named: dict[str, int], node: int) -> None:
        """`named`: process ids by name; `node`: the number of the node's mount namespace."""
        self._named = {pid: name for name, pid in named.items()}
        self._node = f"mnt:[{node}]"
        self._before = self._now()
        self._began = time.perf_counter()

    def __call__(self) -> dict[str, float]:
        """Seconds by name, with those of children that have ended; and "elapsed"."""
        spent: Counter[str] = Counter()
        for pid, (name, seconds) in self._now().items():
            spent[name] += seconds - self._before.get(pid, ("", 0.0))[1]
        return {**spent, "elapsed": time.perf_counter() - self._began}

    def _now(self) -> dict[int, tuple[str, float]]:
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has just ended: its parent has its time
                pid, (_, name, fields) = int(folder.name), re.split(r"[()]", (folder / "stat").read_text())
                if pid not in self._named and os.readlink(folder / "ns" / "mnt") != self._node:
                    continue
                times = map(int, fields.split()[11:15])
                found[pid] = (
                    self._named.get(pid, "shims" if "shim" in name else "others on the node"),
                    sum(times) / TICKS,
                )
        return found


async def bare(spent: Callable[[], Spent]) -> dict[str, Any]:
    """Sandbox, container, start: what a pod cannot do without. Runs in the node's namespaces."""
    from longboat.node.cri.config import ContainerConfig, SandboxConfig
    from longboat.node.cri.grpc import GrpcRuntime

    runtime = GrpcRuntime(SOCKET)

    async def one(number: int, turn: asyncio.Semaphore) -> str:
        name = f"bare-{number}"
        pod = SandboxConfig(
            name=name, namespace="bench", uid="",  # with a uid, the agent would take it for a pod that has been deleted
            hostname=name, log_directory=f"/var/log/pods/bench_{name}", cgroup_parent=f"/longboat/bench/{name}",
        )  # fmt: skip
        container = ContainerConfig(name="c", image=IMAGE, command=("sleep", "1000"), log_path="c/0.log")
        async with turn:
            sandbox = await runtime.run_sandbox(pod)
            await runtime.start_container(await runtime.create_container(sandbox, container, pod))
        return sandbox

    async def remove(sandbox: str) -> None:
        await runtime.stop_sandbox(sandbox)
        await runtime.remove_sandbox(sandbox)

    singles = []
    for number in range(SINGLES):
        began = time.perf_counter()
        sandbox = await one(number, asyncio.Semaphore(1))
        singles.append(time.perf_counter() - began)
        await remove(sandbox)
    rates, costs = {}, {}
    for at_once in (2, 4, BURST):
        cost, began = spent(), time.perf_counter()
        turn = asyncio.Semaphore(at_once)
        sandboxes = await asyncio.gather(*(one(number, turn) for number in range(BURST)))
        rates[at_once] = BURST / (time.perf_counter() - began)
        costs[rates[at_once]] = cost()
        for sandbox in sandboxes:
            await remove(sandbox)
    await runtime.close()
    return {
        "single": statistics.median(singles),
        "rate": max(rates.values()),
        "at_once": rates,
        "spent": costs[max(costs)],
    }


async def through_the_api(kubeconfig: str, spent: Callable[[], Spent]) -> dict[str, Any]:
    """The same as pods, seen by a client that watches them."""
    from longboat.aio.clock import SystemClock
    from longboat.api import kinds
    from longboat.client.https import HttpsTransport
    from longboat.client.informer import Informers
    from longboat.client.interface import Key
    from longboat.client.kubeconfig import load
    from longboat.client.rest import RestClient
    from longboat.node.views.pod import Pod

    clock, transport = SystemClock(), HttpsTransport(load(Path(kubeconfig)))
    client = RestClient(transport, clock)
    informers = Informers(client, clock)
    ready: dict[str, float] = {}
    left: set[str] = set()
    news = asyncio.Event()

    def changed(old: Pod | None, new: Pod | None) -> None:
        if new is None:
            assert old is not None
            left.discard(old.metadata.name)
        elif any(c.type == "Ready" and c.status == "True" for c in new.status.conditions):
            ready.setdefault(new.metadata.name, time.perf_counter())
        news.set()

    informers.of(Pod, namespace="default").on_change(changed)
    informers.start()
    await informers.synced()

    async def create(name: str) -> None:
        spec = {"containers": [{"name": "c", "image": IMAGE, "command": ["sleep", "1000"]}]}
        await client.create(kinds.POD, {"metadata": {"name": name}, "spec": spec}, namespace="default")
        left.add(name)

    async def remove(names: list[str]) -> None:
        for name in names:
            await client.delete(kinds.POD, Key("default", name), grace=0)
        while left:
            await news.wait()
            news.clear()
        await asyncio.sleep(0.5)

    async def until_ready(names: list[str]) -> float:
        while not all(name in ready for name in names):
            await news.wait()
            news.clear()
        return max(ready[name] for name in names)

    singles = []
    for number in range(SINGLES):
        began = time.perf_counter()
        await create(f"one-{number}")
        singles.append(await until_ready([f"one-{number}"]) - began)
        await remove([f"one-{number}"])
    names = [f"many-{number}" for number in range(BURST)]
    cost, began = spent(), time.perf_counter()
    await asyncio.gather(*map(create, names))
    rate = BURST / (await until_ready(names) - began)
    took = cost()
    await remove(names)
    await informers.close()
    await transport.close()
    return {"single": statistics.median(singles), "rate": rate, "spent": took}


def _into(cluster: Cluster) -> tuple[str, ...]:
    pins = cluster.host.data / "run" / "ns" / "node-1"
    return "nsenter", f"--net={pins}/net", f"--mount={pins}/mnt", "--"


def run(cluster: Cluster, what: str, *enter: str) -> dict[str, Any]:
    named = {process["name"]: process["pid"] for process in cluster.status()["processes"]}
    inside = ("stat", "--format=%i", "--dereference", "/proc/self/ns/mnt")
    node = int(cluster.host.run(*_into(cluster), *inside).quiet())
    arguments = (what, str(cluster.host.kubeconfig), json.dumps(named), str(node))
    done = cluster.host.run(*enter, sys.executable, __file__, *arguments, timeout=300)
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="longboat-bench-") as folder:
        cluster = Cluster(Path(folder), 1)
        try:
            cluster.up()
            cluster.import_image(build.build()["busybox"])
            rounds = [(run(cluster, "bare", *_into(cluster)), run(cluster, "api")) for _ in range(ROUNDS)]
        finally:
            cluster.close()
    single_bare = statistics.median(bare["single"] for bare, _ in rounds)
    single = statistics.median(api["single"] for _, api in rounds)
    rate_bare = statistics.median(bare["rate"] for bare, _ in rounds)
    rate = statistics.median(api["rate"] for _, api in rounds)
    above = single - single_bare
    share = statistics.median(api["rate"] / bare["rate"] for bare, api in rounds)
    print(f"one pod, create to Ready  {single:6.3f} s   bare CRI calls {single_bare:6.3f} s   above {above:6.3f} s")
    print(f"{BURST} pods at once          {rate:6.1f} /s  bare CRI calls {rate_bare:6.1f} /s  share {share:6.0%}")
    print("each round              " + "  ".join(f"{api['rate']:.1f}/{bare['rate']:.1f}" for bare, api in rounds))
    print("ms of a processor for each of them")
    for name in sorted({name for pair in rounds for one in pair for name in one["spent"]} - {"elapsed"}):
        mean_bare, mean = (
            1000 / BURST * statistics.median(r[i]["spent"].get(name, 0.0) for r in rounds) for i in (0, 1)
        )
        print(f"{name:<24}{mean:6.1f}     bare CRI calls {mean_bare:6.1f}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["bare", _, named, node]:
            print(json.dumps(asyncio.run(bare(lambda: Spent(json.loads(named), int(node))))))
        case ["api", kubeconfig, named, node]:
            print(json.dumps(asyncio.run(through_the_api(kubeconfig, lambda: Spent(json.loads(named), int(node))))))
        case _:
            main()
