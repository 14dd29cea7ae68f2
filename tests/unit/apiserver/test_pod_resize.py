"""Resizing through the API: its subresource, and who has a say in it."""

from __future__ import annotations

from typing import Any

import pytest

from unit.apiserver.harness import Api, play, user
from unit.apiserver.test_admission import PODS, account

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
NODE = {
    "metadata": {"name": "n", "labels": {"kubernetes.io/os": "linux"}},
    "status": {"capacity": {"cpu": "2", "memory": "1Gi"}, "allocatable": {"cpu": "2", "memory": "1Gi"}},
}


async def running(api: Api, **spec: Any) -> None:
    await account(api)
    await api.make("/api/v1/nodes", NODE)
    container = {"name": "c", "image": "i", "resources": {"requests": {"cpu": "1"}}}
    await api.make(PODS, {"metadata": {"name": "p"}, "spec": {"containers": [container], "nodeName": "n", **spec}})


def asking(cpu: str = "1", **more: str) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu, **more}}}]}}


async def resize(api: Api, body: Any) -> tuple[int, Any]:
    return await api.ask("PATCH", f"{PODS}/p/resize", body, content_type=STRATEGIC)


def test_read_patch_and_replace() -> None:
    async def scene(api: Api) -> None:
        await running(api)
        code, pod = await resize(api, asking("1500m"))
        assert (code, pod["metadata"]["generation"]) == (200, 2)
        assert pod["spec"]["containers"][0]["resources"] == {"requests": {"cpu": "1500m"}}
        assert await api.ask("GET", f"{PODS}/p/resize") == await api.ask("GET", f"{PODS}/p")
        pod["spec"]["containers"][0] |= {"resources": {"requests": {"cpu": "500m"}}, "image": "other"}
        code, replaced = await api.ask("PUT", f"{PODS}/p/resize", pod)
        assert (code, replaced["metadata"]["generation"]) == (200, 3)
        assert replaced["spec"]["containers"][0]["image"] == "i"
        code, again = await resize(api, asking("500m"))
        assert (code, again["metadata"]["generation"]) == (200, 3)  # nothing has changed
        code, status = await api.ask("PATCH", f"{PODS}/p", asking("1"), content_type=STRATEGIC)
        assert code == 422 and "pod updates may not change fields other than" in status["message"]

    play(scene)


def test_it_is_a_right_of_its_own() -> None:
    async def scene(api: Api) -> None:
        await running(api)
        code, status = await api.ask("PATCH", f"{PODS}/p/resize", asking(), user("jane"), content_type=STRATEGIC)
        assert code == 403 and 'cannot patch resource "pods/resize"' in status["message"]
        _, found = await api.ask("GET", "/api/v1")
        (resource,) = [r for r in found["resources"] if r["name"] == "pods/resize"]
        assert resource["verbs"] == ["get", "patch", "update"] and resource["kind"] == "Pod"

    play(scene)


@pytest.mark.parametrize(("asks", "lacking"), [
    ({"cpu": "2"}, ""),
    ({"cpu": "2001m"}, "cpu, requested: 2001, allocatable: 2000"),
    ({"cpu": "3", "memory": "2Gi"},
     "cpu, requested: 3000, allocatable: 2000; memory, requested: 2147483648, allocatable: 1073741824"),
])  # fmt: skip
def test_not_to_more_than_its_node_could_ever_give(asks: dict[str, str], lacking: str) -> None:
    async def scene(api: Api) -> None:
        await running(api)
        code, answer = await resize(api, asking(**asks))
        assert code == (403 if lacking else 200)
        if lacking:
            why = f"node didn't have enough allocatable resources: {lacking}"
            assert answer["message"] == f'pods "p" is forbidden: {why}'
            assert answer["details"]["causes"] == [{"reason": "NodeCapacity"}]

    play(scene)


def test_a_pod_without_a_node_may_ask_for_anything() -> None:
    async def scene(api: Api) -> None:
        await running(api, nodeName="")
        assert (await resize(api, asking("1000")))[0] == 200

    play(scene)


def test_only_on_linux_and_on_a_node_that_is_there() -> None:
    async def scene(api: Api) -> None:
        await running(api)
        labels = {"metadata": {"labels": {"kubernetes.io/os": "windows"}}}
        assert (await api.ask("PATCH", "/api/v1/nodes/n", labels, content_type=MERGE))[0] == 200
        why = 'pod resize is only supported on linux nodes, node "n" is "windows"'
        assert (await resize(api, asking("2")))[1]["message"] == f'pods "p" is forbidden: {why}'
        await api.ask("DELETE", "/api/v1/nodes/n")
        assert (await resize(api, asking("2")))[1]["message"] == 'pods "p" is forbidden: node "n" not found'

    play(scene)


def test_limits_and_quotas_hold() -> None:
    async def scene(api: Api) -> None:
        await running(api)
        where = "/api/v1/namespaces/default"
        limit = {"type": "Container", "max": {"cpu": "1800m"}}
        await api.make(f"{where}/limitranges", {"metadata": {"name": "r"}, "spec": {"limits": [limit]}})
        code, status = await resize(api, asking("1900m"))
        assert code == 403 and "maximum cpu usage per Container is 1800m" in status["message"]
        await api.ask("DELETE", f"{where}/limitranges/r")
        await api.make(f"{where}/resourcequotas", {"metadata": {"name": "q"}, "spec": {"hard": {"cpu": "1700m"}}})
        counted = {"status": {"hard": {"cpu": "1700m"}, "used": {"cpu": "1"}}}
        assert (await api.ask("PATCH", f"{where}/resourcequotas/q/status", counted, content_type=MERGE))[0] == 200
        code, status = await resize(api, asking("1800m"))
        why = "exceeded quota: q, requested: cpu=800m, used: cpu=1, limited: cpu=1700m"
        assert (code, status["message"]) == (403, f'pods "p" is forbidden: {why}')
        assert (await resize(api, asking("1600m")))[0] == 200
        assert (await api.ask("GET", f"{where}/resourcequotas/q"))[1]["status"]["used"] == {"cpu": "1600m"}

    play(scene)
