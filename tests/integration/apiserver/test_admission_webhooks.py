"""Webhooks over TLS: what they refuse and change, what becomes of those that fail, and what they never get hold of."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import product
from typing import Any

import pytest

from longboat.aio.clock import SystemClock
from longboat.apiserver.dial import Dialer
from oracle.webhook import Webhooks
from unit.apiserver.harness import Api, api_server, play, user
from unit.apiserver.pod_security.test_pod_security import told

CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/{}webhookconfigurations"
MAPS = "/api/v1/namespaces/default/configmaps"
ROLES = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles"
DEAD = "https://127.0.0.1:1"


@pytest.fixture(scope="module")
def server() -> Iterator[Webhooks]:
    found = Webhooks()
    yield found
    found.close()


def hook(server: Webhooks, path: str, resource: str = "configmaps", url: str = "", **more: Any) -> Any:
    """A webhook that is answered by `server.replies["s", path]`."""
    base = server.fixed("s")
    rule = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": [resource]}
    config = {"url": (url or base["<hook>"]) + path, "caBundle": base["<ca>"]}
    return {"name": f"{path[1:]}.example.com", "clientConfig": config, "rules": [rule], "sideEffects": "None",
            "admissionReviewVersions": ["v1"], "timeoutSeconds": 2, **more}  # fmt: skip


async def configure(api: Api, which: str, *hooks: Any) -> None:
    await api.make(CONFIGURATIONS.format(which), {"metadata": {"name": "c"}, "webhooks": list(hooks)})


def replies(server: Webhooks, **by_path: Any) -> None:
    server.forget("s")
    server.replies |= {("s", f"/{path}"): reply for path, reply in by_path.items()}


def added(key: str, value: str) -> Any:
    return {"patch": [{"op": "add", "path": f"/data/{key}", "value": value}]}


def config_map(name: str = "m", **data: str) -> Any:
    return {"metadata": {"name": name}, "data": {"k": "v", **data}}


def test_a_refusal_is_told_and_a_change_of_the_configuration_is_in_force_at_once(server: Webhooks) -> None:
    async def scene(api: Api) -> None:
        no = {"allowed": False, "status": {"message": "no", "code": 418, "reason": "Teapot"}, "warnings": ["careful"]}
        replies(server, v={"response": no})
        await configure(api, "validating", hook(server, "/v"))
        code, status = await api.ask("POST", MAPS, config_map())
        assert (code, status["reason"]) == (418, "Teapot")
        assert status["message"] == 'admission webhook "v.example.com" denied the request: no'
        assert (await told(api, MAPS, config_map()))[1] == ["careful"]
        assert (await api.ask("GET", f"{MAPS}/m"))[0] == 404
        assert (await api.ask("DELETE", CONFIGURATIONS.format("validating") + "/c"))[
            0
        ] == 200  # it is not asked of that
        assert (await api.ask("POST", MAPS, config_map()))[0] == 201

    play(scene)


def test_webhooks_that_change_are_asked_in_turn_and_again_where_they_wish(server: Webhooks) -> None:
    async def scene(api: Api) -> None:
        replies(server, a=added("a", "1"), b=added("b", "2"), c=added("c", "3"))
        await configure(api, "mutating", hook(server, "/a", reinvocationPolicy="IfNeeded"), hook(server, "/b"),
                        hook(server, "/c", reinvocationPolicy="IfNeeded"))  # fmt: skip
        made = await api.make(MAPS, config_map())
        assert made["data"] == {"k": "v", "a": "1", "b": "2", "c": "3"}
        reviews = server.taken("s")
        assert [review["hook"].partition("?")[0] for review in reviews] == ["/a", "/b", "/c", "/a"]
        assert reviews[1]["request"]["object"]["data"] == {"k": "v", "a": "1"}

    play(scene)


def test_they_are_told_of_the_time_that_is_left(server: Webhooks) -> None:
    async def scene(api: Api) -> None:
        replies(server, patient={}, hasty={})
        await configure(api, "mutating", hook(server, "/patient", timeoutSeconds=20), hook(server, "/hasty"))
        for number, asked in enumerate(("", "timeout=8500ms", "timeout=1s")):
            await api.make(f"{MAPS}?{asked}", config_map(f"m{number}"))
        heard = [review["hook"].partition("=")[2] for review in server.taken("s")]
        assert heard == ["20s", "2s", "9s", "2s", "1s", "1s"]

    play(scene)


def test_one_that_is_dead_or_slow(server: Webhooks) -> None:
    """Of both sorts, with both policies: side by side, for each takes its second."""

    async def scene(api: Api, which: str, policy: str, code: int) -> None:
        dead = hook(server, "/dead", url=DEAD, failurePolicy=policy)
        slow = hook(server, "/slow", resource="secrets", failurePolicy=policy, timeoutSeconds=1)
        await configure(api, which, dead, slow)
        found, status = await api.ask("POST", MAPS, config_map())
        assert found == code
        if code == 500:
            why = f'Post "{DEAD}/dead?timeout=2s": dial tcp 127.0.0.1:1: connect: connection refused'
            assert status["message"].endswith(
                f'failed calling webhook "dead.example.com": failed to call webhook: {why}'
            )
        secret = asyncio.ensure_future(
            api.ask("POST", "/api/v1/namespaces/default/secrets", {"metadata": {"name": "s"}})
        )
        start = time.monotonic()
        await api.make("/api/v1/namespaces", {"metadata": {"name": "elsewhere"}})  # nobody is asked about it
        assert time.monotonic() - start < 0.5
        found, status = await secret
        assert found == code
        if code == 500:
            assert status["message"].endswith('/slow?timeout=1s": context deadline exceeded')
        named = "rejection" if code == 500 else "fail_open"
        line = rf'apiserver_admission_webhook_{named}_count{{.*name="dead\.example\.com".* 1$'
        assert re.search(line, (await api.ask("GET", "/metrics"))[1], re.MULTILINE)

    async def main() -> None:
        replies(server, slow={"delay": 1.5})
        async with asyncio.timeout(60), AsyncExitStack() as stack:
            cases = list(product(("validating", "mutating"), (("Fail", 500), ("Ignore", 201))))
            apis = [await stack.enter_async_context(api_server()) for _ in cases]
            await asyncio.gather(
                *(scene(api, which, *policy) for api, (which, policy) in zip(apis, cases, strict=True))
            )

    asyncio.run(main())


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ({"text": "x" * (5 << 20)}, "the answer is larger than 4194304 bytes"),
        ({"text": "", "status": 302}, "the server responded with the status code 302 but did not"),
        ({"response": {"uid": "other"}}, 'got "other"'),
        ({"response": {"patch": "W10="}}, "webhook returned response.patch but not response.patchType"),
    ],
    ids=("large", "redirect", "uid", "patch"),
)  # fmt: skip
def test_answers_that_say_nothing_refuse(server: Webhooks, reply: Any, why: str) -> None:
    async def scene(api: Api) -> None:
        replies(server, m=reply)
        await configure(api, "mutating", hook(server, "/m"))
        code, status = await api.ask("POST", MAPS, config_map())
        assert code == 500 and why in status["message"]
        assert (await api.ask("GET", f"{MAPS}/m"))[0] == 404

    play(scene)


def test_a_patch_leaves_an_object_in_its_namespace_and_gives_nobody_rights(server: Webhooks) -> None:
    async def scene(api: Api) -> None:
        elsewhere = {"patch": [{"op": "replace", "path": "/metadata/namespace", "value": "kube-system"}]}
        rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
        generous = {"patch": [{"op": "replace", "path": "/rules", "value": rules}]}
        replies(server, m=elsewhere, r=generous)
        await configure(api, "mutating", hook(server, "/m"), hook(server, "/r", resource="roles"))
        code, status = await api.ask("POST", MAPS, config_map())
        assert (code, status["reason"]) == (400, "BadRequest")
        may = [{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["create"]}]
        role = {"kind": "ClusterRole", "name": "b", "apiGroup": "rbac.authorization.k8s.io"}
        mary = {"kind": "User", "name": "mary", "apiGroup": "rbac.authorization.k8s.io"}
        binding = {"metadata": {"name": "b"}, "subjects": [mary], "roleRef": role}
        group = "/apis/rbac.authorization.k8s.io/v1"
        await api.make(f"{group}/clusterroles", {"metadata": {"name": "b"}, "rules": may})
        await api.make(f"{group}/clusterrolebindings", binding)
        code, status = await api.ask("POST", ROLES, {"metadata": {"name": "r"}, "rules": []}, user("mary"))
        assert code == 403 and "attempting to grant RBAC permissions not currently held" in status["message"]

    play(scene)


def test_a_service_without_endpoints_cannot_be_asked(server: Webhooks) -> None:
    async def scene(api: Api) -> None:
        api.server.webhooks.dialer = Dialer(SystemClock(), services=lambda: ["10.96.0.0/16"])
        to = {"service": {"namespace": "default", "name": "hooks"}}
        await configure(api, "validating", {**hook(server, "/v"), "clientConfig": to})
        _, status = await api.ask("POST", MAPS, config_map())
        assert status["message"].endswith('Post "https://hooks.default.svc:443?timeout=2s": service "hooks" not found')
        await api.make(
            "/api/v1/namespaces/default/services", {"metadata": {"name": "hooks"}, "spec": {"ports": [{"port": 443}]}}
        )
        _, status = await api.ask("POST", MAPS, config_map())
        assert status["message"].endswith('no endpoints available for service "hooks"')
        await api.make("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", {
            "metadata": {"name": "hooks", "labels": {"kubernetes.io/service-name": "hooks"}}, "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.96.0.1"]}], "ports": [{"port": 80}]})  # fmt: skip
        _, status = await api.ask("POST", MAPS, config_map())
        assert status["message"].endswith("address not allowed: 10.96.0.1 (of Services)")

    play(scene)


def test_objects_of_custom_kinds_are_changed_too(server: Webhooks) -> None:
    async def scene(api: Api) -> None:
        replies(server, m=added("a", "1"))
        group, schema = "sea.example.com", {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
        names = {"plural": "boats", "kind": "Boat", "singular": "boat", "listKind": "BoatList"}
        spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [version]}
        await api.make("/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
                       {"metadata": {"name": f"boats.{group}"}, "spec": spec})  # fmt: skip
        await configure(api, "mutating", hook(server, "/m", resource="boats"))
        boat = {"apiVersion": f"{group}/v1", "kind": "Boat", "metadata": {"name": "b"}, "data": {}}
        for _ in range(50):
            code, made = await api.ask("POST", f"/apis/{group}/v1/namespaces/default/boats", boat)
            if code != 404:
                break
            await asyncio.sleep(0.05)
        assert (code, made.get("data")) == (201, {"a": "1"}), made

    play(scene)
