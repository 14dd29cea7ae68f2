"""Which IP families a service has: what is asked for, brought in line with what the cluster offers."""

from __future__ import annotations

from collections.abc import Sequence

from longboat.api.families import IPV4, IPV6, family_of
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.registry.kinds.core.service import needs

SINGLE, PREFER, REQUIRE = POLICIES = ("SingleStack", "PreferDualStack", "RequireDualStack")

_SPEC = Path("spec")
_POLICY = _SPEC.at("ipFamilyPolicy")


def settle(spec: Object, old: Object | None, offered: Sequence[str], err: Errors) -> None:
    """Fill in ipFamilyPolicy and ipFamilies, or say what is wrong with them. `offered`: the cluster's, first choice
    first. `old` is the former spec of an update."""
    if spec.get("type") == needs.EXTERNAL_NAME or unchanged(spec, old):
        return
    headless = spec.get("clusterIP") == needs.HEADLESS and not spec.get("selector")
    if spec.get("ipFamilyPolicy") is None:
        spec["ipFamilyPolicy"] = (old or {}).get("ipFamilyPolicy") or (REQUIRE if headless else SINGLE)
    if old is not None:
        _reduce(spec, old, err)
    _check_single(spec, err)
    _infer(spec, offered, err)
    if err:
        return
    families = spec.get("ipFamilies") or []
    if not headless:
        _check_offered(spec, offered, err)
        if err:
            return
    families = families or [offered[0]]
    may_have_two = headless or len(offered) == 2
    if len(families) == 1 and spec["ipFamilyPolicy"] != SINGLE and may_have_two:
        families = [families[0], IPV6 if families[0] == IPV4 else IPV4]
    spec["ipFamilies"] = families


def unchanged(spec: Object, old: Object | None) -> bool:
    """A service that prefers dual stack stays as it is, even where the cluster now offers more, or less."""
    if old is None or spec.get("ipFamilyPolicy") != PREFER or not needs.cluster_ip(spec):
        return False
    if old.get("ipFamilyPolicy") not in (None, PREFER):
        return False
    return all(spec.get(field) == old.get(field) for field in ("type", "clusterIPs", "ipFamilies"))


def _reduce(spec: Object, old: Object, err: Errors) -> None:
    for field, what in (("clusterIPs", "secondary cluster IP"), ("ipFamilies", "secondary IP family")):
        have, had = spec.get(field) or [], old.get(field) or []
        if spec["ipFamilyPolicy"] == SINGLE:
            if have == had and len(have) > 1:
                spec[field] = have[:1]
        elif have and len(have) < len(had):
            err.invalid(_POLICY, spec["ipFamilyPolicy"], f"must be 'SingleStack' to release the {what}")


def _check_single(spec: Object, err: Errors) -> None:
    if spec["ipFamilyPolicy"] != SINGLE:
        return
    for field, what in (("clusterIPs", "cluster IPs"), ("ipFamilies", "IP families")):
        if len(spec.get(field) or ()) == 2:
            why = f"must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified"
            err.invalid(_POLICY, spec["ipFamilyPolicy"], why)


def _infer(spec: Object, offered: Sequence[str], err: Errors) -> None:
    families = list(spec.get("ipFamilies") or [])
    for i, ip in enumerate(spec.get("clusterIPs") or ()):
        if ip == needs.HEADLESS:
            break
        if i < len(families):
            continue
        family = family_of(ip)
        if family in offered:
            families.append(family)
        else:
            why = f"{family} is not configured on this cluster"
            err.invalid(_SPEC.at("clusterIPs").index(i), spec["clusterIPs"], why)
    if families:
        spec["ipFamilies"] = families


def _check_offered(spec: Object, offered: Sequence[str], err: Errors) -> None:
    if spec["ipFamilyPolicy"] == REQUIRE and len(offered) < 2:
        err.invalid(_POLICY, REQUIRE, "this cluster is not configured for dual-stack services")
    for i, family in enumerate(spec.get("ipFamilies") or ()):
        if family not in offered:
            err.invalid(_SPEC.at("ipFamilies").index(i), family, "not configured on this cluster")
