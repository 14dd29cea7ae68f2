"""What the server counts, in CoreDNS's names, plugin by plugin (its pages on metrics, cache, forward).

An answer is counted by one addition to a cell that all answers of its sort share. The server's parts stand for plugins:
names of the cluster for `kubernetes`, names outside for `forward`, answers that were finished before for `cache`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from longboat.aio.histogram import Histogram, exponential
from longboat.machinery.exposition import Family, Sample, spread
from longboat.network.dns.replies import Cell

TYPES = {
    1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA", 33: "SRV", 35: "NAPTR",
    43: "DS", 48: "DNSKEY", 64: "SVCB", 65: "HTTPS", 255: "ANY",
}  # fmt: skip
RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 16: "BADVERS"}
KUBERNETES, FORWARD, CACHE, NO_PLUGIN = "kubernetes", "forward", "cache", ""
SUCCESS, DENIAL = "success", "denial"  # types of what is kept
SECONDS = exponential(0.00025, 2, 16)
# One server block, for everything, as kubeadm's Corefile has it.
SERVER = {"server": "dns://:53", "view": ""}
ZONE = {**SERVER, "zone": "."}
ZONES = {**SERVER, "zones": "."}


class Way(NamedTuple):
    """How a question came. `number` tells the ways apart."""

    number: int
    family: str
    proto: str

    @property
    def tcp(self) -> bool:
        return self.proto == "tcp"


UDP4, UDP6, TCP4, TCP6 = WAYS = Way(0, "1", "udp"), Way(1, "2", "udp"), Way(2, "1", "tcp"), Way(3, "2", "tcp")


class _Sort(NamedTuple):
    way: Way
    type: str
    rcode: str
    plugin: str


class Counts:
    """The number of sorts is bounded: askers choose types and codes. `took` are the seconds that questions took, those
    of UDP together as they come."""

    def __init__(self) -> None:
        self._cells: dict[_Sort, Cell] = {}
        self.took = Histogram(SECONDS)
        self.asked: dict[tuple[str, str], Histogram] = {}  # seconds that servers outside took, by server and code
        self.rejected = 0  # questions for which too many were under way

    def cell(self, kind: int, rcode: int, plugin: str, way: Way = UDP4) -> Cell:
        """Where answers of this sort are counted."""
        sort = _Sort(way, TYPES.get(kind, "other"), RCODES.get(rcode, "other"), plugin)
        return self._cells.setdefault(sort, Cell())

    def get(self, kind: str, rcode: str) -> int:
        found = list(self._cells.items())
        return sum(cell.made + cell.hits for sort, cell in found if (sort.type, sort.rcode) == (kind, rcode))

    def answered(self, server: str, rcode: int, seconds: float) -> None:
        """A server outside has."""
        key = server, RCODES.get(rcode, "other")
        found = self.asked.get(key)
        if found is None:
            found = self.asked[key] = Histogram(SECONDS)
        found.observe(seconds)

    def families(self, kept: Iterable[int]) -> list[Family]:
        """`kept` are the codes of the answers at hand."""
        cells = list(self._cells.items())
        requests = Counter[tuple[str, str, str]]()
        responses, hits = Counter[tuple[str, str]](), Counter[str]({SUCCESS: 0, DENIAL: 0})
        misses = 0
        for sort, cell in cells:
            requests[sort.way.proto, sort.way.family, sort.type] += cell.made + cell.hits
            responses[sort.rcode, sort.plugin] += cell.made
            responses[sort.rcode, CACHE] += cell.hits
            hits[DENIAL if sort.rcode == "NXDOMAIN" else SUCCESS] += cell.hits
            misses += cell.made if sort.plugin else 0
        entries = Counter({SUCCESS: 0, DENIAL: 0})
        entries.update(DENIAL if RCODES.get(code) == "NXDOMAIN" else SUCCESS for code in kept)
        outside = [
            each for (server, rcode), spent in sorted(self.asked.items())
            for each in spread(spent, {"proxy_name": FORWARD, "to": server, "rcode": rcode})
        ]  # fmt: skip
        return [
            Family("coredns_dns_requests_total", "counter",
                   "Counter of DNS requests made per zone, protocol and family.",
                   [Sample(n, {**ZONE, "proto": proto, "family": family, "type": kind})
                    for (proto, family, kind), n in sorted(requests.items())]),
            Family("coredns_dns_responses_total", "counter", "Counter of response status codes.",
                   [Sample(n, {**ZONE, "rcode": rcode, "plugin": plugin})
                    for (rcode, plugin), n in sorted(responses.items()) if n]),
            Family("coredns_dns_request_duration_seconds", "histogram",
                   "Histogram of the time (in seconds) each request took per zone.", list(spread(self.took, ZONE))),
            Family("coredns_cache_requests_total", "counter", "The count of cache requests.",
                   [Sample(hits.total() + misses, ZONES)]),
            Family("coredns_cache_hits_total", "counter", "The count of cache hits.", _by_type(hits)),
            Family("coredns_cache_misses_total", "counter",
                   "The count of cache misses. Deprecated, derive misses from cache hits/requests counters.",
                   [Sample(misses, ZONES)]),
            Family("coredns_cache_entries", "gauge", "The number of elements in the cache.", _by_type(entries)),
            Family("coredns_proxy_request_duration_seconds", "histogram",
                   "Histogram of the time each request took.", outside),
            Family("coredns_forward_max_concurrent_rejects_total", "counter",
                   "Counter of the number of queries rejected because the concurrent queries were at maximum.",
                   [Sample(self.rejected)]),
        ]  # fmt: skip


def _by_type(counts: Mapping[str, int]) -> list[Sample]:
    return [Sample(number, {**ZONES, "type": kind}) for kind, number in sorted(counts.items())]
