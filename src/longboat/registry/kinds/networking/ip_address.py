"""IPAddress: an address that is taken, and by whom."""

from __future__ import annotations

import ipaddress

from longboat.api import kinds
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.registry.strategy import Strategy

_PARENT = Path("spec", "parentRef")


def _parent(address: Object) -> str:
    found = dig(address, "spec", "parentRef", default={})
    shown = found.get("resource") or ""
    if group := found.get("group"):
        shown += f".{group}"
    return "/".join([shown, *filter(None, (found.get("namespace"), found.get("name")))])


class IPAddress(Strategy):
    kind = kinds.IP_ADDRESS
    columns = (Column("ParentRef", str, _parent, description="Whose address it is."), AGE)
    generation = False

    def name_errors(self, name: str) -> list[str]:
        try:
            canonical = str(ipaddress.ip_address(name))
        except ValueError:
            return ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]
        return [] if canonical == name else [f'must be in canonical form ("{canonical}")']

    def validate(self, new: Object, err: Errors) -> None:
        parent = dig(new, "spec", "parentRef")
        if parent is None:
            err.required(_PARENT)
            return
        for field in ("resource", "name"):
            if not parent.get(field):
                err.required(_PARENT.at(field))

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        if dig(new, "spec", "parentRef") != dig(old, "spec", "parentRef"):
            err.invalid(_PARENT, dig(new, "spec", "parentRef"), "field is immutable")
