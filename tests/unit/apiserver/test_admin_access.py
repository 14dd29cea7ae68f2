"""Who asks for admin access to devices needs a namespace that is labelled for it."""

from __future__ import annotations

from typing import Any

import pytest

from unit.apiserver.harness import Api, play

CLAIMS = "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims"
TEMPLATES = "/apis/resource.k8s.io/v1/namespaces/default/resourceclaimtemplates"
MERGE = {"content_type": "application/merge-patch+json"}
LABEL = "resource.kubernetes.io/admin-access"
WHY = f"admin access to devices requires the `{LABEL}: true` label on the containing namespace"


def requests(admin: bool | None = None) -> Any:
    first: dict[str, Any] = {"name": "r", "exactly": {"deviceClassName": "c"}}
    second: dict[str, Any] = {"name": "s", "exactly": {"deviceClassName": "c"}}
    if admin is not None:
        second["exactly"]["adminAccess"] = admin
    return {"devices": {"requests": [first, second]}}


async def label(api: Api, value: str) -> None:
    patch = {"metadata": {"labels": {LABEL: value}}}
    assert (await api.ask("PATCH", "/api/v1/namespaces/default", patch, **MERGE))[0] == 200


@pytest.mark.parametrize("path", [CLAIMS, TEMPLATES])
def test_a_claim_for_admin_access(path: str) -> None:
    def wish(name: str, admin: bool | None) -> Any:
        spec = requests(admin)
        return {"metadata": {"name": name}, "spec": {"spec": spec} if path == TEMPLATES else spec}

    async def scene(api: Api) -> None:
        for value in (None, "True"):
            if value:
                await label(api, value)
            code, answer = await api.ask("POST", path, wish("a", True))
            assert code == 422
            (cause,) = answer["details"]["causes"]
            assert cause["field"] == "spec.devices.requests[1].adminAccess"
            assert cause["message"] == f"Forbidden: {WHY}"
        await api.make(path, wish("b", False))
        await api.make(path, wish("c", None))
        await label(api, "true")
        await api.make(path, wish("a", True))

    play(scene)


def test_giving_admin_access() -> None:
    async def scene(api: Api) -> None:
        await label(api, "true")
        claim = await api.make(CLAIMS, {"metadata": {"name": "a"}, "spec": requests(True)})
        await label(api, "false")
        given = {"request": "s", "driver": "d", "pool": "p", "device": "x", "adminAccess": True}
        other = {"request": "r", "driver": "d", "pool": "p", "device": "y"}
        claim["status"] = {"allocation": {"devices": {"results": [other, given]}}}
        code, answer = await api.ask("PUT", f"{CLAIMS}/a/status", claim)
        assert code == 422
        assert answer["details"]["causes"][0]["field"] == "status.allocation.devices.results[1].adminAccess"
        await label(api, "true")
        code, claim = await api.ask("PUT", f"{CLAIMS}/a/status", claim)
        assert code == 200
        await label(api, "false")
        assert (await api.ask("PUT", f"{CLAIMS}/a/status", claim))[0] == 200

    play(scene)
