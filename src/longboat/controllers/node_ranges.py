"""The ranges that nodes are given out of a cluster's range of pod addresses. Pure."""

from __future__ import annotations

import heapq
import ipaddress
from collections import Counter
from collections.abc import Sequence

IPV4_BITS, IPV6_BITS = 24, 64  # size of a node's range (kube-controller-manager, --node-cidr-mask-size)


class FreeList:
    """The parts of one cluster range: those never given away lie after a mark, those given back in a heap.

    A range that a node has counts however it came to it: of another size, or for two nodes at once.
    """

    def __init__(self, cluster: str) -> None:
        self._cluster = ipaddress.ip_network(cluster)
        bits = IPV4_BITS if self._cluster.version == 4 else IPV6_BITS
        self._bits = max(bits, self._cluster.prefixlen)
        self._first = int(self._cluster.network_address)
        self._step = 1 << (self._cluster.max_prefixlen - self._bits)
        self._total = 1 << (self._bits - self._cluster.prefixlen)
        self._mark = 0  # parts before it have been given away once, or were taken when it passed
        self._back: list[int] = []
        self._held: Counter[int] = Counter()  # by part
        self._wide: Counter[tuple[int, int]] = Counter()  # first and last part of what covers several

    def take(self) -> str | None:
        """A part that no node has; None when all are given away."""
        while self._back:
            part = heapq.heappop(self._back)
            if not self._held[part] and self._cover(part) is None:
                return self._given(part)
        while self._mark < self._total:
            part = self._mark
            if (last := self._cover(part)) is not None:
                self._mark = last + 1
                continue
            self._mark += 1
            if not self._held[part]:
                return self._given(part)
        return None

    def hold(self, cidr: str) -> None:
        """A node has this range; what lies outside the cluster's is nobody's business here."""
        if (span := self._span(cidr)) is None:
            return
        if span[0] == span[1]:
            self._held[span[0]] += 1
        else:
            self._wide[span] += 1

    def release(self, cidr: str) -> None:
        """A node that had this range has it no more."""
        if (span := self._span(cidr)) is None:
            return
        first, last = span
        if first != last:
            self._wide[span] -= 1
            self._wide += Counter()
            self._mark = min(self._mark, first)
            return
        self._held[first] -= 1
        if self._held[first] <= 0:
            del self._held[first]
            if first < self._mark:
                heapq.heappush(self._back, first)

    def _given(self, part: int) -> str:
        self._held[part] += 1
        return f"{ipaddress.ip_address(self._first + part * self._step)}/{self._bits}"

    def _cover(self, part: int) -> int | None:
        """The last part of a wider range that takes this one too."""
        return next((last for first, last in self._wide if first <= part <= last), None)

    def _span(self, cidr: str) -> tuple[int, int] | None:
        network = ipaddress.ip_network(cidr, strict=False)
        if network.version != self._cluster.version or not network.overlaps(self._cluster):
            return None
        first = max(int(network.network_address) - self._first, 0) // self._step
        last = min((int(network.broadcast_address) - self._first) // self._step, self._total - 1)
        return first, last


def take_each(lists: Sequence[FreeList]) -> list[str]:
    """A range of each family; none where one of them is used up."""
    taken: list[str] = []
    for free in lists:
        cidr = free.take()
        if cidr is None:
            for other, given in zip(lists, taken, strict=False):
                other.release(given)
            return []
        taken.append(cidr)
    return taken
