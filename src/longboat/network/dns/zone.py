"""The answer to a question about a cluster's own names (Kubernetes DNS specification 1.1.0).

A function of what the directory holds. Where the specification leaves a choice, CoreDNS's is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import structs

from longboat.client.interface import Key
from longboat.network.dns import records, wire
from longboat.network.dns.directory import Directory, Tag
from longboat.network.dns.records import Names, Sets
from longboat.network.dns.reverse import Network, canonical, network_of, zone_of
from longboat.network.dns.wire import Labels, Record

TTL = 5  # seconds, records and negative answers alike: see the decision record on cluster DNS
SCHEMA_VERSION, SCHEMA_TTL = b"1.1.0", 28800
LONGEST_CHAIN = 8  # aliases of aliases


class Found(msgspec.Struct, frozen=True):
    """An answer. With no `answers` it has a `soa`; `chase` is where an alias leads outside; `tags` what it rests on."""

    rcode: int = wire.NOERROR
    answers: tuple[Record, ...] = ()
    extra: tuple[Record, ...] = ()
    soa: Record | None = None
    tags: tuple[Tag, ...] = ()
    chase: Labels | None = None


class _Name(msgspec.Struct, frozen=True):
    """What there is at a name: nothing (NXDOMAIN), no records (a name above others), records, or an alias."""

    exists: bool
    sets: Sets = {}
    alias: Labels | None = None
    tag: Tag = ""


class Zone:
    """`domain` is the cluster's, `servers` this server's addresses, `ranges` the addresses nobody outside may name."""

    def __init__(
        self, domain: Labels, directory: Directory, servers: Iterable[str], ranges: Sequence[Network] = ()
    ) -> None:
        self._domain, self._directory, self._ranges = domain, directory, ranges
        self._server = (b"ns", b"dns", *domain)
        # Its serial number does not count anything: nobody transfers the zone.
        numbers = b"".join(number.to_bytes(4) for number in (1, 7200, 1800, 86400, TTL))
        self._authority = wire.name(self._server) + wire.name((b"hostmaster", *domain)) + numbers
        self._servers: dict[int, tuple[bytes, ...]] = {}
        for found in filter(None, map(records.packed, servers)):
            self._servers[found[0]] = (*self._servers.get(found[0], ()), found[1])

    def find(self, name: Labels, kind: int) -> Found | None:
        """The answer; None where the name is not the cluster's to answer for."""
        if name[-2:] in ((b"in-addr", b"arpa"), (b"ip6", b"arpa")):
            return self._reverse(name, kind)
        return self._forward(name, kind) if self._is_ours(name) else None

    def _is_ours(self, name: Labels) -> bool:
        depth = len(name) - len(self._domain)
        return depth >= 0 and name[depth:] == self._domain

    def _forward(self, name: Labels, kind: int) -> Found:
        chain: list[Record] = []
        tags: list[Tag] = []
        for _ in range(LONGEST_CHAIN):
            found = self._at(name)
            tags.append(found.tag)
            if found.alias is None or kind in (wire.CNAME, wire.ANY):
                answer = self._typed(name, found, kind)
                return structs.replace(answer, answers=(*chain, *answer.answers), tags=tuple(filter(None, tags)))
            chain.append(Record(name, wire.CNAME, TTL, wire.name(found.alias)))
            name = found.alias
            if not self._is_ours(name):
                return Found(answers=tuple(chain), chase=name, tags=tuple(filter(None, tags)))
        return Found(wire.SERVFAIL)  # aliases in a circle

    def _typed(self, name: Labels, found: _Name, kind: int) -> Found:
        if not found.exists:
            return Found(wire.NXDOMAIN, soa=self._soa(self._domain))
        sets = found.sets if found.alias is None else {wire.CNAME: (wire.name(found.alias),)}
        if kind == wire.ANY and sets:  # one of them will do (RFC 8482, section 4.1)
            kind = min(sets)
        chosen = sets.get(kind, ())
        if not chosen:
            return Found(soa=self._soa(self._domain))
        ttl = SCHEMA_TTL if kind == wire.TXT else TTL
        answers = tuple(Record(name, kind, ttl, data) for data in chosen)
        return Found(answers=answers, extra=self._extra(kind, chosen))

    def _extra(self, kind: int, chosen: tuple[bytes, ...]) -> tuple[Record, ...]:
        """The addresses of the hosts that records name."""
        if kind not in (wire.SRV, wire.NS):
            return ()
        hosts = dict.fromkeys(wire.read_name(data, 6 if kind == wire.SRV else 0)[0] for data in chosen)
        return tuple(
            Record(host, family, TTL, data)
            for host in hosts
            for family in (wire.A, wire.AAAA)
            for data in self._at(host).sets.get(family, ())
        )

    def _at(self, name: Labels) -> _Name:
        match tuple(reversed(name[: len(name) - len(self._domain)])):
            case ():
                sets = {wire.SOA: (self._soa(self._domain).data,), wire.NS: (wire.name(self._server),)}
                return _Name(True, sets)
            case (b"svc",) | (b"pod",) | (b"dns",):
                return _Name(True)
            case (b"dns", b"ns"):
                return _Name(True, self._servers)
            case (b"dns-version",):
                return _Name(True, {wire.TXT: (len(SCHEMA_VERSION).to_bytes() + SCHEMA_VERSION,)})
            case (b"svc" | b"pod", namespace):
                text = namespace.decode("ascii", "replace")
                return _Name(self._directory.has_namespace(text), tag=text)
            case (b"svc", namespace, service, *host):
                key = Key(namespace.decode("ascii", "replace"), service.decode("ascii", "replace"))
                return self._service(key, tuple(reversed(host)))
            case (b"pod", namespace, address):
                return self._pod(namespace.decode("ascii", "replace"), address.decode("ascii", "replace"))
        return _Name(False)

    def _service(self, key: Key, host: Labels) -> _Name:
        tag, service = f"{key.namespace}/{key.name}", self._directory.service(key)
        if service is None:
            return _Name(False, tag=tag)
        if service.spec.type == "ExternalName":
            alias = None if host else records.alias(service)
            return _Name(alias is not None, alias=alias, tag=tag)
        parts: list[Names] = []
        if not records.is_headless(service):
            parts = [self._directory.front(key, service)]
        if not parts or host not in parts[0]:
            parts = [piece for piece in self._directory.pieces(key) if host in piece]
            if not records.is_headless(service) and host[-1:] in ((b"_tcp",), (b"_udp",), (b"_sctp",)):
                parts = []  # its ports are those of the Service, not of its endpoints
        return _Name(bool(parts), _merged([part[host] for part in parts]), tag=tag)

    def _pod(self, namespace: str, dashed: str) -> _Name:
        """Any address has a name in any namespace, whether a pod has it or not."""
        if not self._directory.has_namespace(namespace):
            return _Name(False, tag=namespace)
        dotted = dashed.count("-") == 3 and "--" not in dashed
        found = records.packed(dashed.replace("-", "." if dotted else ":"))
        return _Name(found is not None, {found[0]: (found[1],)} if found else {}, tag=namespace)

    def _reverse(self, name: Labels, kind: int) -> Found | None:
        asked = network_of(name)
        if asked is None:
            return None
        zone = zone_of(asked, name, self._ranges)
        address = canonical(str(asked.network_address))
        names = self._directory.names_of(address) if asked.prefixlen == asked.max_prefixlen else []
        if names and kind in (wire.PTR, wire.ANY):
            return Found(answers=tuple(Record(name, wire.PTR, TTL, wire.name(n)) for n in names), tags=(address,))
        if zone is None:
            return None
        exists = names or asked.prefixlen < asked.max_prefixlen
        return Found(wire.NOERROR if exists else wire.NXDOMAIN, soa=self._soa(zone), tags=(address,))

    def _soa(self, zone: Labels) -> Record:
        return Record(zone, wire.SOA, TTL, self._authority)


def _merged(parts: list[Sets]) -> Sets:
    """The records of a name that several slices give, each once."""
    if len(parts) == 1:
        return parts[0]
    sets: dict[int, dict[bytes, None]] = {}
    for part in parts:
        for kind, data in part.items():
            sets.setdefault(kind, {}).update(dict.fromkeys(data))
    return {kind: tuple(data) for kind, data in sets.items()}
