"""Controllers that deal with every kind, and kinds that an extension server serves: alive, and dead."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from extension.near import NAME, SERVICES, beside, condition, until
from extension.wardle import BASE, GROUP
from longboat.aio.clock import SystemClock
from longboat.assembly import components
from longboat.client.informer import Informers
from longboat.client.rest import RestClient
from longboat.controllers.garbage.collector import GarbageCollector
from longboat.controllers.namespace import NamespaceController
from longboat.controllers.quota.controller import ResourceQuotaController
from unit.apiserver.harness import Api, play


async def controlled(api: Api, *wanted: Any) -> list[asyncio.Task[None]]:
    """These controllers at work, as themselves."""

    def connect(user: str) -> Any:
        return api.server.transport(user, *components.groups(user))

    clock = SystemClock()
    informers = Informers(RestClient(connect("system:kube-controller-manager"), clock), clock, "controllers")
    running = []
    for kind in wanted:
        client = RestClient(connect(f"system:serviceaccount:kube-system:{kind.identity()}"), clock)
        running.append(asyncio.ensure_future(kind(client, informers, clock).run()))
    informers.start()
    running.append(asyncio.ensure_future(_closing(informers)))
    return running


async def _closing(informers: Informers) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        await informers.close()


async def ended(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def flunder(name: str, **meta: Any) -> dict[str, Any]:
    return {"apiVersion": f"{GROUP}/v1alpha1", "kind": "Flunder", "metadata": {"name": name, **meta}}


def test_a_namespace_takes_them_along_and_waits_while_their_server_is_dead(tmp_path: Path) -> None:
    async def scene(api: Api) -> None:
        async with beside(api, tmp_path) as extension:
            await extension.behind_a_service(api)
            await extension.registered(api)
            for namespace in ("a", "b"):
                await api.make("/api/v1/namespaces", {"metadata": {"name": namespace}})
                await api.make(f"{BASE}/namespaces/{namespace}/flunders", flunder("f"))
            tasks = await controlled(api, NamespaceController)

            async def gone() -> bool:
                return (await api.ask("GET", "/api/v1/namespaces/a"))[0] == 404

            await api.ask("DELETE", "/api/v1/namespaces/a")
            await until(gone, 15)
            assert [key[1] for key in extension.server.objects.all] == ["b"]

            await extension.stop()
            extension.dialer.dialled = 0
            await api.ask("PATCH", f"{SERVICES}/{NAME}", {"spec": {"versionPriority": 9}},
                          content_type="application/merge-patch+json")  # fmt: skip
            await condition(api, NAME, "FailedDiscoveryCheck")
            await api.ask("DELETE", "/api/v1/namespaces/b")

            async def told() -> Any:
                _, found = await api.ask("GET", "/api/v1/namespaces/b")
                conditions = {each["type"]: each for each in found["status"].get("conditions", ())}
                return conditions.get("NamespaceDeletionDiscoveryFailure")

            why = await until(told, 15)
            assert (why["status"], why["reason"]) == ("True", "DiscoveryFailed")
            version = f"{GROUP}/v1alpha1"
            assert why["message"] == (
                "Discovery failed for some groups, 1 failing: unable to retrieve the complete list of server APIs: "
                f"{version}: stale GroupVersion discovery: {version}"
            )
            assert (await api.ask("GET", "/api/v1/namespaces/b"))[0] == 200
            await ended(tasks)

    play(scene)


def test_the_collector_knows_them_as_dependents_and_goes_on_without_their_server(tmp_path: Path) -> None:
    async def scene(api: Api) -> None:
        async with beside(api, tmp_path) as extension:
            await extension.behind_a_service(api)
            await extension.registered(api)
            maps = "/api/v1/namespaces/default/configmaps"
            owner = await api.make(maps, {"metadata": {"name": "owner"}})
            owned = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
            await api.make(f"{BASE}/namespaces/default/flunders", flunder("f", ownerReferences=[owned]))
            tasks = await controlled(api, GarbageCollector)
            await asyncio.sleep(0.5)
            await api.ask("DELETE", f"{maps}/owner")

            async def collected() -> bool:
                return not extension.server.objects.all

            await until(collected, 15)
            await extension.stop()
            other = await api.make(maps, {"metadata": {"name": "other"}})
            owned = {**owned, "name": "other", "uid": other["metadata"]["uid"]}
            await api.make(maps, {"metadata": {"name": "mine", "ownerReferences": [owned]}})
            await api.ask("DELETE", f"{maps}/other")

            async def mine_too() -> bool:
                return (await api.ask("GET", f"{maps}/mine"))[0] == 404

            await until(mine_too, 15)
            await ended(tasks)

    play(scene)


def test_a_quota_counts_them_and_goes_on_without_their_server(tmp_path: Path) -> None:
    """Who makes one is not asked by us whether a quota allows it: admission is the extension server's, as upstream."""
    quotas, flunders = "/api/v1/namespaces/default/resourcequotas", f"{BASE}/namespaces/default/flunders"
    theirs, ours = f"count/flunders.{GROUP}", "count/configmaps"

    async def scene(api: Api) -> None:
        async def used() -> Any:
            _, found = await api.ask("GET", f"{quotas}/q")
            return (found.get("status") or {}).get("used") or {}

        async with beside(api, tmp_path) as extension:
            await extension.behind_a_service(api)
            await extension.registered(api)
            for name in ("a", "b", "c"):
                await api.make(flunders, flunder(name))
            tasks = await controlled(api, ResourceQuotaController)
            await api.make(quotas, {"metadata": {"name": "q"}, "spec": {"hard": {theirs: "3", ours: "9"}}})

            async def counted() -> bool:
                return bool((await used()).get(theirs) == "3" and (await used())[ours] == "0")

            await until(counted)
            assert (await api.ask("POST", flunders, flunder("d")))[0] == 201
            await api.ask("DELETE", f"{flunders}/a")
            await api.ask("DELETE", f"{flunders}/b")

            async def fewer() -> bool:
                return bool((await used())[theirs] == "2")

            await until(fewer)
            await extension.stop()
            await api.make("/api/v1/namespaces/default/configmaps", {"metadata": {"name": "m"}})
            code, status = await api.ask("DELETE", "/api/v1/namespaces/default/configmaps/m")
            assert code == 200, status

            async def counted_out() -> bool:
                return bool(await used() == {theirs: "2", ours: "0"})

            assert (await used())[ours] == "1"
            await until(counted_out)
            await ended(tasks)

    play(scene)
