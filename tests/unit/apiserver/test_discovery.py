"""Discovery: what it says of kinds beyond their names."""

from __future__ import annotations

from tests.unit.apiserver.harness import Api, play


def test_storage_versions_are_told() -> None:
    """The hashes of upstream's own discovery documents."""

    async def scene(api: Api) -> None:
        found = {}
        for path in ("api/v1", "apis/apps/v1", "apis/events.k8s.io/v1", "apis/authentication.k8s.io/v1"):
            code, listed = await api.ask("GET", f"/{path}")
            assert code == 200
            found |= {(path, each["name"]): each.get("storageVersionHash") for each in listed["resources"]}
        assert found["api/v1", "pods"] == "xPOwRZ+Yhw8="
        assert found["apis/apps/v1", "deployments"] == "8aSe+NMegvE="
        assert found["api/v1", "events"] == found["apis/events.k8s.io/v1", "events"] == "r2yiGXH7wu8="
        for nothing_stored in (("api/v1", "pods/status"), ("api/v1", "bindings")):
            assert found[nothing_stored] is None
        assert found["apis/authentication.k8s.io/v1", "tokenreviews"] is None

    play(scene)
