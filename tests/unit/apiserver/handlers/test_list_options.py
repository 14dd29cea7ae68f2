"""What lists, watches and deletions are asked with: what is read of a query, what is refused, and in which words."""

from __future__ import annotations

import asyncio
import base64
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from longboat.aio.clock import VirtualClock
from unit.apiserver.handlers.test_reads import CONFIGS, TABLE, config, fill, names, watch
from unit.apiserver.harness import Api, play

BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"


def token(**fields: Any) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode({"v": "meta.k8s.io/v1", **fields})).rstrip(b"=").decode()


INVALID = 'ListOptions.meta.k8s.io "" is invalid: '
BAD_TOKEN = "invalid continue token: continue key is not valid: "
INT = "strconv.ParseInt: parsing"
NOT_HERE = "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"
FORBIDDEN = "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden"
ASKED = [  # what is asked, and the refusal
    ("limit=", 400, f'{INT} "": invalid syntax'),
    ("limit=99999999999999999999", 400, f'{INT} "99999999999999999999": value out of range'),
    ("timeoutSeconds=1.5", 400, f'{INT} "1.5": invalid syntax'),
    ("timeoutSeconds=x&limit=y&labelSelector==", 400, f'{INT} "x": invalid syntax'),
    ("labelSelector=%3D&fieldSelector=x&sendInitialEvents=1", 400,
     "found '=', expected: !, identifier, or 'end of string'"),
    ("fieldSelector=x&sendInitialEvents=1", 400, "invalid selector: 'x'; can't understand 'x'"),
    ("fieldSelector=x%3D1&sendInitialEvents=1", 422, f"{INVALID}{NOT_HERE}"),
    ("sendInitialEvents=0", 422, f"{INVALID}{NOT_HERE}"),
    ("resourceVersionMatch=No&continue=x&sendInitialEvents=", 422,
     f"{INVALID}[{FORBIDDEN} unless resourceVersion is provided, {FORBIDDEN} when continue is provided, "
     'resourceVersionMatch: Unsupported value: "No": supported values: "Exact", "NotOlderThan", "", '
     f"{NOT_HERE}]"),
    ("watch=&sendInitialEvents=1&resourceVersionMatch=Exact&continue=x", 422,
     f"{INVALID}[resourceVersionMatch: Forbidden: "
     "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan, "
     f'resourceVersionMatch: Unsupported value: "Exact": supported values: "NotOlderThan", '
     f"{FORBIDDEN} when continue is provided]"),
    ("watch=yes&continue=x", 422, f"{INVALID}{FORBIDDEN} when continue is provided"),
    ("watch=1&timeoutSeconds=x", 400, f'{INT} "x": invalid syntax'),
    ("watch=1&resourceVersion=-1", 500,
     'resourceVersion: Invalid value: "-1": strconv.ParseUint: parsing "-1": invalid syntax'),
    ("continue=!", 400, f"{BAD_TOKEN}illegal base64 data at input byte 0"),
    ("continue=YWJ+", 400, f"{BAD_TOKEN}illegal base64 data at input byte 3"),
    (f"continue={token(rv=1, start='a')}&resourceVersion=5", 400,
     "specifying resource version is not allowed when using continue"),
    (f"continue={token(rv=0, start='a')}", 400,
     f"{BAD_TOKEN}incorrect encoded start resourceVersion (version meta.k8s.io/v1)"),
    (f"continue={token(rv=1)}", 400,
     f"{BAD_TOKEN}encoded start key empty (version meta.k8s.io/v1)"),
    (f"continue={token(v='v2', rv=1, start='a')}", 400,
     f"{BAD_TOKEN}server does not recognize this encoded version v2"),
    (f"continue={token(rv='1', start='a')}", 400,
     f"{BAD_TOKEN}json: cannot unmarshal string into Go struct field continueToken.rv "
     "of type int64"),
    (f"continue={token(rv=1, start='../secrets/default/x')}", 400,
     f"{BAD_TOKEN}../secrets/default/x"),
]  # fmt: skip


@pytest.mark.parametrize(("query", "code", "message"), ASKED, ids=lambda each: str(each)[:60])
def test_what_cannot_be_asked(query: str, code: int, message: str) -> None:
    async def scene(api: Api) -> None:
        path = f"{CONFIGS}?{query.replace('+', '%2B')}"
        got, status = await api.ask("GET", path)
        assert (got, status["message"]) == (code, message)
        if code == 422:
            assert (status["details"]["group"], status["details"]["kind"]) == ("meta.k8s.io", "ListOptions")
        assert ("reason" in status) == (code != 500)

    play(scene)


