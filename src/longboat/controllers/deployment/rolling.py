"""The arithmetic of a rolling update: how far each ReplicaSet may be scaled now. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from longboat.api.workloads import ReplicaSet
from longboat.controllers.deployment.revisions import DESIRED, MOST
from longboat.controllers.deployment.views import Deployment
from longboat.controllers.shares import share

NO_LIMIT = (1 << 31) - 1


def limits(deployment: Deployment) -> tuple[int, int]:
    """maxSurge and maxUnavailable in pods; never both zero, for then nothing could move."""
    spec = deployment.spec
    if spec.strategy.type != "RollingUpdate":
        return 0, 0
    surge = share(spec.strategy.rollingUpdate.maxSurge, spec.replicas, up=True)
    unavailable = share(spec.strategy.rollingUpdate.maxUnavailable, spec.replicas, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, min(unavailable, spec.replicas)


def new_replicas(deployment: Deployment, all_sets: Sequence[ReplicaSet], new: ReplicaSet) -> int:
    """How many replicas the new ReplicaSet should have now: as many as the surge leaves room for."""
    wanted = deployment.spec.replicas
    if deployment.spec.strategy.type != "RollingUpdate":
        return wanted
    surge, _ = limits(deployment)
    total = sum(each.spec.replicas for each in all_sets)
    room = wanted + surge - total
    if room <= 0:
        return new.spec.replicas
    return new.spec.replicas + min(room, wanted - new.spec.replicas)


def old_replicas(deployment: Deployment, old_sets: Sequence[ReplicaSet], new: ReplicaSet) -> dict[str, int]:
    """Which old ReplicaSets to scale down, and to what: first pods that are unhealthy anyway, then as many as
    availability allows. By name."""
    _, unavailable = limits(deployment)
    active = [each for each in old_sets if each.spec.replicas > 0]
    total = sum(each.spec.replicas for each in (*active, new))
    least = deployment.spec.replicas - unavailable
    new_missing = new.spec.replicas - serving(new)
    removable = total - least - new_missing
    if removable <= 0:
        return {}
    sizes = {each.metadata.name: each.spec.replicas for each in active}
    oldest_first = sorted(active, key=_age)
    for each in oldest_first:
        unhealthy = each.spec.replicas - serving(each)
        drop = min(removable, unhealthy)
        sizes[each.metadata.name] -= drop
        removable -= drop
    available = serving(new) + sum(serving(each) for each in active)
    spare = available - least
    for each in oldest_first:
        if spare <= 0:
            break
        drop = min(spare, sizes[each.metadata.name])
        # What was dropped as unhealthy was not available; what is dropped here is.
        sizes[each.metadata.name] -= drop
        spare -= drop
    return _changed(active, sizes)


def serving(each: ReplicaSet) -> int:
    """Its pods that are available and stay: a status may still count some that its new size does not."""
    return min(each.status.availableReplicas, each.spec.replicas)


def saturated(deployment: Deployment, new: ReplicaSet | None) -> bool:
    """Whether the new ReplicaSet has all the pods there should be, and has them available."""
    wanted = deployment.spec.replicas
    return (
        new is not None
        and new.spec.replicas == new.status.availableReplicas == wanted
        and new.metadata.annotations.get(DESIRED) == str(wanted)
    )


def latest(sets: Sequence[ReplicaSet]) -> ReplicaSet | None:
    return max(sets, key=_age, default=None)


def proportions(total: int, sets: Sequence[ReplicaSet], before: int) -> dict[str, int]:
    """Spread a change of a Deployment's size over several ReplicaSets in proportion to theirs. By name.

    `total` is how many there may be now (replicas and surge). Each ReplicaSet says how many there might be when it was
    last scaled; `before` is for those that do not. The largest takes what rounding leaves.
    """
    now = sum(each.spec.replicas for each in sets)
    add = total - now
    if add == 0 or not sets:
        return {}
    ordered = sorted(sets, key=lambda each: (-each.spec.replicas, _age(each) if add < 0 else _reverse(_age(each))))
    sizes: dict[str, int] = {}
    left = add
    for each in ordered:
        size = each.spec.replicas
        if size:
            noted = each.metadata.annotations.get(MOST, "")
            most = int(noted) if noted.isdigit() and int(noted) else before
            fair = math.floor(size * total / most + 0.5) - size if most else 0
            part = max(min(fair, left), 0) if add > 0 else min(max(fair, left), 0)
        else:
            part = 0
        sizes[each.metadata.name] = size + part
        left -= part
    for each in ordered:  # one that has no more to give leaves the rest to the next
        before_rest = sizes[each.metadata.name]
        sizes[each.metadata.name] = max(before_rest + left, 0)
        left -= sizes[each.metadata.name] - before_rest
    return _changed(sets, sizes)


def _changed(sets: Sequence[ReplicaSet], sizes: dict[str, int]) -> dict[str, int]:
    return {name: sizes[name] for each in sets if sizes[name := each.metadata.name] != each.spec.replicas}


def _age(each: ReplicaSet) -> tuple[str, str]:
    return (each.metadata.creationTimestamp or "", each.metadata.name)


def _reverse(age: tuple[str, str]) -> tuple[int, ...]:
    return tuple(-ord(char) for char in age[0])
