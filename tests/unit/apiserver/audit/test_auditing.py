"""What a policy file has recorded of requests, through the API, in the log and at a receiver of webhooks."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from e2e.certificates import self_signed
from longboat.aio.clock import SystemClock, VirtualClock
from longboat.apiserver import remote
from longboat.apiserver.audit import events, objects, rules, webhook
from longboat.apiserver.audit.trail import COUNTS
from longboat.apiserver.audit.webhook import DROPPED, FAILED, Settings, Webhook
from longboat.apiserver.authn.identity import ANONYMOUS, Rejected
from longboat.apiserver.remote import Remote
from longboat.apiserver.request import Request, Response
from longboat.machinery.user import User
from unit.apiserver.harness import Api, api_server, user

MAPS = "/api/v1/namespaces/default/configmaps"
MERGE = "application/merge-patch+json"
Scene = Callable[[Api], Awaitable[None]]


async def nobody(request: Request) -> User | None:
    """Knows no token."""
    if "authorization" in request.headers:
        raise Rejected("unknown")
    return None


def recorded(tmp_path: Path, scene: Scene, *found: Any, **policy: Any) -> list[Any]:
    """Events of ConfigMaps and paths that the rules have recorded of the scene, in order."""
    made = rules.policy({"rules": list(found), **policy})

    async def main() -> None:
        told = {"audit_log": tmp_path / "audit.log", "audit_policy": made, "authenticators": [nobody]}
        async with api_server(SystemClock(), **told) as api:
            await scene(api)

    asyncio.run(main())
    files = [file for file in (tmp_path / "audit.log", tmp_path / "audit-unauthenticated.log") if file.exists()]
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def config_map(**data: str) -> Any:
    return {"metadata": {"name": "m"}, "data": data}


async def every_verb(api: Api) -> None:
    await api.make(MAPS, config_map(a="b"))
    await api.ask("GET", f"{MAPS}/m")
    await api.ask("GET", MAPS)
    watch = await api.response("GET", f"{MAPS}?watch=1&timeoutSeconds=1")
    await watch.stream.aclose()  # type: ignore[union-attr]
    await api.ask("PUT", f"{MAPS}/m", config_map(a="c"))
    await api.ask("PATCH", f"{MAPS}/m", {"data": {"a": "d"}}, content_type=MERGE)
    await api.ask("DELETE", f"{MAPS}/m", {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0})


OF_MAPS = {"resources": [{"resources": ["configmaps"]}]}
# verb, stage, code, whether it has what was sent, and what was answered (upstream's integration test of audit).
EXPECTED = {
    "RequestResponse": [
        ("create", "ResponseComplete", 201, True, True), ("get", "ResponseComplete", 200, False, True),
        ("list", "ResponseComplete", 200, False, True), ("watch", "ResponseStarted", 200, False, False),
        ("watch", "ResponseComplete", 200, False, False), ("update", "ResponseComplete", 200, True, True),
        ("patch", "ResponseComplete", 200, True, True), ("delete", "ResponseComplete", 200, True, True),
    ],
}  # fmt: skip
EXPECTED["Request"] = [(*each[:4], False) for each in EXPECTED["RequestResponse"]]
EXPECTED["Metadata"] = [(*each[:3], False, False) for each in EXPECTED["RequestResponse"]]
EXPECTED["None"] = []


@pytest.mark.parametrize("level", EXPECTED)
def test_levels(tmp_path: Path, level: str) -> None:
    events = recorded(tmp_path, every_verb, {"level": level, "omitStages": ["RequestReceived"], **OF_MAPS})
    told = [
        (e["verb"], e["stage"], e["responseStatus"]["code"], "requestObject" in e, "responseObject" in e)
        for e in events
    ]
    assert told == EXPECTED[level]
    for event in events:
        assert (event["level"], event["user"]["username"]) == (level, "admin")
        assert event["annotations"]["authorization.k8s.io/decision"] == "allow"
    if level != "None":
        said = events[-1]["responseStatus"]
        uid = events[-1]["objectRef"]["uid"]
        details = {"name": "m", "kind": "configmaps", "uid": uid}
        assert said == {"metadata": {}, "status": "Success", "details": details, "code": 200}
    if level == "RequestResponse":
        created, _, listed, *_, updated, patched, deleted = events
        assert created["requestObject"]["data"] == {"a": "b"} and created["requestObject"]["kind"] == "ConfigMap"
        assert created["responseObject"]["metadata"]["uid"] == created["objectRef"]["uid"]
        assert listed["responseObject"]["kind"] == "ConfigMapList"
        assert updated["responseObject"]["data"] == {"a": "c"}
        assert patched["requestObject"] == {"data": {"a": "d"}}
        assert deleted["requestObject"]["kind"] == "DeleteOptions"


def test_stages(tmp_path: Path) -> None:
    async def scene(api: Api) -> None:
        await api.make(MAPS, config_map())
        await api.ask("GET", f"{MAPS}?watch=1", who=user("jane"))

    events = recorded(tmp_path, scene, {"level": "Metadata", **OF_MAPS})
    assert [(e["verb"], e["stage"]) for e in events] == [
        ("create", "RequestReceived"), ("create", "ResponseComplete"),
        ("watch", "RequestReceived"), ("watch", "ResponseStarted"), ("watch", "ResponseComplete"),
    ]  # fmt: skip
    first, second = events[:2]
    assert "responseStatus" not in first and first["auditID"] == second["auditID"]
    assert events[-1]["responseStatus"]["code"] == 403
    events = recorded(
        tmp_path / "", scene, {"level": "Metadata", "omitStages": ["ResponseComplete"], **OF_MAPS},
        omitStages=["RequestReceived"],
    )[len(events) :]  # fmt: skip
    assert [(e["verb"], e["stage"]) for e in events] == [("watch", "ResponseStarted")]


def test_the_policy_sees_who_asks_and_refusals_before_it_is_known(tmp_path: Path) -> None:
    async def scene(api: Api) -> None:
        await api.ask("GET", MAPS, who=user("jane"))
        await api.ask("GET", MAPS, who=ANONYMOUS)
        await api.ask("GET", MAPS, impersonate_user="jane")
        await api.ask("GET", MAPS, who=None, authorization="Bearer hunter2")
        await api.ask("GET", "/version")

    rule = {"level": "RequestResponse", "omitStages": ["RequestReceived"]}
    events = recorded(tmp_path, scene, {"level": "None", "users": ["jane"]}, {"level": "None", "verbs": ["get"]}, rule)
    acting, stranger, failed = [e for e in events if e["requestURI"] == MAPS]
    assert (acting["user"]["username"], acting["impersonatedUser"]["username"]) == ("admin", "jane")
    assert stranger["responseObject"]["reason"] == "Forbidden" and stranger["responseStatus"]["code"] == 403
    assert (failed["user"], failed["responseStatus"]["code"]) == ({}, 401)
    assert "hunter2" not in json.dumps(events)


def test_managed_fields_are_left_out_where_that_is_said(tmp_path: Path) -> None:
    async def scene(api: Api) -> None:
        await every_verb(api)

    rule = {"level": "RequestResponse", "omitStages": ["RequestReceived"], **OF_MAPS}
    events = recorded(
        tmp_path, scene, {**rule, "verbs": ["create"], "omitManagedFields": False}, rule, omitManagedFields=True
    )
    created, *others = events
    assert created["responseObject"]["metadata"]["managedFields"]
    assert "managedFields" not in json.dumps(others)


def test_messages_that_may_quote_are_there_where_what_was_sent_is(tmp_path: Path) -> None:
    async def scene(api: Api) -> None:
        await api.ask("POST", MAPS, {"metadata": {"name": "Hunter2"}})

    for level, quoted in (("Metadata", False), ("Request", True)):
        *_, event = recorded(tmp_path, scene, {"level": level, **OF_MAPS})
        assert ("message" in event["responseStatus"]) is quoted


def test_what_came_in_another_form_is_json(tmp_path: Path) -> None:
    async def scene(api: Api) -> None:
        text = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {a: 'yes'}\n"
        await api.response("POST", MAPS, text, content_type="application/yaml", accept="application/yaml")
        await api.response("PATCH", f"{MAPS}/m", b"{", content_type=MERGE)
        applied = text.replace(b"yes", b"applied")
        target = f"{MAPS}/m?fieldManager=f&force=true&pretty=true"
        await api.response("PATCH", target, applied, content_type="application/apply-patch+yaml")
        options = b"apiVersion: v1\nkind: DeleteOptions\n"
        await api.response("DELETE", f"{MAPS}/m", options, content_type="application/yaml")

    made, patched, applied, deleted = recorded(
        tmp_path, scene, {"level": "RequestResponse", "omitStages": ["RequestReceived"], **OF_MAPS}
    )
    assert made["requestObject"]["data"] == made["responseObject"]["data"] == {"a": "yes"}
    assert applied["requestObject"]["data"] == applied["responseObject"]["data"] == {"a": "applied"}
    assert deleted["requestObject"]["kind"] == "DeleteOptions"
    assert "requestObject" not in patched and patched["responseStatus"]["code"] == 400


def test_an_object_that_is_too_large_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(objects, "MOST", 1000)

    async def scene(api: Api) -> None:
        await api.make(MAPS, config_map(a="x" * 2000))

    *_, event = recorded(tmp_path, scene, {"level": "RequestResponse", **OF_MAPS})
    assert "requestObject" not in event and "responseObject" not in event
    assert event["annotations"]["audit.k8s.io/truncated"] == "true"


def test_what_was_sent_is_recorded_with_its_defaults(tmp_path: Path) -> None:
    """As upstream, whose decoder adds them; not what admission and the server add."""

    async def scene(api: Api) -> None:
        ports = {"ports": [{"port": 80}], "selector": {"a": "b"}}
        await api.make("/api/v1/namespaces/default/services", {"metadata": {"name": "s"}, "spec": ports})

    (event,) = recorded(
        tmp_path, scene,
        {"level": "Request", "omitStages": ["RequestReceived"], "resources": [{"resources": ["services"]}]},
    )  # fmt: skip
    sent = event["requestObject"]
    assert sent["spec"]["ports"] == [{"protocol": "TCP", "port": 80, "targetPort": 80}]
    assert (sent["spec"]["sessionAffinity"], sent["spec"]["type"]) == ("None", "ClusterIP")
    assert "clusterIP" not in sent["spec"] and "uid" not in sent["metadata"]


def test_large_bodies_are_recorded_beside_the_loop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home, where, make = threading.get_ident(), list[tuple[str, bool]](), events.event

    def noting(request: Request, *rest: Any) -> bytes:
        where.append((request.info.verb, threading.get_ident() == home))
        return make(request, *rest)

    monkeypatch.setattr(events, "event", noting)

    async def scene(api: Api) -> None:
        for number in range(4):
            await api.make(MAPS, {"metadata": {"name": f"m{number}"}, "data": {"a": "x" * 40_000}})
        await api.ask("GET", MAPS)

    policy = {"level": "RequestResponse", "omitStages": ["RequestReceived"], "omitManagedFields": True, **OF_MAPS}
    *_, listed = recorded(tmp_path, scene, policy)
    assert where == [("create", False)] * 4 + [("list", False)]
    assert [len(each["data"]["a"]) for each in listed["responseObject"]["items"]] == [40_000] * 4
    assert b"managedFields" not in json.dumps(listed).encode()


def test_causes_are_told_where_messages_are(tmp_path: Path) -> None:
    async def scene(api: Api) -> None:
        await api.ask("POST", MAPS, {"metadata": {"name": "M"}, "data": {"/": ""}})
        await api.ask("POST", MAPS, {"metadata": {"name": "m"}, "data": {f"/{i}{'x' * 60}": "" for i in range(400)}})

    told = recorded(tmp_path, scene, {"level": "Request", "omitStages": ["RequestReceived"], **OF_MAPS})
    few, many = ([(c["reason"], c["field"]) for c in e["responseStatus"]["details"]["causes"]] for e in told)
    assert few == [("FieldValueInvalid", "metadata.name"), ("FieldValueInvalid", "data[/]")]
    assert 10 < len(many) < 400
    (event,) = recorded(tmp_path, scene, {"level": "Metadata", "omitStages": ["RequestReceived"], **OF_MAPS})[-1:]
    assert "details" not in event["responseStatus"], "answers that quote what was sent are not recorded at this level"


def test_answers_in_all_their_shapes() -> None:
    asked: Any = SimpleNamespace(answered=b"")
    item = {"metadata": {"name": "a", "managedFields": [1]}}
    table = {"kind": "Table", "rows": [{"cells": [], "object": item}]}
    plain = Response(200, json.dumps({"items": [item]}).encode())
    found = objects.answered(asked, plain, managed=False)
    assert found is not None and json.loads(bytes(found)) == {"items": [{"metadata": {"name": "a"}}]}
    packed = Response(200, gzip.compress(json.dumps(table).encode()), headers={"Content-Encoding": "gzip"})
    found = objects.answered(asked, packed, managed=False)
    assert found is not None and b"managedFields" not in bytes(found)
    bomb = Response(200, gzip.compress(b"[" + b" " * (3 << 20) + b"]"), headers={"Content-Encoding": "gzip"})
    with pytest.raises(objects.TooLarge):
        objects.answered(asked, bomb, managed=True)
    assert objects.answered(asked, Response(200, b"a log", "text/plain"), managed=True) is None


class Receiver:
    """A server of audit webhooks on 127.0.0.1, without TLS."""

    def __init__(self) -> None:
        self.lists: list[list[Any]] = []
        self.codes: list[int] = []  # of the next answers; 200 when there is none
        self.came = asyncio.Event()
        self.hold: asyncio.Event | None = None

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        assert head.startswith("post /events http/1.1") and "authorization: bearer t" in head
        length = int(head.split("content-length: ")[1].split("\r\n")[0])
        sent = msgspec.json.decode(await reader.readexactly(length))
        assert (sent["kind"], sent["apiVersion"]) == ("EventList", "audit.k8s.io/v1")
        if self.hold is not None:
            await self.hold.wait()
        code = self.codes.pop(0) if self.codes else 200
        if code == 200:
            self.lists.append(sent["items"])
        self.came.set()
        writer.write(b"HTTP/1.1 %d x\r\nContent-Length: 0\r\n\r\n" % code)
        await writer.drain()
        writer.close()

    async def wait_for(self, number: int) -> None:
        async with asyncio.timeout(10):
            while len(self.lists) < number:
                self.came.clear()
                await self.came.wait()


def receive(scene: Callable[[Receiver, Remote], Awaitable[None]]) -> None:
    async def main() -> None:
        receiver = Receiver()
        async with await asyncio.start_server(receiver, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            await scene(receiver, Remote(f"http://127.0.0.1:{port}/events", None, "t"))

    asyncio.run(main())


def test_events_are_sent_in_batches(tmp_path: Path) -> None:
    async def scene(receiver: Receiver, remote: Remote) -> None:
        made = rules.policy({"rules": [{"level": "Metadata", "omitStages": ["RequestReceived"], **OF_MAPS}]})
        told = Settings(remote, max_size=3, max_wait=0.2)
        async with api_server(SystemClock(), audit_policy=made, audit_webhook=told) as api:
            await every_verb(api)
            await receiver.wait_for(3)
        assert sorted(len(each) for each in receiver.lists) == [2, 3, 3]
        verbs = sorted(event["verb"] for each in receiver.lists for event in each)
        assert verbs == ["create", "delete", "get", "list", "patch", "update", "watch", "watch"]

    receive(scene)


def test_what_is_left_is_sent_at_the_end_and_without_a_policy_what_is_always_recorded() -> None:
    async def scene(receiver: Receiver, remote: Remote) -> None:
        async with api_server(SystemClock(), audit_webhook=Settings(remote)) as api:
            await every_verb(api)
        (events,) = receiver.lists
        assert [event["verb"] for event in events] == ["create", "update", "patch", "delete"]

    receive(scene)


def test_what_does_not_fit_is_dropped_and_counted() -> None:
    async def scene(receiver: Receiver, remote: Remote) -> None:
        sender = Webhook(Settings(remote, buffer_size=4), VirtualClock())
        lost = COUNTS.errors[DROPPED]
        for _ in range(10):
            sender.add(b"{}")
        assert COUNTS.errors[DROPPED] - lost == 6
        large = Webhook(Settings(remote), VirtualClock())
        for _ in range(10):
            large.add(b"x" * (webhook.MOST // 8))
        assert COUNTS.errors[DROPPED] - lost == 8 and large._size <= webhook.MOST
        await sender.close()
        assert [len(each) for each in receiver.lists] == [4]

    receive(scene)


@pytest.mark.parametrize(("codes", "kept"), [([500, 429], True), ([500] * 5, False), ([400], False)])
def test_a_receiver_that_fails_is_asked_again_a_few_times(codes: list[int], kept: bool) -> None:
    async def scene(receiver: Receiver, remote: Remote) -> None:
        receiver.codes, lost = list(codes), COUNTS.errors[FAILED]
        sender = Webhook(Settings(remote, initial_backoff=0.001), SystemClock())
        assert await sender.send([b"{}", b"{}"]) is kept
        assert COUNTS.errors[FAILED] - lost == (0 if kept else 2)
        assert receiver.codes == []

    receive(scene)


def test_a_receiver_is_known_by_its_certificate(tmp_path: Path) -> None:
    """And asked as the kubeconfig says, with a certificate of our own."""
    own, key = self_signed(tmp_path, "receiver", "localhost")
    client, client_key = self_signed(tmp_path, "client", "apiserver")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own, key)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(client)

    async def main() -> None:
        receiver = Receiver()
        async with await asyncio.start_server(receiver, "127.0.0.1", 0, ssl=context) as server:
            port = server.sockets[0].getsockname()[1]
            for authority, got in ((own, True), (client, False)):
                file = tmp_path / "receiver.kubeconfig"
                file.write_text(f"""
