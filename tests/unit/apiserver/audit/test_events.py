"""What an event says, what it does not, and how long it may get."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.apiserver.audit import events, policy
from longboat.apiserver.audit.events import Outcome
from longboat.apiserver.audit.rules import COMPLETE
from longboat.apiserver.filters.requests import understand
from longboat.apiserver.request import Judged, Request, Response
from longboat.machinery.errors import StatusError
from longboat.machinery.user import User
from unit.apiserver.served import BUILT_IN

NOW = datetime(2026, 1, 1, tzinfo=UTC)
JANE = User("jane", ("devs", "system:authenticated"), "7", {"k": ("v",)})


async def no_body(limit: int) -> bytes:
    return b""


def request(method: str, target: str, user: User | None = JANE, **headers: str) -> Request:
    path, _, query = target.partition("?")
    found = Request(method, path, {}, headers, no_body, "192.0.2.1", user=user, raw_query=query, request_id="id")
    understand(found, BUILT_IN)
    return found


def told(asked: Request, outcome: Outcome) -> Any:
    return json.loads(events.event(asked, COMPLETE, outcome, NOW, NOW))


def test_an_event_has_upstream_s_shape() -> None:
    asked = request("POST", "/api/v1/namespaces/d/configmaps?dryRun=All", **{"user-agent": "kubectl"})
    asked.decision = (True, 'RBAC: allowed by RoleBinding "r/d" of Role "r" to User "jane"')
    body = b'{"kind":"ConfigMap","metadata":{"name":"c-x7","uid":"u","resourceVersion":"9"},"data":{"a":"secret"}}'
    event = told(asked, Outcome.of(asked, Response(201, body)))
    assert event == {
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": "id",
        "stage": "ResponseComplete", "requestURI": "/api/v1/namespaces/d/configmaps?dryRun=All", "verb": "create",
        "user": {"username": "jane", "uid": "7", "groups": ["devs", "system:authenticated"], "extra": {"k": ["v"]}},
        "sourceIPs": ["192.0.2.1"], "userAgent": "kubectl",
        "objectRef": {"resource": "configmaps", "namespace": "d", "name": "c-x7", "uid": "u", "apiVersion": "v1",
                      "resourceVersion": "9"},
        "responseStatus": {"metadata": {}, "code": 201},
        "requestReceivedTimestamp": "2026-01-01T00:00:00.000000Z", "stageTimestamp": "2026-01-01T00:00:00.000000Z",
        "annotations": {"authorization.k8s.io/decision": "allow",
                        "authorization.k8s.io/reason": 'RBAC: allowed by RoleBinding "r/d" of Role "r" to User "jane"'},
    }  # fmt: skip


def test_who_acts_as_somebody_else_is_named() -> None:
    asked = request("DELETE", "/api/v1/namespaces/d/secrets/s")
    asked.requester, asked.user = JANE, User("root", ("system:masters",))
    event = told(asked, Outcome(200))
    assert event["user"]["username"] == "jane"
    assert event["impersonatedUser"] == {"username": "root", "groups": ["system:masters"]}


def test_an_answer_that_may_quote_the_body_is_not_repeated() -> None:
    asked = request("POST", "/api/v1/namespaces/d/secrets")
    invalid = StatusError(422, "Invalid", 'Secret "s" is invalid: data[k]: Invalid value: "hunter2"', {"name": "s"})
    event = told(asked, Outcome.refused(asked, invalid))
    assert event["responseStatus"] == {"metadata": {}, "status": "Failure", "reason": "Invalid", "code": 422}
    details = {"name": "s", "kind": "secrets", "causes": [{"reason": "x"}]}
    gone = StatusError(404, "NotFound", 'secrets "s" not found', details)
    said = told(asked, Outcome.refused(asked, gone))["responseStatus"]
    assert said["details"] == details
    assert event["objectRef"]["name"] == "s"


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, "Authentication failed, no credentials provided"),
        ({"authorization": "Bearer hunter2"}, "Authentication failed, attempted: bearer"),
        ({"authorization": "Basic aHVudGVyMg=="}, "Authentication failed, attempted: basic"),
        ({"authorization": "hunter2"}, "Authentication failed, no credentials provided"),
    ],
)
def test_a_failed_authentication_says_how_and_never_with_what(headers: dict[str, str], said: str) -> None:
    asked = request("GET", "/api/v1/pods", user=None, **headers)
    line = events.event(asked, COMPLETE, Outcome.refused(asked, StatusError(401, "Unauthorized", "")), NOW, NOW)
    event = json.loads(line)
    assert (event["user"], event["responseStatus"]["message"]) == ({}, said)
    assert b"hunter2" not in line and b"aHVudGVyMg" not in line


def test_queries_for_a_program_in_a_pod_lose_their_values() -> None:
    for kind in ("pods", "services"):
        asked = request("GET", f"/api/v1/namespaces/d/{kind}/x/proxy/login?user=jane&password=hunter2&plain")
        assert told(asked, Outcome(200))["requestURI"].endswith("/proxy/login?user=&password=&plain=")
    asked = request("POST", "/api/v1/namespaces/d/pods/x/exec?command=rm&command=-rf")
    assert told(asked, Outcome(101))["requestURI"].endswith("/exec?command=rm&command=-rf")


def test_a_command_cannot_hide_behind_a_long_one() -> None:
    hidden = "command=true&" * 5000 + "command=evil"
    asked = request("POST", f"/api/v1/namespaces/d/pods/x/exec?{hidden}")
    assert told(asked, Outcome(101))["requestURI"].endswith("command=evil")
    assert len(told(asked, Outcome(403))["requestURI"]) == events.URI + len(events.CUT)  # it was not run


TEXTS = {"none": "", "one": "a", "escaped": "\x01" * 130_000, "wide": "😀" * 60_000, "quoted": 'say "x"\n' * 9000}


@given(st.lists(st.sampled_from(sorted(TEXTS)), min_size=4, max_size=4), st.sampled_from([101, 200, 403, 500]))
def test_no_event_is_longer_than_it_may_be(chosen: list[str], code: int) -> None:
    agent, part, name, reason = (TEXTS[each] for each in chosen)
    asked = request(
        "POST", f"/api/v1/namespaces/{part}/pods/{part}/exec?{'c=' + 'd' * 130_000}", **{"user-agent": agent}
    )
    asked.requester = asked.user = User(name, (name,) * 50, name, {name or "k": (name,) * 50})
    asked.decision = (False, reason)
    line = events.event(asked, COMPLETE, Outcome(code, "", reason), NOW, NOW)
    assert len(line) <= (96 << 10) + (events.WHOLE_URI if code < 400 else 0)
    json.loads(line)


@pytest.mark.parametrize(
    ("method", "path", "code", "recorded"),
    [
        ("GET", "/api/v1/pods", 200, False),
        ("GET", "/api/v1/pods", 403, True),
        ("GET", "/api/v1/pods", 401, True),
        ("GET", "/api/v1/namespaces/d/pods/p", 404, False),
        ("GET", "/api/v1/namespaces/d/pods/p", 500, True),
        ("GET", "/api/v1/namespaces/d/secrets/s", 200, True),
        ("GET", "/api/v1/namespaces/d/configmaps", 200, False),
        ("GET", "/apis/example.com/v1/secrets", 200, False),
        ("GET", "/api/v1/namespaces/d/pods/p/log", 200, True),
        ("GET", "/api/v1/namespaces/d/pods/p/exec", 101, True),
        ("GET", "/api/v1/namespaces/d/pods/p/status", 200, False),
        ("POST", "/api/v1/namespaces/d/pods", 201, True),
        ("POST", "/api/v1/namespaces/d/events", 201, False),
        ("POST", "/api/v1/namespaces/d/events", 403, True),
        ("PUT", "/apis/coordination.k8s.io/v1/namespaces/d/leases/l", 200, False),
        ("DELETE", "/apis/coordination.k8s.io/v1/namespaces/d/leases/l", 200, True),
        ("GET", "/livez", 200, False),
        ("GET", "/metrics", 403, True),
        ("POST", "/version", 405, True),
        ("GET", "/debug/pprof", 404, True),
    ],
)
def test_what_is_recorded(method: str, path: str, code: int, recorded: bool) -> None:
    assert policy.recorded(request(method, path), code) is recorded


def test_what_a_webhook_s_patch_says_is_recorded_where_objects_are() -> None:
    asked, key = request("POST", "/api/v1/namespaces/d/configmaps"), "patch.webhook.admission.k8s.io/round_0_index_{}"
    asked.annotations |= {key.format(0): "[" + "x" * 2000 + "]", "h.example.com/note": "x" * 2000}

    def noted(level: str) -> Any:
        told = events.event(asked, COMPLETE, Outcome(201), NOW, NOW, Judged(level))
        return json.loads(told)["annotations"]

    assert noted("Metadata") == {"h.example.com/note": events.short("x" * 2000)}
    assert noted("Request")[key.format(0)] == asked.annotations[key.format(0)]  # whole
    asked.annotations[key.format(1)] = "x" * events.PATCHES
    assert noted("RequestResponse").keys() == {key.format(0), "h.example.com/note", events.TRUNCATED}
