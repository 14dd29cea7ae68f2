"""IPAddress: an address that is taken, and by whom."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import rules
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
        return names.canonical_address(name)

    def validate(self, new: Object, err: Errors) -> None:
        parent = dig(new, "spec", "parentRef")
        if parent is None:
            err.required(_PARENT)
            return
        if group := parent.get("group"):  # the core group's is empty
            err.extend(_PARENT.at("group"), names.dns1123_subdomain(group), group)
        for field in ("resource", "name"):
            rules.named(parent.get(field) or "", _PARENT.at(field), err, names.path_segment)
        if namespace := parent.get("namespace"):
            err.extend(_PARENT.at("namespace"), names.path_segment(namespace), namespace)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        rules.immutable(dig(new, "spec", "parentRef"), dig(old, "spec", "parentRef"), _PARENT, err)
