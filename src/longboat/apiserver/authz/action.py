"""What somebody wants to do, and what is said of that. Pure."""

from __future__ import annotations

from typing import NamedTuple

from longboat.apiserver.authz.requirements import Requirement
from longboat.apiserver.request import RequestInfo

MASTERS = "system:masters"


class Action(NamedTuple):
    """What somebody wants to do. Non-resource actions have a path only."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    fields: tuple[tuple[str, str], ...] = ()  # required of what is listed; RBAC ignores it
    version: str = ""  # what follows is for webhooks alone
    by_field: tuple[Requirement, ...] = ()
    by_label: tuple[Requirement, ...] = ()

    @classmethod
    def of(cls, info: RequestInfo) -> Action:
        if not info.is_resource:
            return cls(info.verb, path=info.path)
        return cls(
            info.verb, info.group, info.resource, info.subresource, info.namespace, info.name, fields=info.fields
        )  # fmt: skip


class Decision(NamedTuple):
    """`reason` is what upstream says of it, "" for nothing. `denied`: whoever else would allow it. `error`: what kept
    somebody from having an opinion."""

    allowed: bool
    reason: str
    denied: bool = False
    error: str = ""
