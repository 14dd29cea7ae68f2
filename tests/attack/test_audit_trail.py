"""The audit trail must still say who did what after somebody has tried to have it say something else, or nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.apiserver.process import ControlPlane, control_plane

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
MEGABYTE = 1 << 20


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[ControlPlane]:
    """It keeps one older part of a megabyte: what washes out this washes out any size, with more patience."""
    limits = ("--audit-log-maxsize", "1", "--audit-log-maxbackup", "1")
    with control_plane(tmp_path, "--store", "memory://", "--only", "api", *limits) as found:
        yield found


def trail(plane: ControlPlane) -> list[Any]:
    """All that is recorded, once the server has stopped in an orderly way."""
    assert plane.stop() == 0
    files = sorted((plane.data / "logs").glob("audit*.log"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def test_anonymous_requests_do_not_wash_out_the_rest(plane: ControlPlane) -> None:
    made, _, _ = plane.ask("POST", CONFIGMAPS, {"metadata": {"name": "evidence"}})
    assert made == 201
    nobody = plane.context(client=False)
    for _ in range(40):  # 4.8 MB are sent
        plane.ask("DELETE", f"{CONFIGMAPS}/x", context=nobody, User_Agent="u" * 120_000)
    told = trail(plane)
    logs = plane.data / "logs"
    assert [e["verb"] for e in told if e.get("objectRef", {}).get("name") == "evidence"] == ["create"]
    strangers = [e for e in told if e["user"].get("username") == "system:anonymous" and e["verb"] == "delete"]
    assert len(strangers) == 40 and all(len(e["userAgent"]) < 1100 for e in strangers)
    assert "system:anonymous" not in (logs / "audit.log").read_text()
    assert sum(file.stat().st_size for file in logs.glob("audit*.log")) < MEGABYTE


def test_what_used_to_go_unseen_is_seen(plane: ControlPlane) -> None:
    nobody = plane.context(client=False)
    plane.ask("GET", "/api/v1/secrets", context=nobody, Authorization="Bearer hunter2")  # a failed guess
    plane.ask("GET", "/api/v1/nodes", Impersonate_User="mallory")  # a read that is denied, as somebody else
    plane.ask("POST", CONFIGMAPS, {"metadata": {"generateName": "named-"}})
    plane.ask("POST", "/api/v1/namespaces/default/pods/p/exec?command=cat&command=/etc/shadow&stdout=1")
    last = {"auditID": "last-words"}
    plane.ask("DELETE", f"{CONFIGMAPS}/gone", Audit_Id=last["auditID"])  # right before the end
    told = trail(plane)
    (failed,) = [e for e in told if e["responseStatus"].get("code") == 401]
    assert failed["responseStatus"]["message"] == "Authentication failed, attempted: bearer"
    (denied,) = [e for e in told if e.get("impersonatedUser", {}).get("username") == "mallory"]
    assert (denied["user"]["username"], denied["verb"]) == ("kubernetes-admin", "list")
    assert denied["annotations"]["authorization.k8s.io/decision"] == "forbid"
    (created,) = [e for e in told if e.get("objectRef", {}).get("name", "").startswith("named-")]
    assert created["objectRef"]["uid"] and created["responseStatus"]["code"] == 201
    (entered,) = [e for e in told if e.get("objectRef", {}).get("subresource") == "exec"]
    assert "command=cat&command=/etc/shadow" in entered["requestURI"]
    assert [e["verb"] for e in told if e["auditID"] == last["auditID"]] == ["delete"]
    assert all("hunter2" not in file.read_text() for file in (plane.data / "logs").glob("audit*.log"))


def test_a_link_in_the_log_s_place_is_not_written_through(tmp_path: Path) -> None:
    """The directory of --audit-log-path may be shared: a server that cannot record does not serve."""
    (tmp_path / "shared").mkdir()
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (tmp_path / "shared" / "audit.log").symlink_to(victim)
    plane = ControlPlane(tmp_path, "--store", "memory://", "--audit-log-path", str(tmp_path / "shared" / "audit.log"))
    with pytest.raises(AssertionError, match="the control plane cannot start"):
        plane.start()
    assert victim.read_text() == "untouched"


def test_the_log_is_its_owner_s_alone(plane: ControlPlane) -> None:
    for file in (plane.data / "logs").glob("audit*.log"):
        assert file.stat().st_mode & 0o777 == 0o600 and file.stat().st_uid == os.geteuid()
