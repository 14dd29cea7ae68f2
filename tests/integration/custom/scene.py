"""Custom kinds of an API server, spoken to as dynamic clients do."""

from __future__ import annotations

import asyncio
from typing import Any

import yaml

from longboat.machinery.objects import Object
from unit.apiserver.harness import Api

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
APPLY, MERGE, JSON = "application/apply-patch+yaml", "application/merge-patch+json", "application/json-patch+json"
KEEPS: Object = {"x-kubernetes-preserve-unknown-fields": True}
ANYTHING: Object = {"type": "object", **KEEPS}


def properties(text: str) -> Object:
    """An object's schema, by the properties that are written as YAML."""
    return {"type": "object", "properties": yaml.safe_load(text)}


class Kind:
    """One kind, in one of its versions."""

    def __init__(
        self, api: Api, plural: str = "things", group: str = "custom.example.com", version: str = "v1"
    ) -> None:
        self.api, self.plural, self.group, self.version = api, plural, group, version
        self.name = plural[:-1].title()

    @property
    def definition(self) -> str:
        return f"{self.plural}.{self.group}"

    def at(self, version: str) -> Kind:
        return Kind(self.api, self.plural, self.group, version)

    def path(self, name: str = "") -> str:
        return f"/apis/{self.group}/{self.version}/{self.plural}" + (f"/{name}" if name else "")

    def obj(self, name: str, **fields: Any) -> Object:
        meta = {"name": name} | fields.pop("metadata", {})
        return {"apiVersion": f"{self.group}/{self.version}", "kind": self.name, "metadata": meta, **fields}

    def spec(self, schema: Object, *others: str, **about: Any) -> Object:
        versions = [
            {"name": name, "served": True, "storage": name == self.version, "schema": {"openAPIV3Schema": schema}}
            | about
            for name in (self.version, *others)
        ]
        names = {"plural": self.plural, "kind": self.name}
        return {"group": self.group, "scope": "Cluster", "names": names, "versions": versions}

    async def define(self, schema: Object, *others: str, **about: Any) -> tuple[int, Any]:
        """Cluster-scoped; `others`: more versions of the same schema. Served once this returns, if it is accepted."""
        spec = self.spec(schema, *others, **about)
        code, made = await self.api.ask("POST", CRDS, {"metadata": {"name": self.definition}, "spec": spec})
        if code == 201:
            await self.served()
        return code, made

    async def redefine(self, schema: Object, *others: str) -> None:
        spec = self.spec(schema, *others)
        code, found = await self.api.ask("PATCH", f"{CRDS}/{self.definition}", {"spec": spec}, content_type=MERGE)
        assert code == 200, found
        for _ in range(500):  # the definitions' task makes a new type of it
            found = self.api.server.resources.find(self.group, self.version, self.plural)
            if found is not None and (of := found.strategy.type) is not None and of.schema == schema:
                return
            await asyncio.sleep(0.002)
        raise AssertionError(f"{self.definition} is not what it was made")

    async def served(self) -> None:
        for _ in range(500):
            _, found = await self.api.ask("GET", f"{CRDS}/{self.definition}")
            conditions = found.get("status", {}).get("conditions") or ()
            if any((each["type"], each["status"]) == ("Established", "True") for each in conditions):
                return
            await asyncio.sleep(0.002)
        raise AssertionError(f"{self.definition} is not served: {found}")

    async def apply(self, body: Any, manager: str = "apply_test", *, force: bool = False) -> tuple[int, Any]:
        """`body`: an object, or the text of one."""
        found = yaml.safe_load(body) if isinstance(body, str) else body
        target = f"{self.path(found['metadata']['name'])}?fieldManager={manager}" + ("&force=true" if force else "")
        return await self.api.ask("PATCH", target, body.encode() if isinstance(body, str) else body, content_type=APPLY)

    async def applied(self, body: Any, manager: str = "apply_test", *, force: bool = False) -> Any:
        code, found = await self.apply(body, manager, force=force)
        assert code in (200, 201), found
        return found

    async def merged(self, name: str, change: Object, manager: str = "patcher") -> Any:
        target = f"{self.path(name)}?fieldManager={manager}"
        code, found = await self.api.ask("PATCH", target, change, content_type=MERGE)
        assert code == 200, found
        return found
