"""What there is to list and delete, as the server says now: for controllers that deal with every kind alike."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from longboat.client.rest import RestClient
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind


@dataclass(frozen=True)
class Resource:
    kind: Kind
    verbs: frozenset[str]


class _Listed(msgspec.Struct):
    name: str
    kind: str
    namespaced: bool
    verbs: list[str]


class _Resources(msgspec.Struct):
    resources: list[_Listed]


class _Version(msgspec.Struct):
    groupVersion: str


class _Group(msgspec.Struct):
    preferredVersion: _Version


class _Groups(msgspec.Struct):
    groups: list[_Group]


async def resources(client: RestClient) -> tuple[list[Resource], list[str]]:
    """Every resource in its group's preferred version, and of what could not be found out why. Raises StatusError."""
    groups = msgspec.json.decode(await client.get_path("/apis"), type=_Groups).groups
    found: list[Resource] = []
    problems: list[str] = []
    for version in ["v1", *(group.preferredVersion.groupVersion for group in groups)]:
        group, _, name = version.rpartition("/")
        try:
            document = await client.get_path(f"/apis/{version}" if group else f"/api/{version}")
        except StatusError as error:
            if error.code == 503:  # an extension server's (client-go, StaleGroupVersionError)
                problems.append(f"{version}: stale GroupVersion discovery: {version}")
            elif error.code != 404:  # it has gone since
                problems.append(f"{version}: {error}")
            continue
        for each in msgspec.json.decode(document, type=_Resources).resources:
            if "/" not in each.name:
                kind = Kind(group, name, each.kind, each.name, namespaced=each.namespaced)
                found.append(Resource(kind, frozenset(each.verbs)))
    return found, problems
