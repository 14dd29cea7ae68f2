"""ClusterRoles that gather the rules of others by label (admin, edit, view).

Done by the API server itself: it holds the roles in its cache, must have them right before it is ready, and writes
nothing but what follows from them, so several servers at it agree. After that it is a controller's work, as upstream's:
a server that runs without controllers leaves a role as whoever wrote it did.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

import msgspec

from longboat.api import kinds
from longboat.machinery import selectors
from longboat.machinery.objects import Object
from longboat.registry.store import Store
from longboat.registry.write import Write

log = logging.getLogger(__name__)

MANAGER = "clusterrole-aggregation-controller"  # as upstream's controller calls itself where it applies rules
_HEAD = {"kind": kinds.CLUSTER_ROLE.name, "apiVersion": kinds.CLUSTER_ROLE.api_version}

_decode = msgspec.json.Decoder().decode


def gathered(role: Object, roles: Iterable[Object]) -> list[Object]:
    """The rules a role with an aggregationRule should have: those of the others it selects, by name, none twice."""
    chosen = [selectors.from_api(selector) for selector in (role["aggregationRule"].get("clusterRoleSelectors") or ())]
    rules: list[Object] = []
    for other in sorted(roles, key=lambda other: str(other["metadata"]["name"])):
        labels = other["metadata"].get("labels") or {}
        if other["metadata"]["name"] == role["metadata"]["name"]:
            continue
        if any(selector.matches(labels) for selector in chosen):
            rules += [rule for rule in other.get("rules") or () if rule not in rules]
    return rules


async def gather(store: Store) -> bool:
    """Bring every gathering role up to date, once. Returns whether anything was written. Raises StatusError."""
    roles = [_decode(entry.body) for entry in store.entries()]
    changed = False
    for role in roles:
        if not (role.get("aggregationRule") or {}).get("clusterRoleSelectors"):
            continue
        rules = gathered(role, roles)
        if rules != (role.get("rules") or []):
            role["rules"] = rules
            changed = True
            config = {**_HEAD, "metadata": {"name": role["metadata"]["name"]}} | ({"rules": rules} if rules else {})
            await store.apply(config, Write(manager=MANAGER))
    return changed


async def settle(store: Store) -> None:
    """Gather until nothing changes: a gathering role may itself be gathered. Raises StatusError."""
    for _ in range(8):
        if not await gather(store):
            return
    log.warning("the aggregation rules of the ClusterRoles do not settle: do they select each other?")
