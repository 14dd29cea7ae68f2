"""What waits for the disk: bounded, counted where it is lost, and written before the server ends."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from longboat.aio.clock import VirtualClock
from longboat.apiserver.audit.rotation import Limits
from longboat.apiserver.audit.trail import COUNTS, MAX_PENDING, AuditTrail
from longboat.apiserver.authn.identity import ANONYMOUS
from unit.apiserver.harness import api_server, user


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_flood_of_strangers_takes_their_own_ring_alone(tmp_path: Path) -> None:
    trail = AuditTrail(tmp_path / "audit.log", Limits(), VirtualClock())
    lost = COUNTS.errors["log-unauthenticated"]
    line = b"x" * (1 << 20)
    for _ in range(40):
        trail.record(line, authenticated=False)
    trail.record(b"evidence", authenticated=True)
    assert COUNTS.errors["log-unauthenticated"] - lost == 40 - MAX_PENDING // len(line)
    asyncio.run(trail.flush())
    assert (tmp_path / "audit.log").read_bytes() == b"evidence\n"
    assert (tmp_path / "audit-unauthenticated.log").stat().st_size == MAX_PENDING + 16


def test_what_cannot_be_written_is_counted_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trail = AuditTrail(tmp_path / "gone" / "audit.log", Limits(), VirtualClock())
    lost = COUNTS.errors["log"]
    trail.record(b"a", authenticated=True)
    asyncio.run(trail.flush())
    assert COUNTS.errors["log"] == lost + 1 and "1 events are lost" in caplog.text


def test_a_server_that_cannot_record_does_not_start(tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(OSError):
            async with api_server(audit_log=tmp_path / "gone" / "audit.log"):
                raise AssertionError("it serves")

    asyncio.run(main())


def test_the_end_of_the_server_loses_nothing(tmp_path: Path) -> None:
    """On a clock that never moves: what is there was written at the end."""

    async def main() -> None:
        async with api_server(VirtualClock(), audit_log=tmp_path / "audit.log") as api:
            await api.make("/api/v1/namespaces/default/configmaps", {"metadata": {"generateName": "c-"}})
            await api.ask("GET", "/api/v1/namespaces/default/pods", who=user("jane"))
            await api.ask("GET", "/api/v1/namespaces/default/pods", who=ANONYMOUS)
            await api.ask("POST", "/api/v1/namespaces/default/configmaps", b"{", impersonate_user="jane",
                          impersonate_group="system:masters")  # fmt: skip

    asyncio.run(main())
    made, denied, acting = lines(tmp_path / "audit.log")[-3:]
    (stranger,) = lines(tmp_path / "audit-unauthenticated.log")
    assert made["objectRef"]["name"].startswith("c-") and made["objectRef"]["uid"] and made["verb"] == "create"
    assert made["annotations"] == {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": ""}
    assert (denied["user"]["username"], denied["verb"], denied["responseStatus"]["code"]) == ("jane", "list", 403)
    assert denied["annotations"]["authorization.k8s.io/decision"] == "forbid"
    assert stranger["user"]["username"] == "system:anonymous"
    assert (acting["user"]["username"], acting["impersonatedUser"]["username"]) == ("admin", "jane")
    assert acting["responseStatus"]["code"] == 400
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in tmp_path.iterdir())


def test_a_long_request_is_told_when_it_begins_and_when_it_ends(tmp_path: Path) -> None:
    async def main() -> None:
        async with api_server(VirtualClock(), audit_log=tmp_path / "audit.log") as api:
            watch = await api.response("GET", "/api/v1/namespaces/default/secrets?watch=1")
            assert watch.stream is not None
            await api.server.audit.trail.flush()  # type: ignore[union-attr]
            (begun,) = [e for e in lines(tmp_path / "audit.log") if e["verb"] == "watch"]
            assert begun["stage"] == "ResponseStarted"
            await watch.stream.aclose()  # type: ignore[attr-defined]
            await watch.stream.aclose()  # type: ignore[attr-defined]

    asyncio.run(main())
    stages = [e["stage"] for e in lines(tmp_path / "audit.log") if e["verb"] == "watch"]
    assert stages == ["ResponseStarted", "ResponseComplete"]
