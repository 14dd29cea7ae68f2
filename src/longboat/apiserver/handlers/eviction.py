"""POST of an Eviction: a deletion that asks the pod's disruption budget first (policy/v1).

The budget's status says how many pods may go. Each eviction takes one off and notes the pod, so that evictions that
come faster than the budget's controller sees their effect share what is left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import msgspec

from longboat.api import kinds
from longboat.apiserver.endpoint import Endpoint, attributes_of, read_object, write_of
from longboat.apiserver.request import Handler, Request, Response
from longboat.machinery import selectors
from longboat.machinery.errors import StatusError, bad_request, forbidden, too_many_requests
from longboat.machinery.objects import Object, dig, meta, timestamp
from longboat.registry import deletion
from longboat.registry.store import Store
from longboat.registry.write import Write

_SUCCESS = b'{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success","code":201}'
FINISHED = frozenset(("Succeeded", "Failed"))
MOST_NOTED = (
    2000  # evictions of one budget that its controller has not seen the end of (upstream's MaxDisruptedPodSize)
)
PATIENCE = 10  # seconds after which a refused client may ask again
TARGET = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "EvictionByEvictionAPI",
    "message": "Eviction API: evicting",
}


def eviction(endpoint: Endpoint, budgets: Store, now: Callable[[], datetime]) -> Handler:
    """`endpoint` is the pods'."""

    async def evict(request: Request) -> Response:
        """Raises StatusError 429 where a budget forbids it.

        Admission judges the eviction; the deletion that follows is ours, and nobody else is asked about it (upstream).
        """
        wish = await read_object(request, kinds.EVICTION, endpoint.schema)
        write = write_of(endpoint, request)
        attributes = attributes_of(request, write, "CREATE", wish)
        await endpoint.admission.mutate(attributes)
        given = meta(wish).get("name") or request.info.name
        if given != request.info.name:
            raise bad_request("name in URL does not match name in Eviction object")
        given_options = wish.get("deleteOptions") or {}
        write.dry_run = write_of(endpoint, request, given_options).dry_run
        await endpoint.admission.validate(attributes)
        write = replace(write, subresource="")
        options = deletion.options(given_options)
        store, info = endpoint.store, request.info
        entry = store.get(info.namespace, info.name)
        pod: Object = msgspec.json.decode(entry.body)
        budget = None if _free_to_go(pod) else _budget_of(budgets, pod)
        if budget is not None and _is_ill_enough(pod, budget):
            # It must still be what it was when this was decided.
            unchanged = {"resourceVersion": pod["metadata"]["resourceVersion"], **options.preconditions}
            options = replace(options, preconditions=unchanged)
        elif budget is not None:
            await _take_one(budgets, budget, info.name, now(), write)
        if not write.dry_run and not options.preconditions.get("resourceVersion"):
            await _announce(store, pod, now(), write)
        await store.delete(info.namespace, info.name, options, write)
        return Response(201, _SUCCESS)

    return evict


def _free_to_go(pod: Object) -> bool:
    """Pods that have ended, never began, or are going already cost no budget anything."""
    phase = dig(pod, "status", "phase")
    return phase in FINISHED or phase == "Pending" or dig(pod, "metadata", "deletionTimestamp") is not None


def _budget_of(budgets: Store, pod: Object) -> Object | None:
    """Raises StatusError 500 if there are several."""
    found = pod["metadata"]
    covering: list[Object] = []
    for entry in budgets.entries(found["namespace"]):
        budget = msgspec.json.decode(entry.body)
        if selectors.from_api(dig(budget, "spec", "selector")).matches(found.get("labels") or {}):
            covering.append(budget)
    if len(covering) > 1:
        why = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        raise StatusError(500, "InternalError", why)
    return covering[0] if covering else None


def _is_ill_enough(pod: Object, budget: Object) -> bool:
    """Whether the pod is missing anyway, so that its eviction disrupts nothing (unhealthyPodEvictionPolicy)."""
    conditions = dig(pod, "status", "conditions", default=[])
    if any(each["type"] == "Ready" and each["status"] == "True" for each in conditions):
        return False
    if dig(budget, "spec", "unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    wanted: int = dig(budget, "status", "desiredHealthy", default=0)
    healthy: int = dig(budget, "status", "currentHealthy", default=0)
    return healthy >= wanted > 0


async def _take_one(budgets: Store, budget: Object, pod: str, now: datetime, write: Write) -> None:
    """Raises StatusError 429, or 403 for a budget that cannot be counted with."""

    def taken(current: Object) -> Object:
        check(current)
        status = dict(current["status"])
        status["disruptionsAllowed"] -= 1
        if not status["disruptionsAllowed"]:
            status["conditions"] = _exhausted(current, now)
        status["disruptedPods"] = {**(status.get("disruptedPods") or {}), pod: timestamp(now)}
        return {**current, "status": status}

    meta_ = budget["metadata"]
    own = Write(user=write.user, dry_run=write.dry_run, subresource="status")  # as the server itself, as upstream
    await budgets.update(meta_["namespace"], meta_["name"], taken, own, retry=True)


def check(budget: Object) -> None:
    """Whether one of its pods may go. Raises StatusError: 429, or 403 for a status that cannot be right."""
    name, status = budget["metadata"]["name"], budget.get("status") or {}
    if status.get("observedGeneration", 0) < budget["metadata"].get("generation", 0):
        raise _refusal(f"The disruption budget {name} is still being processed by the server.", PATIENCE)
    allowed = status.get("disruptionsAllowed", 0)
    if allowed < 0:
        raise forbidden(kinds.POD_DISRUPTION_BUDGET, name, "pdb disruptions allowed is negative")
    if len(status.get("disruptedPods") or ()) > MOST_NOTED:
        why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise forbidden(kinds.POD_DISRUPTION_BUDGET, name, why)
    if allowed == 0:
        wanted, healthy = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
        raise _refusal(f"The disruption budget {name} needs {wanted} healthy pods and has {healthy} currently")


def _refusal(why: str, retry_after: int | None = None) -> StatusError:
    """Nobody knows when there will be room again: only the budget that is not reckoned yet says when to ask."""
    error = too_many_requests("Cannot evict pod as it would violate the pod's disruption budget.", retry_after)
    error.details["causes"] = [{"reason": "DisruptionBudget", "message": why}]
    return error


def _exhausted(budget: Object, now: datetime) -> list[Object]:
    made = {
        "type": "DisruptionAllowed",
        "status": "False",
        "reason": "InsufficientPods",
        "message": "",
        "observedGeneration": dig(budget, "status", "observedGeneration", default=0),
        "lastTransitionTime": timestamp(now),
    }
    others = [c for c in dig(budget, "status", "conditions", default=[]) if c["type"] != made["type"]]
    return [*others, made]


async def _announce(store: Store, pod: Object, now: datetime, write: Write) -> None:
    """Say on the pod why it goes: whoever made it may want to know. Raises StatusError."""

    def told(current: Object) -> Object:
        status = dict(current.get("status") or {})
        kept = [each for each in status.get("conditions") or () if each["type"] != TARGET["type"]]
        status["conditions"] = [*kept, {**TARGET, "lastTransitionTime": timestamp(now)}]
        return {**current, "status": status}

    found = pod["metadata"]
    own = Write(user=write.user, subresource="status", manager=None)  # upstream leaves the entries as they are
    await store.update(found["namespace"], found["name"], told, own, retry=True)
