"""What is done is what was authorized: no path, method or upgrade makes a reader's request a writer's."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from longboat.aio.clock import SystemClock
from longboat.api import kinds
from longboat.api.storage import CONTROLLER_DRIVERS, CONTROLLER_SCOPE, CSI_CALLER, CSI_CONTROLLER, OF_CLUSTER
from longboat.apiserver.dial import Dialer
from longboat.apiserver.pki import Pki
from longboat.apiserver.request import Request, Response
from longboat.apiserver.streams.csi import DriverCalls
from longboat.apiserver.streams.nodes import NodeConnections
from longboat.apiserver.streams.pods import PodStreams
from longboat.client.rest import RestClient
from longboat.node.serve import http
from longboat.node.serve.authorize import Authorizer
from longboat.node.serve.http import Answer
from unit.apiserver.harness import ADMIN, Api, api_server, play, user

PODS = "/api/v1/namespaces/default/pods"
READER = user("reader")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


async def grant(api: Api, name: str, verbs: list[str], *resources: str) -> None:
    """To the user of this name, everywhere, in the core group."""
    about = {"metadata": {"name": name}}
    rule = {"verbs": verbs, "apiGroups": [""], "resources": list(resources)}
    await api.make("/apis/rbac.authorization.k8s.io/v1/clusterroles", {**about, "rules": [rule]})
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}]
    bound = {**about, "roleRef": ref, "subjects": subjects}
    await api.make("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", bound)


class Backend:
    """Stands where nodes, pods and Services are proxied to, and remembers what got there."""

    def __init__(self, api: Api) -> None:
        self.reached: list[tuple[str, str]] = []
        for kind in (kinds.NODE, kinds.POD, kinds.SERVICE):
            api.server.dispatcher.answers[kind, "proxy"] = self._answer

    async def _answer(self, request: Request) -> Response:
        self.reached.append((request.method, request.path))
        return Response(200, b"{}")


PROXIED = ("nodes/n1/proxy/csi/local.longboat.dev/DeleteVolume", "nodes/n1/proxy",
           "namespaces/default/pods/p/proxy/x", "namespaces/default/services/s/proxy")  # fmt: skip


@pytest.mark.parametrize("prefix", ["watch", "proxy"])
def test_nothing_is_proxied_under_a_prefix_of_old(prefix: str) -> None:
    """Before, any method went to the backend as a `watch`, which whoever may read everything may do."""

    async def scene(api: Api) -> None:
        backend = Backend(api)
        await grant(api, "reader", ["get", "list", "watch", "proxy"], "*")
        for method in METHODS:
            for path in PROXIED:
                for who in (READER, ADMIN):
                    code, _ = await api.ask(method, f"/api/v1/{prefix}/{path}", b"{}", who)
                    assert code == 404, (method, path)
        assert backend.reached == []
        assert (await api.ask("GET", f"/api/v1/{PROXIED[0]}", who=READER))[0] == 200  # the way that there is
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert (await api.ask(method, f"/api/v1/{PROXIED[0]}", b"{}", READER))[0] == 403
        assert len(backend.reached) == 1

    play(scene)


def test_a_prefix_takes_the_method_of_its_verb_alone() -> None:
    async def scene(api: Api) -> None:
        await grant(api, "reader", ["get", "list", "watch"], "*")
        for path in ("pods", "namespaces/default/pods", "namespaces/default/pods/p", "nodes/n1"):
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                code, answer = await api.ask(method, f"/api/v1/watch/{path}", {}, READER)
                assert (code, answer["reason"]) == (405, "MethodNotAllowed"), (method, path)
        for sub in ("status", "log", "exec", "binding", "eviction"):
            for method in ("GET", "POST"):
                assert (await api.ask(method, f"/api/v1/watch{PODS[7:]}/p/{sub}", {}, READER))[0] == 404
        response = await api.response("GET", "/api/v1/watch/namespaces/default/pods", who=READER)
        assert response.status == 200 and response.stream is not None
        await response.stream.aclose()  # type: ignore[attr-defined]

    play(scene)


@pytest.mark.parametrize("part", ["exec?command=id&stdout=1", "attach?stdout=1", "portforward?ports=80"])
def test_readers_open_no_streams(part: str, tmp_path: Path) -> None:
    """Before, `get pods/exec` alone ran commands: a WebSocket begins with a GET (upstream until 1.34)."""

    async def scene(api: Api) -> None:
        await grant(api, "reader", ["get", "list", "watch"], "pods", "pods/*", "*/exec", "*/attach", "*/portforward")
        await grant(api, "worker", ["get", "create"], "pods/exec", "pods/attach", "pods/portforward")
        pki = Pki(tmp_path, SystemClock())
        pair = pki.client("kubelet-client", "kubelet-client")
        nodes = NodeConnections(pki.node_serving.pair.certificate, pair, SystemClock(), Dialer(SystemClock()))
        streams = PodStreams(api.server.lookup, nodes, api.server.authorizer)
        for name in ("exec", "attach", "portforward"):
            api.server.dispatcher.answers[kinds.POD, name] = getattr(streams, name)
        await api.make("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
        await api.make(PODS, {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}})
        upgrade = {"connection": "Upgrade", "upgrade": "websocket"}
        code, answer = await api.ask("GET", f"{PODS}/p/{part}", None, READER, **upgrade)
        assert (code, answer["message"]) == (403, 'pods "p" is forbidden: ')  # upstream says no more, either
        assert answer["details"] == {"name": "p", "kind": "pods"}
        code, answer = await api.ask("GET", f"{PODS}/p/{part}", None, user("worker"), **upgrade)
        assert (code, answer["message"]) == (400, "pod p does not have a host assigned")  # as far as it gets here
        assert (await api.ask("HEAD", f"{PODS}/p/{part}", None, ADMIN, **upgrade))[0] == 405

    play(scene)


CALL = "nodes/n1/csi/local.longboat.dev/DeleteVolume"
ACCOUNT = user(CSI_CONTROLLER, "system:serviceaccounts", "system:serviceaccounts:kube-system")


def test_drivers_are_called_for_their_controller_alone(tmp_path: Path) -> None:
    """Before, whoever had `create nodes/proxy` could delete anybody's volumes."""

    async def main() -> None:
        pki, clock = Pki(tmp_path, SystemClock()), SystemClock()
        serving = pki.serving(["n1"])
        async with asyncio.timeout(50), api_server() as api:
            called: list[str] = []
            rights = Authorizer(RestClient(api.server.transport("system:node:n1", "system:nodes"), clock), clock, "n1")

            async def node(request: http.Request) -> Answer:
                await rights.check(request)
                called.append(f"{request.caller.name} {request.path}")
                return Answer(body=b"{}", content_type="application/json")

            server = http.Server(node, http.tls(serving.certificate, serving.key, pki.ca.pair.certificate), clock)
            port = await server.listen("127.0.0.1", 0)

            class Here(NodeConnections):
                """To the node's port, wherever the Node says that it is."""

                async def open(self, node: dict[str, Any]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
                    return await asyncio.open_connection("127.0.0.1", port, ssl=self._context, server_hostname="n1")

            def to_node(name: str, *groups: str) -> Here:
                return Here(pki.ca.pair.certificate, pki.client(name, name, groups), clock, Dialer(clock))

            try:
                await api.make("/api/v1/nodes", {"metadata": {"name": "n1"}})
                await grant(api, "storage", ["*"], "nodes/proxy", "nodes/csi", "*/csi")
                api.server.dispatcher.answers[kinds.NODE, "csi"] = DriverCalls(api.server.lookup, to_node(CSI_CALLER))
                for who in (ADMIN, user("storage"), READER, user("system:node:n1", "system:nodes")):
                    assert (await api.ask("POST", f"/api/v1/{CALL}", b"{}", who))[0] == 403, who
                assert (await api.ask("GET", f"/api/v1/{CALL}", None, ACCOUNT))[0] == 403
                assert (await api.ask("POST", f"/api/v1/watch/{CALL}", b"{}", ACCOUNT))[0] in (403, 404)
                assert (await api.ask("POST", f"/api/v1/{CALL}/more", b"{}", ACCOUNT))[0] == 404
                assert called == []
                # nor at the node's own port: by nodes/proxy under the API server's name, or with a certificate
                for name, groups in (("kubelet-client", ["system:masters"]), ("storage", []), ("system:node:n2", [])):
                    reader, writer = await to_node(name, *groups).open({})
                    writer.write(b"POST /csi/d/DeleteVolume HTTP/1.1\r\nHost: n1\r\nContent-Length: 2\r\n\r\n{}")
                    assert (await reader.readline()).startswith(b"HTTP/1.1 403 ")
                    writer.close()
                assert called == []
                response = await api.response("POST", f"/api/v1/{CALL}", b"{}", ACCOUNT)
                assert response.status == 200 and response.stream is not None
                assert b"".join([chunk async for chunk in response.stream]) == b"{}"
                assert called == [f"{CSI_CALLER} /csi/local.longboat.dev/DeleteVolume"]
                # and that name opens nothing else there
                reader, writer = await to_node(CSI_CALLER).open({})
                writer.write(b"GET /pods HTTP/1.1\r\nHost: n1\r\n\r\n")
                assert (await reader.readline()).startswith(b"HTTP/1.1 403 ")
                writer.close()
            finally:
                await server.close()

    asyncio.run(main())


def test_a_node_gives_our_controllers_no_driver() -> None:
    """Before, what it listed in its CSINode was enough: it was called, with the Secrets of classes of other drivers."""

    async def scene(api: Api) -> None:
        node, drivers = user("system:node:n1", "system:nodes"), "/apis/storage.k8s.io/v1/csidrivers"
        given = {"name": "other.example", "annotations": {CONTROLLER_SCOPE: OF_CLUSTER}}
        await api.make(drivers, {"metadata": {"name": "theirs.example"}})
        assert (await api.ask("POST", drivers, {"metadata": given}, node))[0] == 403
        merge = {"content-type": "application/merge-patch+json"}
        patch = {"metadata": {"annotations": given["annotations"]}}
        assert (await api.ask("PATCH", f"{drivers}/theirs.example", patch, node, **merge))[0] == 403
        assert (await api.ask("PATCH", f"{drivers}/theirs.example", patch, ADMIN, **merge))[0] == 200
        assert (await api.ask("DELETE", f"{drivers}/theirs.example", None, node))[0] == 403
        # What it says of itself it may say, and is not heard: tests/integration/volumes/test_whose_driver.py
        listed = {"name": "n1", "annotations": {CONTROLLER_DRIVERS: "other.example"}}
        made = {"metadata": listed, "spec": {"drivers": []}}
        assert (await api.ask("POST", "/apis/storage.k8s.io/v1/csinodes", made, node))[0] == 201

    play(scene)
