"""Groups that an extension server serves: what is passed on, as whom, and what becomes of requests without one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from yarl import URL

from extension.near import ADDRESS, NAME, SERVICES, Extension, beside, condition, until
from extension.wardle import BASE, GROUP
from longboat.aio.http.server import Server
from longboat.apiserver.aggregation import backend
from longboat.apiserver.authn.identity import known
from longboat.apiserver.request import Request
from longboat.machinery.user import User
from unit.apiserver.harness import ADMIN, Api, play

FLUNDERS = f"{BASE}/namespaces/default/flunders"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
MARY = known("mary", ["fishers", "crew"], "u-1", {"example.com/boat": ("a", "b"), "scopes": ("ä",)})

Scene = Callable[[Api, Extension], Awaitable[None]]


def flunder(name: str) -> dict[str, Any]:
    return {"apiVersion": f"{GROUP}/v1alpha1", "kind": "Flunder", "metadata": {"name": name}}


@pytest.fixture
def served(tmp_path: Path) -> Callable[[Scene], None]:
    """Run a scene with an extension server that is registered and well."""

    def run(scene: Scene) -> None:
        async def main(api: Api) -> None:
            async with beside(api, tmp_path) as extension:
                await extension.behind_a_service(api)
                await extension.registered(api)
                await scene(api, extension)

        play(main)

    return run


@contextlib.asynccontextmanager
async def listening(api: Api, user: User = ADMIN) -> AsyncIterator[str]:
    """The API server on a socket, to whom everybody is this user."""

    async def handle(request: Request) -> Any:
        request.user = user
        return await api.server.handle(request)

    server = Server(Request.received, handle, None)
    try:
        yield f"http://127.0.0.1:{await server.listen('127.0.0.1', 0)}"
    finally:
        await server.close()


async def allow(api: Api, name: str) -> None:
    rules = [{"apiGroups": [GROUP], "resources": ["*"], "verbs": ["*"]}]
    group = "/apis/rbac.authorization.k8s.io/v1"
    await api.make(f"{group}/clusterroles", {"metadata": {"name": "fish"}, "rules": rules})
    role = {"kind": "ClusterRole", "name": "fish", "apiGroup": "rbac.authorization.k8s.io"}
    subjects = [{"kind": "User", "name": name, "apiGroup": "rbac.authorization.k8s.io"}]
    await api.make(
        f"{group}/clusterrolebindings", {"metadata": {"name": "fish"}, "subjects": subjects, "roleRef": role}
    )


def test_every_verb_is_passed_on(served: Any) -> None:
    async def scene(api: Api, extension: Extension) -> None:
        made = await api.make(FLUNDERS, flunder("a"))
        assert made["metadata"]["namespace"] == "default"
        assert (await api.ask("POST", FLUNDERS, flunder("a")))[1]["reason"] == "AlreadyExists"
        assert (await api.ask("PATCH", f"{FLUNDERS}/a", {"spec": {"reference": "b"}}))[1]["spec"] == {"reference": "b"}
        _, whole = await api.ask("PUT", f"{FLUNDERS}/a", {**flunder("a"), "spec": {"reference": "c"}})
        assert (await api.ask("GET", f"{FLUNDERS}/a"))[1] == whole and whole["spec"] == {"reference": "c"}
        assert [each["metadata"]["name"] for each in (await api.ask("GET", FLUNDERS))[1]["items"]] == ["a"]
        assert (await api.ask("GET", f"{BASE}/fischers"))[1]["kind"] == "FischerList"
        assert (await api.ask("DELETE", f"{FLUNDERS}/a"))[1]["status"] == "Success"
        await api.make(FLUNDERS, flunder("b"))
        assert (await api.ask("DELETE", FLUNDERS))[0] == 200
        assert (await api.ask("GET", f"{FLUNDERS}/b"))[0] == 404

    served(scene)


def test_who_asks_is_told_and_nobody_else(served: Any) -> None:
    """Mary says of herself that she is somebody else, in every way that a server might read."""

    async def scene(api: Api, extension: Extension) -> None:
        await allow(api, "mary")
        forged = {"x_remote_user": "root", "x_remote_group": "system:masters", "x_remote_extra_scopes": "all",
                  "impersonate_nothing": "x", "authorization": "Bearer secret", "cookie": "c=1"}  # fmt: skip
        async with listening(api, MARY) as url, aiohttp.ClientSession() as session:
            headers = {name.replace("_", "-"): value for name, value in forged.items()} | {"X_Remote_User": "root"}
            headers |= {"Connection": "X-Other", "X-Other": "hop", "X-Kept": "yes", "Proxy-Authorization": "x"}
            async with session.get(URL(f"{url}{FLUNDERS}?limit=5&x=%2F", encoded=True), headers=headers) as answer:
                assert answer.status == 200
        seen = next(each for each in reversed(extension.server.seen) if each.path == FLUNDERS)
        assert seen.raw_path == f"{FLUNDERS}?limit=5&x=%2F"
        told = [(name.lower(), value) for name, value in seen.headers.items() if "remote" in name.lower()]
        assert sorted(told) == [
            ("x-remote-extra-example.com%2fboat", "a"), ("x-remote-extra-example.com%2fboat", "b"),
            ("x-remote-extra-scopes", "ä"), ("x-remote-group", "crew"), ("x-remote-group", "fishers"),
            ("x-remote-group", "system:authenticated"), ("x-remote-uid", "u-1"), ("x-remote-user", "mary"),
        ]  # fmt: skip
        assert seen.headers["Host"] == "wardle.default.svc" and seen.headers["X-Kept"] == "yes"
        assert seen.headers["Audit-Id"] and seen.headers["X-Forwarded-For"] == "127.0.0.1"
        hidden = ("Authorization", "Cookie", "X-Other", "Proxy-Authorization", "Impersonate-Nothing")
        assert not [name for name in hidden if name in seen.headers]

    served(scene)


@pytest.mark.parametrize("name", [" admin", "admin ", "a\nX-Remote-Group: system:masters", "a\x00"])
def test_a_name_that_no_header_can_say_is_not_passed_on(served: Any, name: str) -> None:
    async def scene(api: Api, extension: Extension) -> None:
        before = len(extension.server.seen)
        code, _ = await api.ask("GET", FLUNDERS, who=User(name, ("system:masters",)))
        assert code == 500 and FLUNDERS not in [each.path for each in extension.server.seen[before:]]

    served(scene)


def test_who_may_not_is_refused_before_anything_is_passed_on(served: Any) -> None:
    async def scene(api: Api, extension: Extension) -> None:
        code, status = await api.ask("GET", FLUNDERS, who=known("bob"))
        assert (code, status["reason"]) == (403, "Forbidden")
        assert FLUNDERS not in [each.path for each in extension.server.seen]

    served(scene)


@pytest.mark.parametrize("path", [f"{BASE}/namespaces/../flunders", f"{BASE}//flunders", f"{BASE}/./fischers"])
def test_a_path_that_could_be_read_in_two_ways_is_nobodys(served: Any, path: str) -> None:
    async def scene(api: Api, extension: Extension) -> None:
        code, _ = await api.ask("GET", path)
        assert code == 404 and all(
            "fl" not in each.raw_path for each in extension.server.seen if "apis" not in each.path
        )

    served(scene)


def test_a_watch_is_passed_on_as_it_comes(served: Any) -> None:
    async def scene(api: Api, extension: Extension) -> None:
        response = await api.response("GET", f"{FLUNDERS}?watch=true")
        assert response.stream is not None
        await api.make(FLUNDERS, flunder("a"))
        async with asyncio.timeout(5):
            event = msgspec.json.decode(await anext(response.stream))
        assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "a")
        await response.stream.aclose()  # type: ignore[attr-defined]
        response.end()

        async def let_go() -> bool:
            """The server hears of it when it has something to say."""
            await api.ask("PATCH", f"{FLUNDERS}/a", {})
            return not extension.server.objects.watchers

        await until(let_go)

    served(scene)


def test_bodies_are_not_held_and_upgrades_are_passed_on(served: Any) -> None:
    """A body is on its way while it is still being said; so are messages over a WebSocket, both ways."""

    async def scene(api: Api, extension: Extension) -> None:
        more = asyncio.Event()

        async def body() -> AsyncIterator[bytes]:
            yield bytes(100_000)
            async with asyncio.timeout(5):
                await more.wait()
            for _ in range(80):
                yield bytes(100_000)

        async def arrived() -> bool:
            return extension.server.bytes_taken >= 100_000

        async with listening(api) as url, aiohttp.ClientSession() as session:
            posting = asyncio.ensure_future(session.post(f"{url}{FLUNDERS}/a/echo", data=body()))
            await until(arrived)
            assert not posting.done()
            more.set()
            async with await posting as answer:
                assert await answer.json() == {"taken": 8_100_000}  # more than an object may have
            async with session.post(f"{url}{FLUNDERS}/a/echo", data=b"12345") as answer:
                assert await answer.json() == {"taken": 5}
            protocols = ("v5.channel.k8s.io",)
            async with session.ws_connect(f"{url}{FLUNDERS}/a/echo", protocols=protocols) as socket:
                assert socket.protocol == "v5.channel.k8s.io"
                for message in (b"hello", bytes(70_000)):
                    await socket.send_bytes(message)
                    assert await socket.receive_bytes(timeout=5) == message
            upgraded = next(each for each in reversed(extension.server.seen) if "Upgrade" in each.headers)
            assert upgraded.headers["X-Remote-User"] == "admin"
            assert upgraded.headers.getall("X-Remote-Group") == ["system:masters", "system:authenticated"]

    served(scene)


def test_a_redirect_is_not_followed_and_not_passed_on(served: Any) -> None:
    async def scene(api: Api, extension: Extension) -> None:
        code, text = await api.ask("GET", f"{BASE}/redirected")
        assert (code, text) == (502, "the backend attempted to redirect this request, which is not permitted")

    served(scene)


def test_one_that_is_slow_holds_up_nobody_else(served: Any) -> None:
    async def scene(api: Api, extension: Extension) -> None:
        waiting = asyncio.ensure_future(api.ask("GET", f"{BASE}/slow"))
        async with asyncio.timeout(2):
            assert (await api.ask("GET", FLUNDERS))[0] == 200
            assert (await api.ask("GET", "/api/v1/namespaces"))[0] == 200
        assert not waiting.done()
        extension.server.hold.set()
        assert (await waiting)[0] == 200

    served(scene)


async def shown(api: Api) -> Any:
    """Of the group, in both forms of discovery."""
    _, groups = await api.ask("GET", "/apis")
    _, items = await api.ask("GET", "/apis", accept=AGGREGATED)
    plain = next((each for each in groups["groups"] if each["name"] == GROUP), None)
    return plain, next((each["versions"] for each in items["items"] if each["metadata"]["name"] == GROUP), None)


def test_discovery_tells_of_it_until_it_is_gone_and_is_stale_while_it_is_dead(served: Any) -> None:
    async def scene(api: Api, extension: Extension) -> None:
        async def fresh() -> Any:
            _, versions = await shown(api)
            return versions if versions and versions[0]["freshness"] == "Current" else None

        [version] = await until(fresh)
        flunders = next(each for each in version["resources"] if each["resource"] == "flunders")
        assert flunders["responseKind"] == {"group": GROUP, "version": "v1alpha1", "kind": "Flunder"}
        assert (flunders["scope"], flunders["singularResource"], flunders["shortNames"]) == (
            "Namespaced",
            "flunder",
            ["fl"],
        )
        assert (await shown(api))[0]["versions"] == [{"groupVersion": f"{GROUP}/v1alpha1", "version": "v1alpha1"}]
        assert (await api.ask("GET", f"/apis/{GROUP}"))[1]["kind"] == "APIGroup"
        assert (await api.ask("GET", BASE))[1]["kind"] == "APIResourceList"
        await extension.stop()
        await api.ask("PATCH", f"{SERVICES}/{NAME}", {"spec": {"versionPriority": 9}},
                      content_type="application/merge-patch+json")  # fmt: skip
        why = await condition(api, NAME, "FailedDiscoveryCheck")
        url = f"https://{ADDRESS}:{extension.port}{BASE}"
        assert why["message"].startswith(f'failing or missing response from {url}: Get "{url}": ')
        assert why["status"] == "False"

        async def stale() -> bool:
            return (await shown(api))[1][0]["freshness"] == "Stale"

        await until(stale)
        for path in (BASE, FLUNDERS, f"{FLUNDERS}/a"):
            response = await api.response("GET", path)
            assert (response.status, response.body) == (503, b"service unavailable\n")
            assert response.content_type == "text/plain; charset=utf-8"
        assert (await api.ask("GET", f"/apis/{GROUP}"))[0] == 200
        figures = (await api.response("GET", "/metrics")).whole().decode()
        assert f'aggregator_unavailable_apiservice{{name="{NAME}"}} 1' in figures
        counted = f'aggregator_unavailable_apiservice_total{{name="{NAME}",reason="FailedDiscoveryCheck"}}'
        assert counted in figures
        await api.ask("DELETE", f"{SERVICES}/{NAME}")

        async def gone() -> bool:
            return await shown(api) == (None, None)

        await until(gone)
        assert (await api.ask("GET", FLUNDERS))[0] == 404

    served(scene)


def test_a_service_says_why_it_cannot_be_used(tmp_path: Path) -> None:
    async def scene(api: Api) -> None:
        async with beside(api, tmp_path) as extension:
            await api.make(SERVICES, extension.api_service())
            told = await condition(api, NAME, "ServiceNotFound")
            assert told["message"] == 'service/wardle in "default" is not present'
            service = {"metadata": {"name": "wardle"}, "spec": {"ports": [{"port": 80}]}}
            await api.make("/api/v1/namespaces/default/services", service)
            told = await condition(api, NAME, "ServicePortError")
            assert told["message"] == 'service/wardle in "default" is not listening on port 443'
            await api.ask("DELETE", "/api/v1/namespaces/default/services/wardle")
            await condition(api, NAME, "ServiceNotFound")
            await extension.behind_a_service(api)
            await condition(api, NAME, "Passed")
            path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/wardle-a"
            _, found = await api.ask("GET", path)
            found["endpoints"][0]["conditions"]["ready"] = False
            assert (await api.ask("PUT", path, found))[0] == 200
            told = await condition(api, NAME, "MissingEndpoints")
            assert (
                told["message"] == 'endpointslices for service/wardle in "default" have no addresses with port name ""'
            )
            assert (await api.response("GET", FLUNDERS)).body == b"service unavailable\n"
            await api.ask("DELETE", path)
            await condition(api, NAME, "EndpointsNotFound")

    play(scene)


@pytest.mark.parametrize(
    "spec, code, text",
    [
        ({"caBundle": None, "insecureSkipTLSVerify": True}, 200, ""),
        ({"caBundle": None}, 503, "error trying to reach service: tls: failed to verify certificate: x509: "
                                  "certificate signed by unknown authority\n"),
        ({"caBundle": "bm90IGEgY2VydGlmaWNhdGU="}, 500, None),
    ],
)  # fmt: skip
def test_whom_its_certificate_has_to_be_of(tmp_path: Path, spec: Any, code: int, text: str | None) -> None:
    """Whether it answers is asked of whoever is there; requests are passed on to nobody but it."""

    async def scene(api: Api) -> None:
        async with beside(api, tmp_path) as extension:
            await extension.behind_a_service(api)
            await extension.registered(api, **spec)
            response = await api.response("GET", FLUNDERS)
            assert response.status == code
            if text:
                assert response.body == text.encode()
            elif response.stream is not None:
                assert [piece async for piece in response.stream]

    play(scene)


@pytest.mark.parametrize("address", ["169.254.169.254", "10.96.0.1", "127.0.0.1"])
def test_no_address_is_dialled_that_no_pod_has(tmp_path: Path, address: str) -> None:
    """What an EndpointSlice cannot say, a stored one of an older version still may."""

    async def scene(api: Api) -> None:
        async with beside(api, tmp_path) as extension:
            dialler = backend.Ground(extension.dialer, api.server.lookup, None, api.server.clock)  # type: ignore[arg-type]
            asked = backend.Backend(extension.api_service(), dialler)
            with pytest.raises(backend.Unreachable, match="address not allowed"):
                await asked.check((address, 443))
            assert extension.dialer.dialled == 0

    play(scene)


def test_another_name_is_not_followed(tmp_path: Path) -> None:
    async def scene(api: Api) -> None:
        async with beside(api, tmp_path) as extension:
            spec = {"type": "ExternalName", "externalName": "metadata.example.com"}
            await api.make("/api/v1/namespaces/default/services", {"metadata": {"name": "wardle"}, "spec": spec})
            await api.make(SERVICES, extension.api_service())
            told = await condition(api, NAME, "FailedDiscoveryCheck")
            assert told["message"] == 'unsupported service type "ExternalName"' and extension.dialer.dialled == 0

    play(scene)


def test_a_group_of_ours_is_displaced_and_comes_back(tmp_path: Path) -> None:
    """Of metrics.k8s.io this server has no APIService; whoever registers one serves it for as long as it is there."""
    nodes, name = "/apis/metrics.k8s.io/v1beta1/nodes", "v1beta1.metrics.k8s.io"

    async def scene(api: Api) -> None:
        async with beside(api, tmp_path) as extension:
            assert (await api.ask("GET", f"{SERVICES}/{name}"))[0] == 404
            assert (await api.ask("GET", "/apis/metrics.k8s.io/v1beta1"))[1]["resources"]
            await extension.behind_a_service(api)
            await api.make(SERVICES, extension.api_service(name))
            # It does not serve that group, and says so.
            told = await condition(api, name, "FailedDiscoveryCheck")
            assert told["message"].endswith(": 404")
            assert (await api.response("GET", nodes)).body == b"service unavailable\n"
            await api.ask("DELETE", f"{SERVICES}/{name}")

            async def back() -> bool:
                return (await api.ask("GET", "/apis/metrics.k8s.io/v1beta1"))[0] == 200

            await until(back)

    play(scene)


def definition(name: str = "boats") -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    versions = [
        {"name": version, "served": True, "storage": version == "v1", "schema": {"openAPIV3Schema": schema}}
        for version in ("v1", "v2beta1")
    ]
    names = {"plural": name, "kind": name.title(), "singular": name, "listKind": f"{name.title()}List"}
    spec = {"group": "sea.example.com", "scope": "Namespaced", "names": names, "versions": versions}
    return {"metadata": {"name": f"{name}.sea.example.com"}, "spec": spec}


def test_versions_of_custom_kinds_are_registered_while_somebody_serves_them() -> None:
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    label = {"kube-aggregator.kubernetes.io/automanaged": "true"}

    async def scene(api: Api) -> None:
        await api.make(definitions, definition("boats"))
        await api.make(definitions, definition("nets"))
        for version in ("v1", "v2beta1"):
            await condition(api, f"{version}.sea.example.com", "Local")
        _, found = await api.ask("GET", f"{SERVICES}/v1.sea.example.com")
        assert found["metadata"]["labels"] == label and found["spec"] == {
            "group": "sea.example.com", "version": "v1", "groupPriorityMinimum": 1000, "versionPriority": 100
        }  # fmt: skip
        # Whoever deletes it, or changes it, has it put right.
        await api.ask("DELETE", f"{SERVICES}/v1.sea.example.com")
        await condition(api, "v1.sea.example.com", "Local")
        await api.ask("PATCH", f"{SERVICES}/v1.sea.example.com", {"spec": {"versionPriority": 7}},
                      content_type="application/merge-patch+json")  # fmt: skip

        async def right() -> bool:
            return (await api.ask("GET", f"{SERVICES}/v1.sea.example.com"))[1]["spec"]["versionPriority"] == 100

        await until(right)
        await api.ask("DELETE", f"{definitions}/boats.sea.example.com")
        await asyncio.sleep(0.1)
        assert await right()  # the other definition serves that version, too
        await api.ask("DELETE", f"{definitions}/nets.sea.example.com")

        async def gone() -> bool:
            return (await api.ask("GET", f"{SERVICES}/v1.sea.example.com"))[0] == 404

        await until(gone)

    play(scene)


def test_groups_of_ours_are_registered_at_the_start_and_left_to_administrators_then() -> None:
    async def scene(api: Api) -> None:
        _, found = await api.ask("GET", SERVICES)
        names = [each["metadata"]["name"] for each in found["items"]]
        assert "v1." in names and "v1.apps" in names and "v2.autoscaling" in names
        assert "v1.apiregistration.k8s.io" not in names and "v1beta1.metrics.k8s.io" not in names
        _, groups = await api.ask("GET", "/apis")
        first = [each["name"] for each in groups["groups"]][:5]
        assert first == [
            "apiregistration.k8s.io",
            "apps",
            "events.k8s.io",
            "authentication.k8s.io",
            "authorization.k8s.io",
        ]
        await api.ask("PATCH", f"{SERVICES}/v1.apps", {"spec": {"groupPriorityMinimum": 1}},
                      content_type="application/merge-patch+json")  # fmt: skip

        async def last() -> bool:
            return [each["name"] for each in (await api.ask("GET", "/apis"))[1]["groups"]][-1] == "apps"

        await until(last)
        await api.ask("DELETE", f"{SERVICES}/v1.apps")
        await asyncio.sleep(0.05)
        assert (await api.ask("GET", f"{SERVICES}/v1.apps"))[0] == 404
        assert (await api.ask("GET", "/apis/apps/v1/deployments"))[0] == 200  # it is served all the same

    play(scene)


def test_its_openapi_is_part_of_ours(served: Any) -> None:
    name, meta = "com.example.wardle.v1alpha1.Flunder", "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"

    async def scene(api: Api, extension: Extension) -> None:
        async def listed() -> bool:
            return f"apis/{GROUP}/v1alpha1" in (await api.ask("GET", "/openapi/v3"))[1]["paths"]

        _, before = await api.ask("GET", "/openapi/v2")
        await until(listed)
        response = await api.response("GET", "/openapi/v2")
        after, etag = msgspec.json.decode(response.whole()), response.headers["ETag"]
        assert (f"{BASE}/namespaces/{{namespace}}/flunders") in after["paths"] and "/version/" in after["paths"]
        # It has a definition of a name that is ours, which means something else.
        assert after["definitions"][f"{meta}_v2"]["description"] == "wardle's own"
        assert after["definitions"][name]["properties"]["metadata"] == {"$ref": f"#/definitions/{meta}_v2"}
        assert after["definitions"][meta] == before["definitions"][meta]
        again = await api.response("GET", "/openapi/v2", if_none_match=etag)
        assert again.status == 304
        _, index = await api.ask("GET", "/openapi/v3")
        url = index["paths"][f"apis/{GROUP}/v1alpha1"]["serverRelativeURL"]
        _, newer = await api.ask("GET", url)
        assert name in newer["components"]["schemas"]
        passed = [each for each in extension.server.seen if each.path.startswith("/openapi/v3/")]
        assert passed[-1].headers["X-Remote-User"] == "admin"
        await api.ask("DELETE", f"{SERVICES}/{NAME}")

        async def gone() -> bool:
            return not await listed()

        await until(gone)
        assert name not in (await api.ask("GET", "/openapi/v2"))[1]["definitions"]
        assert (await api.ask("GET", url))[0] == 404

    served(scene)
