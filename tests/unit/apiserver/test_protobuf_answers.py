"""What programs in Go are answered: protobuf where they ask for it, by the Accept lists that client-go sends.

The lists are those of client-go 0.36: a typed client built for protobuf (controllers), the metadata client (the garbage
collector, metadata informers), and kubectl's printers.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.apiserver.harness import Api, play

from conformance import go_client
from longboat.aio.clock import VirtualClock
from longboat.api import kinds
from longboat.apiserver import media, protobufs
from longboat.machinery.objects import Object
from longboat.machinery.types import protobuf, protobuf_writer, schema
from longboat.storage import encoded
from longboat.storage.watchcache import WatchCache
from unit.machinery.types import upstream_protos

PROTOBUF, JSON = "application/vnd.kubernetes.protobuf", "application/json"
TYPED = f"{PROTOBUF},{JSON}"
ONLY = PROTOBUF
WATCHED = f"{PROTOBUF};stream=watch,{JSON};stream=watch"


def meta(kind: str, version: str = "v1") -> str:
    """As the metadata client asks (client-go, metadata.ConfigFor)."""
    form = f"as={kind};g=meta.k8s.io;v={version}"
    return f"{PROTOBUF};{form},{JSON};{form},{JSON}"


TABLE = f"{JSON};as=Table;v=v1;g=meta.k8s.io"
MAPS = "/api/v1/namespaces/default/configmaps"
SCHEMA = schema.load()


def config_map(name: str = "a", **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"x": "y"}}, "data": data}


def read(document: bytes) -> Object:
    """A whole answer, whatever it is."""
    version, kind, raw = protobuf.envelope(document)
    head = {"kind": kind, "apiVersion": version}
    return head | protobuf.decode(protobufs.type_of(SCHEMA, version or "v1", kind), raw)


def events(data: bytes) -> list[tuple[str, Object]]:
    """As client-go's frame reader takes them off a stream."""
    found = []
    while data:
        size = int.from_bytes(data[:4], "big")
        frame, data = data[4 : 4 + size], data[4 + size :]
        assert len(frame) == size
        parts: dict[int, Any] = dict(protobuf.fields(frame))
        assert parts.keys() == {1, 2}
        found.append((parts[1].decode(), read(dict(protobuf.fields(parts[2]))[1])))  # type: ignore[arg-type]
    return found


def significant(value: Any) -> Any:
    """Without what is empty, which protobuf does not tell from what is absent."""
    if isinstance(value, dict):
        kept = {key: significant(inner) for key, inner in value.items()}
        return {key: inner for key, inner in kept.items() if inner not in (None, "", 0, False, {}, [])}
    return [significant(inner) for inner in value] if isinstance(value, list) else value


async def asked(api: Api, target: str, accept: str, method: str = "GET", body: Any = None, **headers: str) -> Object:
    response = await api.response(method, target, body, accept=accept, **headers)
    assert response.content_type == PROTOBUF, response.whole()
    return read(response.whole())


