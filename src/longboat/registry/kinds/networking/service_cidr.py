"""ServiceCIDR: a range that services get their addresses from."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import cells, rules
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

    def validate_create(self, new: Object, err: Errors) -> None:
        self._validate_ranges(dig(new, "spec", "cidrs", default=[]), err)

    def _validate_ranges(self, cidrs: list[str], err: Errors) -> None:
        if not cidrs:
            err.required(_CIDRS, "at least one CIDR required")
            return
        if len(cidrs) > 2:
            err.invalid(_CIDRS, {"CIDRs": cidrs}, "may only hold up to 2 values")  # as upstream shows its own type
            return
        for i, cidr in enumerate(cidrs):
            err.extend(_CIDRS.index(i), names.canonical_cidr(cidr), cidr)
        found = [each.version for each in map(names.ip_range, cidrs) if each is not None]
        if len(found) == 2 and len(set(found)) == 1:
            why = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
            err.invalid(_CIDRS, cidrs, why)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        """One that has a range of one family may be given one of the other."""
        cidrs, former = (dig(each, "spec", "cidrs", default=[]) for each in (new, old))
        if (len(former), len(cidrs)) not in ((1, 2), (len(cidrs), len(cidrs))):
            err.invalid(_CIDRS, cidrs, rules.IMMUTABLE)
            return
        for i, (cidr, before) in enumerate(zip(cidrs, former, strict=False)):
            rules.immutable(cidr, before, _CIDRS.index(i), err)
        if len(cidrs) != len(former):
            self._validate_ranges(cidrs, err)
