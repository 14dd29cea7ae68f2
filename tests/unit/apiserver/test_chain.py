"""What happens to every request: ids, deadlines, limits, the audit log, health, and errors that are never accidents."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from longboat.aio.clock import VirtualClock
from longboat.apiserver.authn.identity import ANONYMOUS
from longboat.apiserver.chain import compose
from longboat.apiserver.filters.recover import recover
from longboat.apiserver.filters.requests import deadline, parse_request_info, request_id
from longboat.apiserver.request import Handler, Request, Response
from longboat.apiserver.resources import Resources
from longboat.machinery.user import User
from unit.apiserver.harness import Api, api_server, play, user


async def no_body(limit: int) -> bytes:
    return b""


def request(method: str = "GET", path: str = "/api/v1/pods", who: User | None = None, **query: str) -> Request:
    return Request(method, path, {k: [v] for k, v in query.items()}, {}, no_body, user=who)


async def ok(request: Request) -> Response:
    return Response(200, b"{}")


def test_the_first_filter_is_outermost() -> None:
    seen: list[str] = []

    def note(name: str) -> Any:
        async def link(request: Request, inner: Handler) -> Response:
            seen.append(name)
            response = await inner(request)
            seen.append(f"/{name}")
            return response

        return link

    asyncio.run(compose([note("a"), note("b")], ok)(request()))
    assert seen == ["a", "b", "/b", "/a"]


def test_an_accident_is_told_without_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    async def boom(request: Request) -> Response:
        raise RuntimeError("secret detail")

    response = asyncio.run(compose([recover, request_id], boom)(request()))
    status = json.loads(response.whole())
    assert (response.status, status["reason"], status["code"]) == (500, "InternalError", 500)
    assert b"secret detail" not in response.whole() and "secret detail" in caplog.text


def test_warnings_are_quoted_and_stay_on_their_line() -> None:
    async def warn(request: Request) -> Response:
        request.warnings += ['say "a\\b"', "two\r\nlines"]
        return Response()

    response = asyncio.run(compose([recover], warn)(request()))
    header = ", ".join(response.warnings)
    assert header.startswith('299 - "say \\"a\\\\b\\""') and "\n" not in header and header.count("299 - ") == 2


@pytest.mark.parametrize(
    ("method", "given", "seconds"),
    [("POST", "", 60), ("POST", "5s", 5), ("POST", "1m30s", 60), ("POST", "500ms", 0.5), ("GET", "2s", 2)],
)
def test_a_request_has_its_time(method: str, given: str, seconds: float) -> None:
    clock = VirtualClock()

    async def never(request: Request) -> Response:
        await asyncio.Event().wait()
        return Response()

    async def main() -> None:
        chain = compose([recover, parse_request_info(Resources()), deadline(clock)], never)
        asked = asyncio.create_task(chain(request(method, **({"timeout": given} if given else {}))))
        await clock.advance(seconds - 0.1)
        assert not asked.done()
        await clock.advance(0.2)
        response = await asked
        assert (response.status, json.loads(response.whole())["reason"]) == (504, "Timeout")

    asyncio.run(main())


def test_a_watch_has_all_the_time_it_wants() -> None:
    clock = VirtualClock()

    async def main() -> None:
        gate = asyncio.Event()

        async def wait(request: Request) -> Response:
            await gate.wait()
            return Response()

        chain = compose([recover, parse_request_info(Resources()), deadline(clock)], wait)
        asked = asyncio.create_task(chain(request(watch="1")))
        await clock.advance(3600)
        gate.set()
        assert (await asked).status == 200

    asyncio.run(main())


@pytest.mark.parametrize("text", ["abc", "5", "5x", "s"])
def test_a_timeout_that_makes_no_sense_is_refused(text: str) -> None:
    chain = compose([recover, parse_request_info(Resources()), deadline(VirtualClock())], ok)
    assert asyncio.run(chain(request("POST", timeout=text))).status == 400


@pytest.mark.parametrize("text", ["-5s", "0s", "2h"])
def test_a_timeout_of_nothing_or_of_hours_is_a_minute(text: str) -> None:
    async def main() -> None:
        clock = VirtualClock()

        async def slow(request: Request) -> Response:
            await clock.sleep(59)
            return Response()

        chain = compose([recover, parse_request_info(Resources()), deadline(clock)], slow)
        answering = asyncio.ensure_future(chain(request("POST", timeout=text)))
        await clock.advance(59)
        assert (await answering).status == 200

    asyncio.run(main())


def test_every_answer_has_an_id_and_is_not_cached() -> None:
    async def scene(api: Api) -> None:
        for path in ("/version", "/api/v1/pods", "/nope"):
            response = await api.response("GET", path)
            assert len(response.headers["Audit-Id"]) == 36
            assert response.headers["Cache-Control"] == "no-cache, private"
        assert (await api.response("GET", "/version", audit_id="mine")).headers["Audit-Id"] == "mine"

    play(scene)


def test_health_is_told_check_by_check() -> None:
    async def scene(api: Api) -> None:
        for path in ("/livez", "/readyz", "/healthz"):
            response = await api.response("GET", path, who=ANONYMOUS)
            assert (response.status, response.whole(), response.content_type) == (
                200,
                b"ok",
                "text/plain; charset=utf-8",
            )
            _, text = await api.ask("GET", f"{path}?verbose")
            assert text.startswith("[+]ping ok\n") and text.endswith(f"{path[1:]} check passed\n")
        assert (await api.ask("GET", "/readyz/ping"))[1] == "ok"
        assert (await api.ask("GET", "/readyz/nope"))[0] == 404
        assert "[+]ping excluded: ok\n" in (await api.ask("GET", "/livez?verbose&exclude=ping"))[1]
        api.server.ready = False
        code, text = await api.ask("GET", "/readyz")
        assert code == 500 and "[-]poststarthook/" in text and text.endswith("readyz check failed\n")
        assert (await api.ask("GET", "/livez"))[0] == 200
        api.server.ready = True
        assert (await api.ask("GET", "/readyz/poststarthook/rbac/bootstrap-roles"))[1] == "ok"
        assert (await api.ask("GET", "/readyz/autoregister-completion"))[1] == "ok"
        api.server.retire()
        assert "[-]shutdown failed" in (await api.ask("GET", "/readyz"))[1]
        assert (await api.ask("GET", "/livez"))[0] == 200
        await api.server.storage.close()
        code, text = await api.ask("GET", "/livez")
        assert code == 500 and "[-]etcd failed: reason withheld\n" in text

    play(scene)


def test_version() -> None:
    async def scene(api: Api) -> None:
        _, found = await api.ask("GET", "/version")
        assert (found["major"], found["minor"]) == ("1", "36")
        assert found["gitVersion"].startswith("v1.36.") and "+longboat." in found["gitVersion"]

    play(scene)


def test_the_audit_log_says_who_did_what_and_no_secret(tmp_path: Path) -> None:
    clock = VirtualClock()
    file = tmp_path / "audit.log"

    async def main() -> None:
        async with api_server(clock, audit_log=file) as api:
            secret = {"metadata": {"name": "s"}, "stringData": {"password": "hunter2"}}
            await api.make("/api/v1/namespaces/default/secrets", secret)
            await api.ask("GET", "/api/v1/namespaces/default/secrets/s")
            await api.ask("GET", "/api/v1/namespaces/default/pods")
            await api.ask("DELETE", "/api/v1/nodes/n", who=user("jane"))
            for _ in range(20):
                await clock.advance(1)
                await asyncio.sleep(0.02)
                if file.stat().st_size:
                    break

    asyncio.run(main())
    text = file.read_text()
    assert "hunter2" not in text and "aHVudGVyMg" not in text
    events = [json.loads(line) for line in text.splitlines()]
    told = [(e["verb"], e["objectRef"]["resource"], e["user"]["username"], e["responseStatus"]["code"]) for e in events]
    assert told[-3:] == [("create", "secrets", "admin", 201), ("get", "secrets", "admin", 200),
                         ("delete", "nodes", "jane", 403)]  # fmt: skip
    assert {e["level"] for e in events} == {"Metadata"}


@pytest.mark.parametrize(
    ("method", "target", "verb", "scope"),
    [
        ("GET", "configmaps", "LIST", "namespace"), ("HEAD", "configmaps", "LIST", "namespace"),
        ("GET", "configmaps/a", "GET", "resource"), ("POST", "configmaps", "POST", "resource"),
        ("PUT", "configmaps/a", "PUT", "resource"), ("PATCH", "configmaps/a", "PATCH", "resource"),
        ("DELETE", "configmaps/a", "DELETE", "resource"), ("DELETE", "configmaps", "DELETE", "namespace"),
        ("GET", "pods/a/log", "CONNECT", "resource"), ("POST", "pods/a/exec", "CONNECT", "resource"),
        ("APPLY", "configmaps/a", "APPLY", "resource"), ("BREW", "configmaps/a", "other", "resource"),
    ],
)  # fmt: skip
def test_what_a_request_counts_as(method: str, target: str, verb: str, scope: str) -> None:
    """Upstream counts methods, not the verbs of rights."""

    async def scene(api: Api) -> None:
        sent = {"content_type": "application/apply-patch+yaml"} if method == "APPLY" else {}
        await api.response("PATCH" if sent else method, f"/api/v1/namespaces/default/{target}", {}, **sent)
        _, text = await api.ask("GET", "/metrics")
        resource, _, rest = target.partition("/")
        wanted = {"resource": resource, "subresource": rest.partition("/")[2], "scope": scope, "verb": verb}
        (line,) = (line for line in text.splitlines() if line.startswith("apiserver_request_total{") and "v1" in line)
        assert all(f'{label}="{value}"' in line for label, value in wanted.items()), line

    play(scene)


def test_figures_for_prometheus() -> None:
    async def scene(api: Api) -> None:
        await api.ask("GET", "/api/v1/namespaces/default/configmaps")
        await api.ask("GET", "/api/v1/namespaces/default/configmaps/nope")
        _, text = await api.ask("GET", "/metrics")
        count = 'apiserver_request_total{code="404",group="",resource="configmaps"'
        assert any(line.startswith(count) or ('code="404"' in line and 'resource="configmaps"' in line)
                   for line in text.splitlines() if line.startswith("apiserver_request_total"))  # fmt: skip
        assert "apiserver_request_duration_seconds_bucket{" in text

    play(scene)
