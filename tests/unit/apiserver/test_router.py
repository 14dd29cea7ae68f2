"""What is refused by path, method and media type alone, in upstream's words, and before anything is written."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.unit.apiserver.harness import Api, play

from longboat.apiserver import media
from longboat.machinery.errors import StatusError

MAPS = "/api/v1/namespaces/default/configmaps"
NO_PAGE = "404 page not found\n"
AVAILABLE = "Available representations: application/json, application/yaml, application/vnd.kubernetes.protobuf"
ACCEPTED = "only the following media types are accepted: application/json, application/yaml"


def config_map(name: str = "a", **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_paths_and_methods() -> None:
    async def scene(api: Api) -> None:
        await api.make(MAPS, config_map())
        for method, path, code in (
            ("GET", "/api/v2", 404),
            ("GET", "/api/v1/nope", 404),
            ("GET", "/apis/apps/nope", 404),
            ("GET", "/apis/apps/v1/nope", 404),
            ("HEAD", f"{MAPS}/a", 405),
            ("HEAD", "/api", 405),
            ("HEAD", "/api/v1/watch/configmaps", 405),
            ("HEAD", "/api/v1/namespaces/default/pods/a/log", 405),
            ("PUT", MAPS, 405),
            ("POST", "/api/v1", 405),
            ("POST", "/version", 405),
        ):
            got, status = await api.ask(method, path)
            assert got == code, (method, path)
            assert status["details"] == {}, path
        for path in ("/nope", "/apis/nope", "/apis/nope.example.com/v1/things", "/healthz/nope", "/openid/v1/nope"):
            assert await api.ask("GET", path) == (404, NO_PAGE), path

    play(scene)


def test_what_nobody_gives_is_refused_before_anything_is_written() -> None:
    async def scene(api: Api) -> None:
        for accept, why, details in (
            ("text/html", f"406: Not Acceptable\n\n{AVAILABLE}", {}),
            ("application/*", f"406: Not Acceptable\n\n{AVAILABLE}", {}),
            ("application/json;as=Nope;v=v1;g=meta.k8s.io", f"{ACCEPTED}, application/vnd.kubernetes.protobuf", None),
            (f"{media.PROTOBUF};as=Table;v=v1;g=meta.k8s.io", f"{ACCEPTED}, {media.PROTOBUF}", None),
        ):
            code, status = await api.ask("POST", MAPS, config_map(), accept=accept)
            assert (code, status["message"], status.get("details")) == (406, why, details)
        assert (await api.ask("GET", f"{MAPS}/a"))[0] == 404

        code, status = await api.ask("GET", MAPS, accept="text/html")
        streams = "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"
        assert status["message"] == f"406: Not Acceptable\n\n{AVAILABLE}, {streams}"
        code, status = await api.ask("GET", f"{MAPS}?watch=1", accept="application/yaml")
        assert (code, status) == (
            406,  # the refusal is in YAML, which is accepted
            "apiVersion: v1\ncode: 406\nkind: Status\n"
            "message: 'only the following media types are accepted: application/json;stream=watch,\n"
            "  application/vnd.kubernetes.protobuf;stream=watch'\n"
            "metadata: {}\nreason: NotAcceptable\nstatus: Failure\n",
        )

    play(scene)


def test_lists_are_not_objects() -> None:
    async def scene(api: Api) -> None:
        await api.make(MAPS, config_map())
        for path, kind, why in (
            (f"{MAPS}/a", media.PARTIAL_LIST, "is not a list (*core.ConfigMap)"),
            (MAPS, media.PARTIAL, "is a list (*core.ConfigMapList)"),
            ("/apis/rbac.authorization.k8s.io/v1/roles", media.PARTIAL, "is a list (*rbac.RoleList)"),
        ):
            code, status = await api.ask("GET", path, accept=f"application/json;as={kind};v=v1;g=meta.k8s.io")
            assert (code, status["message"]) == (406, f"you requested {kind}, but the requested object {why}")

    play(scene)


def test_patches_of_no_known_type() -> None:
    async def scene(api: Api) -> None:
        await api.make(MAPS, config_map())
        for content_type in ("", "text/plain", "application/json"):
            code, status = await api.ask("PATCH", f"{MAPS}/a", {}, content_type=content_type)
            assert (code, status["message"], status["details"]) == (415, "415: Unsupported Media Type", {})

    play(scene)


def test_indented_answers() -> None:
    async def scene(api: Api) -> None:
        made = await api.make(MAPS, config_map(a="b"))
        for target, agent, indented in (
            (f"{MAPS}/a", "kubectl/v1", False),
            (f"{MAPS}/a?pretty=true", "kubectl/v1", True),
            (f"{MAPS}/a?pretty=false", "curl/8", False),
            (f"{MAPS}/a", "curl/8", True),
            (f"{MAPS}/a?pretty=", "Mozilla/5.0 (X11)", True),
            (f"{MAPS}/b", "Wget/1", True),
            ("/version", "kubectl/v1", True),
        ):
            body = (await api.response("GET", target, user_agent=agent)).whole()
            assert (b'\n  "kind": ' in body or b'\n  "major": ' in body) is indented, (target, agent)
            assert body.endswith(b"}" if indented else b"}\n")
        response = await api.response("GET", f"{MAPS}/a", accept="application/json;pretty=1")
        assert response.whole().startswith(b'{\n  "kind": "ConfigMap",\n')
        assert msgspec.json.decode(response.whole()) == made

    play(scene)


def test_a_long_list_is_indented_in_pieces_as_in_one() -> None:
    async def scene(api: Api) -> None:
        for i in range(8):
            await api.make(MAPS, config_map(f"m{i}", text="x\n" * 20_000))
        plain = (await api.response("GET", MAPS)).whole()
        assert len(plain) > 256 << 10
        indented = (await api.response("GET", f"{MAPS}?pretty=1")).whole()
        assert indented == msgspec.json.format(plain.strip(), indent=2)

    play(scene)


METADATA = media.Form(media.PROTOBUF, media.PARTIAL, "v1", media.META_GROUP)


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("application/json;q=0.5,application/yaml", media.Form(media.YAML)),
        ("*/*,application/yaml", media.Form(media.YAML)),  # the more specific first
        ("application/yaml;q=x,application/json;q=0.1", media.PLAIN),
        ("*", media.PLAIN),
        ("application/json;stream=watch", media.PLAIN),
        ("application/json;stream=other,application/yaml", media.Form(media.YAML)),
        ("application/json;profile=x", media.PLAIN),
        (f"{media.PROTOBUF},application/json", media.Form(media.PROTOBUF)),
        (f"{media.PROTOBUF};stream=watch;profile=x", media.Form(media.PROTOBUF)),
        (f"application/json,{media.PROTOBUF}", media.PLAIN),  # of one quality the first
        ("application/*", media.PLAIN),
        (f"{media.PROTOBUF};as=Table;v=v1;g=meta.k8s.io,application/yaml", media.Form(media.YAML)),
        (f"{media.PROTOBUF};as=Table;v=v1;g=meta.k8s.io", None),
        (f"{media.PROTOBUF};as=PartialObjectMetadata;v=v1;g=meta.k8s.io", METADATA),
        ("application/cbor", None),
        ("application/json;as=Table;v=v1", None),  # of no group there is none
    ],
)
def test_negotiation(accept: str, form: media.Form | None) -> None:
    if form is None:
        with pytest.raises(StatusError):
            media.negotiate(accept)
    else:
        assert media.negotiate(accept) == form


def test_the_root_lists_what_there_is() -> None:
    async def scene(api: Api) -> None:
        code, found = await api.ask("GET", "/")
        listed = {"/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/livez/ping", "/readyz/shutdown", "/openapi/v2"}
        assert code == 200 and found["paths"] == sorted(found["paths"]) and listed <= set(found["paths"])
        assert await api.ask("GET", "/index.html") == (200, found)
        assert await api.ask("GET", "//x") == (404, NO_PAGE)
        for path in found["paths"]:
            assert (await api.response("GET", path)).status == 200, path

    play(scene)


def test_columns_are_described_by_the_fields_they_show() -> None:
    async def scene(api: Api) -> None:
        for path in (MAPS, "/apis/rbac.authorization.k8s.io/v1/clusterroles"):
            _, table = await api.ask("GET", path, accept="application/json;as=Table;v=v1;g=meta.k8s.io")
            told = {each["name"]: each["description"] for each in table["columnDefinitions"]}
            assert told["Name"].startswith("Name must be unique within a namespace.")
            assert "server time when this object was created" in (told.get("Age") or told["Created At"])

    play(scene)
