"""Admin access to devices, whoever else has them, is for namespaces that are labelled for it (KEP-5018).

Upstream asks for the namespace in the middle of validation. Here validation looks nothing up, so this comes after it:
of a claim that is invalid as well, upstream tells both.
"""

from __future__ import annotations

from collections.abc import Sequence

from longboat.api import kinds
from longboat.apiserver.admission.chain import Lookup, Plugin
from longboat.machinery import errors
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.registry.admission import Attributes, Target

LABEL = "resource.kubernetes.io/admin-access"
REFUSED = f"admin access to devices requires the `{LABEL}: true` label on the containing namespace"
_REQUESTS, _RESULTS = Path("spec", "devices", "requests"), Path("status", "allocation", "devices", "results")
_SPECS = {kinds.RESOURCE_CLAIM: ("spec",), kinds.RESOURCE_CLAIM_TEMPLATE: ("spec", "spec")}


class AdminAccess(Plugin):
    """The spec of a claim or template never changes: it is looked at once. What was given is not asked for again."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def handles(self, target: Target) -> bool:
        what = target.operation, target.subresource
        return (what == ("CREATE", "") and target.kind in _SPECS) or (
            what == ("UPDATE", "status") and target.kind == kinds.RESOURCE_CLAIM
        )

    def validate(self, attributes: Attributes) -> None:
        path = _of_status(attributes) if attributes.subresource else _of_spec(attributes)
        if path is None:
            return
        namespace = self._lookup(kinds.NAMESPACE, "", attributes.namespace)
        if dig(namespace, "metadata", "labels", LABEL) != "true":
            err = Errors()
            err.forbidden(path, REFUSED)
            raise errors.invalid(attributes.kind, attributes.name, err)


def _of_spec(attributes: Attributes) -> Path | None:
    requests = dig(attributes.obj, *_SPECS[attributes.kind], "devices", "requests", default=())
    return _first([request.get("exactly") or {} for request in requests], _REQUESTS)


def _of_status(attributes: Attributes) -> Path | None:
    new, old = (
        dig(each, "status", "allocation", "devices", "results", default=()) for each in (attributes.obj, attributes.old)
    )
    return None if _first(old, _RESULTS) else _first(new, _RESULTS)


def _first(found: Sequence[Object], path: Path) -> Path | None:
    """Where admin access is first asked for or given."""
    return next((path.index(i).at("adminAccess") for i, each in enumerate(found) if each.get("adminAccess")), None)
