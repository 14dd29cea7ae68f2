"""POST of an Eviction: a deletion that asks the pod's disruption budgets first (policy/v1)."""

from __future__ import annotations

import msgspec

from longboat.api import kinds
from longboat.apiserver.endpoint import Endpoint, read_object, write_of
from longboat.apiserver.request import Handler, Request, Response
from longboat.machinery import selectors
from longboat.machinery.errors import StatusError, bad_request, too_many_requests
from longboat.machinery.objects import Object, dig, meta
from longboat.registry import deletion
from longboat.registry.store import Store

_SUCCESS = b'{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success","code":201}'
FINISHED = frozenset(("Succeeded", "Failed"))


def eviction(endpoint: Endpoint, budgets: Store) -> Handler:
    """`endpoint` is the pods'."""

    async def evict(request: Request) -> Response:
        """Raises StatusError 429 where a budget forbids it."""
        wish = await read_object(request, kinds.EVICTION, endpoint.schema)
        given = meta(wish).get("name") or request.info.name
        if given != request.info.name:
            raise bad_request("name in URL does not match name in Eviction object")
        write = write_of(endpoint, request, wish.get("deleteOptions"))
        store, info = endpoint.store, request.info
        pod: Object = msgspec.json.decode(store.get(info.namespace, info.name).body)
        if not _free_to_go(pod):
            _ask(budgets, pod)
        write.subresource = ""
        await store.delete(info.namespace, info.name, deletion.options(wish.get("deleteOptions") or {}), write)
        return Response(201, _SUCCESS)

    return evict


def _free_to_go(pod: Object) -> bool:
    """Pods that have ended, never began, or are going already cost no budget anything."""
    phase = dig(pod, "status", "phase")
    return phase in FINISHED or phase == "Pending" or dig(pod, "metadata", "deletionTimestamp") is not None


def _ask(budgets: Store, pod: Object) -> None:
    found = pod["metadata"]
    covering = []
    for entry in budgets.entries(found["namespace"]):
        budget = msgspec.json.decode(entry.body)
        if selectors.from_api(dig(budget, "spec", "selector")).matches(found.get("labels") or {}):
            covering.append(budget)
    if len(covering) > 1:
        why = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        raise StatusError(500, "InternalError", why)
    for budget in covering:
        allowed = dig(budget, "status", "disruptionsAllowed", default=0)
        if allowed <= 0:
            raise _refusal(budget)


def _refusal(budget: Object) -> StatusError:
    error = too_many_requests("Cannot evict pod as it would violate the pod's disruption budget.", 10)
    name = budget["metadata"]["name"]
    healthy = dig(budget, "status", "currentHealthy", default=0)
    wanted = dig(budget, "status", "desiredHealthy", default=0)
    message = f"The disruption budget {name} needs {wanted} healthy pods and has {healthy} currently"
    error.details["causes"] = [{"reason": "DisruptionBudget", "message": message}]
    return error
