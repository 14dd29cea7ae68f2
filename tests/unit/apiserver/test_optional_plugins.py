"""Admission plugins that are off unless somebody enables them, and two that mark where pods are: through the API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from longboat.aio.clock import SystemClock, VirtualClock
from longboat.api import kinds
from longboat.apiserver.admission import event_rate, image_policy, tolerations
from longboat.apiserver.admission.configuration import Configured
from longboat.apiserver.admission.event_rate import EventRateLimit, Limit
from longboat.apiserver.admission.limited_resources import Limited
from longboat.apiserver.remote import Remote
from longboat.machinery.errors import StatusError
from longboat.machinery.user import User
from unit.apiserver.harness import Api, play, user
from unit.apiserver.writes import attributes

PODS = "/api/v1/namespaces/default/pods"
RBAC = "rbac.authorization.k8s.io"


def pod(name: str = "p", *, labels: Any = None, annotations: Any = None, container: Any = None, **spec: Any) -> Any:
    metadata = {"name": name, "labels": labels or {}, "annotations": annotations or {}}
    return {"metadata": metadata, "spec": {"containers": [{"name": "c", "image": "i:1", **(container or {})}], **spec}}


def run(scene: Callable[[Api], Awaitable[None]], *enabled: str, **told: Any) -> None:
    play(scene, enable_admission_plugins=frozenset(enabled), admission=Configured(**told))


async def namespace(api: Api, name: str, **annotations: str) -> None:
    await api.make("/api/v1/namespaces", {"metadata": {"name": name, "annotations": annotations}})
    await api.make(f"/api/v1/namespaces/{name}/serviceaccounts", {"metadata": {"name": "default"}})


async def accounts(api: Api) -> None:
    await api.make("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})


def test_always_pull_images() -> None:
    async def scene(api: Api) -> None:
        await accounts(api)
        init = [{"name": "i", "image": "i:2", "imagePullPolicy": "Never"}]
        volumes = [{"name": "v", "image": {"reference": "r:1", "pullPolicy": "Never"}}]
        never = {"imagePullPolicy": "Never"}
        made = await api.make(PODS, pod(container=never, initContainers=init, volumes=volumes))
        spec = made["spec"]
        found = [spec[part][0]["imagePullPolicy"] for part in ("containers", "initContainers")]
        assert (found, spec["volumes"][0]["image"]["pullPolicy"]) == (["Always", "Always"], "Always")

    run(scene, "AlwaysPullImages")


def test_an_update_without_new_images_may_leave_them_alone_and_a_later_change_is_seen() -> None:
    from longboat.apiserver.admission.always_pull_images import AlwaysPullImages

    plugin, old = AlwaysPullImages(), pod(container={"imagePullPolicy": "Never"})
    plugin.validate(attributes("UPDATE", kinds.POD, "default", "p", old, old))
    newer = pod(container={"image": "i:2"})
    plugin.mutate(attributes("UPDATE", kinds.POD, "default", "p", newer, old))
    assert newer["spec"]["containers"][0]["imagePullPolicy"] == "Always"
    with pytest.raises(StatusError) as raised:
        plugin.validate(attributes("CREATE", kinds.POD, "default", "p", old))
    assert (raised.value.code, raised.value.message) == (
        500,
        'pods "p" is forbidden: spec.containers[0].imagePullPolicy: Unsupported value: "Never": '
        'supported values: "Always"',
    )


def event(kind: Any = kinds.CORE_EVENT, namespace: str = "a", who: str = "u", source: str = "s") -> Any:
    obj = {"source": {"component": source}, "involvedObject": {"kind": "Pod", "name": "p"}}
    return attributes("CREATE", kind, namespace, "e", obj, user=User(who))


@pytest.mark.parametrize(
    ("type", "other", "key"),
    [
        ("Server", None, ""),
        ("Namespace", {"namespace": "b"}, "a"),
        ("User", {"who": "v"}, "u"),
        ("SourceAndObject", {"source": "t"}, "sPodp"),
    ],
)
def test_event_rate_limit(type: str, other: Any, key: str) -> None:
    async def scene() -> None:
        clock = VirtualClock()
        plugin = EventRateLimit((Limit(type, 2, 3),), clock)
        for _ in range(3):
            await plugin.validate(event())
        with pytest.raises(StatusError) as raised:
            await plugin.validate(event(kinds.EVENT))
        error = raised.value
        why = f"Too many requests: limit reached on type {type} for key {key}"
        assert (error.code, error.reason, error.message) == (429, "TooManyRequests", why)
        if other:
            await plugin.validate(event(**other))
        await clock.advance(timedelta(seconds=0.5))
        await plugin.validate(event())
        with pytest.raises(StatusError):
            await plugin.validate(event())

    asyncio.run(scene())


def test_a_limit_remembers_so_many_keys_and_no_long_ones() -> None:
    async def scene() -> None:
        plugin = EventRateLimit((Limit("Namespace", 1, 1, 2),), VirtualClock())
        for name in ("a", "b", "c", "a"):  # a was forgotten for c
            await plugin.validate(event(namespace=name))
        with pytest.raises(StatusError):
            await plugin.validate(event(namespace="c"))
        long = EventRateLimit((Limit("SourceAndObject", 1, 1),), VirtualClock())
        await long.validate(event(source="x" * 100_000))
        assert max(map(len, long._limits[0]._buckets)) <= event_rate.LONGEST

    asyncio.run(scene())


def test_events_are_limited_through_the_api() -> None:
    async def scene(api: Api) -> None:
        about = {"kind": "Pod", "namespace": "default", "name": "p"}
        codes = []
        for n in range(3):
            body = {"metadata": {"name": f"e{n}"}, "involvedObject": about}
            codes.append((await api.ask("POST", "/api/v1/namespaces/default/events", body))[0])
        assert codes == [201, 201, 429]

    run(scene, "EventRateLimit", event_limits=(Limit("Server", 1, 2),))


def test_limit_pod_hard_anti_affinity_topology() -> None:
    async def scene(api: Api) -> None:
        await accounts(api)

        def apart(key: str) -> Any:
            term = {"topologyKey": key, "labelSelector": {}}
            return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}

        await api.make(PODS, pod(affinity=apart("kubernetes.io/hostname")))
        code, said = await api.ask("POST", PODS, pod("z", affinity=apart("zone")))
        assert (code, said["message"]) == (
            403,
            'pods "z" is forbidden: affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey zone but only '
            "key kubernetes.io/hostname is allowed",
        )

    run(scene, "LimitPodHardAntiAffinityTopology")


def test_namespaces_are_provided_or_have_to_exist() -> None:
    async def provided(api: Api) -> None:
        place = "/api/v1/namespaces/new/configmaps"
        code, _ = await api.ask("POST", f"{place}?dryRun=All", {"metadata": {"name": "c"}})
        assert code == 404
        await api.make(place, {"metadata": {"name": "c"}})
        assert (await api.ask("GET", "/api/v1/namespaces/new"))[0] == 200

    run(provided, "NamespaceAutoProvision")

    async def required(api: Api) -> None:
        code, said = await api.ask("POST", "/api/v1/namespaces/new/configmaps", {"metadata": {"name": "c"}})
        assert (code, said["message"]) == (404, 'namespaces "new" not found')

    run(required, "NamespaceExists")


def test_pod_node_selector() -> None:
    async def scene(api: Api) -> None:
        await accounts(api)
        await namespace(api, "own", **{"scheduler.alpha.kubernetes.io/node-selector": "env=test,team=a"})
        await namespace(api, "odd", **{"scheduler.alpha.kubernetes.io/node-selector": "env"})
        own = PODS.replace("default", "own")
        made = await api.make(own, pod(nodeSelector={"disk": "fast"}))
        assert made["spec"]["nodeSelector"] == {"env": "test", "team": "a", "disk": "fast"}
        code, said = await api.ask("POST", own, pod("q", nodeSelector={"env": "prod"}))
        why = "pod node label selector conflicts with its namespace node label selector"
        assert (code, said["message"]) == (403, f'pods "q" is forbidden: {why}')
        assert (await api.make(PODS, pod()))["spec"]["nodeSelector"] == {"pool": "all"}
        code, said = await api.ask("POST", PODS, pod("r", nodeSelector={"disk": "fast"}))
        why = "pod node label selector labels conflict with its namespace whitelist"
        assert (code, said["message"]) == (403, f'pods "r" is forbidden: {why}')
        assert (await api.ask("POST", PODS.replace("default", "odd"), pod()))[0] == 500

    chosen = {"clusterDefaultNodeSelector": {"pool": "all"}, "default": {"pool": "all"}}
    run(scene, "PodNodeSelector", node_selectors=chosen)


def test_pod_toleration_restriction() -> None:
    default = [{"key": "k", "operator": "Exists", "effect": "NoSchedule"}]
    listed = [*default, {"key": "node.kubernetes.io/memory-pressure", "operator": "Exists"}, {"key": "other"}]
    for_all = [{"key": "node.kubernetes.io/not-ready", "operator": "Exists"},
               {"key": "node.kubernetes.io/unreachable", "operator": "Exists"}]  # fmt: skip

    async def scene(api: Api) -> None:
        notes = {
            tolerations.DEFAULTS: msgspec.json.encode(default).decode(),
            tolerations.LISTED: msgspec.json.encode(listed + for_all).decode(),
        }
        await namespace(api, "own", **notes)
        await namespace(api, "odd", **{tolerations.DEFAULTS: "{"})
        own = PODS.replace("default", "own")
        asks = {"resources": {"requests": {"cpu": "1"}}}
        made = await api.make(own, pod(container=asks))
        keys = [each["key"] for each in made["spec"]["tolerations"]]
        assert keys[:2] == ["k", "node.kubernetes.io/memory-pressure"]
        code, said = await api.ask("POST", own, pod("q", tolerations=[{"key": "z", "operator": "Exists"}]))
        assert (code, said["message"]) == (500, tolerations.NOT_LISTED)
        assert (await api.ask("POST", PODS.replace("default", "odd"), pod()))[0] == 500
        await accounts(api)
        made = await api.make(PODS, pod())
        assert made["spec"]["tolerations"][0] == {"key": "all", "operator": "Exists"}

    run(scene, "PodTolerationRestriction", tolerations=tolerations.Settings(({"key": "all", "operator": "Exists"},)))


def test_extended_resource_toleration() -> None:
    async def scene(api: Api) -> None:
        await accounts(api)
        amounts = {"example.com/gpu": "1", "a.example/x": "1", "cpu": "1"}
        made = await api.make(PODS, pod(container={"resources": {"requests": amounts, "limits": amounts}}))
        keys = [(each["key"], each["effect"]) for each in made["spec"]["tolerations"]]
        assert keys[-2:] == [("a.example/x", "NoSchedule"), ("example.com/gpu", "NoSchedule")]

    run(scene, "ExtendedResourceToleration")


def test_owner_references_permission_enforcement() -> None:
    rules = [
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "update", "get"]},
        {
            "apiGroups": ["apps"],
            "resources": ["deployments/finalizers"],
            "verbs": ["update"],
            "resourceNames": ["mine"],
        },
    ]

    def owned(name: str, *, kind: str = "Deployment", block: bool = False) -> Any:
        ref = {"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "u", "blockOwnerDeletion": block}
        return {"metadata": {"name": f"c-{name}", "ownerReferences": [ref]}}

    async def scene(api: Api) -> None:
        place, who = "/api/v1/namespaces/default/configmaps", user("mary")
        role = {"metadata": {"name": "writer"}, "rules": rules}
        await api.make("/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles", role)
        binding = {
            "metadata": {"name": "mary"}, "subjects": [{"kind": "User", "name": "mary", "apiGroup": RBAC}],
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "writer"},
        }  # fmt: skip
        await api.make("/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings", binding)
        code, said = await api.ask("POST", place, owned("mine"), who)
        assert code == 403
        assert "cannot set an ownerRef on a resource you can't delete: " in said["message"]
        role["rules"] = [*rules, {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["delete"]}]
        path = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles/writer"
        assert (await api.ask("PUT", path, role))[0] == 200
        await api.make(place, owned("mine", block=True), who)
        await api.make(place, owned("theirs"), who)
        code, said = await api.ask("PUT", f"{place}/c-theirs", owned("theirs", block=True), who)
        assert code == 403
        assert "refers to a resource you can't set finalizers on" in said["message"]
        code, said = await api.ask("POST", place, owned("odd", kind="Depl", block=True), who)
        assert code == 403
        assert 'cannot find RESTMapping for APIVersion apps/v1 Kind Depl: no matches for kind "Depl"' in said["message"]
        await api.make(place, {"metadata": {"name": "plain"}}, who)

    run(scene, "OwnerReferencesPermissionEnforcement")


def test_always_deny() -> None:
    async def scene(api: Api) -> None:
        code, said = await api.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "n"}})
        assert (code, said["message"]) == (
            403, 'namespaces "n" is forbidden: admission control is denying all modifications'
        )  # fmt: skip

    run(scene, "AlwaysDeny")


def test_pods_bear_the_zone_and_region_of_their_node() -> None:
    zone, region = "topology.kubernetes.io/zone", "topology.kubernetes.io/region"

    async def scene(api: Api) -> None:
        await accounts(api)
        await api.make("/api/v1/nodes", {"metadata": {"name": "n", "labels": {zone: "z", region: "r", "other": "o"}}})
        await api.make(PODS, pod(labels={region: "own"}))
        target = {"kind": "Node", "name": "n"}
        await api.make(f"{PODS}/p/binding", {"metadata": {"name": "p"}, "target": target})
        assert (await api.ask("GET", f"{PODS}/p"))[1]["metadata"]["labels"] == {zone: "z", region: "own"}
        made = await api.make(PODS, pod("there", nodeName="n"))
        assert made["metadata"]["labels"] == {zone: "z", region: "r"}
        assert "labels" not in (await api.make(PODS, pod("later")))["metadata"]

    run(scene)


@pytest.mark.parametrize(
    ("limited", "wish", "quota", "said"),
    [  # upstream's own cases (resourcequota, TestAdmitLimited…)
        (Limited("", "pods", ("cpu",)), {}, None, ""),
        (Limited("", "pods", ("cpu",)), {"cpu": "3"}, None, "insufficient quota to consume: cpu,requests.cpu"),
        (Limited("", "pods", ("requests.cpu",)), {"cpu": "3"}, {"hard": {"memory": "1Gi"}},
         'pods "p" is forbidden: failed quota: q: must specify memory for: c'),
        (Limited("", "pods", ("requests.cpu",)), {"cpu": "3"}, {"hard": {"pods": "9"}},
         'pods "p" is forbidden: insufficient quota to consume: requests.cpu'),
        (Limited("", "pods", ("requests.cpu",)), {"cpu": "3"}, {"hard": {"requests.cpu": "4"}}, ""),
        (Limited("", "pods", ("requests.cpu",)), {"cpu": "3"}, {"hard": {"requests.cpu": "2"}}, "exceeded quota: q"),
        (Limited("", "services", ("services",)), {"cpu": "3"}, None, ""),
        (Limited("", "pods", (), ({"scopeName": "BestEffort", "operator": "Exists"},)), {"cpu": "3"}, None, ""),
        (Limited("", "pods", (), ({"scopeName": "BestEffort", "operator": "Exists"},)), {}, None,
         "insufficient quota to match these scopes: [{BestEffort Exists []}]"),
        (Limited("", "pods", (), ({"scopeName": "BestEffort", "operator": "Exists"},)), {},
         {"hard": {"pods": "5"}, "scopes": ["BestEffort"]}, ""),
        (Limited("", "pods", (), ({"scopeName": "NotBestEffort", "operator": "In", "values": ["a", "b"]},)),
         {"cpu": "1"}, {"hard": {"pods": "5"}}, "these scopes: [{NotBestEffort In [a b]}]"),
    ],
)  # fmt: skip
def test_what_is_limited_has_to_be_covered_by_a_quota(limited: Limited, wish: Any, quota: Any, said: str) -> None:
    async def scene(api: Api) -> None:
        await accounts(api)
        if quota:
            where = "/api/v1/namespaces/default/resourcequotas"
            made = await api.make(where, {"metadata": {"name": "q"}, "spec": quota})
            made["status"] = {"hard": quota["hard"], "used": dict.fromkeys(quota["hard"], "0")}
            assert (await api.ask("PUT", f"{where}/q/status", made))[0] == 200
        code, answer = await api.ask("POST", PODS, pod(container={"resources": {"requests": wish}}))
        assert code == 201 if not said else said in answer["message"], answer

    run(scene, limited=(limited,))


class Reviewer:
    """A server of image reviews on 127.0.0.1, without TLS."""

    def __init__(self, **status: Any) -> None:
        self.status = status
        self.asked: list[Any] = []
        self.broken = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length: ")[1].split("\r\n")[0])
        self.asked.append(msgspec.json.decode(await reader.readexactly(length)))
        self.broken, code = max(0, self.broken - 1), 500 if self.broken else 200
        answer = msgspec.json.encode({"kind": "ImageReview", "status": self.status})
        writer.write(b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n%s" % (code, len(answer), answer))
        await writer.drain()
        writer.close()


def review(reviewer: Reviewer, allow: bool, ask: Callable[[image_policy.ImagePolicyWebhook], Awaitable[None]]) -> None:
    async def scene() -> None:
        server = await asyncio.start_server(reviewer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        settings = image_policy.Settings("", 300, 30, 0.001, allow)
        plugin = image_policy.ImagePolicyWebhook(settings, Remote(f"http://127.0.0.1:{port}/r", None), SystemClock())
        async with server:
            await ask(plugin)

    asyncio.run(scene())


def test_image_policy_webhook() -> None:
    reviewer = Reviewer(allowed=True, auditAnnotations={"seen": "yes"})
    notes = {"x.image-policy.k8s.io/ticket": "1", "else": "2"}
    init = [{"name": "i", "image": "j:1"}]

    async def ask(plugin: image_policy.ImagePolicyWebhook) -> None:
        wish = attributes("CREATE", kinds.POD, "ns", "p", pod(annotations=notes, initContainers=init))
        assert plugin.handles(wish.target)
        reviewer.broken = 2  # it is asked again
        await plugin.validate(wish)
        spec = {"containers": [{"image": "i:1"}, {"image": "j:1"}], "namespace": "ns",
                "annotations": {"x.image-policy.k8s.io/ticket": "1"}}  # fmt: skip
        assert [each["spec"] for each in reviewer.asked] == [spec] * 3
        assert wish.annotations == {"imagepolicywebhook.image-policy.k8s.io/seen": "yes"}
        await plugin.validate(wish)
        assert len(reviewer.asked) == 3  # it is remembered
        reviewer.status = {"allowed": False, "reason": "no signature"}
        with pytest.raises(StatusError) as raised:
            await plugin.validate(attributes("CREATE", kinds.POD, "ns", "q", pod("q")))
        why = "image policy webhook backend denied one or more images: no signature"
        assert (raised.value.code, raised.value.message) == (403, f'pods "q" is forbidden: {why}')

    review(reviewer, False, ask)


@pytest.mark.parametrize("allow", [True, False])
def test_an_image_policy_webhook_that_does_not_answer(allow: bool) -> None:
    reviewer = Reviewer()

    async def ask(plugin: image_policy.ImagePolicyWebhook) -> None:
        reviewer.broken, wish = 100, attributes("CREATE", kinds.POD, "ns", "p", pod())
        if allow:
            await plugin.validate(wish)
            assert wish.annotations == {"imagepolicywebhook.image-policy.k8s.io/failed-open": "true"}
        else:
            with pytest.raises(StatusError) as raised:
                await plugin.validate(wish)
            assert raised.value.code == 403
        assert len(reviewer.asked) == image_policy.TRIES

    review(reviewer, allow, ask)