def test_an_object_however_it_is_asked_for() -> None:
    async def scene(api: Api) -> None:
        made = await asked(api, MAPS, TYPED, "POST", config_map(v="1"))
        assert made["kind"] == "ConfigMap" and made["data"] == {"v": "1"} and made["metadata"]["managedFields"]
        _, shown = await api.ask("GET", f"{MAPS}/a")
        for accept in (TYPED, ONLY, f"{PROTOBUF}, */*", f"{JSON};q=0.5, {PROTOBUF}", f"{PROTOBUF};pretty=1"):
            assert significant(await asked(api, f"{MAPS}/a", accept)) == significant(shown)
        for accept in (f"{JSON},{PROTOBUF}", "*/*", f"{PROTOBUF};q=0.1,{JSON}", f"{PROTOBUF};sv=v9,{JSON}"):
            assert (await api.ask("GET", f"{MAPS}/a", accept=accept)) == (200, shown)
        given = await asked(api, f"{MAPS}/a", meta("PartialObjectMetadata"))
        assert significant(given) == significant(
            {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": shown["metadata"]}
        )
        older = await asked(api, f"{MAPS}/a", meta("PartialObjectMetadata", "v1beta1"))
        assert (older["apiVersion"], older["metadata"]) == ("meta.k8s.io/v1beta1", given["metadata"])

    play(scene)


def test_writes_in_protobuf_both_ways() -> None:
    """As a controller built for protobuf makes and changes an object."""

    async def scene(api: Api) -> None:
        body = go_client.encoded(config_map(v="1"))
        made = await asked(api, MAPS, TYPED, "POST", body, content_type=PROTOBUF)
        changed = made | {"data": {"v": "2"}}
        made = await asked(
            api, f"{MAPS}/a", TYPED, "PUT", go_client.encoded(significant(changed)), content_type=PROTOBUF
        )
        assert made["data"] == {"v": "2"} and made["metadata"]["resourceVersion"]
        made = await asked(
            api, f"{MAPS}/a", TYPED, "PATCH", {"data": {"w": "3"}}, content_type="application/merge-patch+json"
        )
        assert made["data"] == {"v": "2", "w": "3"}
        alone = await asked(
            api, f"{MAPS}/a", meta("PartialObjectMetadata"), "PATCH", {"metadata": {"labels": {"z": "z"}}},
            content_type="application/merge-patch+json",
        )  # fmt: skip
        assert (alone["kind"], alone["metadata"]["labels"]["z"]) == ("PartialObjectMetadata", "z")
        gone = await asked(api, f"{MAPS}/a", TYPED, "DELETE")
        assert (gone["kind"], gone["status"], gone["details"]["name"]) == ("Status", "Success", "a")
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        answer = await asked(api, path, TYPED, "POST", go_client.encoded(review), content_type=PROTOBUF)
        assert answer["status"]["allowed"] is True

    play(scene)


def test_every_kind_that_is_listed_is_listed_in_protobuf() -> None:
    async def scene(api: Api) -> None:
        seen = 0
        for resource in api.server.resources:
            kind = resource.kind
            if "list" not in resource.strategy.verbs or not resource.strategy.protobuf:
                continue
            path = f"{kind.path}/{kind.plural}"
            _, shown = await api.ask("GET", path)
            found = await asked(api, path, ONLY)
            assert significant(found) == significant(shown), kind
            assert found["kind"] == kind.list_kind
            listed = await asked(api, path, meta("PartialObjectMetadataList"))
            assert len(listed.get("items", ())) == len(shown["items"])
            seen += bool(shown["items"])
        assert seen > 10

    play(scene)


def test_lists_and_pages() -> None:
    async def scene(api: Api) -> None:
        empty = await asked(api, MAPS, TYPED)
        assert (empty["kind"], empty["apiVersion"], empty.get("items")) == ("ConfigMapList", "v1", None)
        for name in "abcde":
            await api.make(MAPS, config_map(name, v=name))
        _, shown = await api.ask("GET", MAPS)
        found = await asked(api, MAPS, TYPED)
        assert significant(found) == significant(shown) and len(found["items"]) == 5
        page = await asked(api, f"{MAPS}?limit=2", TYPED)
        assert [each["metadata"]["name"] for each in page["items"]] == ["a", "b"]
        assert page["metadata"]["remainingItemCount"] == 3
        rest = await asked(api, f"{MAPS}?limit=9&continue={page['metadata']['continue']}", TYPED)
        assert [each["metadata"]["name"] for each in rest["items"]] == ["c", "d", "e"]
        few = await asked(api, f"{MAPS}?fieldSelector=metadata.name%3Db", TYPED)
        assert [each["data"] for each in few["items"]] == [{"v": "b"}]
        for version in ("v1", "v1beta1"):  # whose items and metadata have each other's number
            listed = await asked(api, MAPS, meta("PartialObjectMetadataList", version))
            assert (listed["kind"], listed["apiVersion"]) == ("PartialObjectMetadataList", f"meta.k8s.io/{version}")
            assert listed["metadata"]["resourceVersion"] == found["metadata"]["resourceVersion"]
            assert [significant(each) for each in listed["items"]] == [
                {"metadata": significant(each["metadata"])} for each in shown["items"]
            ]
        gone = await asked(api, MAPS, TYPED, "DELETE")
        assert len(gone["items"]) == 5

    play(scene)


def test_google_reads_a_list_by_upstreams_descriptors() -> None:
    async def scene(api: Api) -> None:
        for name in "ab":
            await api.make(MAPS, config_map(name, v=name))
        response = await api.response("GET", MAPS, accept=TYPED)
        _, _, raw = protobuf.envelope(response.whole())
        found: Any = upstream_protos.message_class("io.k8s.api.core.v1.ConfigMapList").FromString(raw)  # type: ignore[attr-defined]
        assert [(item.metadata.name, dict(item.data)) for item in found.items] == [("a", {"v": "a"}), ("b", {"v": "b"})]
        unknown: Any = upstream_protos.message_class(
            "io.k8s.apimachinery.pkg.runtime.Unknown"
        ).FromString(  # type: ignore[attr-defined]
            response.whole()[4:]
        )
        assert (unknown.typeMeta.kind, unknown.raw) == ("ConfigMapList", raw)
        assert response.whole()[4:] == unknown.SerializeToString()

    play(scene)


def cache_of(api: Api) -> WatchCache:
    return api.server.stores[kinds.CONFIG_MAP].cache


async def some(stream: AsyncIterator[bytes], number: int) -> list[tuple[str, Object]]:
    found: list[tuple[str, Object]] = []
    while len(found) < number:
        found += events(await anext(stream))
    return found


@pytest.mark.parametrize("form", ["", "PartialObjectMetadata"])
def test_watches(form: str) -> None:
    accept = f"{PROTOBUF};as={form};g=meta.k8s.io;v=v1;stream=watch" if form else WATCHED

    async def scene(api: Api) -> None:
        await api.make(MAPS, config_map("a", v="1"))
        query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
        response = await api.response("GET", f"{MAPS}?{query}", accept=accept)
        assert response.content_type == f"{PROTOBUF};stream=watch" and response.stream is not None
        (first, a), (second, mark) = await some(response.stream, 2)
        assert (first, second) == ("ADDED", "BOOKMARK")
        kind = form or "ConfigMap"
        assert (a["kind"], mark["kind"]) == (kind, kind)
        assert mark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        _, changed = await api.ask("PUT", f"{MAPS}/a", config_map("a", v="2"))
        _, _ = await api.ask("DELETE", f"{MAPS}/a")
        (third, b), (fourth, c) = await some(response.stream, 2)
        assert (third, fourth) == ("MODIFIED", "DELETED")
        if not form:
            assert significant(b) == significant(changed)
        assert int(c["metadata"]["resourceVersion"]) > int(b["metadata"]["resourceVersion"])
        assert c["metadata"] | {"resourceVersion": ""} == b["metadata"] | {"resourceVersion": ""}
        assert c.get("data") == b.get("data")
        response.end()
        await response.stream.aclose()  # type: ignore[attr-defined]

    play(scene)


def test_what_is_wrong_with_a_watch_is_told_in_protobuf() -> None:
    async def scene(api: Api) -> None:
        await api.make(MAPS, config_map())
        cache = cache_of(api)
        cache._start_over(cache.revision)  # as after a restart
        response = await api.response("GET", f"{MAPS}?watch=1&resourceVersion=1", accept=WATCHED)
        assert response.stream is not None
        (kind, status) = (await some(response.stream, 1))[0]
        assert (kind, status["kind"], status["reason"], status["code"]) == ("ERROR", "Status", "Expired", 410)
        response.end()
        await response.stream.aclose()  # type: ignore[attr-defined]

    play(scene)


def test_errors_are_told_in_what_was_asked_for() -> None:
    async def scene(api: Api) -> None:
        status = await asked(api, f"{MAPS}/a", TYPED)
        assert (status["kind"], status["apiVersion"], status["reason"], status["code"]) == (
            "Status",
            "v1",
            "NotFound",
            404,
        )
        assert status["details"] == {"name": "a", "kind": "configmaps", "group": "", "uid": "", "retryAfterSeconds": 0}
        bad = await asked(api, MAPS, TYPED, "POST", config_map("_"))
        assert [cause["field"] for cause in bad["details"]["causes"]] == ["metadata.name"]
        # An error is no object whose metadata could be given.
        code, status = await api.ask("GET", f"{MAPS}/a", accept=meta("PartialObjectMetadata"))
        assert (code, status["reason"]) == (404, "NotFound")
        code, status = await api.ask("GET", f"{MAPS}/a", accept="application/cbor")
        assert code == 406

    play(scene)


def test_tables_are_never_given_in_protobuf() -> None:
    async def scene(api: Api) -> None:
        await api.make(MAPS, config_map())
        wish = f"{PROTOBUF};as=Table;v=v1;g=meta.k8s.io"
        code, status = await api.ask("GET", MAPS, accept=wish)
        assert code == 406 and status["message"].startswith("only the following media types are accepted: ")
        code, table = await api.ask("GET", MAPS, accept=f"{wish},{TABLE},{JSON}")
        assert (code, table["kind"]) == (200, "Table")
        assert (await asked(api, MAPS, f"{wish},{PROTOBUF}"))["kind"] == "ConfigMapList"

    play(scene)


THING = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "things.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "things", "kind": "Thing"},
        "versions": [
            {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
        ],
    },
}


