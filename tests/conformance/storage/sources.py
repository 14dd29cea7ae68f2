"""What fills volumes: ConfigMaps and Secrets, by themselves or projected; and what a pod may know of itself."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from longboat.machinery.objects import Object


@dataclass(frozen=True)
class Source:
    kind: str
    projected: bool = False

    @property
    def plural(self) -> str:
        return f"{self.kind.lower()}s"

    def holding(self, name: str, data: Mapping[str, str]) -> Object:
        if self.kind == "Secret":
            data = {key: b64encode(value.encode()).decode() for key, value in data.items()}
        return {"kind": self.kind, "metadata": {"name": name}, "data": dict(data)}

    def volume(self, name: str, of: str, mode: int | None = None, **reference: Any) -> Object:
        """`of` names the object, `reference` has more of what is said of it."""
        field = self.kind[0].lower() + self.kind[1:]
        whole = {} if mode is None else {"defaultMode": mode}
        if self.projected:
            return {"name": name, "projected": {"sources": [{field: {"name": of, **reference}}], **whole}}
        named = "secretName" if self.kind == "Secret" else "name"
        return {"name": name, field: {named: of, **reference, **whole}}


CONFIG_MAP, SECRET = Source("ConfigMap"), Source("Secret")
PROJECTED_CONFIG_MAP, PROJECTED_SECRET = Source("ConfigMap", projected=True), Source("Secret", projected=True)

NAME, RESOURCES = "name", ("limits.cpu", "limits.memory", "requests.cpu", "requests.memory")
ASKED = {"requests": {"cpu": "250m", "memory": "32Mi"}, "limits": {"cpu": "1250m", "memory": "64Mi"}}
TOLD = dict(zip(RESOURCES, ("2", str(64 << 20), "1", str(32 << 20)), strict=True))  # of ASKED: whole cores, rounded up


def about_pod(**name: int) -> list[Object]:
    """Items of the downward API: the pod's name, of which `name` says more, and what its container `main` asks for."""
    resources = [{"path": path, "resourceFieldRef": {"containerName": "main", "resource": path}} for path in RESOURCES]
    return [{"path": NAME, "fieldRef": {"fieldPath": "metadata.name"}, **name}, *resources]
