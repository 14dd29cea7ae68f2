"""Client libraries of Python at a pod: a command, its log, its port, and a watch that the server ends.

python -m integration.operators.streams LIBRARY NAMESPACE POD      prints what was seen, as JSON

POD serves at 8080, and has said "started". Each library is asked what it has words for.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from typing import Any

Object = dict[str, Any]
HOSTNAME, OOPS = ["hostname"], ["sh", "-c", "echo oops >&2; exit 7"]
NAMES = ("before", "after")  # of the ConfigMaps that a watch tells of: one each before and after it was ended


def config_map(name: str, label: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{label}-{name}", "labels": {"of": label}}}


def kubernetes(namespace: str, pod: str) -> Object:
    from kubernetes import client, config, stream, watch

    config.load_kube_config()
    core, seen = client.CoreV1Api(), {}

    def run(command: list[str], **options: Any) -> Any:
        where = {"container": "main", "command": command, "stdout": True, "stderr": True, "tty": False, **options}
        return stream.stream(core.connect_get_namespaced_pod_exec, pod, namespace, **where)

    seen["hostname"] = run(HOSTNAME, stdin=False)
    reading = run(["head", "-n", "1"], stdin=True, _preload_content=False)
    reading.write_stdin("hello\nmore\n")
    reading.run_forever(timeout=20)
    seen["read"] = reading.read_stdout()
    failing = run(OOPS, stdin=False, _preload_content=False)
    failing.run_forever(timeout=20)
    seen["failed"] = [failing.read_stderr(), failing.returncode]

    log = core.read_namespaced_pod_log(
        pod, namespace, container="main", follow=True, tail_lines=1, _preload_content=False
    )
    seen["log"] = log.readline().decode()
    log.close()

    forward = stream.portforward(core.connect_get_namespaced_pod_portforward, pod, namespace, ports="8080")
    socket = forward.socket(8080)
    socket.sendall(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")
    answer = http.client.HTTPResponse(socket)  # as long as its header says: the pod waits for us to hang up
    answer.begin()
    seen["page"] = [answer.status, pod in answer.read().decode()]
    forward.close()

    watcher, told = watch.Watch(), []
    watcher.resource_version = core.list_namespaced_config_map(namespace).metadata.resource_version
    for name in NAMES:
        core.create_namespaced_config_map(namespace, config_map(name, "kubernetes"))
        watching = {
            "timeout_seconds": 1,
            "label_selector": "of=kubernetes",
            "resource_version": watcher.resource_version,
        }
        told += [
            e["object"].metadata.name for e in watcher.stream(core.list_namespaced_config_map, namespace, **watching)
        ]
    return {**seen, "told": told}


def kubernetes_asyncio(namespace: str, pod: str) -> Object:
    async def play() -> Object:
        from kubernetes_asyncio import client, config
        from kubernetes_asyncio.stream import WsApiClient

        await config.load_kube_config()
        seen = {}
        async with WsApiClient() as sockets:
            core = client.CoreV1Api(sockets)
            where = {"container": "main", "stdout": True, "stderr": True, "stdin": False, "tty": False}
            seen["hostname"] = await core.connect_get_namespaced_pod_exec(pod, namespace, command=HOSTNAME, **where)
            seen["failed"] = [await core.connect_get_namespaced_pod_exec(pod, namespace, command=OOPS, **where)]
        async with client.ApiClient() as api:
            core = client.CoreV1Api(api)
            follow = {"container": "main", "follow": True, "tail_lines": 1, "_preload_content": False}
            log = await core.read_namespaced_pod_log(pod, namespace, **follow)
            seen["log"] = (await log.content.readline()).decode()
            log.close()
        return seen

    return asyncio.run(play())


def lightkube(namespace: str, pod: str) -> Object:
    from lightkube import Client
    from lightkube.resources.core_v1 import ConfigMap

    client = Client(namespace=namespace)
    seen = {"hostname": client.exec(pod, container="main", command=HOSTNAME, stdout=True, timeout=20).stdout}
    read = client.exec(
        pod, container="main", command=["head", "-n", "1"], stdin="hello\nmore\n", stdout=True, timeout=20
    )
    failed = client.exec(pod, container="main", command=OOPS, stderr=True, timeout=20)
    seen |= {"read": read.stdout, "failed": [failed.stderr, failed.exit_code]}
    seen["log"] = next(iter(client.log(pod, container="main", follow=True, tail_lines=1)))

    def make() -> None:
        for name in NAMES:
            client.create(ConfigMap.from_dict(config_map(name, "lightkube")))
            time.sleep(1.5)  # so that the server has ended the watch meanwhile

    listed = client.list(ConfigMap)
    list(listed)
    making = threading.Thread(target=make, daemon=True)
    making.start()
    told: list[str] = []
    since = listed.resourceVersion
    for _, found in client.watch(ConfigMap, labels={"of": "lightkube"}, server_timeout=1, resource_version=since):
        told.append(found.metadata.name)
        if len(told) == len(NAMES):
            break
    making.join()
    return {**seen, "told": told}


def kr8s(namespace: str, pod: str) -> Object:
    async def play() -> Object:
        import kr8s
        from kr8s.asyncio.objects import ConfigMap, Pod

        api = await kr8s.asyncio.api(namespace=namespace)
        box = await Pod.get(pod, namespace=namespace, api=api)
        seen = {"hostname": (await box.exec(HOSTNAME, container="main")).stdout.decode()}
        failed = await box.exec(OOPS, container="main", check=False)
        seen["failed"] = [failed.stderr.decode(), failed.returncode]
        lines = box.logs(container="main", follow=True, tail_lines=1)
        seen["log"] = await anext(lines) + "\n"
        await lines.aclose()
        async with box.portforward(8080, "auto") as port:
            seen["page"] = await asyncio.to_thread(page, port, pod)

        async with api.call_api("GET", version="v1", namespace=namespace, url="configmaps") as response:
            since = response.json()["metadata"]["resourceVersion"]
        told = []
        for name in NAMES:
            await (await ConfigMap({**config_map(name, "kr8s"), "data": {}}, namespace=namespace, api=api)).create()
            async for _, found in api.watch("configmaps", namespace=namespace, label_selector="of=kr8s", since=since):
                told.append(found.name)
                since = found.metadata.resourceVersion
                break  # what has not been told yet is told to the next
        return {**seen, "told": told}

    return asyncio.run(play())


def page(port: int, pod: str) -> list[Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as answer:
        return [answer.status, pod in answer.read().decode()]


SCENES: dict[str, Callable[[str, str], Object]] = {
    each.__name__: each for each in (kubernetes, kubernetes_asyncio, lightkube, kr8s)
}


if __name__ == "__main__":
    print(json.dumps(SCENES[sys.argv[1]](*sys.argv[2:])))