def test_a_version_that_is_still_to_come() -> None:
    """Reads wait three seconds; a watch just begins there, and a streaming list says in the stream that it cannot."""
    clock = VirtualClock()

    async def scene(api: Api) -> None:
        made = await api.make(CONFIGS, config("c0"))
        ahead = int(made["metadata"]["resourceVersion"]) + 2
        for target in (
            f"{CONFIGS}/c0?resourceVersion={ahead}",
            f"{CONFIGS}?resourceVersion={ahead}",
            f"{CONFIGS}?resourceVersion={ahead}&resourceVersionMatch=Exact",
            f"{CONFIGS}?limit=1&continue={token(rv=ahead, start='a')}",
        ):
            asking = asyncio.create_task(api.ask("GET", target))
            await clock.advance(2.9)
            assert not asking.done()
            await clock.advance(0.2)
            code, status = await asking
            assert (code, status["reason"], status["details"]["retryAfterSeconds"]) == (504, "Timeout", 1)
            assert status["message"] == f"Timeout: Too large resource version: {ahead}, current: {ahead - 2}"
        streaming = "&sendInitialEvents=1&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=1"
        beginning = asyncio.create_task(watch(api, f"{streaming}&resourceVersion={ahead}"))
        await clock.advance(3.1)
        kind, status = await (await beginning).next()
        assert (kind, status["code"]) == ("ERROR", 504)
        watching = await watch(api, f"&resourceVersion={ahead}")
        for name in ("c1", "c2", "c3"):
            await api.make(CONFIGS, config(name))
        assert await watching.named() == ("ADDED", "c3"), "what happened until then it does not tell"
        await watching.close()

    play(scene, clock)


@pytest.mark.parametrize("text", ["abc", "5", "1s-1s"])
def test_a_time_limit_that_is_none(text: str) -> None:
    """(apiserver, WithRequestDeadline)"""

    async def scene(api: Api) -> None:
        code, status = await api.ask("GET", f"{CONFIGS}?timeout={text}")
        assert (code, status["reason"]) == (400, "BadRequest")
        assert status["message"].startswith("invalid timeout specified in the request URL - time: ")
        for wish in ("", "0", "-1s", "5s", "10h"):
            assert (await api.ask("GET", f"{CONFIGS}?timeout={wish}"))[0] == 200
        watching = await watch(api, f"&timeout={text}")  # which is limited by timeoutSeconds alone
        await watching.close()

    play(scene)


def test_any_version_will_do_and_then_all_is_shown() -> None:
    async def scene(api: Api) -> None:
        await fill(api, 3)
        code, listed = await api.ask("GET", f"{CONFIGS}?limit=1&resourceVersion=0")
        assert code == 200 and len(names(listed)) == 3 and "continue" not in listed["metadata"]
        code, listed = await api.ask("GET", f"{CONFIGS}?limit=1&resourceVersion=0&labelSelector=even")
        assert code == 200 and len(names(listed)) == 3

    play(scene)


def test_a_page_may_be_the_last_without_saying_so() -> None:
    """Where objects follow that do not pass, there is another page, if an empty one (apiserver, cacher)."""

    async def scene(api: Api) -> None:
        await fill(api, 4)
        query = f"{CONFIGS}?limit=2&labelSelector=even%3Dtrue"
        _, listed = await api.ask("GET", query)
        assert names(listed) == ["c000", "c002"] and "remainingItemCount" not in listed["metadata"]
        _, rest = await api.ask("GET", f"{query}&continue={listed['metadata']['continue']}")
        while rest["metadata"].get("continue"):  # the namespace has an object of its own beside them
            assert names(rest) == []
            _, rest = await api.ask("GET", f"{query}&continue={rest['metadata']['continue']}")
        assert names(rest) == []
        assert rest["metadata"]["resourceVersion"] == listed["metadata"]["resourceVersion"]

    play(scene)


def test_an_exact_list_counts_what_remains() -> None:
    async def scene(api: Api) -> None:
        await fill(api, 5)
        _, whole = await api.ask("GET", CONFIGS)
        await api.ask("DELETE", f"{CONFIGS}/c003")
        at, count = whole["metadata"]["resourceVersion"], len(whole["items"])
        _, listed = await api.ask("GET", f"{CONFIGS}?limit=2&resourceVersion={at}&resourceVersionMatch=Exact")
        assert listed["metadata"]["remainingItemCount"] == count - 2
        _, listed = await api.ask("GET", f"{CONFIGS}?limit=2&continue={listed['metadata']['continue']}")
        assert listed["metadata"]["remainingItemCount"] == count - 4

    play(scene)


