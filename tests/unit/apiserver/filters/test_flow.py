"""Priority and fairness over a whole server: who is caught by what, who waits or is turned away, and what is told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from longboat.aio.clock import VirtualClock
from longboat.aio.http.pieces import SMALL
from longboat.apiserver.chain import compose
from longboat.apiserver.fairness.control import PERIOD
from longboat.apiserver.fairness.work import Work
from longboat.apiserver.filters.flow import SENDING, flow_control
from longboat.apiserver.filters.recover import recover
from longboat.apiserver.filters.requests import parse_request_info
from longboat.apiserver.request import Handler, Request, Response
from longboat.machinery.user import User
from unit.apiserver.harness import ADMIN, Api, play, user

GROUP = "/apis/flowcontrol.apiserver.k8s.io/v1"
SCHEMAS, LEVELS = f"{GROUP}/flowschemas", f"{GROUP}/prioritylevelconfigurations"
NODE, ROBOT = user("system:node:n", "system:nodes"), user("system:serviceaccount:a:robot", "system:serviceaccounts")
SCHEDULER = user("system:kube-scheduler")
LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/x"
MERGE = "application/merge-patch+json"


async def caught(api: Api, target: str, who: User | None) -> tuple[str, str]:
    """The names of what caught a request, by the headers of its answer."""
    response = await api.response("GET", target, who=who)
    uids = (response.headers["X-Kubernetes-PF-FlowSchema-UID"], response.headers["X-Kubernetes-PF-PriorityLevel-UID"])
    names = []
    for path, uid in zip((SCHEMAS, LEVELS), uids, strict=True):
        _, found = await api.ask("GET", path)
        names += [each["metadata"]["name"] for each in found["items"] if each["metadata"]["uid"] == uid]
    schema, level = names
    return schema, level


def schema(name: str, level: str, subject: User, precedence: int = 500) -> Any:
    rule = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": True, "namespaces": ["*"]}
    return {
        "metadata": {"name": name},
        "spec": {
            "matchingPrecedence": precedence,
            "priorityLevelConfiguration": {"name": level},
            "distinguisherMethod": {"type": "ByUser"},
            "rules": [{"subjects": [{"kind": "User", "user": {"name": subject.name}}], "resourceRules": [rule]}],
        },
    }


def level(name: str, shares: int, **queuing: int) -> Any:
    response: Any = {"type": "Queue", "queuing": queuing} if queuing else {"type": "Reject"}
    limited = {"nominalConcurrencyShares": shares, "limitResponse": response}
    return {"metadata": {"name": name}, "spec": {"type": "Limited", "limited": limited}}


@pytest.mark.parametrize(
    ("who", "target", "names"),
    [
        (ADMIN, "/api/v1/nodes", ("exempt", "exempt")),
        (user("jane"), "/api/v1/nodes", ("global-default", "global-default")),
        (ROBOT, "/api/v1/nodes", ("service-accounts", "workload-low")),
        (NODE, "/api/v1/nodes/n", ("system-node-high", "node-high")),
        (NODE, "/api/v1/pods", ("system-nodes", "system")),
        (SCHEDULER, LEASE, ("system-leader-election", "leader-election")),
        (SCHEDULER, "/api/v1/pods", ("kube-scheduler", "workload-high")),
        (user("jane"), "/readyz", ("probes", "exempt")),
    ],
)
def test_what_catches_a_request(who: User, target: str, names: tuple[str, str]) -> None:
    """And every answer says so, refusals too."""

    async def scene(api: Api) -> None:
        assert await caught(api, target, who) == names

    play(scene)


def test_a_change_is_in_force_with_the_next_request() -> None:
    async def scene(api: Api) -> None:
        jane = user("jane")
        assert await caught(api, "/api/v1/nodes", jane) == ("global-default", "global-default")
        await api.make(SCHEMAS, schema("janes", "mine", jane))
        assert (await caught(api, "/api/v1/nodes", jane))[0] == "global-default", "its level is not there"
        await api.make(LEVELS, level("mine", 5))
        assert await caught(api, "/api/v1/nodes", jane) == ("janes", "mine")
        await api.ask("DELETE", f"{SCHEMAS}/janes")
        assert (await caught(api, "/api/v1/nodes", jane))[0] == "global-default"

    play(scene)


def test_what_is_suggested_is_kept_until_somebody_takes_it_over() -> None:
    async def scene(api: Api) -> None:
        async def precedence() -> Any:
            await asyncio.sleep(0.05)
            _, found = await api.ask("GET", f"{SCHEMAS}/service-accounts")
            return found["spec"]["matchingPrecedence"]

        async def change(body: Any) -> None:
            code, said = await api.ask("PATCH", f"{SCHEMAS}/service-accounts", body, content_type=MERGE)
            assert code == 200, said

        await change({"spec": {"matchingPrecedence": 77}})
        assert await precedence() == 9000
        await api.ask("DELETE", f"{SCHEMAS}/service-accounts")
        assert await precedence() == 9000, "made again"
        own = {"metadata": {"annotations": {"apf.kubernetes.io/autoupdate-spec": "false"}}}
        await change({**own, "spec": {"matchingPrecedence": 77}})
        assert await precedence() == 77

    play(scene)


class Held:
    """A chain whose end is reached by what has a place, and holds it until it is let go."""

    def __init__(self, api: Api) -> None:
        self.gate, self.inside = asyncio.Event(), list[str]()
        control, clock = api.server.fairness, api.server.clock
        filters = [
            recover, parse_request_info(api.server.resources),
            flow_control(control, Work(api.server.resources, clock), clock),
        ]  # fmt: skip
        self.chain: Handler = compose(filters, self._end)

    async def _end(self, request: Request) -> Response:
        assert request.user is not None
        self.inside.append(request.user.name)
        await self.gate.wait()
        return Response()

    def ask(self, who: User, target: str = "/api/v1/namespaces/a/pods/p") -> asyncio.Task[Response]:
        async def read_body(limit: int) -> bytes:
            return b""

        async def answer() -> Response:
            return await self.chain(Request("GET", target, {}, {}, read_body, "127.0.0.1", user=who))

        return asyncio.create_task(answer())


async def pause() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_who_floods_a_level_is_turned_away_and_waits_behind_others() -> None:
    async def scene(api: Api) -> None:
        jane, joe = user("jane"), user("joe")
        await api.make(LEVELS, level("narrow", 1, queues=16, handSize=2, queueLengthLimit=10))  # 3 of 600 seats
        for who in (jane, joe):
            await api.make(SCHEMAS, schema(who.name, "narrow", who))
        held = Held(api)
        flood = [held.ask(jane) for _ in range(100)]
        await pause()
        seats = len(held.inside)
        assert 0 < seats < 10
        refused = [each.result() for each in flood if each.done()]
        assert len(refused) == 100 - seats - 20, "its hand has two queues of ten"
        assert {(each.status, each.body, each.headers["Retry-After"]) for each in refused} == {
            (429, b"Too many requests, please try again later.\n", "1")
        }
        quiet = held.ask(joe)
        await pause()
        assert not quiet.done() and held.inside == ["jane"] * seats
        admins = held.ask(ADMIN)
        await pause()
        assert held.inside[-1] == "admin", "the exempt level has places for all"
        held.gate.set()
        await asyncio.gather(quiet, admins, *flood)
        assert held.inside.index("joe") <= 2 * seats + 1, "behind no more than were next already"

    play(scene)


def test_a_level_that_is_asked_for_much_borrows_from_those_that_are_not() -> None:
    async def main(api: Api) -> None:
        clock = api.server.clock
        assert isinstance(clock, VirtualClock)
        held, jane = Held(api), user("jane")
        tasks = [held.ask(jane) for _ in range(150)]
        await pause()
        before = len(held.inside)
        assert before == 49 - 12, "its nominal seats without half of what it may lend"
        await clock.advance(PERIOD + 1)
        await pause()
        assert 100 < len(held.inside) <= 150
        held.gate.set()
        await asyncio.gather(*tasks)
        await clock.advance(7200)
        limits = {name: (found.limit, found.limits.nominal) for name, found in api.server.fairness.levels.items()}
        assert limits["global-default"][0] is not None and not api.server.fairness.lends

    play(main, VirtualClock())


def test_a_list_takes_seats_by_what_it_holds_at_once() -> None:
    async def scene(api: Api) -> None:
        for n in range(30):
            body = {"metadata": {"name": f"c{n}"}, "data": {"v": "x" * 20_000}}
            await api.make("/api/v1/namespaces/default/configmaps", body)
        work = Work(api.server.resources, api.server.clock)

        def seats(target: str, widest: int = 0, **query: str) -> int:
            given = {name: [value] for name, value in query.items()}
            info = parse_info(target, given)
            kind = api.server.resources.find("", "v1", "configmaps")
            assert kind is not None
            request = Request("GET", target, given, {}, nothing, info=info, kind=kind.kind)
            return work.seats(request, widest)

        every = "/api/v1/configmaps"
        assert seats(every) == 7
        assert seats(every, widest=5) == 5
        assert seats(every, limit="5") == 2
        assert seats(f"{every}", watch="1", resourceVersion="5") == 1
        assert seats(f"{every}", watch="1") == 7, "it is sent all there is, first"
        assert seats("/api/v1/namespaces/default/configmaps/c1") == 1
        assert seats(every, fieldSelector="metadata.name=c1") == 1

    play(scene)


async def nothing(limit: int) -> bytes:
    return b""


def parse_info(target: str, query: Any) -> Any:
    from longboat.apiserver import requestinfo

    return requestinfo.parse("GET", target, query)


def test_a_long_answer_keeps_its_place_until_it_is_sent() -> None:
    """Sending it is most of the work. But not for ever: who reads slowly would keep it from others."""

    async def scene(api: Api) -> None:
        clock = api.server.clock
        assert isinstance(clock, VirtualClock)
        body = {"metadata": {"name": "large"}, "data": {"v": "x" * (SMALL + 1)}}
        await api.make("/api/v1/namespaces/default/configmaps", body)
        reader = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}
        rbac = "/apis/rbac.authorization.k8s.io/v1"
        await api.make(f"{rbac}/clusterroles", {"metadata": {"name": "reader"}, "rules": [reader]})
        subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "jane"}
        ref = {"kind": "ClusterRole", "apiGroup": "rbac.authorization.k8s.io", "name": "reader"}
        await api.make(
            f"{rbac}/clusterrolebindings", {"metadata": {"name": "r"}, "subjects": [subject], "roleRef": ref}
        )
        sent, unread = [
            await api.response("GET", "/api/v1/namespaces/default/configmaps/large", who=user("jane")) for _ in range(2)
        ]
        level = api.server.fairness.levels["global-default"]
        assert (sent.status, level.executing) == (200, 2)
        sent.end()
        assert level.executing == 1
        await clock.advance(SENDING)
        assert level.executing == 0
        unread.end()
        assert (level.executing, level.seats_in_use) == (0, 0)

    play(scene, VirtualClock())


def test_people_see_what_waits() -> None:
    async def scene(api: Api) -> None:
        jane = user("jane")
        await api.make(LEVELS, level("narrow", 1, queues=16, handSize=2, queueLengthLimit=10))
        await api.make(SCHEMAS, schema("janes", "narrow", jane))
        held = Held(api)
        flood = [held.ask(jane) for _ in range(10)]
        await pause()
        seats = len(held.inside)
        debug = "/debug/api_priority_and_fairness"
        _, levels = await api.ask("GET", f"{debug}/dump_priority_levels")
        rows = {line.split(",")[0]: [cell.strip() for cell in line.split(",")[1:]] for line in levels.splitlines()}
        assert rows["PriorityLevelName"] == [
            "ActiveQueues", "IsIdle", "IsQuiescing", "WaitingRequests", "ExecutingRequests",
        ]  # fmt: skip
        assert rows["exempt"] == ["<none>"] * 5
        assert rows["narrow"][1:] == ["false", "false", str(10 - seats), str(seats)]
        _, requests = await api.ask("GET", f"{debug}/dump_requests")
        assert requests.count("narrow,") == 10 - seats and "jane" in requests
        _, queues = await api.ask("GET", f"{debug}/dump_queues")
        assert "narrow" in queues
        assert (await api.ask("GET", f"{debug}/dump_requests", who=jane))[0] == 403
        assert (await api.ask("GET", "/debug/other"))[0] == 404
        _, figures = await api.ask("GET", "/metrics")
        labels = '{flow_schema="janes",priority_level="narrow"}'
        assert f"apiserver_flowcontrol_current_inqueue_requests{labels} {10 - seats}" in figures
        assert f"apiserver_flowcontrol_current_executing_requests{labels} {seats}" in figures
        held.gate.set()
        await asyncio.gather(*flood)

    play(scene)
