"""What admission is shown of each request: operation, resource, subresource, and the object that is meant."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from longboat.apiserver.admission.chain import Plugin
from longboat.registry.admission import Attributes
from unit.apiserver.harness import Api, play, user

CORE = "/api/v1/namespaces/default"
MERGE = {"content_type": "application/merge-patch+json"}
EVICTION = {"kind": "Eviction", "apiVersion": "policy/v1", "metadata": {"name": "p"}}


class Watching(Plugin):
    """Notes what it is shown."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str, str]] = []
        self.objects: list[tuple[Any, Any]] = []
        self.options: list[Any] = []

    def validate(self, attributes: Attributes) -> None:
        obj, old = (msgspec.json.decode(msgspec.json.encode(each)) for each in (attributes.obj, attributes.old))
        kind = (obj or old or {}).get("kind", "")
        what = attributes.operation, attributes.kind.plural, attributes.subresource, kind
        self.seen.append(what)
        self.objects.append((obj, old))
        self.options.append(attributes.write.options)


async def watching(api: Api) -> Watching:
    await api.make(f"{CORE}/serviceaccounts", {"metadata": {"name": "default"}})
    await api.make("/api/v1/nodes", {"metadata": {"name": "n1"}})
    containers = [{"name": "c", "image": "i"}]
    await api.make(f"{CORE}/pods", {"metadata": {"name": "p"}, "spec": {"containers": containers}})
    await api.make(f"{CORE}/services", {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}})
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": containers}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    await api.make("/apis/apps/v1/namespaces/default/deployments", {"metadata": {"name": "d"}, "spec": spec})
    found = Watching()
    api.server.admission._validating.append(found)
    return found


