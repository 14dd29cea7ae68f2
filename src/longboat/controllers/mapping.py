"""Kinds by group and name, as the server tells of them now: what upstream's controllers ask a REST mapper for."""

from __future__ import annotations

import re
from typing import NamedTuple, TypeVar

import msgspec

from longboat.aio.clock import Clock
from longboat.client.rest import RestClient
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind

FRESH = 30.0  # seconds for which what was told holds (upstream's mappers are reset as often)
MOST = 64  # documents that are kept
_SEGMENT = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", re.ASCII)  # of a path: objects' authors write versions

T = TypeVar("T", bound=msgspec.Struct)


class Mapped(NamedTuple):
    """A kind, and whether it has a scale subresource."""

    kind: Kind
    scales: bool


class NoMatch(Exception):
    """There is no such kind; in upstream's words."""


class _Listed(msgspec.Struct):
    name: str
    kind: str
    namespaced: bool


class _Version(msgspec.Struct):
    resources: list[_Listed]


class _Named(msgspec.Struct):
    version: str


class _Group(msgspec.Struct):
    versions: list[_Named]
    preferredVersion: _Named


class Mapper:
    """Only what there is is remembered: a kind that is missing may come at any time."""

    def __init__(self, client: RestClient, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._told: dict[str, tuple[float, msgspec.Struct]] = {}

    async def in_version(self, api_version: str, name: str) -> Mapped:
        """Raises NoMatch, StatusError, ConnectionError."""
        group, _, version = api_version.rpartition("/")
        if (found := await self._find(group, version, name)) is None:
            raise NoMatch(f'no matches for kind "{name}" in version "{api_version}"')
        return found

    async def in_group(self, group: str, name: str) -> list[Mapped]:
        """In each version that has it, the preferred first. Raises NoMatch, StatusError, ConnectionError."""
        versions = ["v1"] if not group else await self._versions(group)
        found = [each for version in versions if (each := await self._find(group, version, name)) is not None]
        if not found:
            raise NoMatch(f'no matches for kind "{name}" in group "{group}"')
        return found

    async def _versions(self, group: str) -> list[str]:
        if (told := await self._document("apis", group, of=_Group)) is None:
            return []
        return list(dict.fromkeys((told.preferredVersion.version, *(each.version for each in told.versions))))

    async def _find(self, group: str, version: str, name: str) -> Mapped | None:
        place = ("apis", group) if group else ("api",)
        if (told := await self._document(*place, version, of=_Version)) is None:
            return None
        names = {each.name for each in told.resources}
        for each in told.resources:
            if each.kind == name and "/" not in each.name:
                kind = Kind(group, version, name, each.name, namespaced=each.namespaced)
                return Mapped(kind, f"{each.name}/scale" in names)
        return None

    async def _document(self, *segments: str, of: type[T]) -> T | None:
        """None where there is none."""
        if not all(map(_SEGMENT.fullmatch, segments)):
            return None
        path = "/" + "/".join(segments)
        until, told = self._told.get(path, (0.0, None))
        if isinstance(told, of) and self._clock.monotonic() < until:
            return told
        self._told.pop(path, None)
        try:
            found = msgspec.json.decode(await self._client.get_path(path), type=of)
        except StatusError as error:
            if error.code == 404:
                return None
            raise
        if len(self._told) >= MOST:
            del self._told[next(iter(self._told))]
        self._told[path] = (self._clock.monotonic() + FRESH, found)
        return found
