"""ServiceCIDR: a range that services get their addresses from."""

from __future__ import annotations

import ipaddress

from longboat.api import kinds
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import cells
from longboat.registry.strategy import Strategy

_CIDRS = Path("spec", "cidrs")


class ServiceCIDR(Strategy):
    kind = kinds.SERVICE_CIDR
    columns = (
        Column("CIDRs", str, lambda found: cells.joined(dig(found, "spec", "cidrs", default=()), ""),
               description="Its ranges, one of each family at most."),
        AGE,
    )  # fmt: skip
    has_status = True
    generation = False

    def validate(self, new: Object, err: Errors) -> None:
        cidrs = dig(new, "spec", "cidrs", default=[])
        if not cidrs:
            err.required(_CIDRS, "at least one CIDR required")
            return
        if len(cidrs) > 2:
            err.invalid(_CIDRS, cidrs, "may only hold up to 2 values")
            return
        versions: set[int] = set()
        for i, cidr in enumerate(cidrs):
            try:
                versions.add(ipaddress.ip_network(cidr).version)
            except ValueError:
                err.invalid(_CIDRS.index(i), cidr, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")
                versions.add(i)
        if len(cidrs) == 2 and len(versions) == 1:
            why = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
            err.invalid(_CIDRS, cidrs, why)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        if dig(new, "spec", "cidrs") != dig(old, "spec", "cidrs"):
            err.invalid(_CIDRS, dig(new, "spec", "cidrs"), "field is immutable")