def test_a_binding_and_an_eviction_are_what_they_are() -> None:
    async def scene(api: Api) -> None:
        seen = await watching(api)
        await api.make(f"{CORE}/pods/p/binding", {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n1"}})
        await api.make(f"{CORE}/pods/p/eviction", EVICTION)
        assert seen.seen == [("CREATE", "pods", "binding", "Binding"), ("CREATE", "pods", "eviction", "Eviction")]
        assert seen.objects[0][0]["target"] == {"kind": "Node", "name": "n1"}

    play(scene)


@pytest.mark.parametrize("verb", ["PUT", "PATCH"])
def test_scaling_shows_the_scale(verb: str) -> None:
    async def scene(api: Api) -> None:
        seen, path = await watching(api), "/apis/apps/v1/namespaces/default/deployments/d/scale"
        body = {"metadata": {"name": "d", "namespace": "default"}, "spec": {"replicas": 4}}
        code, found = await api.ask(verb, path, body, **(MERGE if verb == "PATCH" else {}))
        assert (code, found["spec"]["replicas"]) == (200, 4)
        assert seen.seen == [("UPDATE", "deployments", "scale", "Scale")]
        new, old = seen.objects[0]
        assert (new["spec"]["replicas"], old["spec"]["replicas"]) == (4, 1)

    play(scene)


CONNECTIONS: list[tuple[str, str, str, str, str, dict[str, Any]]] = [
    ("POST", "pods/p/exec?stdout=1&tty=true&container=c&command=ls&command=-l", "pods", "exec", "PodExecOptions",
     {"stdout": True, "tty": True, "container": "c", "command": ["ls", "-l"]}),
    ("GET", "pods/p/attach?stdin=true", "pods", "attach", "PodAttachOptions", {"stdin": True}),
    ("POST", "pods/p/portforward?ports=80&ports=81", "pods", "portforward", "PodPortForwardOptions",
     {"ports": [80, 81]}),
    ("DELETE", "pods/p/proxy/a/b", "pods", "proxy", "PodProxyOptions", {"path": "/a/b"}),
    ("GET", "services/https:s:80/proxy/", "services", "proxy", "ServiceProxyOptions", {}),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "resource", "part", "kind", "options"), CONNECTIONS)
def test_a_connection_is_admitted_with_its_options(
    method: str, path: str, resource: str, part: str, kind: str, options: dict[str, Any]
) -> None:
    async def scene(api: Api) -> None:
        seen = await watching(api)
        await api.ask(method, f"{CORE}/{path}")  # nothing answers for them here: what is asked comes before
        assert seen.seen == [("CONNECT", resource, part, kind)]
        assert seen.objects[0] == ({"kind": kind, "apiVersion": "v1", **options}, None)

    play(scene)


def test_what_is_stored_and_what_is_answered_on_the_spot() -> None:
    async def scene(api: Api) -> None:
        seen = await watching(api)
        await api.make(f"{CORE}/configmaps", {"metadata": {"name": "a"}})
        await api.ask("PATCH", f"{CORE}/configmaps/a", {"data": {"k": "v"}}, **MERGE)
        await api.ask("PATCH", f"{CORE}/pods/p/status", {"status": {"message": "m"}}, **MERGE)
        await api.ask("DELETE", f"{CORE}/configmaps/a")
        review = {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}
        await api.make("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
        assert seen.seen == [
            ("CREATE", "configmaps", "", "ConfigMap"), ("UPDATE", "configmaps", "", "ConfigMap"),
            ("UPDATE", "pods", "status", "Pod"), ("DELETE", "configmaps", "", "ConfigMap"),
            ("CREATE", "selfsubjectaccessreviews", "", "SelfSubjectAccessReview"),
        ]  # fmt: skip
        assert seen.objects[3][0] is None

    play(scene)


def test_nothing_begins_in_a_namespace_that_goes() -> None:
    """Evictions and tokens too are something new (upstream; kubectl drain knows the cause)."""

    async def scene(api: Api) -> None:
        await api.make("/api/v1/namespaces", {"metadata": {"name": "going"}})
        inside = "/api/v1/namespaces/going"
        await api.make(f"{inside}/serviceaccounts", {"metadata": {"name": "default"}})
        await api.make(
            f"{inside}/pods", {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        )
        await api.ask("DELETE", inside)
        for path, body in (
            ("pods/p/eviction", EVICTION), ("serviceaccounts/default/token", {"spec": {}}),
            ("pods/p/binding", {"metadata": {"name": "p"}, "target": {"name": "n1"}}),
        ):  # fmt: skip
            code, status = await api.ask("POST", f"{inside}/{path}", body)
            assert (code, status["details"]["causes"][0]["reason"]) == (403, "NamespaceTerminating"), path

    play(scene)


MIRROR = {"annotations": {"kubernetes.io/config.mirror": "m"}}


@pytest.mark.parametrize("mirrors", [True, False])
def test_a_node_evicts_only_its_own_pods(mirrors: bool) -> None:
    """Bound to it, to another, to none; mirror pods and others alike (NodeRestriction)."""
    node = user("system:node:n1", "system:nodes")

    async def scene(api: Api) -> None:
        await watching(api)
        for name, where in (("mine", {"nodeName": "n1"}), ("theirs", {"nodeName": "n2"}), ("nobodys", {})):
            metadata = {"name": name, **(MIRROR if mirrors else {})}
            spec = {"containers": [{"name": "c", "image": "i"}], **where}
            if not (mirrors and not where):  # a mirror pod is bound
                await api.make(f"{CORE}/pods", {"metadata": metadata, "spec": spec})
        said = {}
        for name in ("theirs", "nobodys", "mine", "gone"):
            code, status = await api.ask(
                "POST", f"{CORE}/pods/{name}/eviction", {**EVICTION, "metadata": {"name": name}}, node
            )
            said[name] = code, status.get("message", "")
        refused = "is forbidden: node n1 can only evict pods with spec.nodeName set to itself"
        assert said["theirs"] == (403, f'pods "theirs" {refused}')
        if mirrors:
            assert said["nobodys"][0] == 404
        else:
            assert said["nobodys"] == (403, f'pods "nobodys" {refused}')
        assert said["mine"][0] == 201
        assert said["gone"] == (404, 'pods "gone" not found')

    play(scene)


def test_options_are_shown_as_they_are_given() -> None:
    async def scene(api: Api) -> None:
        seen, path = await watching(api), f"{CORE}/configmaps"
        await api.make(f"{path}?fieldManager=me&dryRun=All", {"metadata": {"name": "dry"}})
        await api.make(path, {"metadata": {"name": "a"}})
        await api.ask("PATCH", f"{path}/a?fieldValidation=Strict", {"data": {"k": "v"}}, **MERGE)
        await api.ask("DELETE", f"{path}/a", {"gracePeriodSeconds": 3, "propagationPolicy": "Background"})
        version = {"apiVersion": "meta.k8s.io/v1"}
        assert seen.options == [
            {"kind": "CreateOptions", **version, "fieldManager": "me", "dryRun": ["All"]},
            {"kind": "CreateOptions", **version},
            {"kind": "PatchOptions", **version, "fieldValidation": "Strict"},
            {"kind": "DeleteOptions", **version, "gracePeriodSeconds": 3, "propagationPolicy": "Background"},
        ]

    play(scene)