current-context: c
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
clusters: [{{name: c, cluster: {{server: "https://localhost:{port}/events", certificate-authority: {authority}}}}}]
users: [{{name: u, user: {{token: t, client-certificate: {client}, client-key: {client_key}}}}}]
""")
                sender = Webhook(Settings(remote.load(file), initial_backoff=0.001), SystemClock())
                assert await sender.send([b"{}"]) is got
        assert receiver.lists == [[{}]]

    asyncio.run(main())


def test_batches_are_throttled() -> None:
    async def scene(receiver: Receiver, remote: Remote) -> None:
        clock = VirtualClock()
        sender = Webhook(Settings(remote, max_size=1, qps=2, burst=3), clock)
        running = asyncio.ensure_future(sender.run())
        for _ in range(5):
            sender.add(b"{}")
        await receiver.wait_for(3)
        await asyncio.sleep(0.05)
        assert len(receiver.lists) == 3
        await clock.advance(0.5)
        await receiver.wait_for(4)
        running.cancel()
        await sender.close()

    receive(scene)


def test_a_slow_receiver_holds_up_no_request_in_batch_mode_and_each_in_blocking_mode() -> None:
    async def scene(receiver: Receiver, remote: Remote) -> None:
        made = rules.policy({"rules": [{"level": "Metadata", "omitStages": ["RequestReceived"], **OF_MAPS}]})
        for mode in ("batch", "blocking"):
            receiver.hold = asyncio.Event()
            told = Settings(remote, mode=mode, max_size=1)
            async with api_server(SystemClock(), audit_policy=made, audit_webhook=told) as api:
                asking = asyncio.ensure_future(api.ask("GET", MAPS))
                done, _ = await asyncio.wait({asking}, timeout=0.2)
                assert bool(done) is (mode == "batch")
                receiver.hold.set()
                assert (await asking)[0] == 200

    receive(scene)


def test_in_strict_mode_a_request_that_cannot_be_recorded_is_refused() -> None:
    async def scene(receiver: Receiver, remote: Remote) -> None:
        made = rules.policy({"rules": [{"level": "Metadata", "verbs": ["create"], **OF_MAPS}]})
        for mode, code in (("blocking-strict", 500), ("blocking", 201)):
            receiver.codes, rejected = [400], COUNTS.rejected
            told = Settings(remote, mode=mode)
            async with api_server(SystemClock(), audit_policy=made, audit_webhook=told) as api:
                response = await api.response("POST", MAPS, config_map())
                assert response.status == code
                assert COUNTS.rejected - rejected == (code == 500)
                if code == 500:
                    said = f'Internal Server Error: "{MAPS}": failed to store audit event\n'
                    assert response.body.decode() == said
                    assert (await api.ask("GET", f"{MAPS}/m"))[0] == 404
                    figures = (await api.ask("GET", "/metrics"))[1]
                    assert f"apiserver_audit_requests_rejected_total {COUNTS.rejected}" in figures

    receive(scene)


def test_answers_in_other_forms_than_json_are_recorded_alike(tmp_path: Path) -> None:
    """Objects, lists, what a write made and refusals."""
    accepts = ("application/json", "application/vnd.kubernetes.protobuf", "application/yaml")

    async def scene(api: Api) -> None:
        for accept in accepts:
            for method, path, body in (
                ("POST", MAPS, config_map(a="b")), ("GET", f"{MAPS}/m", None), ("GET", MAPS, None),
                ("GET", f"{MAPS}/none", None), ("DELETE", f"{MAPS}/m", None),
            ):  # fmt: skip
                response = await api.response(method, path, body, accept=accept)
                assert response.content_type == accept

    events = recorded(tmp_path, scene, {"level": "RequestResponse", "omitStages": ["RequestReceived"], **OF_MAPS})
    told = [(each["responseObject"]["kind"], each["responseStatus"]["code"]) for each in events]
    assert told[:5] == [
        ("ConfigMap", 201),
        ("ConfigMap", 200),
        ("ConfigMapList", 200),
        ("Status", 404),
        ("Status", 200),
    ]
    assert told == told[:5] * len(accepts)