def test_custom_kinds_are_given_in_json_and_their_metadata_in_both() -> None:
    async def scene(api: Api) -> None:
        await api.make("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", THING)
        things = "/apis/example.com/v1/namespaces/default/things"
        while (await api.ask("GET", things))[0] == 404:
            pass
        made = await api.make(things, {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a"}})
        for target in (things, f"{things}/a", f"{things}?watch=1"):
            status = await asked(api, target, ONLY)  # which is no custom kind itself
            assert (status["code"], status["reason"]) == (406, "NotAcceptable")
            assert status["message"] == f"only the following media types are accepted: {', '.join(media.WHOLE)}"
        _, shown = await api.ask("GET", f"{things}/a", accept=TYPED)
        assert shown == made
        given = await asked(api, f"{things}/a", meta("PartialObjectMetadata"))
        assert significant(given["metadata"]) == significant(made["metadata"])
        listed = await asked(api, things, meta("PartialObjectMetadataList"))
        assert [item["metadata"]["name"] for item in listed["items"]] == ["a"]
        status = await asked(api, f"{things}/b", TYPED)
        assert status["code"] == 404

    play(scene)


def test_versions_are_shown_in_the_one_asked_for() -> None:
    async def scene(api: Api) -> None:
        spec = {
            "scaleTargetRef": {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"},
            "maxReplicas": 3,
            "targetCPUUtilizationPercentage": 50,
        }
        path = "/apis/autoscaling/{}/namespaces/default/horizontalpodautoscalers"
        body = {"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "a"}}
        await api.make(path.format("v1"), body | {"spec": spec})
        first = await asked(api, f"{path.format('v1')}/a", TYPED)
        second = await asked(api, f"{path.format('v2')}/a", TYPED)
        assert first["spec"]["targetCPUUtilizationPercentage"] == 50
        assert second["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 50
        scale = await asked(api, "/apis/apps/v1/namespaces/default/deployments/d/scale", TYPED)
        assert scale["code"] == 404

    play(scene)


def test_long_lists_are_compressed_as_json_is() -> None:
    async def scene(api: Api) -> None:
        for number in range(40):
            await api.make(MAPS, config_map(f"c{number}", v="x" * 8000))
        whole = (await api.response("GET", MAPS, accept=TYPED)).whole()
        response = await api.response("GET", MAPS, accept=TYPED, accept_encoding="gzip")
        assert response.headers["Content-Encoding"] == "gzip" and response.size < len(whole) / 4
        assert zlib.decompress(response.whole(), wbits=31) == whole
        assert len(read(whole)["items"]) == 40

    play(scene)


def test_an_object_is_encoded_once_and_an_idle_server_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    wraps = protobufs.Encodings._made

    def counted(self: protobufs.Encodings, entry: Any) -> bytes:
        made.append(entry.key)
        return wraps(self, entry)

    monkeypatch.setattr(protobufs.Encodings, "_made", counted)
    clock = VirtualClock()

    async def scene(api: Api) -> None:
        for name in "abc":
            await api.make(MAPS, config_map(name))
        first = await api.response("GET", MAPS, accept=TYPED)
        second = await api.response("GET", MAPS, accept=TYPED)
        assert first.tail is second.tail, "what is being sent is shared"
        await asked(api, f"{MAPS}/b", TYPED)
        assert len(made) == 3
        del first, second
        assert len((await asked(api, MAPS, TYPED))["items"]) == 3
        assert len(made) == 3, "and what was asked for lately is kept"
        cache = cache_of(api)
        assert cache._encoded
        await clock.advance(3 * encoded.LASTS)
        assert not cache._encoded, "but not for long"
        await api.ask("GET", MAPS)
        assert not cache._encoded, "JSON keeps nothing"

    play(scene, clock)


def test_what_is_audited_whole_is_audited_as_json() -> None:
    """The way of answers that are JSON first gives the same bytes."""

    async def scene(api: Api) -> None:
        for name in "ab":
            await api.make(MAPS, config_map(name))
        fast = (await api.response("GET", MAPS, accept=TYPED)).whole()
        json = (await api.response("GET", MAPS)).whole()
        assert protobufs.of_json(json) == fast
        one = (await api.response("GET", f"{MAPS}/a")).whole()
        assert protobufs.of_json(one) == (await api.response("GET", f"{MAPS}/a", accept=TYPED)).whole()
        accept = meta("PartialObjectMetadataList")
        part = (await api.response("GET", MAPS, accept=accept.removeprefix(accept.partition(",")[0] + ","))).whole()
        assert msgspec.json.decode(part)["kind"] == "PartialObjectMetadataList"
        assert protobufs.of_json(part) == (await api.response("GET", MAPS, accept=accept)).whole()

    play(scene)


def test_what_is_large_is_encoded_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """However it is asked for: nobody else waits for it."""
    threads: list[int] = []
    wraps = protobufs.Encodings._made

    def noted(self: protobufs.Encodings, entry: Any) -> bytes:
        threads.append(threading.get_ident())
        return wraps(self, entry)

    monkeypatch.setattr(protobufs.Encodings, "_made", noted)

    async def scene(api: Api) -> None:
        loop, cache = threading.get_ident(), cache_of(api)
        response = await api.response("GET", f"{MAPS}?watch=1", accept=WATCHED)
        assert response.stream is not None
        await api.make(MAPS, config_map("a", v="x" * 200_000))
        assert (await some(response.stream, 1))[0][0] == "ADDED"
        response.end()
        await response.stream.aclose()  # type: ignore[attr-defined]
        for target in (f"{MAPS}/a", MAPS):
            cache._encoded.clear()
            await asked(api, target, TYPED)
        cache._encoded.clear()
        response = await api.response("GET", f"{MAPS}?watch=1", accept=WATCHED)
        assert response.stream is not None and (await some(response.stream, 1))[0][0] == "ADDED"
        response.end()
        await response.stream.aclose()  # type: ignore[attr-defined]
        assert len(threads) == 4 and loop not in threads

    play(scene)


AGGREGATED = "g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def test_discovery() -> None:
    async def scene(api: Api) -> None:
        for path in ("/api", "/apis", "/apis/apps", "/apis/apps/v1", "/api/v1"):
            _, shown = await api.ask("GET", path)
            assert significant(await asked(api, path, TYPED)) == significant({"apiVersion": ""} | shown)
        for path in ("/api", "/apis"):
            _, shown = await api.ask("GET", path, accept=f"{JSON};{AGGREGATED}")
            # client-go asks for JSON alone
            response = await api.response("GET", path, accept=f"{PROTOBUF};{AGGREGATED},{JSON};{AGGREGATED}")
            assert response.content_type == f"{PROTOBUF};{AGGREGATED}" and response.headers["Vary"] == "Accept"
            found = read(response.whole())
            assert significant(found) == significant(shown) and found["items"]
            assert (found["kind"], found["apiVersion"]) == ("APIGroupDiscoveryList", "apidiscovery.k8s.io/v2")

    play(scene)


@given(
    name=st.text(max_size=200),
    version=st.integers(1, 1 << 40),
    before=st.integers(1, 1 << 40),
    value=st.sampled_from(("", "x" * 90, "x" * 16300)),
)
def test_another_version_is_put_in_without_encoding_the_rest(name: str, version: int, before: int, value: str) -> None:
    shape = SCHEMA.type(kinds.CONFIG_MAP)
    assert shape is not None

    def field(revision: int) -> bytes:
        meta = {"name": name, "namespace": name, "uid": "u", "resourceVersion": str(revision), "generation": 3}
        made = {"metadata": meta, "data": {"a": value}}
        return protobuf_writer.framed(b"\x12", protobuf_writer.writer(shape).write(made))

    assert protobufs.at_revision(field(before), version) == field(version)


def test_upstreams_descriptors_read_events() -> None:
    frame = protobufs.event("ADDED", b"k8s\x00...")
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    made: Any = upstream_protos.message_class("io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent").FromString(frame[4:])  # type: ignore[attr-defined]
    assert (made.type, made.object.raw) == ("ADDED", b"k8s\x00...")
    assert made.SerializeToString() == frame[4:]