def test_objects_of_a_name_are_found_in_every_namespace() -> None:
    async def scene(api: Api) -> None:
        for namespace in ("default", "kube-system"):
            await api.make(f"/api/v1/namespaces/{namespace}/configmaps", config("c1"))
        one = "fieldSelector=metadata.name%3Dc1"
        _, listed = await api.ask("GET", f"/api/v1/configmaps?{one}")
        assert [item["metadata"]["namespace"] for item in listed["items"]] == ["default", "kube-system"]
        for target in (f"/api/v1/configmaps?watch=1&{one}", f"/api/v1/watch/configmaps?{one}"):
            response = await api.response("GET", target)
            assert response.stream is not None
            assert (await anext(response.stream)).count(b'"ADDED"') == 2
            await response.stream.aclose()  # type: ignore[attr-defined]
        code, status = await api.ask("GET", f"/api/v1/watch/namespaces/default/configmaps/c2?{one}")
        assert (code, status["message"]) == (400, "fieldSelector metadata.name doesn't match requested name")

    play(scene)


def test_the_deletion_of_a_collection_is_of_a_page() -> None:
    async def scene(api: Api) -> None:
        await fill(api, 4)
        for query, code in (("limit=x", 400), ("sendInitialEvents=1", 422), ("resourceVersionMatch=Exact", 422)):
            assert (await api.ask("DELETE", f"{CONFIGS}?{query}"))[0] == code
        code, status = await api.ask("DELETE", f"{CONFIGS}?ignoreStoreReadErrorWithClusterBreakingPotential=1")
        assert code == 422 and "is not allowed with DELETECOLLECTION" in status["message"]
        code, listed = await api.ask("DELETE", f"{CONFIGS}?limit=2&labelSelector=even")
        assert (code, names(listed)) == (200, ["c000", "c001"])
        assert listed["kind"] == "ConfigMapList" and listed["metadata"]["continue"]
        _, left = await api.ask("GET", CONFIGS)
        assert names(left) == ["c002", "c003"]
        _, table = await api.ask("DELETE", f"{CONFIGS}?labelSelector=even", accept=TABLE)
        assert [row["cells"][0] for row in table["rows"]] == ["c002", "c003"]

    play(scene)


DELETIONS = [  # DeleteOptions, and the refusal
    ({"propagationPolicy": ""}, 422,
     'propagationPolicy: Unsupported value: "": supported values: "Foreground", "Background", "Orphan", "nil"'),
    ({"dryRun": ["All", "all"]}, 422, 'dryRun: Unsupported value: ["All","all"]: supported values: "All"'),
    ({"ignoreStoreReadErrorWithClusterBreakingPotential": True, "gracePeriodSeconds": 0}, 422,
     "ignoreStoreReadErrorWithClusterBreakingPotential: "
     "Invalid value: true: cannot be set together with .gracePeriodSeconds"),
    ({"kind": "Pod", "apiVersion": "v1"}, 400,
     'no kind "Pod" is registered for version "v1" in scheme "pkg/apis/meta/internalversion/scheme/register.go:27"'),
    ({"gracePeriodSeconds": "x"}, 400,
     "json: cannot unmarshal string into Go struct field DeleteOptions.gracePeriodSeconds of type int64"),
    (b"{x", 400,
     "couldn't get version/kind; json parse error: invalid character 'x' looking for beginning of object key string"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "code", "message"), DELETIONS, ids=lambda each: str(each)[:60])
def test_deletions_that_contradict_themselves(body: Any, code: int, message: str) -> None:
    async def scene(api: Api) -> None:
        await api.make(CONFIGS, config("c0"))
        for path in (f"{CONFIGS}/c0", CONFIGS):
            got, status = await api.ask("DELETE", path, body)
            expected = f'DeleteOptions.meta.k8s.io "" is invalid: {message}' if code == 422 else message
            assert (got, status["message"]) == (code, expected)
        assert (await api.ask("GET", f"{CONFIGS}/c0"))[0] == 200

    play(scene)


def test_a_deletion_that_goes_on_is_accepted_to_who_wants_no_orphans() -> None:
    async def scene(api: Api) -> None:
        await api.make(CONFIGS, {"metadata": {"name": "x", "finalizers": ["example.com/hold"]}})
        assert (await api.ask("DELETE", f"{CONFIGS}/x?orphanDependents=true"))[0] == 200
        assert (await api.ask("DELETE", f"{CONFIGS}/x?orphanDependents=0"))[0] == 202
        await api.make(CONFIGS, config("y"))
        assert (await api.ask("DELETE", f"{CONFIGS}/y?orphanDependents=False"))[0] == 200

    play(scene)


