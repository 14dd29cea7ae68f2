"""No service takes over an address from outside by naming it (CVE-2020-8554; upstream's DenyServiceExternalIPs)."""

from __future__ import annotations

from longboat.api import kinds
from longboat.apiserver.admission.chain import Plugin
from longboat.machinery.errors import forbidden
from longboat.machinery.objects import dig
from longboat.registry.admission import Attributes, Target


class DenyServiceExternalIPs(Plugin):
    """What a service has already it may keep, in any order."""

    def handles(self, target: Target) -> bool:
        writes = target.operation in ("CREATE", "UPDATE") and not target.subresource
        return target.kind == kinds.SERVICE and writes

    def validate(self, attributes: Attributes) -> None:
        had = dig(attributes.old, "spec", "externalIPs", default=())
        if any(ip not in had for ip in dig(attributes.obj, "spec", "externalIPs", default=())):
            why = "Use of external IPs is denied by admission control"
            raise forbidden(kinds.SERVICE, attributes.name, why)
