"""What may not be used at all where no quota covers it (ResourceQuotaConfiguration)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from longboat.api import quota
from longboat.machinery import configfile, quantity
from longboat.machinery.errors import StatusError, forbidden
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.quantity import Quantity
from longboat.machinery.types.shapes import SCALARS, List

NOTHING = quantity.parse("0")
KIND, VERSIONS = "ResourceQuotaConfiguration", ("apiserver.config.k8s.io/v1",)
_STRING = SCALARS["string"]
_SCOPES = List(
    configfile.struct(
        "io.k8s.api.core.v1.ScopedResourceSelectorRequirement",
        scopeName=_STRING,
        operator=_STRING,
        values=List(_STRING),
    )
)
SHAPE = configfile.struct(
    "io.k8s.apiserver.v1.ResourceQuotaConfiguration",
    kind=_STRING,
    apiVersion=_STRING,
    limitedResources=List(
        configfile.struct(
            "io.k8s.apiserver.v1.LimitedResource",
            apiGroup=_STRING,
            resource=_STRING,
            matchContains=List(_STRING),
            matchScopes=_SCOPES,
        )
    ),
)


@dataclass(frozen=True, slots=True)
class Limited:
    """Of one kind: resources whose names contain one of these, and objects in these scopes."""

    group: str
    resource: str
    contains: tuple[str, ...] = ()
    scopes: tuple[Object, ...] = ()

    def concerns(self, kind: Kind) -> bool:
        return (kind.group, kind.plural) == (self.group, self.resource)


def settings(found: dict[str, Any]) -> tuple[tuple[Limited, ...], Errors]:
    """`found` has the right types already (`SHAPE`)."""
    err, limits = Errors(), list[Limited]()
    for i, said in enumerate(found.get("limitedResources") or ()):
        if not said.get("resource"):
            err.required(Path("limitedResources").index(i).at("resource"))
        contains, scopes = (tuple(said.get(field) or ()) for field in ("matchContains", "matchScopes"))
        limits.append(Limited(said.get("apiGroup") or "", said.get("resource") or "", contains, scopes))
    return tuple(limits), err


def check(
    limits: Sequence[Limited],
    kind: Kind,
    name: str,
    obj: Object,
    usage: Mapping[str, Quantity],
    covered: Iterable[str],
    quotas: Iterable[Object],
) -> None:
    """See that quotas cover what is limited of the object: `covered` are the resources that those for it limit.

    Raises StatusError.
    """
    limits = [each for each in limits if each.concerns(kind)]
    consumed = {
        used for each in limits for used, amount in usage.items()
        if amount > NOTHING and any(part in used for part in each.contains)
    }  # fmt: skip
    if lacking := sorted(consumed - {*covered}):
        raise forbidden(kind, name, f"insufficient quota to consume: {','.join(lacking)}")
    inside = [scope for each in limits for scope in quota.matching(each.scopes, kind.resource, obj)]
    if not inside:
        return
    known = {scope["scopeName"] for each in quotas for scope in quota.matching(quota.scopes(each), kind.resource, obj)}
    if outside := [scope for scope in inside if scope.get("scopeName") not in known]:
        told = " ".join(_told(scope) for scope in outside)
        raise StatusError(500, "", f"insufficient quota to match these scopes: [{told}]")


def _told(scope: Object) -> str:
    """As Go prints it."""
    return f"{{{scope.get('scopeName') or ''} {scope.get('operator') or ''} [{' '.join(scope.get('values') or ())}]}}"
