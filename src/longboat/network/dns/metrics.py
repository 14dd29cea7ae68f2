"""What the server counts."""

from __future__ import annotations

from longboat.machinery.exposition import Family, Sample
from longboat.network.dns.replies import Cell

TYPES = {
    1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA", 33: "SRV", 35: "NAPTR",
    43: "DS", 48: "DNSKEY", 64: "SVCB", 65: "HTTPS", 255: "ANY",
}  # fmt: skip
RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 16: "BADVERS"}
RESPONSES = "longboat_dns_responses_total"


class Counts:
    """Answers by type of question and response code. The number of each is bounded: askers choose them."""

    def __init__(self) -> None:
        self._cells: dict[tuple[str, str], Cell] = {}

    def cell(self, kind: int, rcode: int) -> Cell:
        """Where answers of this sort are counted."""
        key = TYPES.get(kind, "other"), RCODES.get(rcode, "other")
        return self._cells.setdefault(key, Cell())

    def get(self, kind: str, rcode: str) -> int:
        found = self._cells.get((kind, rcode))
        return found.count if found else 0

    def family(self) -> Family:
        samples = [
            Sample(cell.count, {"rcode": rcode, "type": kind}) for (kind, rcode), cell in sorted(self._cells.items())
        ]
        return Family(RESPONSES, "counter", "Answers by type of the question and response code.", samples)