MANAGER = "a" * 129
WRITES = [  # of a write: what is asked, and the refusal
    ("fieldManager=a%0Ab%C3%A9%09",
     'fieldManager: Invalid value: "a\\nbé\\t": invalid character U+000A (at position 1), '
     'fieldManager: Invalid value: "a\\nbé\\t": invalid character U+0009 (at position 5)'),
    (f"fieldManager={MANAGER}&dryRun=all&fieldValidation=strict",
     'fieldManager: Too long: may not be more than 128 bytes, '
     'dryRun: Unsupported value: ["all"]: supported values: "All", '
     'fieldValidation: Unsupported value: "strict": supported values: "", "Ignore", "Strict", "Warn"'),
]  # fmt: skip


@pytest.mark.parametrize(("query", "message"), WRITES, ids=["characters", "several"])
def test_options_of_writes(query: str, message: str) -> None:
    async def scene(api: Api) -> None:
        await api.make(CONFIGS, config("x"))
        merge = {"content_type": "application/merge-patch+json"}
        for method, path, kind, more in (
            ("POST", CONFIGS, "CreateOptions", {}),
            ("PUT", f"{CONFIGS}/x", "UpdateOptions", {}),
            ("PATCH", f"{CONFIGS}/x", "PatchOptions", merge),
        ):
            code, status = await api.ask(method, f"{path}?{query}", config("x"), **more)
            assert (code, status["message"]) == (422, f'{kind}.meta.k8s.io "" is invalid: [{message}]')
        code, status = await api.ask("PATCH", f"{CONFIGS}/x?force=false", {}, **merge)
        why = "force: Forbidden: may not be specified for non-apply patch"
        assert (code, status["message"]) == (422, f'PatchOptions.meta.k8s.io "" is invalid: {why}')

    play(scene)


def bookmarks(query: str) -> list[float]:
    """When a watch has its bookmarks, in seconds from its beginning, until it ends. Nothing else happens."""
    clock, when = VirtualClock(), list[float]()

    async def scene(api: Api) -> None:
        _, listed = await api.ask("GET", CONFIGS)
        version = listed["metadata"]["resourceVersion"]
        response = await api.response("GET", f"{CONFIGS}?watch=1&resourceVersion={version}{query}")
        begun = clock.monotonic()

        async def collect() -> None:
            assert response.stream is not None
            async for chunk in response.stream:
                event = msgspec.json.decode(chunk)
                assert (event["type"], event["object"]["metadata"]["resourceVersion"]) == ("BOOKMARK", version)
                when.append(round(clock.monotonic() - begun, 3))

        collecting = asyncio.create_task(collect())
        await clock.advance(200)
        await collecting

    play(scene, clock)
    return when


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("&timeoutSeconds=150&allowWatchBookmarks=1", [60, 120, 148]),
        ("&timeoutSeconds=62&allowWatchBookmarks=", [60]),
        ("&timeoutSeconds=3&allowWatchBookmarks=true", [1]),
        ("&timeoutSeconds=2&allowWatchBookmarks=true", []),
        ("&timeoutSeconds=-5&allowWatchBookmarks=true", []),
        ("&timeoutSeconds=150&allowWatchBookmarks=0", []),
        ("&timeoutSeconds=150", []),
    ],
    ids=str,
)
def test_bookmarks_come_every_minute_and_just_before_the_end(query: str, expected: list[float]) -> None:
    assert bookmarks(query) == expected


def test_a_watch_without_a_version_ends_its_list_with_a_bookmark() -> None:
    """As one that asks for it: upstream's defaults say so for all that ask for bookmarks (SetListOptionsDefaults)."""

    async def scene(api: Api) -> None:
        await api.make(CONFIGS, config("c1"))
        for query in ("", "&resourceVersion=0", "&sendInitialEvents=1&resourceVersionMatch=NotOlderThan"):
            watching = await watch(api, f"&allowWatchBookmarks=1{query}&fieldSelector={quote('metadata.name=c1')}")
            assert await watching.named() == ("ADDED", "c1")
            kind, obj = await watching.next()
            assert (kind, obj["metadata"]["annotations"]) == ("BOOKMARK", {"k8s.io/initial-events-end": "true"})
            await watching.close()
        for query in (
            "&sendInitialEvents=0&resourceVersionMatch=NotOlderThan",
            "&sendInitialEvents=false&resourceVersionMatch=NotOlderThan&resourceVersion=0",
        ):
            watching = await watch(api, f"&allowWatchBookmarks=1{query}")
            await api.make(CONFIGS, config(f"c2{len(query)}"))
            assert (await watching.named())[1].startswith("c2"), "nothing of what was there"
            await watching.close()

    play(scene)
