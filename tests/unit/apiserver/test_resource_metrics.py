"""metrics.k8s.io: nodes are asked when somebody asks, together, and once for all who ask at about the same time."""

from __future__ import annotations

from typing import Any

import msgspec

from longboat.aio.clock import VirtualClock
from longboat.api import kinds
from longboat.apiserver.resource_metrics import ResourceMetrics
from longboat.apiserver.streams.nodes import unreachable
from longboat.machinery.objects import Object
from unit.apiserver.harness import Api, play

PODS = "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods"


def summary(*pods: str) -> bytes:
    used = {"cpu": {"usageNanoCores": 1500}, "memory": {"workingSetBytes": 4096}}
    made = [{"podRef": {"namespace": "default", "name": p}, "containers": [{"name": "c", **used}]} for p in pods]
    return msgspec.json.encode({"node": used, "pods": made})


def test_what_nodes_and_pods_use() -> None:
    clock, asked = VirtualClock(), []

    async def ask(node: Object) -> bytes:
        asked.append(node["metadata"]["name"])
        if node["metadata"]["name"] == "down":
            raise unreachable("no")
        return summary("a", "b", "over", "gone")

    async def scene(api: Api) -> None:
        metrics = ResourceMetrics(api.server.stores, ask, clock)
        api.server.dispatcher.answers |= {
            (kinds.NODE_METRICS, ""): metrics.nodes,
            (kinds.POD_METRICS, ""): metrics.pods,
        }
        for node in ("up", "down"):
            await api.make("/api/v1/nodes", {"metadata": {"name": node, "labels": {"zone": node}}})
        await api.make("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
        for name, phase in (("a", "Running"), ("b", "Running"), ("over", "Succeeded")):
            spec: dict[str, Any] = {"nodeName": "up", "containers": [{"name": "c", "image": "i"}]}
            pods = "/api/v1/namespaces/default/pods"
            made = await api.make(pods, {"metadata": {"name": name, "labels": {"app": name}}, "spec": spec})
            made["status"]["phase"] = phase
            assert (await api.ask("PUT", f"{pods}/{name}/status", made))[0] == 200
        code, found = await api.ask("GET", "/apis/metrics.k8s.io/v1beta1/nodes")
        assert code == 200
        used = {"cpu": "1500n", "memory": "4Ki"}
        assert [(n["metadata"]["name"], n["usage"]) for n in found["items"]] == [("up", used)]
        _, found = await api.ask("GET", f"{PODS}?labelSelector=app%3Da")
        assert [p["metadata"]["name"] for p in found["items"]] == ["a"]
        assert found["items"][0]["containers"] == [{"name": "c", "usage": used}]
        assert asked == ["up", "down"] or asked == ["down", "up"]  # all answers came from one round
        assert (await api.ask("GET", f"{PODS}/gone"))[0] == (await api.ask("GET", f"{PODS}/over"))[0] == 404
        assert (await api.ask("GET", f"{PODS}/a"))[0] == 200
        await clock.advance(6)
        await api.ask("GET", f"{PODS}/a")
        assert asked.count("up") == 2
        assert (await api.ask("POST", PODS, {}))[0] == 405

    play(scene, clock)
