"""What holds between clusterIP, clusterIPs, ipFamilies and ipFamilyPolicy of a service, and between two versions."""

from __future__ import annotations

from longboat.api.families import IPV4, IPV6, family_of
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.registry.kinds import rules
from longboat.registry.kinds.core.service import needs
from longboat.registry.kinds.core.service.families import POLICIES, SINGLE

_SPEC = Path("spec")
_IPS, _FAMILIES, _POLICY = _SPEC.at("clusterIPs"), _SPEC.at("ipFamilies"), _SPEC.at("ipFamilyPolicy")
STAYS = "may not change once set"


def validate(spec: Object, former: Object, err: Errors) -> None:
    """Of a service that has addresses at all; also asked before any is given."""
    if spec.get("type") == needs.EXTERNAL_NAME:
        return
    ip, ips, families = spec.get("clusterIP") or "", spec.get("clusterIPs") or [], spec.get("ipFamilies") or []
    if ip and not ips:
        err.required(_IPS)
    elif ip and ips[0] != ip:
        err.invalid(_IPS, ips, "first value must match `clusterIP`")
    elif ips and not ip:
        err.invalid(_IPS, ips, "must be empty when `clusterIP` is not specified")
    again = frozenset(rules.repeated(families))
    for i, family in enumerate(families):
        if family not in (IPV4, IPV6):
            err.not_supported(_FAMILIES.index(i), family, (IPV4, IPV6))
        if i in again:
            err.duplicate(_FAMILIES.index(i), family)
    rules.given_one_of(spec.get("ipFamilyPolicy"), POLICIES, _POLICY, err)
    if _well_formed(ips, former.get("clusterIPs") or (), err):
        _of_families(spec, ips, families, err)


def _well_formed(ips: list[str], former: list[str] | tuple[str, ...], err: Errors) -> bool:
    known = err.count
    for i, ip in enumerate(ips):
        if i > 0 or ip != needs.HEADLESS:
            rules.address(ip, _IPS.index(i), err, former)
        elif len(ips) > 1:
            err.invalid(_IPS, ips, "'None' must be the first and only value")
    fine = err.count == known
    if len(ips) > 2:
        err.invalid(_IPS, ips, "may only hold up to 2 values")
    return fine


def _of_families(spec: Object, ips: list[str], families: list[str], err: Errors) -> None:
    if len(ips) > 1 and len({family_of(ip) for ip in ips}) < 2:
        err.invalid(_IPS, ips, "may specify no more than one IP for each IP family")
    if needs.headless(spec):
        return
    for i, (ip, family) in enumerate(zip(ips, families, strict=False)):
        if family in (IPV4, IPV6) and family_of(ip) != family:
            why = f"expected an {family} value as indicated by `ipFamilies[{i}]`"
            err.invalid(_IPS.index(i), ip, why)


def validate_update(spec: Object, old: Object, err: Errors) -> None:
    """The first address and family stay; a second may come, and go with the policy."""
    now, then = needs.headless(spec), needs.headless(old)
    if not (now and then):
        _same_ips(spec, spec.get("clusterIPs") or [], old.get("clusterIPs") or [], err)
    if not (now or then):
        _same_families(spec, spec.get("ipFamilies") or [], old.get("ipFamilies") or [], err)


def _same_ips(spec: Object, ips: list[str], had: list[str], err: Errors) -> None:
    if len(ips) == len(had):
        for i, ip in enumerate(had):
            if ip != ips[i]:
                err.invalid(_IPS.index(i), ips, STAYS)
        return
    if had and not ips:
        err.invalid(_IPS.index(0), None, "primary clusterIP can not be unset")
    if had and ips and had[0] != ips[0]:
        err.invalid(_IPS.index(0), ips, STAYS)
    if len(ips) == 1 and len(had) > 1 and spec.get("ipFamilyPolicy") != SINGLE:
        why = "must be set to 'SingleStack' when releasing the secondary clusterIP"
        err.invalid(_POLICY, spec.get("ipFamilyPolicy"), why)


def _same_families(spec: Object, families: list[str], had: list[str], err: Errors) -> None:
    """Upstream names the first entry, whichever has changed, and shows the addresses where there are more or fewer."""
    if len(families) == len(had):
        for now, then in zip(families, had, strict=True):
            if now != then:
                err.invalid(_FAMILIES.index(0), families, STAYS)
        return
    ips = spec.get("clusterIPs")
    if len(families) < len(had) and not ips:
        err.invalid(_FAMILIES.index(0), families or None, "primary ipFamily can not be unset")
    if had and families and had[0] != families[0]:
        err.invalid(_FAMILIES.index(0), ips or None, STAYS)
    if len(families) == 1 and len(had) > 1 and spec.get("ipFamilyPolicy") != SINGLE:
        why = "must be set to 'SingleStack' when releasing the secondary ipFamily"
        err.invalid(_POLICY, spec.get("ipFamilyPolicy"), why)
